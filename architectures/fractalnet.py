"""FractalNet: depth without shortcuts, from paths of 1, 2, 4, ... convolutions side by side.

G. Larsson, M. Maire, G. Shakhnarovich. FractalNet: ultra-deep neural networks without residuals. 2016,
arXiv 1605.07648. Section 3, figure 1; drop-path: section 3.1.

Departures. Where the paper leaves it open, its authors' generator of networks decides: convolution, dropout, batch norm,
ReLU; each column is pooled before the last join of its block; first weights uniform with variance 1 / fan-in, which
is what Caffe calls "xavier". That generator has a bias in every convolution and batch norm without weight and bias; here
batch norm has both and the convolution none, as in other people's versions. With these widths the network of 20
layers has 33.7 million parameters, where the paper prints 38.6; the paper's network of 40 layers is narrower, by widths
that it does not print, and has 22.9 million. Global drop-path is not in the generator; here half of the batches draw a
column, as in other people's versions.
"""
import minidl
from minidl import nn
from minidl.nn import functional as F


class Unit(nn.Module):
    """f_1, what all paths are made of: (N, in_channels, H, W) -> (N, channels, H, W)."""

    def __init__(self, in_channels, channels, dropout=0.0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = self.dropout(self.conv(x))
        return F.relu(self.bn(x))


class Join(nn.Module):
    """The mean of the paths that come together, in training of those that are not dropped.

    paths  : tensors of one shape, the last from the deepest column of all
    column : what FractalNet.draw has drawn for the batch
    """

    def __init__(self, drop_path):
        super().__init__()
        self.drop_path = drop_path

    def forward(self, paths, column):
        if not self.training:
            return sum(paths) / len(paths)
        u = uniform(len(paths), paths[0])
        local = (u >= self.drop_path) | (u == u.max())                      # one stays, whatever is drawn
        whole = column[-len(paths):]                                        # none of them, if it does not end here
        kept = minidl.where(whole.any(), whole, local).to(u.dtype)
        return sum([share * path for share, path in zip(kept / kept.sum(), paths)])


class Fractal(nn.Module):
    """The columns of f_C, not yet joined: C tensors, the first from one unit, the last from 2^(C - 1) in a row.

    f_{C+1}(z) = (f_C o f_C)(z) joined with f_1(z), the rule that figure 1 draws, where joins that meet are one
    """

    def __init__(self, columns, in_channels, channels, dropout=0.0, drop_path=0.0):
        super().__init__()
        self.unit = Unit(in_channels, channels, dropout)
        self.deeper = columns > 1
        if self.deeper:
            self.first = Fractal(columns - 1, in_channels, channels, dropout, drop_path)
            self.join = Join(drop_path)
            self.second = Fractal(columns - 1, channels, channels, dropout, drop_path)

    def forward(self, z, column):
        y = self.unit(z)
        if not self.deeper:
            return [y]
        middle = self.join(self.first(z, column), column)
        return [y, *self.second(middle, column)]


class Block(nn.Module):
    """f_C and pooling: (N, in_channels, H, W) -> (N, channels, H / 2, W / 2)."""

    def __init__(self, columns, in_channels, channels, dropout=0.0, drop_path=0.0):
        super().__init__()
        self.fractal = Fractal(columns, in_channels, channels, dropout, drop_path)
        self.join = Join(drop_path)

    def forward(self, x, column):
        paths = [F.max_pool2d(path, 2) for path in self.fractal(x, column)]
        return self.join(paths, column)


class FractalNet(nn.Module):
    """Blocks, and a full layer for what is left, a pixel: (N, in_channels, 32, 32) -> (N, num_classes).

    widths, dropout  : the channels of each block, and its rate of dropout
    drop_path        : the probability that a join drops a path, where each draws for itself
    global_drop_path : the probability that a batch goes through one column of the whole network instead
    """

    def __init__(self, columns, widths, dropout, num_classes=10, in_channels=3, drop_path=0.15, global_drop_path=0.5):
        super().__init__()
        if len(dropout) != len(widths):
            raise ValueError(f"FractalNet: dropout={dropout} are not rates for {len(widths)} blocks")
        self.columns, self.global_drop_path = columns, global_drop_path
        self.blocks = nn.ModuleList()
        n = in_channels
        for width, rate in zip(widths, dropout):
            self.blocks.append(Block(columns, n, width, rate, drop_path))
            n = width
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,   3, 32, 32)
        column = self.draw(x) if self.training else None
        for block in self.blocks:
            x = block(x, column)                                # (N,  64, 16, 16) to (N, 512, 1, 1)
        return self.fc(x.flatten(1))                            # (N,  10)

    def draw(self, x):
        """Global drop-path: True for the column that is kept, or False for all, where joins draw for themselves."""
        u = uniform(self.columns, x)
        return (u == u.max()) & (uniform(1, x) < self.global_drop_path)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def uniform(n, x):
    """n numbers between 0 and 1, where x is and of its dtype."""
    return minidl.rand(n, dtype=x.dtype, device=x.device)


# ---- the variants

WIDTHS = 64, 128, 256, 512, 512
DROPOUT = 0.0, 0.1, 0.2, 0.3, 0.4


def fractalnet20(num_classes=10, in_channels=3, dropout=DROPOUT, drop_path=0.15, global_drop_path=0.5):
    """3 columns: 33,724,618 parameters."""
    return FractalNet(3, WIDTHS, dropout, num_classes, in_channels, drop_path, global_drop_path)


def fractalnet40(num_classes=10, in_channels=3, dropout=DROPOUT, drop_path=0.15, global_drop_path=0.5):
    """4 columns: 76,106,634 parameters."""
    return FractalNet(4, WIDTHS, dropout, num_classes, in_channels, drop_path, global_drop_path)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """Four blocks of 2 columns, a quarter of the channels, without dropout, for images of 28x28."""
    return FractalNet(2, (16, 32, 64, 128), (0.0, 0.0, 0.0, 0.0), num_classes, in_channels)
