"""EfficientNet: one small network, and a rule by which depth, width and resolution grow together.

M. Tan, Q. V. Le. EfficientNet: rethinking model scaling for convolutional neural networks. 2019, arXiv 1905.11946.
Section 3.3, equation 3; section 4, table 1. Stochastic depth: G. Huang and others, "Deep networks with stochastic depth",
2016, arXiv 1603.09382. Squeeze and excitation: J. Hu and others, 2017, arXiv 1709.01507. The names of the layers
are torchvision's.

Departures. What the paper does not print is from the authors' code: widths are multiples of 8; squeezing leaves a
quarter of the channels that the block reads, not of those that it expands to; batch norm has eps 0.001 and weighs the
new value with 0.01; first weights. Where a stride is 2, that code pads more below and on the right than above and on the
left; here both alike, as in torchvision. B1 to B7 are the published ones, whose factors are not those of the rule for
any one phi: B4, with 1.8 times the depth and 1.4 times the width at 380 pixels, stands between 3 and 4.
"""
import math

import minidl
from architectures.mobilenet import multiple_of_8
from minidl import nn
from minidl.nn import functional as F


def compound_scaling(phi, alpha=1.2, beta=1.1, gamma=1.15):
    """Equation 3: by what to multiply depth, width and resolution for 2^phi times the MACs. A number, or an array.

    MACs grow with depth * width^2 * resolution^2, and alpha * beta^2 * gamma^2 is nearly 2; a small grid search
    around the smallest network found the three.

        plt.plot(np.arange(8), np.transpose(compound_scaling(np.arange(8))))
    """
    return alpha ** phi, beta ** phi, gamma ** phi


# ---- blocks


