"""ZFNet: AlexNet after a look at what its filters see: smaller ones, closer together, in the first two layers.

M. D. Zeiler, R. Fergus. Visualizing and understanding convolutional networks. 2013, arXiv 1311.2901. Section 3,
figure 3.

Departures. The image has a zero on every side: figure 3 goes from 224 to 110 pixels with filters 7 wide and a stride
of 2, which otherwise makes 109; and the poolings' last windows may reach over the border, as it takes to come from 110
to 55 and from 26 to 13. The paper gives no constants for its normalisation: they are AlexNet's. In training the authors
also shorten filters whose root mean square is above 0.1, which is not a matter of the network. "ZFNet" elsewhere is at
times a wider one, with 512, 1024 and 512 filters in the last convolutions: 107,627,624 parameters.
"""
from architectures.alexnet import he_
from minidl import nn
from minidl.nn import functional as F


class ZFNet(nn.Module):
    """Figure 3: (N, in_channels, 224, 224) -> (N, num_classes).

    channels, hidden : the widths of the five convolutions and of the two hidden full layers
    """

    def __init__(self, num_classes=1000, in_channels=3, dropout=0.5, image_size=224,
                 channels=(96, 256, 384, 384, 256), hidden=4096):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.conv1 = nn.Conv2d(in_channels, c1, 7, stride=2, padding=1)
        self.conv2 = nn.Conv2d(c1, c2, 5, stride=2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1)
        self.fc6 = nn.Linear(c5 * size_after_pool5(image_size) ** 2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,   3, 224, 224)
        x = F.relu(self.conv1(x))                                   # (N,  96, 110, 110)
        x = self.norm(self.pool(x))                                 # (N,  96,  55,  55)
        x = F.relu(self.conv2(x))                                   # (N, 256,  26,  26)
        x = self.norm(self.pool(x))                                 # (N, 256,  13,  13)
        x = F.relu(self.conv3(x))                                   # (N, 384,  13,  13)
        x = F.relu(self.conv4(x))                                   # (N, 384,  13,  13)
        x = F.relu(self.conv5(x))                                   # (N, 256,  13,  13)
        x = self.pool(x).flatten(1)                                 # (N, 256 *  6 *  6)
        x = self.dropout(F.relu(self.fc6(x)))                       # (N, 4096)
        x = self.dropout(F.relu(self.fc7(x)))                       # (N, 4096)
        return self.fc8(x)                                          # (N, 1000)

    def init_(self, module):
        """Section 3: weights "initialized to 10^-2", taken as the deviation of a normal distribution, and biases 0."""
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def size_after_pool5(n):
    """How wide the maps are that an image n pixels wide comes to: 6 for 224."""
    n = ((n + 2 - 7) // 2 + 1) // 2                                 # a convolution and a pooling, which halves
    n = ((n - 5) // 2 + 1) // 2
    return n // 2


def zfnet(num_classes=1000, in_channels=3, dropout=0.5):
    """62,357,608 parameters."""
    return ZFNet(num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """A quarter of the channels, 256 in the full layers, no dropout, first weights by `he_`, for images of 64x64."""
    net = ZFNet(num_classes, in_channels, dropout=0.0, image_size=64, channels=(24, 64, 96, 96, 64), hidden=256)
    return net.apply(he_)
