"""SENet: a block that looks at the whole image and turns channels up or down, put on the blocks of other networks.

J. Hu, L. Shen, G. Sun, later also S. Albanie and E. Wu. Squeeze-and-excitation networks. 2017, arXiv 1709.01507.
Section 3, figures 1 and 3, table 1; SENet-154: appendix. First weights are those of ResNet, as in the paper, for the full
layers of an SE block as well.

As the authors' models have it, and the paper does not say: `se_resnet50` has its strides in the first 1x1 convolutions,
the others in the 3x3. Departure: the max pooling is that of resnet.py.
"""
from architectures.resnet import BasicBlock, Bottleneck, CifarResNet, ResNet, projection, stage
from architectures.resnext import ResNeXtBlock
from minidl import nn
from minidl.nn import functional as F


class SEBlock(nn.Module):
    """Every channel times a number between 0 and 1 that all channels have a say in: (N, C, H, W) -> (N, C, H, W).

    reduction : r of the paper, by which the layer in the middle has fewer channels
    """

    def __init__(self, channels, reduction=16):
        super().__init__()
        if channels < reduction:
            raise ValueError(f"SEBlock: of {channels} channels, a reduction by {reduction} leaves none")
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)

    def forward(self, x):
        z = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, C): squeeze, equation 2
        s = F.sigmoid(self.fc2(F.relu(self.fc1(z))))            # (N, C): excitation, equation 3
        return x * s[:, :, None, None]                          # equation 4


class WithSE:
    """What a block's branch adds goes through an SEBlock first, figure 3; ahead of any class of blocks with a `branch`."""
    reduction = 16

    def __init__(self, in_channels, channels, stride=1, **options):
        super().__init__(in_channels, channels, stride, **options)
        self.se = SEBlock(channels * self.expansion, self.reduction)

    def branch(self, x):
        return self.se(super().branch(x))


class SEBottleneck(WithSE, Bottleneck):
    """Of SE-ResNet: table 1, middle."""


class SEResNeXtBlock(WithSE, ResNeXtBlock):
    """Of SE-ResNeXt: table 1, right."""


# ---- SENet-154


class SENet154Bottleneck(nn.Module):
    """A ResNeXt block whose first 1x1 convolution makes half as many channels as its 3x3."""
    expansion = 4
    groups = 64

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 2 * channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 4 * channels, 3, stride, padding=1, groups=self.groups, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * channels)
        self.conv3 = nn.Conv2d(4 * channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.shortcut = projection_3x3(in_channels, 4 * channels, stride)

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))

    def branch(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


class SENet154Block(WithSE, SENet154Bottleneck):
    """Of SENet-154: appendix."""


def projection_3x3(in_channels, channels, stride):
    """Where the image is halved, the shortcut is a 3x3 convolution, which leaves no pixel out."""
    if stride == 1:
        return projection(in_channels, channels, stride)
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False), nn.BatchNorm2d(channels))


class SENet154(nn.Module):
    """A ResNet with three 3x3 convolutions in the place of the first 7x7, and dropout before the full layer.

    (N, in_channels, 224, 224) -> (N, num_classes); blocks and width as in ResNet
    """

    def __init__(self, block, blocks, num_classes=1000, in_channels=3, dropout=0.2, width=64):
        super().__init__()
        n = width
        self.conv1 = nn.Conv2d(in_channels, n, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n)
        self.conv2 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n)
        self.conv3 = nn.Conv2d(n, 2 * n, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(2 * n)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, 2 * n, n, blocks[0], stride=1)
        self.layer2 = stage(block, 4 * n, 2 * n, blocks[1], stride=2)
        self.layer3 = stage(block, 8 * n, 4 * n, blocks[2], stride=2)
        self.layer4 = stage(block, 16 * n, 8 * n, blocks[3], stride=2)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(32 * n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = F.relu(self.bn1(self.conv1(x)))                     # (N,   64, 112, 112)
        x = F.relu(self.bn2(self.conv2(x)))                     # (N,   64, 112, 112)
        x = F.relu(self.bn3(self.conv3(x)))                     # (N,  128, 112, 112)
        x = self.pool(x)                                        # (N,  128,  56,  56)
        x = self.layer1(x)                                      # (N,  256,  56,  56)
        x = self.layer2(x)                                      # (N,  512,  28,  28)
        x = self.layer3(x)                                      # (N, 1024,  14,  14)
        x = self.layer4(x)                                      # (N, 2048,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 2048)
        return self.fc(self.dropout(x))                         # (N, 1000)

    init_ = ResNet.init_


# ---- the variants


def se_resnet50(num_classes=1000, in_channels=3):
    """28,088,024 parameters, 2.5 million more than resnet50, for a thousandth more work."""
    return ResNet(SEBottleneck, (3, 4, 6, 3), num_classes, in_channels)


def se_resnext50_32x4d(num_classes=1000, in_channels=3):
    """27,559,896 parameters."""
    return ResNet(SEResNeXtBlock, (3, 4, 6, 3), num_classes, in_channels)


def senet154(num_classes=1000, in_channels=3, dropout=0.2):
    """115,088,984 parameters."""
    return SENet154(SENet154Block, (3, 8, 36, 3), num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


class SEBasicBlock(WithSE, BasicBlock):
    reduction = 8


def small(num_classes=10, in_channels=1):
    """SE blocks in a ResNet for CIFAR-10, ResNet-8, one block in a stage, for images of 28x28."""
    return CifarResNet(SEBasicBlock, 1, num_classes, in_channels)
