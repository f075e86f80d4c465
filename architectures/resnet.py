"""ResNet: blocks that add to what they are given; and the plain networks that are the same without the addition.

K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. 2015, arXiv 1512.03385. Sections 3.3,
3.4, 4.1 (ImageNet) and 4.2 (CIFAR-10), table 1, figures 3 and 5. First weights: the same authors' "Delving deep into
rectifiers", 2015, arXiv 1502.01852, equation 10.

Departures. `resnet50_v1_5` halves the image in the 3x3 convolution of a block in place of the first 1x1, which is not
in the paper but in most libraries. The max pooling pads one pixel on every side, the authors' own only below and on
the right. The first convolution has no bias; of the authors' released models, that of ResNet-50 has one, of 64 numbers.
The authors computed batch norm's statistics once more over the training images when training was over; here running
averages serve. The paper does not say where option A's zeros stand: here behind the channels, in some libraries on
both sides.
"""
from minidl import nn
from minidl.nn import functional as F

# ---- shortcuts: section 3.3, and section 4.1 for option C


def zero_padding(in_channels, channels, stride):
    """Option A: the identity where shapes agree, otherwise pixels are left out and channels of zeros added."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return ZeroPadding(channels - in_channels, stride)


def projection(in_channels, channels, stride):
    """Option B: the identity where shapes agree, otherwise option C."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return conv_norm(in_channels, channels, stride)


def conv_norm(in_channels, channels, stride):
    """Option C: a 1x1 convolution, and batch norm as after every convolution."""
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class ZeroPadding(nn.Module):
    """The pixels where a filter with this stride would stand, then `missing` channels of zeros."""

    def __init__(self, missing, stride):
        super().__init__()
        self.missing, self.stride = missing, stride

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.missing))


# ---- blocks: (N, in_channels, H, W) -> (N, channels * expansion, H / stride, W / stride)


class PlainBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU: figure 3, middle."""
    expansion = 1

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class BasicBlock(PlainBlock):
    """relu(F(x) + shortcut(x)), F being the two convolutions: figure 5, left."""

    def __init__(self, in_channels, channels, stride=1, shortcut=projection):
        super().__init__(in_channels, channels, stride)
        self.shortcut = shortcut(in_channels, channels, stride)

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))

    def branch(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


class BasicBlockA(BasicBlock):
    """Option A, whose shortcut has no weights, so that a plain network has as many."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride, zero_padding)


class BasicBlockC(BasicBlock):
    """Option C, whose shortcut always has weights."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride, conv_norm)


class Bottleneck(nn.Module):
    """relu(F(x) + shortcut(x)), F being 1x1 to fewer channels, 3x3, and 1x1 to four times as many: figure 5, right.

    inside, groups : the channels that the 3x3 convolution reads, and its groups, in younger networks made of this block
    """
    expansion = 4

    def __init__(self, in_channels, channels, stride=1, inside=None, groups=1):
        super().__init__()
        n = inside or channels
        self.conv1 = nn.Conv2d(in_channels, n, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(n)
        self.conv2 = nn.Conv2d(n, n, 3, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(n)
        self.conv3 = nn.Conv2d(n, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.shortcut = projection(in_channels, 4 * channels, stride)

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))

    def branch(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


class BottleneckV15(Bottleneck):
    """The 3x3 convolution takes the stride: no pixel goes unread, as three in four do by a 1x1 with stride 2."""

    def __init__(self, in_channels, channels, stride=1, inside=None, groups=1):
        super().__init__(in_channels, channels, stride, inside, groups)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


# ---- networks


def stage(block, in_channels, channels, blocks, stride):
    """Blocks in a row, the first of which takes the stride."""
    layers = [block(in_channels, channels, stride)]
    layers += [block(channels * block.expansion, channels) for _ in range(blocks - 1)]
    return nn.Sequential(*layers)


class ResNet(nn.Module):
    """Table 1: four stages of blocks, (N, in_channels, 224, 224) -> (N, num_classes).

    blocks             : how many there are in each stage
    width              : the channels of the first stage; each stage has twice as many as the one before
    zero_init_residual : every block starts as its shortcut, see `zero_last_gamma_`
    """

    def __init__(self, block, blocks, num_classes=1000, in_channels=3, width=64, zero_init_residual=False):
        super().__init__()
        n, e = width, block.expansion
        self.conv1 = nn.Conv2d(in_channels, n, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(n)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, n, n, blocks[0], stride=1)
        self.layer2 = stage(block, n * e, 2 * n, blocks[1], stride=2)
        self.layer3 = stage(block, 2 * n * e, 4 * n, blocks[2], stride=2)
        self.layer4 = stage(block, 4 * n * e, 8 * n, blocks[3], stride=2)
        self.fc = nn.Linear(8 * n * e, num_classes)
        self.apply(self.init_)
        if zero_init_residual:
            self.apply(zero_last_gamma_)

    def forward(self, x):                                       # (N,    3, 224, 224)
        x = F.relu(self.bn1(self.conv1(x)))                     # (N,   64, 112, 112)
        x = self.pool(x)                                        # (N,   64,  56,  56)
        x = self.layer1(x)                                      # (N,   64,  56,  56) times the block's expansion
        x = self.layer2(x)                                      # (N,  128,  28,  28)
        x = self.layer3(x)                                      # (N,  256,  14,  14)
        x = self.layer4(x)                                      # (N,  512,   7,   7)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N,  512)
        return self.fc(x)                                       # (N, 1000)

    def init_(self, module):
        """Normal with variance 2 / fan-in, biases 0, for the full layer as well: its input are ReLUs' outputs, too."""
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


