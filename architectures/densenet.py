"""DenseNet: each layer reads what all the layers before it in its block have made, and adds a few channels to it.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger. Densely connected convolutional networks. 2016,
arXiv 1608.06993. Section 3, figures 1 and 2, table 1. First weights, as section 4.2 has it: K. He and others, "Delving
deep into rectifiers", 2015, arXiv 1502.01852, equation 10. The names of the layers are torchvision's.

Departures. A ReLU stands between batch norm and 1x1 convolution of a transition, which the paper does not mention and
the authors' code has. That code starts every network with 2k channels, the paper those without bottlenecks with 16:
here the paper rules. DenseNet-161 is in the code alone; it is the widest, not the deepest. Each concatenation is a copy,
so a block of L layers stores about L^2 / 2 times k channels where L times k are different.
"""
from collections import OrderedDict

import minidl
from minidl import nn
from minidl.nn import functional as F

# ---- layers of a block: (N, in_channels, H, W) -> (N, growth, H, W)


class DenseLayer(nn.Module):
    """Batch norm, ReLU, 3x3 convolution: section 3, "composite function"."""

    def __init__(self, in_channels, growth, dropout=0.0):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)
        self.dropout = dropout

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        return F.dropout(y, self.dropout, self.training)


class BottleneckLayer(nn.Module):
    """The same behind a 1x1 convolution to 4 times `growth` channels: "bottleneck layers"."""

    def __init__(self, in_channels, growth, dropout=0.0):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = dropout

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        y = F.dropout(y, self.dropout, self.training)
        y = self.conv2(F.relu(self.norm2(y)))
        return F.dropout(y, self.dropout, self.training)


# ---- blocks, and what stands between them


class DenseBlock(nn.Module):
    """What a layer makes is put behind all that it has read: figure 1.

    (N, in_channels, H, W) -> (N, in_channels + layers * growth, H, W)
    """

    def __init__(self, layer, layers, in_channels, growth, dropout=0.0):
        super().__init__()
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}", layer(in_channels + i * growth, growth, dropout))

    def forward(self, x):
        for layer in self.children():
            x = minidl.cat((x, layer(x)), 1)
        return x


class Transition(nn.Module):
    """1x1 convolution and 2x2 average pooling: (N, in_channels, H, W) -> (N, channels, H / 2, W / 2)."""

    def __init__(self, in_channels, channels, dropout=0.0):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.dropout = dropout

    def forward(self, x):
        x = self.conv(F.relu(self.norm(x)))
        x = F.dropout(x, self.dropout, self.training)
        return F.avg_pool2d(x, 2)


def imagenet_stem(in_channels, channels):
    """A quarter of the image's height and width."""
    return nn.Sequential(OrderedDict(
        conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False), norm0=nn.BatchNorm2d(channels),
        relu0=nn.ReLU(), pool0=nn.MaxPool2d(3, stride=2, padding=1)))


def cifar_stem(in_channels, channels):
    """All of the image's height and width."""
    return nn.Sequential(OrderedDict(conv0=nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)))


# ---- networks


class DenseNet(nn.Module):
    """Figure 2: blocks with transitions between them, batch norm and ReLU, a full layer.

    stem        : the layers before the first block
    layer       : what blocks are made of
    blocks      : how many layers there are in each
    growth      : k, the channels that a layer adds
    compression : theta, the share of its channels that a transition keeps
    dropout     : after each convolution but the first; the paper's 0.2 is for training without augmentation
    """

    def __init__(self, stem, layer, blocks, growth, compression, num_classes, dropout=0.0):
        super().__init__()
        n = stem.conv0.out_channels
        self.features = stem
        for i, layers in enumerate(blocks, 1):
            if i > 1:
                kept = int(compression * n)
                self.features.add_module(f"transition{i - 1}", Transition(n, kept, dropout))
                n = kept
            self.features.add_module(f"denseblock{i}", DenseBlock(layer, layers, n, growth, dropout))
            n += layers * growth
        self.features.add_module(f"norm{len(blocks) + 1}", nn.BatchNorm2d(n))
        self.classifier = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                   # (N,    3, 224, 224) or, for CIFAR, (N,   3, 32, 32)
        x = F.relu(self.features(x))                        # (N, 1024,   7,   7)            (N, 342,  8,  8)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)          # (N, 1024)                      (N, 342)
        return self.classifier(x)                           # (N, 1000)                      (N, 10)

    def init_(self, module):
        """Normal with variance 2 / fan-in, biases 0, for the full layer as well: its input are ReLUs' outputs, too."""
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


# ---- the variants: depth and growth rate, then their table of blocks


def densenet40_12(num_classes=10, in_channels=3, dropout=0.0):
    """1,019,722 parameters."""
    return DenseNet(cifar_stem(in_channels, 16), DenseLayer, (12, 12, 12), 12, 1.0, num_classes, dropout)


def densenet_bc100_12(num_classes=10, in_channels=3, dropout=0.0):
    """With bottlenecks and compression: 769,162 parameters."""
    return DenseNet(cifar_stem(in_channels, 24), BottleneckLayer, (16, 16, 16), 12, 0.5, num_classes, dropout)


def densenet121(num_classes=1000, in_channels=3):
    """7,978,856 parameters."""
    return DenseNet(imagenet_stem(in_channels, 64), BottleneckLayer, (6, 12, 24, 16), 32, 0.5, num_classes)


def densenet169(num_classes=1000, in_channels=3):
    """14,149,480 parameters."""
    return DenseNet(imagenet_stem(in_channels, 64), BottleneckLayer, (6, 12, 32, 32), 32, 0.5, num_classes)


def densenet201(num_classes=1000, in_channels=3):
    """20,013,928 parameters."""
    return DenseNet(imagenet_stem(in_channels, 64), BottleneckLayer, (6, 12, 48, 32), 32, 0.5, num_classes)


def densenet161(num_classes=1000, in_channels=3):
    """28,681,000 parameters."""
    return DenseNet(imagenet_stem(in_channels, 96), BottleneckLayer, (6, 12, 36, 24), 48, 0.5, num_classes)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """Three layers in a block, each of which adds 16 channels, behind the stem for ImageNet, for images of 48x48."""
    return DenseNet(imagenet_stem(in_channels, 24), DenseLayer, (3, 3, 3), 16, 1.0, num_classes)
