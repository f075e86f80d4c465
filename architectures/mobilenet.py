"""MobileNets: a convolution split into one that looks at neighbours and one that mixes channels.

Version 1: A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam. MobileNets:
efficient convolutional neural networks for mobile vision applications. 2017, arXiv 1704.04861. Table 1, figure 3.
Version 2: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen. MobileNetV2: inverted residuals and linear
bottlenecks. 2018, arXiv 1801.04381. Table 2, figure 4.

Departures. The last depthwise convolution of version 1 has stride 1: table 1 prints 2 beside an image that stays 7x7.
Version 2 has a full layer where table 2 has a 1x1 convolution of a single pixel, which is the same. The papers do not
say how weights start: here as He et al. 2015, arXiv 1502.01852, the full layer normal with deviation 0.01. That the
widths of version 2 are multiples of 8, and its dropout, are from the authors' code.
"""
from minidl import nn
from minidl.nn import functional as F

# ---- version 1


class DepthwiseSeparable(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution across them: figure 3, right."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.pointwise = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.depthwise(x)))
        return F.relu(self.bn2(self.pointwise(x)))


class MobileNetV1(nn.Module):
    """Table 1: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    blocks : (channels, stride) of each block
    width  : all channels are multiplied by it, section 3.3
    """

    def __init__(self, blocks, num_classes=1000, in_channels=3, width=1.0):
        super().__init__()
        n = int(32 * width)
        self.conv1 = nn.Conv2d(in_channels, n, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n)
        layers = []
        for channels, stride in blocks:
            layers.append(DepthwiseSeparable(n, int(channels * width), stride))
            n = int(channels * width)
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = F.relu(self.bn1(self.conv1(x)))                     # (N,   32, 112, 112)
        x = self.blocks(x)                                      # (N, 1024,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 1024)
        return self.fc(x)                                       # (N, 1000)

    def init_(self, module):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


# ---- version 2


class LinearBottleneck(nn.Module):
    """1x1 to `expansion` times the channels, 3x3 of each channel by itself, and 1x1 to few channels, without ReLU.

    Table 1, and figure 4(d) with stride 2. Where nothing expands, the first convolution is left out.
    """

    def __init__(self, in_channels, channels, stride=1, expansion=6):
        super().__init__()
        n = in_channels * expansion
        self.expand = nn.Identity() if expansion == 1 else conv_norm_relu6(in_channels, n, 1)
        self.depthwise = conv_norm_relu6(n, n, 3, stride, groups=n)
        self.project = nn.Conv2d(n, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = self.expand(x)
        x = self.depthwise(x)
        return self.bn(self.project(x))


class InvertedResidual(LinearBottleneck):
    """x + F(x): a shortcut between the narrow ends, where they have the same shape. Figure 4(d), stride 1."""

    def forward(self, x):
        return x + super().forward(x)


def conv_norm_relu6(in_channels, channels, kernel_size, stride=1, groups=1):
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU6())


class MobileNetV2(nn.Module):
    """Table 2: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    stages : (expansion, channels, blocks, stride of the first block) of each
    width  : all channels are multiplied by it, but those of the last convolution only where it is above 1
    """

    def __init__(self, stages, num_classes=1000, in_channels=3, width=1.0, dropout=0.2, last_channels=1280):
        super().__init__()
        n, last = multiple_of_8(32 * width), multiple_of_8(last_channels * max(1.0, width))
        self.conv1 = conv_norm_relu6(in_channels, n, 3, stride=2)
        layers = []
        for expansion, channels, blocks, stride in stages:
            channels = multiple_of_8(channels * width)
            for i in range(blocks):
                block = InvertedResidual if n == channels and (i > 0 or stride == 1) else LinearBottleneck
                layers.append(block(n, channels, stride if i == 0 else 1, expansion))
                n = channels
        self.blocks = nn.Sequential(*layers)
        self.conv2 = conv_norm_relu6(n, last, 1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(last, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = self.conv1(x)                                       # (N,   32, 112, 112)
        x = self.blocks(x)                                      # (N,  320,   7,   7)
        x = self.conv2(x)                                       # (N, 1280,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 1280)
        return self.fc(self.dropout(x))                         # (N, 1000)

    init_ = MobileNetV1.init_


def multiple_of_8(channels):
    """The nearest one, or the next if that is less than nine tenths."""
    n = max(8, int(channels + 4) // 8 * 8)
    return n if n >= 0.9 * channels else n + 8


# ---- the variants

V1_TABLE_1 = (                                                  # channels, stride
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1))

V2_TABLE_2 = (                                                  # expansion t, channels c, blocks n, stride s
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v1(num_classes=1000, in_channels=3, width=1.0):
    """4,231,976 parameters; the paper's widths are 1, 0.75, 0.5 and 0.25."""
    return MobileNetV1(V1_TABLE_1, num_classes, in_channels, width)


def mobilenet_v2(num_classes=1000, in_channels=3, width=1.0, dropout=0.2):
    """3,504,872 parameters."""
    return MobileNetV2(V2_TABLE_2, num_classes, in_channels, width, dropout)


# ---- small enough to learn within two minutes


def small_v1(num_classes=10, in_channels=1):
    """The first six blocks of thirteen, half of the channels, for images of 48x48."""
    return MobileNetV1(V1_TABLE_1[:6], num_classes, in_channels, width=0.5)


def small_v2(num_classes=10, in_channels=1):
    """The first four stages of seven, two blocks at most in each, half of the channels, for images of 48x48."""
    stages = [(expansion, channels, min(2, blocks), stride) for expansion, channels, blocks, stride in V2_TABLE_2[:4]]
    return MobileNetV2(stages, num_classes, in_channels, width=0.5, last_channels=256)