class CifarResNet(nn.Module):
    """Section 4.2: a convolution, three stages of n blocks, a full layer; 6n + 2 layers with weights (9n + 2 with
    bottlenecks).

    (N, in_channels, 32, 32) -> (N, num_classes); width and zero_init_residual as above
    """

    def __init__(self, block, n, num_classes=10, in_channels=3, width=16, zero_init_residual=False):
        super().__init__()
        w, e = width, block.expansion
        self.conv1 = nn.Conv2d(in_channels, w, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(w)
        self.layer1 = stage(block, w, w, n, stride=1)
        self.layer2 = stage(block, w * e, 2 * w, n, stride=2)
        self.layer3 = stage(block, 2 * w * e, 4 * w, n, stride=2)
        self.fc = nn.Linear(4 * w * e, num_classes)
        self.apply(self.init_)
        if zero_init_residual:
            self.apply(zero_last_gamma_)

    def forward(self, x):                                       # (N,  3, 32, 32)
        x = F.relu(self.bn1(self.conv1(x)))                     # (N, 16, 32, 32)
        x = self.layer1(x)                                      # (N, 16, 32, 32) times the block's expansion
        x = self.layer2(x)                                      # (N, 32, 16, 16)
        x = self.layer3(x)                                      # (N, 64,  8,  8)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)              # (N, 64)
        return self.fc(x)                                       # (N, 10)

    init_ = ResNet.init_


def zero_last_gamma_(module):
    """The scale of a block's last batch norm is 0, so that only the shortcut is there when training begins.

    P. Goyal and others. Accurate, large minibatch SGD. 2017, arXiv 1706.02677, section 5.1.
    """
    if hasattr(module, "shortcut"):
        nn.init.zeros_(getattr(module, "bn3", module.bn2).weight)


def basic(shortcut):
    """The block of two 3x3 convolutions whose shortcut is option A, B or C."""
    blocks = {"A": BasicBlockA, "B": BasicBlock, "C": BasicBlockC}
    if shortcut not in blocks:
        raise ValueError(f"ResNet: shortcut {shortcut!r} is not one of A, B, C")
    return blocks[shortcut]


# ---- the variants for ImageNet


def resnet18(num_classes=1000, in_channels=3, shortcut="B", zero_init_residual=False):
    """11,689,512 parameters."""
    return ResNet(basic(shortcut), (2, 2, 2, 2), num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet34(num_classes=1000, in_channels=3, shortcut="B", zero_init_residual=False):
    """21,797,672 parameters; table 3 compares the three shortcuts."""
    return ResNet(basic(shortcut), (3, 4, 6, 3), num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet50(num_classes=1000, in_channels=3, zero_init_residual=False):
    """25,557,032 parameters."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet101(num_classes=1000, in_channels=3, zero_init_residual=False):
    """44,549,160 parameters."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet152(num_classes=1000, in_channels=3, zero_init_residual=False):
    """60,192,808 parameters."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet50_v1_5(num_classes=1000, in_channels=3, zero_init_residual=False):
    """25,557,032 parameters, and 6 % more work than resnet50."""
    return ResNet(BottleneckV15, (3, 4, 6, 3), num_classes, in_channels, zero_init_residual=zero_init_residual)


def plain18(num_classes=1000, in_channels=3):
    """11,515,688 parameters."""
    return ResNet(PlainBlock, (2, 2, 2, 2), num_classes, in_channels)


def plain34(num_classes=1000, in_channels=3):
    """21,623,848 parameters; the paper's trains worse than plain18."""
    return ResNet(PlainBlock, (3, 4, 6, 3), num_classes, in_channels)


# ---- the variants for CIFAR-10: those without shortcuts have as many parameters


def resnet20(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """269,722 parameters."""
    return CifarResNet(basic(shortcut), 3, num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet32(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """464,154 parameters."""
    return CifarResNet(basic(shortcut), 5, num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet44(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """658,586 parameters."""
    return CifarResNet(basic(shortcut), 7, num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet56(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """853,018 parameters."""
    return CifarResNet(basic(shortcut), 9, num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet110(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """1,727,962 parameters."""
    return CifarResNet(basic(shortcut), 18, num_classes, in_channels, zero_init_residual=zero_init_residual)


def resnet1202(num_classes=10, in_channels=3, shortcut="A", zero_init_residual=False):
    """19,421,274 parameters; the paper's learns CIFAR-10 by heart, and reads new images worse than resnet110."""
    return CifarResNet(basic(shortcut), 200, num_classes, in_channels, zero_init_residual=zero_init_residual)


def plain20(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 3, num_classes, in_channels)


def plain32(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 5, num_classes, in_channels)


def plain44(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 7, num_classes, in_channels)


def plain56(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 9, num_classes, in_channels)


def plain110(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 18, num_classes, in_channels)


def plain1202(num_classes=10, in_channels=3):
    return CifarResNet(PlainBlock, 200, num_classes, in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """ResNet-8, one block in a stage, for images of 28x28."""
    return CifarResNet(BasicBlockA, 1, num_classes, in_channels)


def small_plain(num_classes=10, in_channels=1):
    """The same without shortcuts."""
    return CifarResNet(PlainBlock, 1, num_classes, in_channels)
