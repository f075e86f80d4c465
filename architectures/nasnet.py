"""NASNet and AmoebaNet: a cell that a search has found, many times in a row.

NASNet: B. Zoph, V. Vasudevan, J. Shlens, Q. V. Le. Learning transferable architectures for scalable image
recognition. 2017, arXiv 1707.07012. Figures 2 (the row of cells) and 4 (the cells).
AmoebaNet: E. Real, A. Aggarwal, Y. Huang, Q. V. Le. Regularized evolution for image classifier architecture search.
2018, arXiv 1802.01548. Figure 5, table 1.

What the figures leave open is as in the authors' code, and then the parameters are as many as the papers say. A cell
puts out the states that no pair reads; a normal cell also its state 1, AmoebaNet's reduction also 2 and 4. The first
cell has the stem for its state 1, as it is. So are first weights, and the widths of the stem and of the auxiliary layers.

Departures. A stride of 2 pads all sides alike, TensorFlow's code not above and not on the left of an even image. Paths
are dropped more often later in training, as the paper says, and also in later cells, as in the code. The code for
ImageNet moves running statistics by 0.0003 at every batch, this one by 0.1. AmoebaNet's for CIFAR-10 is not published:
its stem is NASNet's.
"""
import math
from functools import partial
from typing import NamedTuple

import minidl
from minidl import nn
from minidl.nn import functional as F

# ---- the cells


class Plan(NamedTuple):
    """A cell as data. It begins with two states: 0 is what the last cell put out, h_i, and 1 what the one before it did.

    pairs : each makes the next state, the sum of what two operations make of two states
    out   : the states that the cell puts out, one behind the other
    """
    pairs: tuple
    out: tuple


NASNET_A = {
    "normal": Plan(                                         # figure 4, left
        pairs=((("sep 5x5", 0), ("sep 3x3", 1)),            # 2
               (("sep 5x5", 1), ("sep 3x3", 1)),            # 3
               (("avg 3x3", 0), ("identity", 1)),           # 4
               (("avg 3x3", 1), ("avg 3x3", 1)),            # 5
               (("sep 3x3", 0), ("identity", 0))),          # 6
        out=(1, 2, 3, 4, 5, 6)),
    "reduction": Plan(                                      # figure 4, right
        pairs=((("sep 5x5", 0), ("sep 7x7", 1)),            # 2
               (("max 3x3", 0), ("sep 7x7", 1)),            # 3
               (("avg 3x3", 0), ("sep 5x5", 1)),            # 4
               (("identity", 3), ("avg 3x3", 2)),           # 5
               (("sep 3x3", 2), ("max 3x3", 0))),           # 6
        out=(3, 4, 5, 6)),
}

AMOEBANET_A = {
    "normal": Plan(                                         # figure 5, middle
        pairs=((("avg 3x3", 0), ("max 3x3", 0)),            # 2
               (("sep 3x3", 1), ("identity", 1)),           # 3
               (("identity", 0), ("avg 3x3", 1)),           # 4
               (("sep 3x3", 0), ("sep 5x5", 2)),            # 5
               (("avg 3x3", 5), ("sep 3x3", 0))),           # 6
        out=(1, 3, 4, 6)),
    "reduction": Plan(                                      # figure 5, right
        pairs=((("sep 3x3", 1), ("avg 3x3", 0)),            # 2
               (("max 3x3", 0), ("sep 7x7", 2)),            # 3
               (("max 3x3", 1), ("max 3x3", 0)),            # 4
               (("sep 3x3", 4), ("1x7 7x1", 0)),            # 5
               (("avg 3x3", 1), ("sep 7x7", 0))),           # 6
        out=(2, 3, 4, 5, 6)),
}

# ---- operations: (N, in_channels, H, W) -> (N, channels, H / stride, W / stride)


class Separable(nn.Module):
    """A convolution of each channel by itself and one across them, all twice; a ReLU before, a norm after."""

    def __init__(self, kernel_size, in_channels, channels, stride):
        super().__init__()
        n, k, pad = in_channels, kernel_size, kernel_size // 2
        self.depthwise1 = nn.Conv2d(n, n, k, stride, padding=pad, groups=n, bias=False)
        self.pointwise1 = nn.Conv2d(n, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.depthwise2 = nn.Conv2d(channels, channels, k, padding=pad, groups=channels, bias=False)
        self.pointwise2 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = self.bn1(self.pointwise1(self.depthwise1(F.relu(x))))
        return self.bn2(self.pointwise2(self.depthwise2(F.relu(x))))


def row_then_column(in_channels, channels, stride):
    """1x7 and 7x1, between a 1x1 convolution to a quarter of the channels and one back."""
    n = channels // 4
    return nn.Sequential(
        relu_conv_norm(in_channels, n, 1),
        relu_conv_norm(n, n, (1, 7), (1, stride), padding=(0, 3)),
        relu_conv_norm(n, n, (7, 1), (stride, 1), padding=(3, 0)),
        relu_conv_norm(n, channels, 1))


def average(in_channels, channels, stride):
    """Zeros around the image do not count."""
    return nn.Sequential(nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), as_wide(in_channels, channels))


