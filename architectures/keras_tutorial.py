"""Two small networks of Keras tutorials: convolutions with ReLU and max pooling, no padding, two full layers.

F. Chollet. Deep Learning with Python. Manning, 2017. Section 5.1, "Introduction to convnets", has
`keras_mnist_cnn`; TensorFlow's tutorial "Convolutional Neural Network" has the same layers for CIFAR-10.
`keras_cifar100_cnn` circulates in tutorials without an author.

No departures; the softmax is part of the loss. First values as in Keras: Glorot's uniform ones, biases 0.
"""
from minidl import nn
from minidl.nn import functional as F


class KerasMnistCnn(nn.Module):
    """(N, in_channels, 28, 28) -> (N, num_classes)"""

    def __init__(self, num_classes=10, in_channels=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.dense1 = nn.Linear(64 * 3 * 3, 64)
        self.dense2 = nn.Linear(64, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,  1, 28, 28)
        x = F.relu(self.conv1(x))                               # (N, 32, 26, 26)
        x = F.max_pool2d(x, 2)                                  # (N, 32, 13, 13)
        x = F.relu(self.conv2(x))                               # (N, 64, 11, 11)
        x = F.max_pool2d(x, 2)                                  # (N, 64,  5,  5), edges unseen
        x = F.relu(self.conv3(x))                               # (N, 64,  3,  3)
        x = F.relu(self.dense1(x.flatten(1)))                   # (N, 64)
        return self.dense2(x)                                   # (N, 10)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


class KerasCifar100Cnn(nn.Module):
    """(N, in_channels, 32, 32) -> (N, num_classes)"""

    def __init__(self, num_classes=100, in_channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.dense1 = nn.Linear(32 * 6 * 6, 256)
        self.dense2 = nn.Linear(256, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,  3, 32, 32)
        x = F.relu(self.conv1(x))                               # (N, 16, 30, 30)
        x = F.max_pool2d(x, 2)                                  # (N, 16, 15, 15)
        x = F.relu(self.conv2(x))                               # (N, 32, 13, 13)
        x = F.max_pool2d(x, 2)                                  # (N, 32,  6,  6), edges unseen
        x = F.relu(self.dense1(x.flatten(1)))                   # (N, 256)
        return self.dense2(x)                                   # (N, 100)

    init_ = KerasMnistCnn.init_


def keras_mnist_cnn(num_classes=10, in_channels=1):
    """32, 64 and 64 channels, 64 hidden units: 93,322 parameters."""
    return KerasMnistCnn(num_classes, in_channels)


def keras_cifar100_cnn(num_classes=100, in_channels=3):
    """16 and 32 channels, 256 hidden units: 325,956 parameters."""
    return KerasCifar100Cnn(num_classes, in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """`keras_mnist_cnn` itself, for images of 28x28."""
    return KerasMnistCnn(num_classes, in_channels)
