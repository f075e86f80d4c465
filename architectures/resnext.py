"""ResNeXt: the branch of a ResNet's block is many narrow ones side by side, which is one convolution in groups.

S. Xie, R. Girshick, P. Dollar, Z. Tu, K. He. Aggregated residual transformations for deep neural networks. 2016,
arXiv 1611.05431. Section 3, table 1 (ImageNet), section 5.3 (CIFAR), figure 3(c).

Departures. `resnext101_32x8d` is not in the paper, which has 32x4d and 64x4d, but in most libraries. The blocks activate
after the addition, as in the paper's text and the authors' code; their README says that the results for CIFAR-10 are
those of blocks that activate before. First weights are those of ResNet, variance 2 / fan-in; the authors' code has
2 / fan-out. The max pooling is that of resnet.py.
"""
from architectures.resnet import BottleneckV15, CifarResNet, ResNet


class ResNeXtBlock(BottleneckV15):
    """relu(F(x) + shortcut(x)), F being 1x1, 3x3 in groups, and 1x1: figure 3(c).

    (N, in_channels, H, W) -> (N, 4 channels, H / stride, W / stride)

    cardinality : the number of groups, C of the paper
    width       : the channels of each, d of the paper, in the first stage, where `channels` is 64
    """
    cardinality, width = 32, 4

    def __init__(self, in_channels, channels, stride=1):
        inside = self.cardinality * self.width * channels // 64
        super().__init__(in_channels, channels, stride, inside, groups=self.cardinality)


class ResNeXtBlock32x8d(ResNeXtBlock):
    cardinality, width = 32, 8


class ResNeXtBlock8x64d(ResNeXtBlock):
    cardinality, width = 8, 64


# ---- the variants


def resnext50_32x4d(num_classes=1000, in_channels=3):
    """25,028,904 parameters, somewhat fewer than resnet50."""
    return ResNet(ResNeXtBlock, (3, 4, 6, 3), num_classes, in_channels)


def resnext101_32x8d(num_classes=1000, in_channels=3):
    """88,791,336 parameters."""
    return ResNet(ResNeXtBlock32x8d, (3, 4, 23, 3), num_classes, in_channels)


def resnext29_8x64d(num_classes=10, in_channels=3):
    """For CIFAR-10: 34,426,698 parameters."""
    return CifarResNet(ResNeXtBlock8x64d, 3, num_classes, in_channels, width=64)


# ---- small enough to learn within two minutes


class ResNeXtBlock8x16d(ResNeXtBlock):
    cardinality, width = 8, 16


def small(num_classes=10, in_channels=1):
    """One block in a stage, less than a fifth of the channels, for images of 48x48."""
    return ResNet(ResNeXtBlock8x16d, (1, 1, 1, 1), num_classes, in_channels, width=12)
