"""NiN: a small network of full layers slides over the image where a filter did, and no full layer follows.

M. Lin, Q. Chen, S. Yan. Network in network. 2013, arXiv 1312.4400. Sections 3.1 (mlpconv), 3.2 (global average
pooling), 3.3 (the network) and 4.1, figure 2.

The paper prints no widths, and says of the first weights only that they were set by hand: both are from the authors'
code, `NIN/cifar-10_def` in their cuda-convnet for CIFAR-10 and `nin_imagenet` in the model zoo of Caffe for ImageNet,
which the paper does not speak of. The last windows of the poolings may reach over the border there, and here.
"""
from architectures.alexnet import he_
from minidl import nn
from minidl.nn import functional as F


class MLPConv(nn.Module):
    """Equation 2: a convolution and 1x1 convolutions after it, which are full layers at every pixel; ReLU after each."""

    def __init__(self, in_channels, channels, kernel_size, stride=1, padding=0):
        super().__init__()
        first, second, third = channels
        self.conv = nn.Conv2d(in_channels, first, kernel_size, stride, padding)
        self.cccp1 = nn.Conv2d(first, second, 1)                    # cascaded cross channel parametric pooling
        self.cccp2 = nn.Conv2d(second, third, 1)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = F.relu(self.cccp1(x))
        return F.relu(self.cccp2(x))


class CifarNiN(nn.Module):
    """Figure 2: (N, in_channels, 32, 32) -> (N, num_classes); any other size of images will do.

    channels : the widths of the first two mlpconvs, and those of the last but for its scores
    """

    def __init__(self, num_classes=10, in_channels=3, dropout=0.5,
                 channels=((192, 160, 96), (192, 192, 192), (192, 192))):
        super().__init__()
        c1, c2, c3 = channels
        self.mlpconv1 = MLPConv(in_channels, c1, 5, padding=2)
        self.mlpconv2 = MLPConv(c1[-1], c2, 5, padding=2)
        self.mlpconv3 = MLPConv(c2[-1], (*c3, num_classes), 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,   3, 32, 32)
        x = self.mlpconv1(x)                                        # (N,  96, 32, 32)
        x = self.dropout(self.pool(x))                              # (N,  96, 16, 16)
        x = self.mlpconv2(x)                                        # (N, 192, 16, 16)
        x = self.dropout(self.pool(x))                              # (N, 192,  8,  8)
        x = self.mlpconv3(x)                                        # (N,  10,  8,  8)   one map for each class
        return F.adaptive_avg_pool2d(x, 1).flatten(1)               # (N,  10)

    def init_(self, module):
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.05)
            nn.init.zeros_(module.bias)


class ImageNetNiN(nn.Module):
    """Four mlpconvs: (N, in_channels, 224, 224) -> (N, num_classes); any other size of images will do.

    channels : the widths of the first three mlpconvs, and those of the last but for its scores
    """

    def __init__(self, num_classes=1000, in_channels=3, dropout=0.5,
                 channels=((96, 96, 96), (256, 256, 256), (384, 384, 384), (1024, 1024))):
        super().__init__()
        c1, c2, c3, c4 = channels
        self.mlpconv1 = MLPConv(in_channels, c1, 11, stride=4)
        self.mlpconv2 = MLPConv(c1[-1], c2, 5, padding=2)
        self.mlpconv3 = MLPConv(c2[-1], c3, 3, padding=1)
        self.mlpconv4 = MLPConv(c3[-1], (*c4, num_classes), 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,    3, 224, 224)
        x = self.mlpconv1(x)                                        # (N,   96,  54,  54)
        x = self.pool(x)                                            # (N,   96,  27,  27)
        x = self.mlpconv2(x)                                        # (N,  256,  27,  27)
        x = self.pool(x)                                            # (N,  256,  13,  13)
        x = self.mlpconv3(x)                                        # (N,  384,  13,  13)
        x = self.dropout(self.pool(x))                              # (N,  384,   6,   6)
        x = self.mlpconv4(x)                                        # (N, 1000,   6,   6)
        return F.adaptive_avg_pool2d(x, 1).flatten(1)               # (N, 1000)

    def init_(self, module):
        if isinstance(module, nn.Conv2d):
            narrow = self.mlpconv1.conv, self.mlpconv3.conv, self.mlpconv4.cccp2
            nn.init.normal_(module.weight, std=0.01 if module in narrow else 0.05)
            nn.init.zeros_(module.bias)


# ---- the variants


def nin(num_classes=1000, in_channels=3, dropout=0.5):
    """7,595,176 parameters, an eighth of AlexNet's."""
    return ImageNetNiN(num_classes, in_channels, dropout)


def nin_cifar10(num_classes=10, in_channels=3, dropout=0.5):
    """966,986 parameters."""
    return CifarNiN(num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """The network for ImageNet with a third of the channels or fewer, no dropout, weights by `he_`, for images of 67x67."""
    net = ImageNetNiN(num_classes, in_channels, dropout=0.0, channels=((32, 32, 32), (64, 64, 64), (96, 96, 96), (96, 96)))
    net.apply(he_)
    nn.init.constant_(net.mlpconv4.cccp2.bias, 5)   # softmax does not see it; from 0, ReLU let the first epochs learn less
    return net
