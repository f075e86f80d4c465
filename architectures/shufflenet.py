"""ShuffleNets: 1x1 convolutions of a part of the channels, and an exchange so that the parts hear of each other.

Version 1: X. Zhang, X. Zhou, M. Lin, J. Sun. ShuffleNet: an extremely efficient convolutional neural network for mobile
devices. 2017, arXiv 1707.01083. Section 3, table 1, figure 2.
Version 2: N. Ma, X. Zhang, H.-T. Zheng, J. Sun. ShuffleNet V2: practical guidelines for efficient CNN architecture
design. 2018, arXiv 1807.11164. Section 3, table 5, figure 3. The names of its layers are torchvision's.

Departures. The papers do not say how weights start: here as in the authors' code, by which version 1 has no bias in its
full layer, either. That code shuffles with rows and columns exchanged, (n, g) for the paper's (g, n), and after the
depthwise convolution; here it is done as printed. A unit of version 2 that halves the image makes half of its
channels in each branch, as in torchvision; in the authors' code the left branch makes as many as it reads, and
the network, without the bias of its full layer, has 2,278,760 parameters.
"""
import minidl
from minidl import nn
from minidl.nn import functional as F


def shuffle(x, groups):
    """Channels g * n: as a matrix (g, n), transposed. Then each group that reads them has some from every other."""
    return x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2).flatten(1, 2)


def conv_norm_relu(in_channels, channels, kernel_size, stride=1):
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


# ---- version 1


