"""Pre-activation ResNets: norm and ReLU come before the convolutions, and nothing stands on the shortcuts.

K. He, X. Zhang, S. Ren, J. Sun. Identity mappings in deep residual networks. 2016, arXiv 1603.05027. Section 4,
figures 1(b) and 4(e), appendix; for what the paper leaves open, the authors' release of ResNet-1001.

As the authors' release has it, and the paper does not say: where channels change in a network of bottlenecks, both ways
begin with the same activation, and the shortcut is a 1x1 convolution without batch norm; where the image is halved, the
stride stands in the first 1x1 convolution. `preact_resnet110`, which was not released, has ResNet's option A.

Departure. First weights are those of ResNet, variance 2 / fan-in; the release has 2 / fan-out.
"""
from architectures.resnet import ResNet, zero_padding
from minidl import nn
from minidl.nn import functional as F

# ---- blocks: (N, in_channels, H, W) -> (N, channels * expansion, H / stride, W / stride)


class PreActBlock(nn.Module):
    """shortcut(x) + F(x), F being norm, ReLU, 3x3 twice: figure 4(e). The shortcut has no weights."""
    expansion = 1

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = zero_padding(in_channels, channels, stride)

    def forward(self, x):
        return self.shortcut(x) + self.branch(F.relu(self.bn1(x)))

    def branch(self, x):
        x = self.conv1(x)
        return self.conv2(F.relu(self.bn2(x)))


class FirstPreActBlock(PreActBlock):
    """The first block of the network activates before it splits, right after the first convolution: appendix."""

    def forward(self, x):
        x = F.relu(self.bn1(x))
        return self.shortcut(x) + self.branch(x)


class PreActBottleneck(nn.Module):
    """x + F(x), F being norm, ReLU and a convolution three times: 1x1 to a quarter of the channels, 3x3, and 1x1."""
    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)

    def forward(self, x):
        return x + self.branch(F.relu(self.bn1(x)))

    def branch(self, x):
        x = self.conv1(x)
        x = self.conv2(F.relu(self.bn2(x)))
        return self.conv3(F.relu(self.bn3(x)))


class FirstPreActBottleneck(PreActBottleneck):
    """The first block of a stage: both ways begin with the same activation, and the shortcut is a 1x1 convolution."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.shortcut = nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False)

    def forward(self, x):
        x = F.relu(self.bn1(x))
        return self.shortcut(x) + self.branch(x)


# ---- networks


def stage(first, block, in_channels, channels, n, stride):
    """n blocks in a row; the first is of its own kind, and takes the stride."""
    blocks = [block(channels * block.expansion, channels) for _ in range(n - 1)]
    return nn.Sequential(first(in_channels, channels, stride), *blocks)


class PreActResNet(nn.Module):
    """A convolution, three stages of n blocks, and the activation that the last block leaves open.

    (N, in_channels, 32, 32) -> (N, num_classes); 6n + 2 layers with weights, 9n + 2 with bottlenecks

    firsts : the kinds of the first block of each stage
    width  : the channels of the first stage; each stage has twice as many as the one before
    """

    def __init__(self, firsts, block, n, num_classes=10, in_channels=3, width=16):
        super().__init__()
        w, e = width, block.expansion
        self.conv1 = nn.Conv2d(in_channels, w, 3, padding=1, bias=False)
        self.layer1 = stage(firsts[0], block, w, w, n, stride=1)
        self.layer2 = stage(firsts[1], block, w * e, 2 * w, n, stride=2)
        self.layer3 = stage(firsts[2], block, 2 * w * e, 4 * w, n, stride=2)
        self.bn = nn.BatchNorm2d(4 * w * e)
        self.fc = nn.Linear(4 * w * e, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,  3, 32, 32)
        x = self.conv1(x)                                       # (N, 16, 32, 32)
        x = self.layer1(x)                                      # (N, 16, 32, 32) times the block's expansion
        x = self.layer2(x)                                      # (N, 32, 16, 16)
        x = self.layer3(x)                                      # (N, 64,  8,  8)
        x = F.relu(self.bn(x))                                  # (N, 64,  8,  8)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 64)
        return self.fc(x)                                       # (N, 10)

    init_ = ResNet.init_


# ---- the variants, for CIFAR-10

BASIC = (FirstPreActBlock, PreActBlock, PreActBlock), PreActBlock
BOTTLENECK = (FirstPreActBottleneck, FirstPreActBottleneck, FirstPreActBottleneck), PreActBottleneck


def preact_resnet110(num_classes=10, in_channels=3):
    """1,727,962 parameters, as many as resnet110."""
    return PreActResNet(*BASIC, 18, num_classes, in_channels)


def preact_resnet164(num_classes=10, in_channels=3):
    """1,703,258 parameters."""
    return PreActResNet(*BOTTLENECK, 18, num_classes, in_channels)


def preact_resnet1001(num_classes=10, in_channels=3):
    """10,327,706 parameters; the paper's 10.2 million are without batch norm's."""
    return PreActResNet(*BOTTLENECK, 111, num_classes, in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """One block in a stage, for images of 28x28."""
    return PreActResNet(*BASIC, 1, num_classes, in_channels)
