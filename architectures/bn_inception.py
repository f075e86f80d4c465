"""BN-Inception: GoogLeNet with batch norm, with two 3x3 filters in the place of 5x5, and with a module more.

S. Ioffe, C. Szegedy. Batch normalization: accelerating deep network training by reducing internal covariate shift.
2015, arXiv 1502.03167. Section 4.2, and the appendix with its figure 5.

Departures. Modules 4c and 4d put out 608 channels, the sum of their columns in figure 5, which prints 576. Where the
stride is 2 the figure prints the size before the module; here it is the one after it. The first convolution is one of
all channels, as in published implementations; the paper's was a separable one, with 8 filters of each colour. The
convolutions keep the biases that batch norm makes useless (section 3.2), also as published. The paper does not say how
weights start: here as He et al. 2015, arXiv 1502.01852.
"""
import minidl
from minidl import nn
from minidl.nn import functional as F

POOLINGS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}

# ---- modules: the channels of the branches stand one after the other


class Inception(nn.Module):
    """(N, in_channels, H, W) -> (N, out_channels, H, W), with the columns of figure 5."""

    def __init__(self, in_channels, ones, threes_reduce, threes, double_reduce, double, pooling, pool_proj):
        super().__init__()
        self.ones = conv_norm_relu(in_channels, ones, 1)
        self.threes = nn.Sequential(
            conv_norm_relu(in_channels, threes_reduce, 1),
            conv_norm_relu(threes_reduce, threes, 3))
        self.double_threes = nn.Sequential(
            conv_norm_relu(in_channels, double_reduce, 1),
            conv_norm_relu(double_reduce, double, 3),
            conv_norm_relu(double, double, 3))
        self.pooled = nn.Sequential(
            POOLINGS[pooling](3, stride=1, padding=1),
            conv_norm_relu(in_channels, pool_proj, 1))
        self.out_channels = ones + threes + double + pool_proj

    def forward(self, x):
        return minidl.cat([self.ones(x), self.threes(x), self.double_threes(x), self.pooled(x)], 1)


class Reduction(nn.Module):
    """A module of stride 2, (N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2): what it pools passes through."""

    def __init__(self, in_channels, threes_reduce, threes, double_reduce, double):
        super().__init__()
        self.threes = nn.Sequential(
            conv_norm_relu(in_channels, threes_reduce, 1),
            conv_norm_relu(threes_reduce, threes, 3, stride=2))
        self.double_threes = nn.Sequential(
            conv_norm_relu(in_channels, double_reduce, 1),
            conv_norm_relu(double_reduce, double, 3),
            conv_norm_relu(double, double, 3, stride=2))
        self.pooled = nn.MaxPool2d(3, stride=2, padding=1)
        self.out_channels = threes + double + in_channels

    def forward(self, x):
        return minidl.cat([self.threes(x), self.double_threes(x), self.pooled(x)], 1)


def conv_norm_relu(in_channels, channels, kernel_size, stride=1):
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


# ---- the network


class BNInception(nn.Module):
    """Figure 5: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    modules : the class of each, and its columns in figure 5
    width   : the channels of the first convolution, a third of the second's
    """

    def __init__(self, modules, num_classes=1000, in_channels=3, width=64):
        super().__init__()
        self.conv1 = conv_norm_relu(in_channels, width, 7, stride=2)
        self.reduce2 = conv_norm_relu(width, width, 1)
        self.conv2 = conv_norm_relu(width, 3 * width, 3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        row, n = [], 3 * width
        for module, *columns in modules:
            row.append(module(n, *columns))
            n = row[-1].out_channels
        self.inception = nn.Sequential(*row)
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,    3, 224, 224)
        x = self.conv1(x)                                           # (N,   64, 112, 112)
        x = self.pool(x)                                            # (N,   64,  56,  56)
        x = self.reduce2(x)                                         # (N,   64,  56,  56)
        x = self.conv2(x)                                           # (N,  192,  56,  56)
        x = self.pool(x)                                            # (N,  192,  28,  28)
        x = self.inception(x)                                       # (N, 1024,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)                  # (N, 1024)
        return self.fc(x)                                           # (N, 1000)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


# ---- the variant

FIGURE_5 = (                            # 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pooling, pool proj
    (Inception, 64, 64, 64, 64, 96, "avg", 32),                     # 3a   (N,  256, 28, 28)
    (Inception, 64, 64, 96, 64, 96, "avg", 64),                     # 3b   (N,  320, 28, 28)
    (Reduction, 128, 160, 64, 96),                                  # 3c   (N,  576, 14, 14)
    (Inception, 224, 64, 96, 96, 128, "avg", 128),                  # 4a   (N,  576, 14, 14)
    (Inception, 192, 96, 128, 96, 128, "avg", 128),                 # 4b   (N,  576, 14, 14)
    (Inception, 160, 128, 160, 128, 160, "avg", 128),               # 4c   (N,  608, 14, 14)
    (Inception, 96, 128, 192, 160, 192, "avg", 128),                # 4d   (N,  608, 14, 14)
    (Reduction, 128, 192, 192, 256),                                # 4e   (N, 1056,  7,  7)
    (Inception, 352, 192, 320, 160, 224, "avg", 128),               # 5a   (N, 1024,  7,  7)
    (Inception, 352, 192, 320, 192, 224, "max", 128),               # 5b   (N, 1024,  7,  7)
)


def bn_inception(num_classes=1000, in_channels=3):
    """11,295,240 parameters."""
    return BNInception(FIGURE_5, num_classes, in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """Five modules of ten with a quarter of the channels, for images of 48x48."""
    modules = [(module, *[n if n in POOLINGS else n // 4 for n in columns]) for module, *columns in FIGURE_5[:5]]
    return BNInception(modules, num_classes, in_channels, width=16)
