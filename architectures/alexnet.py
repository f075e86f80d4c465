"""AlexNet: five convolutions on two graphics cards, and three full layers; and the same again for one card.

Two cards: A. Krizhevsky, I. Sutskever, G. E. Hinton. ImageNet classification with deep convolutional neural networks.
Advances in Neural Information Processing Systems 25, 2012. Section 3, figure 2.
One card: A. Krizhevsky. One weird trick for parallelizing convolutional neural networks. 2014, arXiv 1404.5997.
Section 5.

Departures for two. The images have 227x227 pixels, without which there are no 55x55 maps; the paper says 224x224. What
the paper divides between two cards are two groups here, and the normalisation looks across the border between
them. Dropout doubles what stays in training, where the paper halves everything in testing.

Departures for one, all of them torchvision's, whose weights fit. The fourth convolution has 256 filters, as in the
author's code, cuda-convnet2, and as it takes to have the "0.2% more parameters" than the first network that the paper
speaks of; its footnote prints 384. There is no normalisation, dropout stands before the hidden full layers, and the
scores go to a softmax, where the paper trains 1000 independent logistic units.
"""
from minidl import nn
from minidl.nn import functional as F


class AlexNet(nn.Module):
    """(N, in_channels, 227, 227) -> (N, num_classes)

    channels, hidden : the widths of the five convolutions and of the two hidden full layers
    """

    def __init__(self, num_classes=1000, in_channels=3, dropout=0.5, image_size=227,
                 channels=(96, 256, 384, 384, 256), hidden=4096):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.conv1 = nn.Conv2d(in_channels, c1, 11, stride=4)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)                # the only one to read both cards
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(c5 * size_after_pool5(image_size) ** 2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)     # the paper's 1e-4: it is divided by 5
        self.pool = nn.MaxPool2d(3, stride=2)                               # overlapping, section 3.4
        self.dropout = nn.Dropout(dropout)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,   3, 227, 227)
        x = self.norm(F.relu(self.conv1(x)))                        # (N,  96,  55,  55)
        x = self.pool(x)                                            # (N,  96,  27,  27)
        x = self.norm(F.relu(self.conv2(x)))                        # (N, 256,  27,  27)
        x = self.pool(x)                                            # (N, 256,  13,  13)
        x = F.relu(self.conv3(x))                                   # (N, 384,  13,  13)
        x = F.relu(self.conv4(x))                                   # (N, 384,  13,  13)
        x = F.relu(self.conv5(x))                                   # (N, 256,  13,  13)
        x = self.pool(x).flatten(1)                                 # (N, 256 *  6 *  6)
        x = self.dropout(F.relu(self.fc6(x)))                       # (N, 4096)
        x = self.dropout(F.relu(self.fc7(x)))                       # (N, 4096)
        return self.fc8(x)                                          # (N, 1000)

    def init_(self, module):
        """Section 5. With a bias of 1 a ReLU is positive at first, and learns."""
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            positive = module in (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7)
            nn.init.normal_(module.weight, std=0.01)
            nn.init.constant_(module.bias, 1.0 if positive else 0.0)


class OneTowerAlexNet(nn.Module):
    """(N, in_channels, 224, 224) -> (N, num_classes): every convolution reads all there is.

    channels, hidden : the widths of the five convolutions and of the two hidden full layers
    """

    def __init__(self, num_classes=1000, in_channels=3, dropout=0.5, image_size=224,
                 channels=(64, 192, 384, 256, 256), hidden=4096):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.features = nn.Sequential(                                          # (N,   3, 224, 224)
            nn.Conv2d(in_channels, c1, 11, stride=4, padding=2), nn.ReLU(),     # (N,  64,  55,  55)
            nn.MaxPool2d(3, stride=2),                                          # (N,  64,  27,  27)
            nn.Conv2d(c1, c2, 5, padding=2), nn.ReLU(),                         # (N, 192,  27,  27)
            nn.MaxPool2d(3, stride=2),                                          # (N, 192,  13,  13)
            nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(),                         # (N, 384,  13,  13)
            nn.Conv2d(c3, c4, 3, padding=1), nn.ReLU(),                         # (N, 256,  13,  13)
            nn.Conv2d(c4, c5, 3, padding=1), nn.ReLU(),                         # (N, 256,  13,  13)
            nn.MaxPool2d(3, stride=2))                                          # (N, 256,   6,   6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(c5 * size_after_pool5(image_size + 4) ** 2, hidden), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, num_classes))
        self.apply(self.init_)

    def forward(self, x):                                           # (N,   3, 224, 224)
        x = self.features(x)                                        # (N, 256,   6,   6)
        return self.classifier(x.flatten(1))                        # (N, 1000)

    def init_(self, module):
        """As in cuda-convnet2, layers-223-1gpu.cfg; the paper does not say.

        The last biases, -7 there, are 0, which to a softmax is the same.
        """
        conv1, conv2, conv3, conv4, conv5 = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        fc6, fc7, fc8 = [layer for layer in self.classifier if isinstance(layer, nn.Linear)]
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(module.weight, std=0.03 if module in (conv3, conv4, conv5) else 0.01)
            nn.init.constant_(module.bias, 1.0 if module in (conv2, conv4, conv5, fc6, fc7) else 0.0)


def size_after_pool5(n):
    """How wide the maps are that an image n pixels wide, with its zeros, comes to: 6 for 227 and 228."""
    n = (n - 11) // 4 + 1
    for _ in range(3):
        n = (n - 3) // 2 + 1
    return n


# ---- the variants


def alexnet(num_classes=1000, in_channels=3, dropout=0.5):
    """60,965,224 parameters."""
    return AlexNet(num_classes, in_channels, dropout)


def alexnet_one_weird_trick(num_classes=1000, in_channels=3, dropout=0.5):
    """61,100,840 parameters; torchvision's alexnet."""
    return OneTowerAlexNet(num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """A quarter of the channels, 256 in the full layers, no dropout, first weights by `he_`, for images of 67x67."""
    net = AlexNet(num_classes, in_channels, dropout=0.0, image_size=67, channels=(24, 64, 96, 96, 64), hidden=256)
    return net.apply(he_)


def he_(module):
    """Normal with variance 2 / fan-in, biases 0: a deviation of 0.01 is too little where few channels are read.

    K. He and others. Delving deep into rectifiers. 2015, arXiv 1502.01852, equation 10.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