def maximum(in_channels, channels, stride):
    return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), as_wide(in_channels, channels))


def identity(in_channels, channels, stride):
    """A 1x1 convolution where shapes differ."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return relu_conv_norm(in_channels, channels, 1, stride)


OPERATIONS = {
    "identity": identity,
    "avg 3x3": average,
    "max 3x3": maximum,
    "sep 3x3": partial(Separable, 3),
    "sep 5x5": partial(Separable, 5),
    "sep 7x7": partial(Separable, 7),
    "1x7 7x1": row_then_column,
}


def conv_norm(in_channels, channels, kernel_size, stride=1, padding=0):
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


def relu_conv_norm(*args, **kwargs):
    return nn.Sequential(nn.ReLU(), *conv_norm(*args, **kwargs))


def as_wide(in_channels, channels):
    """A state has other channels than its cell only where it is the stem."""
    return nn.Identity() if in_channels == channels else conv_norm(in_channels, channels, 1)


class ScheduledDropPath(nn.Module):
    """In training, whole examples become 0 with probability p * progress; the others grow, so that the mean stays.

    progress : the part of the training that is done, 0 to 1; NASNet.set_progress changes it
    """

    def __init__(self, p):
        super().__init__()
        self.p, self.progress = p, 1.0

    def forward(self, x):
        p = self.p * self.progress
        if p == 0 or not self.training:
            return x
        return x * F.dropout(minidl.ones_like(x[:, :1, :1, :1]), p)


# ---- cells


class Cell(nn.Module):
    """What a plan says: x (N, in_channels, H, W) -> (N, channels * len(plan.out), H / stride, W / stride).

    before    : the module that makes state 1 of what the cell before read, and how many channels it makes
    drop_path : the probability with which each path is dropped, but for identities
    """

    def __init__(self, plan, in_channels, before, channels, stride=1, drop_path=0.0):
        super().__init__()
        self.plan = plan
        self.last = relu_conv_norm(in_channels, channels, 1)
        self.before, before_channels = before
        widths = [channels, before_channels]
        self.left, self.right = nn.ModuleList(), nn.ModuleList()
        for pair in plan.pairs:
            for side, (name, state) in zip((self.left, self.right), pair):
                check(name, state, widths)
                path = OPERATIONS[name](widths[state], channels, stride if state < 2 else 1)
                side.append(path if name == "identity" else nn.Sequential(path, ScheduledDropPath(drop_path)))
            widths.append(channels)
        self.out = nn.ModuleList([as_wide(widths[state], channels) for state in plan.out])

    def forward(self, x, before):
        states = [self.last(x), self.before(before)]
        for left, right, ((_, i), (_, j)) in zip(self.left, self.right, self.plan.pairs):
            states.append(left(states[i]) + right(states[j]))
        return minidl.cat([layer(states[i]) for layer, i in zip(self.out, self.plan.out)], 1)


def check(name, state, states):
    if name not in OPERATIONS:
        raise ValueError(f"Cell: there is no operation {name!r} among {', '.join(OPERATIONS)}")
    if state not in range(len(states)):
        raise ValueError(f"Cell: {name} of state {state}, where there are only the states 0 to {len(states) - 1}")


class FactorizedReduction(nn.Module):
    """Half as high and wide: one 1x1 convolution looks at the even rows and columns, another one at the odd ones."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.even = nn.Conv2d(in_channels, channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, channels - channels // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(x)
        shifted = F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))      # as large as x
        return self.bn(minidl.cat([self.even(x), self.odd(shifted)], 1))


def state_1(last, in_channels, channels):
    """The module that makes it, and its channels, after a cell of the kind `last` or, None, after the stem."""
    if last is None:
        return nn.Identity(), in_channels
    if last == "reduction":                                 # since then the image is half as large
        return FactorizedReduction(in_channels, channels), channels
    return relu_conv_norm(in_channels, channels, 1), channels


# ---- networks