class ShuffleBranch(nn.Module):
    """1x1 in groups to few channels, shuffle, 3x3 of each channel by itself, 1x1 in groups: the right of figure 2(b).

    middle       : how few
    first_groups : the groups of the first 1x1, where they are others
    """

    def __init__(self, in_channels, middle, channels, groups, stride=1, first_groups=None):
        super().__init__()
        self.groups = groups
        self.conv1 = nn.Conv2d(in_channels, middle, 1, groups=first_groups or groups, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, padding=1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, channels, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = shuffle(x, self.groups)
        x = self.bn2(self.conv2(x))
        return self.bn3(self.conv3(x))


class ShuffleUnit(nn.Module):
    """The branch is added to what it reads: figure 2(b)."""

    def __init__(self, channels, groups):
        super().__init__()
        self.branch = ShuffleBranch(channels, channels // 4, channels, groups)

    def forward(self, x):
        return F.relu(x + self.branch(x))


class DownsamplingUnit(nn.Module):
    """The branch is put behind what it reads, and both are half as high and wide: figure 2(c)."""

    def __init__(self, in_channels, channels, groups, first_groups=None):
        super().__init__()
        self.branch = ShuffleBranch(in_channels, channels // 4, channels - in_channels, groups, 2, first_groups)

    def forward(self, x):
        shortcut = F.avg_pool2d(x, 3, stride=2, padding=1)
        return F.relu(minidl.cat((shortcut, self.branch(x)), 1))


class ShuffleNetV1(nn.Module):
    """Table 1: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    widths : the channels of the first convolution and of each stage
    blocks : how many units there are in each stage
    """

    def __init__(self, widths, blocks, groups, num_classes=1000, in_channels=3):
        super().__init__()
        n = widths[0]
        self.conv1 = conv_norm_relu(in_channels, n, 3, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = self.stage(n, widths[1], blocks[0], groups, first_groups=1)        # n channels are too few to split
        self.stage3 = self.stage(widths[1], widths[2], blocks[1], groups)
        self.stage4 = self.stage(widths[2], widths[3], blocks[2], groups)
        self.fc = nn.Linear(widths[3], num_classes, bias=False)
        self.apply(self.init_)
        nn.init.normal_(self.conv1[0].weight, std=0.01)

    def stage(self, in_channels, channels, blocks, groups, first_groups=None):
        units = [DownsamplingUnit(in_channels, channels, groups, first_groups)]
        units += [ShuffleUnit(channels, groups) for _ in range(blocks - 1)]
        return nn.Sequential(*units)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = self.conv1(x)                                       # (N,   24, 112, 112)
        x = self.pool(x)                                        # (N,   24,  56,  56)
        x = self.stage2(x)                                      # (N,  240,  28,  28)
        x = self.stage3(x)                                      # (N,  480,  14,  14)
        x = self.stage4(x)                                      # (N,  960,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N,  960)
        return self.fc(x)                                       # (N, 1000)

    def init_(self, module):
        """Normal with deviation 1 / the channels that a filter reads, 0.01 for the full layer and the first convolution."""
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=1 / module.weight.shape[1])
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.0001)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# ---- version 2


def branch(in_channels, channels, stride=1):
    """The right of figure 3(c) and (d): 1x1, 3x3 of each channel by itself, 1x1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        *depthwise_separable(channels, channels, stride))


def depthwise_separable(in_channels, channels, stride):
    """The left of figure 3(d)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())


class SplitUnit(nn.Module):
    """Half of the channels pass untouched: figure 3(c)."""

    def __init__(self, channels):
        super().__init__()
        self.branch2 = branch(channels // 2, channels // 2)

    def forward(self, x):
        left, right = x.chunk(2, 1)
        return shuffle(minidl.cat((left, self.branch2(right)), 1), 2)


class DownsamplingSplitUnit(nn.Module):
    """Both branches read all channels and halve height and width: figure 3(d)."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.branch1 = depthwise_separable(in_channels, channels // 2, stride=2)
        self.branch2 = branch(in_channels, channels // 2, stride=2)

    def forward(self, x):
        return shuffle(minidl.cat((self.branch1(x), self.branch2(x)), 1), 2)


class ShuffleNetV2(nn.Module):
    """Table 5: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    widths : the channels of the first convolution, of each stage and of the last convolution
    blocks : how many units there are in each stage
    """

    def __init__(self, widths, blocks, num_classes=1000, in_channels=3):
        super().__init__()
        self.conv1 = conv_norm_relu(in_channels, widths[0], 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = self.stage(widths[0], widths[1], blocks[0])
        self.stage3 = self.stage(widths[1], widths[2], blocks[1])
        self.stage4 = self.stage(widths[2], widths[3], blocks[2])
        self.conv5 = conv_norm_relu(widths[3], widths[4], 1)
        self.fc = nn.Linear(widths[4], num_classes)
        self.apply(self.init_)
        nn.init.normal_(self.conv1[0].weight, std=0.01)

    def stage(self, in_channels, channels, blocks):
        return nn.Sequential(DownsamplingSplitUnit(in_channels, channels),
                             *[SplitUnit(channels) for _ in range(blocks - 1)])

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = self.conv1(x)                                       # (N,   24, 112, 112)
        x = self.maxpool(x)                                     # (N,   24,  56,  56)
        x = self.stage2(x)                                      # (N,  116,  28,  28)
        x = self.stage3(x)                                      # (N,  232,  14,  14)
        x = self.stage4(x)                                      # (N,  464,   7,   7)
        x = self.conv5(x)                                       # (N, 1024,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 1024)
        return self.fc(x)                                       # (N, 1000)

    init_ = ShuffleNetV1.init_


# ---- the variants

BLOCKS = 4, 8, 4                                                # of stages 2 to 4


def shufflenet_v1(num_classes=1000, in_channels=3):
    """With 3 groups: 1,864,728 parameters."""
    return ShuffleNetV1((24, 240, 480, 960), BLOCKS, 3, num_classes, in_channels)


def shufflenet_v2(num_classes=1000, in_channels=3):
    """2,278,604 parameters."""
    return ShuffleNetV2((24, 116, 232, 464, 1024), BLOCKS, num_classes, in_channels)


# ---- small enough to learn within two minutes


def small_v1(num_classes=10, in_channels=1):
    """Two units in a stage, half of the channels, for images of 64x64."""
    return ShuffleNetV1((12, 120, 240, 480), (2, 2, 2), 3, num_classes, in_channels)


def small_v2(num_classes=10, in_channels=1):
    """Two units in a stage, half of the channels, for images of 64x64."""
    return ShuffleNetV2((12, 58, 116, 232, 512), (2, 2, 2), num_classes, in_channels)
