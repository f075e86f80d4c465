"""Shortcuts with something in the way: blocks that show why a ResNet's shortcut is the identity.

K. He, X. Zhang, S. Ren, J. Sun. Identity mappings in deep residual networks. 2016, arXiv 1603.05027. Section 3,
figure 2, table 1: ResNet-110 on CIFAR-10, whose error is 6.61 % with the identity. Each of these blocks is worse.
What stands in figure 2(e), a 1x1 convolution on every shortcut, is option C of resnet.py, with 12.22 %.

What the paper does not say: where the image is halved, a gate's convolution takes the stride and makes the new channels,
and its weights start as those of all convolutions.
"""
from architectures.resnet import BasicBlockA, CifarResNet
from minidl import nn
from minidl.nn import functional as F


class ConstantScaling(BasicBlockA):
    """relu(F(x) + lambda x): figure 2(b). With lambda 0.5 ResNet-110 does not learn.

    After L blocks a signal, and a gradient on the way back, is weaker by lambda^L: equations 7 and 8.
    """
    scale = 0.5

    def forward(self, x):
        return F.relu(self.branch(x) + self.scale * self.shortcut(x))


class ConvexScaling(ConstantScaling):
    """relu((1 - lambda) F(x) + lambda x): 12.35 %."""

    def forward(self, x):
        return F.relu((1 - self.scale) * self.branch(x) + self.scale * self.shortcut(x))


class ExclusiveGating(BasicBlockA):
    """relu(g F(x) + (1 - g) x), the gate g between 0 and 1 from a 1x1 convolution of x: figure 2(c).

    That is a block of a highway network: Srivastava, Greff, Schmidhuber 2015, arXiv 1505.00387. The gates' biases
    decide: 8.70 % if they begin with -6, when nearly everything takes the shortcut; above -6 it does not learn.
    """
    gate_bias = -6.0

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.gate = nn.Conv2d(in_channels, channels, 1, stride)
        nn.init.constant_(self.gate.bias, self.gate_bias)

    def forward(self, x):
        g = F.sigmoid(self.gate(x))
        return F.relu(g * self.branch(x) + (1 - g) * self.shortcut(x))


class ShortcutOnlyGating(ExclusiveGating):
    """relu(F(x) + (1 - g) x): figure 2(d). 6.91 % if the biases begin with -6, near the identity; 12.86 % with 0."""

    def forward(self, x):
        g = F.sigmoid(self.gate(x))
        return F.relu(self.branch(x) + (1 - g) * self.shortcut(x))


class DroppedShortcut(BasicBlockA):
    """relu(F(x) + dropout(x)), half of x being dropped: figure 2(f). ResNet-110 does not learn.

    The paper takes it for a scale of 0.5 in expectation. Here, as everywhere in this library, what stays is doubled,
    and the scale in expectation is 1.
    """

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return F.relu(self.branch(x) + self.dropout(self.shortcut(x)))


def resnet110(block, num_classes=10, in_channels=3):
    """The network of table 1 with one of these blocks: `resnet110(ShortcutOnlyGating)`."""
    return CifarResNet(block, 18, num_classes, in_channels)
