"""VGG: nothing but 3x3 convolutions, doubling the channels wherever a pooling halves the image.

K. Simonyan, A. Zisserman. Very deep convolutional networks for large-scale image recognition. 2014,
arXiv 1409.1556. Section 2, table 1.

Departures. First weights are those of Glorot & Bengio, with which, the authors found after submission, no network
has to start from a shallower one that was trained before. Batch norm (`_bn`) is younger than the paper: it stands
between convolution and ReLU, and the convolutions keep the biases that it makes useless, as in everybody's version.
The `_cifar` networks are the paper's convolutions and full layers on images of 32x32, of which five poolings leave
a single pixel. They start as He et al. 2015, arXiv 1502.01852: with the other weights every ReLU halves the variance,
and 16 layers with an eighth of the channels still guessed after 400 updates on handwritten digits, where these had
learned.
"""
from minidl import nn

# A layer "conv<size>-<channels>", a ReLU after each; "|" is a max pooling, and so is the end.
TABLE_1 = {
    "A":     "conv3-64 | conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "A-LRN": "conv3-64 LRN | conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "B":     "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 | conv3-512 conv3-512 | conv3-512 conv3-512",
    "C":     "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv1-256 "
             "| conv3-512 conv3-512 conv1-512 | conv3-512 conv3-512 conv1-512",
    "D":     "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv3-256 "
             "| conv3-512 conv3-512 conv3-512 | conv3-512 conv3-512 conv3-512",
    "E":     "conv3-64 conv3-64 | conv3-128 conv3-128 | conv3-256 conv3-256 conv3-256 conv3-256 "
             "| conv3-512 conv3-512 conv3-512 conv3-512 | conv3-512 conv3-512 conv3-512 conv3-512",
}


class VGG(nn.Module):
    """One column of table 1, and three full layers: (N, in_channels, 224, 224) -> (N, num_classes).

    hidden : the width of the first two full layers
    """

    def __init__(self, column, num_classes=1000, in_channels=3, dropout=0.5, image_size=224, hidden=4096):
        super().__init__()
        layers, channels, size = [], in_channels, image_size
        for stage in column.split("|"):
            for word in stage.split():
                if word == "LRN":
                    layers += [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)]     # AlexNet's, alpha by 5
                else:
                    kernel_size, out_channels = map(int, word.removeprefix("conv").split("-"))
                    layers += self.convolution(channels, out_channels, kernel_size)
                    channels = out_channels
            layers += [nn.MaxPool2d(2)]
            size = size // 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * size * size, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, num_classes))
        self.apply(self.init_)

    def convolution(self, in_channels, out_channels, kernel_size):
        """The image keeps its size."""
        return [nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2), nn.ReLU()]

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x):                                   # (N,   3, 224, 224)
        x = self.features(x)                                # (N, 512,   7,   7)
        return self.classifier(x.flatten(1))                # (N, 1000)


class BatchNormVGG(VGG):
    """Batch norm between every convolution and its ReLU."""

    def convolution(self, in_channels, out_channels, kernel_size):
        conv, relu = super().convolution(in_channels, out_channels, kernel_size)
        return [conv, nn.BatchNorm2d(out_channels), relu]


class CifarVGG(VGG):
    """(N, in_channels, 32, 32) -> (N, num_classes)"""

    def __init__(self, column, num_classes=10, in_channels=3, dropout=0.5, hidden=4096):
        super().__init__(column, num_classes, in_channels, dropout, 32, hidden)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


# ---- the variants: 11 to 19 layers with weights


def vgg11(num_classes=1000, in_channels=3, dropout=0.5):
    """A: 132,863,336 parameters."""
    return VGG(TABLE_1["A"], num_classes, in_channels, dropout)


def vgg11_lrn(num_classes=1000, in_channels=3, dropout=0.5):
    """A-LRN, which local response normalisation makes no better: 132,863,336 parameters."""
    return VGG(TABLE_1["A-LRN"], num_classes, in_channels, dropout)


def vgg13(num_classes=1000, in_channels=3, dropout=0.5):
    """B: 133,047,848 parameters."""
    return VGG(TABLE_1["B"], num_classes, in_channels, dropout)


def vgg16_c(num_classes=1000, in_channels=3, dropout=0.5):
    """C, whose added layers are 1x1 and see no further: 133,638,952 parameters."""
    return VGG(TABLE_1["C"], num_classes, in_channels, dropout)


def vgg16(num_classes=1000, in_channels=3, dropout=0.5):
    """D: 138,357,544 parameters."""
    return VGG(TABLE_1["D"], num_classes, in_channels, dropout)


def vgg19(num_classes=1000, in_channels=3, dropout=0.5):
    """E: 143,667,240 parameters."""
    return VGG(TABLE_1["E"], num_classes, in_channels, dropout)


def vgg11_bn(num_classes=1000, in_channels=3, dropout=0.5):
    """A with batch norm: 132,868,840 parameters."""
    return BatchNormVGG(TABLE_1["A"], num_classes, in_channels, dropout)


def vgg13_bn(num_classes=1000, in_channels=3, dropout=0.5):
    """B with batch norm: 133,053,736 parameters."""
    return BatchNormVGG(TABLE_1["B"], num_classes, in_channels, dropout)


def vgg16_bn(num_classes=1000, in_channels=3, dropout=0.5):
    """D with batch norm: 138,365,992 parameters."""
    return BatchNormVGG(TABLE_1["D"], num_classes, in_channels, dropout)


def vgg19_bn(num_classes=1000, in_channels=3, dropout=0.5):
    """E with batch norm: 143,678,248 parameters."""
    return BatchNormVGG(TABLE_1["E"], num_classes, in_channels, dropout)


def vgg16_cifar(num_classes=10, in_channels=3, dropout=0.5):
    """D for images of 32x32: 33,638,218 parameters."""
    return CifarVGG(TABLE_1["D"], num_classes, in_channels, dropout)


def vgg19_cifar(num_classes=10, in_channels=3, dropout=0.5):
    """E for images of 32x32: 38,947,914 parameters."""
    return CifarVGG(TABLE_1["E"], num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """Three of A's five stages with a quarter of the channels, 128 in the full layers, no dropout, for images of 28x28."""
    return VGG("conv3-16 | conv3-32 | conv3-64 conv3-64", num_classes, in_channels, dropout=0.0, image_size=28, hidden=128)