class NASNet(nn.Module):
    """A stem, cells in a row, each of which reads what the last two put out, and a full layer: figure 2.

    (N, in_channels, H, W) -> (N, num_classes)

    stem       : a module, and how many channels it makes
    cells      : the plans, by kind
    row        : (kind, channels) of each cell
    drop_path  : the probability of dropping a path of the last cell when training ends; of the others, less
    aux        : in training there are two scores, for `loss_of_both`: also those before the last reduction
    """

    def __init__(self, stem, cells, row, num_classes, dropout=0.0, drop_path=0.0, aux=False):
        super().__init__()
        self.stem, n = stem
        self.cells, self.aux, last, n_before = nn.ModuleList(), None, None, n
        self.half_way = max([i for i, (kind, _) in enumerate(row) if kind == "reduction"])
        for i, (kind, channels) in enumerate(row):
            if aux and i == self.half_way:
                self.aux = Auxiliary(n, num_classes)
            before, stride = state_1(last, n_before, channels), 2 if kind == "reduction" else 1
            self.cells.append(Cell(cells[kind], n, before, channels, stride, drop_path * (i + 1) / len(row)))
            last, n, n_before = kind, channels * len(cells[kind].out), n
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):
        x = before = self.stem(x)
        for i, cell in enumerate(self.cells):
            if i == self.half_way:
                x_half_way = x
            before, x = x, cell(x, before)
        x = F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1)
        scores = self.fc(self.dropout(x))
        if self.aux is None or not self.training:
            return scores
        return scores, self.aux(x_half_way)

    def set_progress(self, progress):
        """Before an update: which part of the training is done, 0 to 1; until then, all of it. minidl.train says so."""
        for layer in self.modules():
            if isinstance(layer, ScheduledDropPath):
                layer.progress = progress

    def init_(self, module):
        """Normal with variance 2 / fan-out, the number of weights that read a number; biases 0."""
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=math.sqrt(2 / module.out_features))
            nn.init.zeros_(module.bias)


class Auxiliary(nn.Module):
    """A second full layer, half way: (N, in_channels, 16, 16) or (.., 14, 14) -> (N, num_classes)."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.pool = nn.AvgPool2d(5, stride=3)
        self.conv1 = nn.Conv2d(in_channels, 128, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, 768, 4, bias=False)
        self.bn2 = nn.BatchNorm2d(768)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(x))                            # (N, in_channels, 4, 4)
        x = F.relu(self.bn1(self.conv1(x)))                 # (N, 128, 4, 4)
        x = F.relu(self.bn2(self.conv2(x)))                 # (N, 768, 1, 1)
        return self.fc(x.flatten(1))


def loss_of_both(scores, labels):
    """The cross-entropy of the network, and 0.4 times that of the auxiliary scores."""
    last, half_way = scores
    return F.cross_entropy(last, labels) + 0.4 * F.cross_entropy(half_way, labels)


class CifarNASNet(NASNet):
    """Figure 2, left: (N, in_channels, 32, 32) -> (N, num_classes)

    n : normal cells in each of three rows
    """

    def __init__(self, cells, n, channels, num_classes=10, in_channels=3, drop_path=0.0, aux=False):
        stem = conv_norm(in_channels, 3 * channels, 3, padding=1)
        row = three_rows(n, channels)
        super().__init__((stem, 3 * channels), cells, row, num_classes, 0.0, drop_path, aux)


class ImageNetNASNet(NASNet):
    """Figure 2, right: two reductions more at the beginning. (N, in_channels, 224, 224) -> (N, num_classes)"""

    def __init__(self, cells, n, channels, num_classes=1000, in_channels=3, dropout=0.5, aux=False):
        stem = conv_norm(in_channels, 32, 3, stride=2)
        row = [("reduction", channels // 4), ("reduction", channels // 2), *three_rows(n, channels)]
        super().__init__((stem, 32), cells, row, num_classes, dropout, 0.0, aux)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 1e-3                            # the authors', for ImageNet


def three_rows(n, channels):
    """n normal cells, three times; where the image is halved, the channels are doubled."""
    row = []
    for factor in (1, 2, 4):
        row += [("reduction", factor * channels)] * (factor > 1) + [("normal", factor * channels)] * n
    return row


# ---- the variants


def nasnet_a_cifar10(num_classes=10, in_channels=3, drop_path=0.0, aux=False):
    """NASNet-A (6 @ 768): 3,346,538 parameters; the authors train with drop_path=0.4 and aux=True."""
    return CifarNASNet(NASNET_A, 6, 32, num_classes, in_channels, drop_path, aux)


def nasnet_a_mobile(num_classes=1000, in_channels=3, dropout=0.5, aux=False):
    """NASNet-A (4 @ 1056): 5,289,978 parameters; the authors train with aux=True."""
    return ImageNetNASNet(NASNET_A, 4, 44, num_classes, in_channels, dropout, aux)


def amoebanet_a_cifar10(num_classes=10, in_channels=3, drop_path=0.0, aux=False):
    """AmoebaNet-A (N = 6, F = 36): 3,218,266 parameters."""
    return CifarNASNet(AMOEBANET_A, 6, 36, num_classes, in_channels, drop_path, aux)


# ---- small enough to learn within two minutes


def small(cells, num_classes, in_channels):
    """Two cells of 24 channels behind a stem of as many, for images of 28x28, which the stem halves."""
    stem = conv_norm(in_channels, 24, 3, stride=2, padding=1)
    return NASNet((stem, 24), cells, (("reduction", 24), ("normal", 24)), num_classes)


def small_nasnet(num_classes=10, in_channels=1):
    return small(NASNET_A, num_classes, in_channels)


def small_amoebanet(num_classes=10, in_channels=1):
    return small(AMOEBANET_A, num_classes, in_channels)