class SqueezeExcitation(nn.Module):
    """Each channel times a number between 0 and 1 that is made of the means of all channels."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        scale = F.adaptive_avg_pool2d(x, 1)
        scale = F.silu(self.fc1(scale))
        scale = F.sigmoid(self.fc2(scale))
        return x * scale


class StochasticDepth(nn.Module):
    """The branches of some images become 0, with probability p; the others grow by 1 / (1 - p)."""

    def __init__(self, p):
        super().__init__()
        self.dropout = nn.Dropout(p)

    def forward(self, x):
        return x * self.dropout(minidl.ones(len(x), 1, 1, 1, dtype=x.dtype, device=x.device))


class MBConv(nn.Module):
    """1x1 to `expansion` times the channels, kernel_size^2 of each by itself, squeeze and excitation, 1x1 to few, linear.

    MobileNetV2's block with squeeze and excitation. Where nothing expands, the first convolution is left out.
    """

    def __init__(self, in_channels, channels, kernel_size, stride, expansion):
        super().__init__()
        n = in_channels * expansion
        layers = [] if expansion == 1 else [conv_norm_silu(in_channels, n, 1)]
        layers += [
            conv_norm_silu(n, n, kernel_size, stride, groups=n),
            SqueezeExcitation(n, in_channels // 4),
            nn.Sequential(nn.Conv2d(n, channels, 1, bias=False), norm(channels))]
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        return self.block(x)


class ResidualMBConv(MBConv):
    """x + F(x), where both have the same shape."""

    def __init__(self, channels, kernel_size, expansion, p):
        super().__init__(channels, channels, kernel_size, 1, expansion)
        self.stochastic_depth = StochasticDepth(p)

    def forward(self, x):
        return x + self.stochastic_depth(self.block(x))


def conv_norm_silu(in_channels, channels, kernel_size, stride=1, groups=1):
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, norm(channels), nn.SiLU())


def norm(channels):
    return nn.BatchNorm2d(channels, eps=0.001, momentum=0.01)


# ---- the network


class EfficientNet(nn.Module):
    """Table 1: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    stages       : (expansion, kernel size, stride, channels, blocks) of each
    depth, width : the blocks of all stages, and all channels, are multiplied by them
    survival     : a branch is dropped with the probability 1 - survival, times the share of blocks that are before it
    """

    def __init__(self, stages, depth, width, dropout, num_classes=1000, in_channels=3, survival=0.8,
                 first_channels=32, last_channels=1280):
        super().__init__()
        n, last = multiple_of_8(first_channels * width), multiple_of_8(last_channels * width)
        total, done = sum([math.ceil(blocks * depth) for *_, blocks in stages]), 0
        layers = [conv_norm_silu(in_channels, n, 3, stride=2)]
        for expansion, kernel_size, stride, channels, blocks in stages:
            channels, stage = multiple_of_8(channels * width), []
            for i in range(math.ceil(blocks * depth)):
                if n == channels and (i > 0 or stride == 1):
                    stage.append(ResidualMBConv(n, kernel_size, expansion, p=(1 - survival) * done / total))
                else:
                    stage.append(MBConv(n, channels, kernel_size, stride if i == 0 else 1, expansion))
                n, done = channels, done + 1
            layers.append(nn.Sequential(*stage))
        self.features = nn.Sequential(*layers, conv_norm_silu(n, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        self.apply(self.init_)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = self.features(x)                                    # (N, 1280,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 1280)
        return self.classifier(x)                               # (N, 1000)

    def init_(self, module):
        """Convolutions normal with variance 2 / fan-out, the full layer uniform with a third of 1 / fan-out, biases 0.

        The fan-out of a convolution of each channel by itself is that of one channel, kernel_size^2, as is its fan-in.
        """
        if isinstance(module, nn.Conv2d):
            mode = "fan_out" if module.groups == 1 else "fan_in"
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)


# ---- the variants

TABLE_1 = (                                         # expansion, kernel size, stride of the first block, channels, blocks
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1))

PUBLISHED = {                                       # depth, width, pixels of the image's sides, dropout
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.1, 1.0, 240, 0.2),
    "b2": (1.2, 1.1, 260, 0.3),
    "b3": (1.4, 1.2, 300, 0.3),
    "b4": (1.8, 1.4, 380, 0.4),
    "b5": (2.2, 1.6, 456, 0.4),
    "b6": (2.6, 1.8, 528, 0.5),
    "b7": (3.1, 2.0, 600, 0.5),
}


def published(name, num_classes, in_channels, survival):
    depth, width, _, dropout = PUBLISHED[name]
    return EfficientNet(TABLE_1, depth, width, dropout, num_classes, in_channels, survival)


def efficientnet_b0(num_classes=1000, in_channels=3, survival=0.8):
    """5,288,548 parameters."""
    return published("b0", num_classes, in_channels, survival)


def efficientnet_b1(num_classes=1000, in_channels=3, survival=0.8):
    """7,794,184 parameters."""
    return published("b1", num_classes, in_channels, survival)


def efficientnet_b2(num_classes=1000, in_channels=3, survival=0.8):
    """9,109,994 parameters."""
    return published("b2", num_classes, in_channels, survival)


def efficientnet_b3(num_classes=1000, in_channels=3, survival=0.8):
    """12,233,232 parameters."""
    return published("b3", num_classes, in_channels, survival)


def efficientnet_b4(num_classes=1000, in_channels=3, survival=0.8):
    """19,341,616 parameters."""
    return published("b4", num_classes, in_channels, survival)


def efficientnet_b5(num_classes=1000, in_channels=3, survival=0.8):
    """30,389,784 parameters."""
    return published("b5", num_classes, in_channels, survival)


def efficientnet_b6(num_classes=1000, in_channels=3, survival=0.8):
    """43,040,704 parameters."""
    return published("b6", num_classes, in_channels, survival)


def efficientnet_b7(num_classes=1000, in_channels=3, survival=0.8):
    """66,347,960 parameters."""
    return published("b7", num_classes, in_channels, survival)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """The first three stages of seven with half of the channels, nothing dropped, for images of 36x36."""
    return EfficientNet(TABLE_1[:3], 1.0, 0.5, 0.0, num_classes, in_channels, survival=1.0, last_channels=256)
