"""U-Net: every pixel gets a class, from a path that sees far and a path back that sees sharply.

O. Ronneberger, P. Fischer, T. Brox. U-Net: convolutional networks for biomedical image segmentation. 2015,
arXiv 1505.04597. Section 2, figure 1; first weights, section 3; dropout, section 3.1.

No convolution is padded, so that the scores are those of the middle of the image: a margin of 92 pixels on every side
is only seen. For masks of a whole image, give it a larger one: the paper mirrors 92 pixels outwards.

The loss of section 3 weighs the pixels, those between two cells most; `cells` and `masks` are of the middle:

    weights = minidl.tensor(minidl.utils.data.pixel_weights(cells))
    loss = (weights * F.cross_entropy(unet(images), masks, reduction="none")).mean()

Departures. The paper adds up where here is a mean. It says neither how biases start, here at 0, nor how much is
dropped, half in the authors' code, there also from what the path back reads of the fourth level. Their code has a
ReLU after each up-convolution and keeps 128 channels in the last one; here both are as in the paper. Many networks of
the name pad, normalise and have 31,037,698 parameters.
"""
import math

import minidl
from minidl import nn


class UNet(nn.Module):
    """Figure 1: (N, in_channels, 572, 572) -> scores (N, num_classes, 388, 388).

    Height and width can be 16 k + 12, at least 188, so that every pooling halves an even one.
    base_channels : of the first convolution; every pooling doubles them
    """

    def __init__(self, num_classes=2, in_channels=1, base_channels=64, dropout=0.5):
        super().__init__()
        n = base_channels
        self.down1 = two_convolutions(in_channels, n)
        self.down2 = two_convolutions(n, 2 * n)
        self.down3 = two_convolutions(2 * n, 4 * n)
        self.down4 = two_convolutions(4 * n, 8 * n)
        self.down5 = two_convolutions(8 * n, 16 * n)
        self.up4 = Up(16 * n, 8 * n)
        self.up3 = Up(8 * n, 4 * n)
        self.up2 = Up(4 * n, 2 * n)
        self.up1 = Up(2 * n, n)
        self.last = nn.Conv2d(n, num_classes, 1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.apply(self.init_)

    def forward(self, x):
        check_size(x)                                           # (N,    1, 572, 572)
        x1 = self.down1(x)                                      # (N,   64, 568, 568)
        x2 = self.down2(self.pool(x1))                          # (N,  128, 280, 280)
        x3 = self.down3(self.pool(x2))                          # (N,  256, 136, 136)
        x4 = self.dropout(self.down4(self.pool(x3)))            # (N,  512,  64,  64)
        x = self.dropout(self.down5(self.pool(x4)))             # (N, 1024,  28,  28)
        x = self.up4(x, x4)                                     # (N,  512,  52,  52)
        x = self.up3(x, x3)                                     # (N,  256, 100, 100)
        x = self.up2(x, x2)                                     # (N,  128, 196, 196)
        x = self.up1(x, x1)                                     # (N,   64, 388, 388)
        return self.last(x)                                     # (N,    2, 388, 388)

    def init_(self, module):
        """Normal with variance 2 / N, where N numbers make one; a number of an up-convolution is made of a single pixel."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=math.sqrt(2 / module.in_channels))
            nn.init.zeros_(module.bias)


class Up(nn.Module):
    """Twice as high and wide with half the channels, beside the middle of what came down, then two convolutions."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.upconv = nn.ConvTranspose2d(in_channels, channels, 2, stride=2)
        self.convs = two_convolutions(2 * channels, channels)

    def forward(self, x, came_down):
        x = self.upconv(x)
        return self.convs(minidl.cat([middle(came_down, x.shape), x], 1))


def two_convolutions(in_channels, channels):
    """4 pixels less high and wide."""
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3), nn.ReLU(), nn.Conv2d(channels, channels, 3), nn.ReLU())


def middle(x, shape):
    """The middle of x, as high and wide as `shape`."""
    H, W = shape[2:]
    top, left = (x.shape[2] - H) // 2, (x.shape[3] - W) // 2
    return x[:, :, top:top + H, left:left + W]


def check_size(x):
    if any([n < 188 or n % 16 != 12 for n in x.shape[2:]]):
        raise ValueError(f"UNet: images come in shape {tuple(x.shape)}, but height and width are to be 16 k + 12, at least "
                         "188, as 188, 252 and 572 are: then every pooling halves an even number")


# ---- the variants


def unet(num_classes=2, in_channels=1, base_channels=64, dropout=0.5):
    """31,030,658 parameters; 485,682 with base_channels=8."""
    return UNet(num_classes, in_channels, base_channels, dropout)
