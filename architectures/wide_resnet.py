"""Wide ResNets: fewer blocks with more channels, which are as good as a thousand layers and faster.

S. Zagoruyko, N. Komodakis. Wide residual networks. 2016, arXiv 1605.07146. Sections 2 and 3, figure 1(c) and (d),
table 1 (CIFAR), table 8 (ImageNet).

As the authors' code has it, and the paper does not say: where the channels change, both ways begin with the same
activation, and the shortcut is a 1x1 convolution without batch norm. `wide_resnet50_2` is a ResNet whose blocks activate
after the addition, and has its strides in the 3x3 convolutions.

Departures. First weights are those of ResNet, variance 2 / fan-in; the authors' code has 2 / fan-out. The max pooling is
that of resnet.py.
"""
from architectures.resnet import BottleneckV15, ResNet
from minidl import nn
from minidl.nn import functional as F

# ---- blocks: (N, in_channels, H, W) -> (N, channels * expansion, H / stride, W / stride)


class WideBlock(nn.Module):
    """x + F(x), F being norm, ReLU, 3x3, norm, ReLU, dropout, 3x3: figure 1(d), and 1(c) without the dropout."""
    expansion = 1

    def __init__(self, in_channels, channels, stride=1, dropout=0.0):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x):
        return x + self.branch(F.relu(self.bn1(x)))

    def branch(self, x):
        x = F.relu(self.bn2(self.conv1(x)))
        return self.conv2(self.dropout(x))


class WideningBlock(WideBlock):
    """Where channels change: both ways begin with the same activation, and the shortcut is a 1x1 convolution."""

    def __init__(self, in_channels, channels, stride=1, dropout=0.0):
        super().__init__(in_channels, channels, stride, dropout)
        self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x):
        x = F.relu(self.bn1(x))
        return self.shortcut(x) + self.branch(x)


class WideBottleneck(BottleneckV15):
    """ResNet's bottleneck with twice the channels inside, and as many as ever outside: "WRN-50-2-bottleneck"."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride, inside=2 * channels)


# ---- networks


def stage(in_channels, channels, n, stride, dropout):
    """n blocks in a row, the first of which takes the stride."""
    first = WideBlock if in_channels == channels else WideningBlock
    blocks = [WideBlock(channels, channels, dropout=dropout) for _ in range(n - 1)]
    return nn.Sequential(first(in_channels, channels, stride, dropout), *blocks)


class WideResNet(nn.Module):
    """Table 1: (N, in_channels, 32, 32) -> (N, num_classes).

    depth : the number of convolutions, 6n + 4 with n blocks in each stage
    k     : how many times wider than a ResNet the stages are
    """

    def __init__(self, depth, k, num_classes=10, in_channels=3, dropout=0.0):
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"WideResNet: depth is 6n + 4, as 16, 28 and 40 are, not {depth}")
        n = (depth - 4) // 6
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.layer1 = stage(16, 16 * k, n, 1, dropout)
        self.layer2 = stage(16 * k, 32 * k, n, 2, dropout)
        self.layer3 = stage(32 * k, 64 * k, n, 2, dropout)
        self.bn = nn.BatchNorm2d(64 * k)
        self.fc = nn.Linear(64 * k, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,  3, 32, 32)
        x = self.conv1(x)                                       # (N, 16, 32, 32)
        x = self.layer1(x)                                      # (N, 16, 32, 32) times k
        x = self.layer2(x)                                      # (N, 32, 16, 16) times k
        x = self.layer3(x)                                      # (N, 64,  8,  8) times k
        x = F.relu(self.bn(x))                                  # (N, 64,  8,  8) times k
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 64) times k
        return self.fc(x)                                       # (N, 10)

    init_ = ResNet.init_


# ---- the variants


def wrn_16_4(num_classes=10, in_channels=3, dropout=0.0):
    """2,748,890 parameters."""
    return WideResNet(16, 4, num_classes, in_channels, dropout)


def wrn_40_4(num_classes=10, in_channels=3, dropout=0.0):
    """8,949,210 parameters."""
    return WideResNet(40, 4, num_classes, in_channels, dropout)


def wrn_28_10(num_classes=10, in_channels=3, dropout=0.0):
    """36,479,194 parameters; with dropout, the paper's is 0.3."""
    return WideResNet(28, 10, num_classes, in_channels, dropout)


def wide_resnet50_2(num_classes=1000, in_channels=3):
    """68,883,240 parameters."""
    return ResNet(WideBottleneck, (3, 4, 6, 3), num_classes, in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """WRN-10-2, one block in a stage and twice a ResNet's channels, for images of 20x20."""
    return WideResNet(10, 2, num_classes, in_channels)
