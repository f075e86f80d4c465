"""What the tests of all families of networks do: run one on shapes, train one for a step, make one narrow."""
import re

import numpy as np

import minidl
from architectures import (
    MODELS,
    alexnet,
    bn_inception,
    build,
    densenet,
    efficientnet,
    fractalnet,
    googlenet,
    inception_v4,
    mobilenet,
    nasnet,
    nin,
    preact_resnet,
    resnet,
    resnet_shortcuts,
    resnext,
    senet,
    shufflenet,
    unet,
    vgg,
    wide_resnet,
    zfnet,
)
from minidl import nn
from minidl.nn import functional as F

DEEPEST = "resnet1202", "plain1202", "preact_resnet1001"


def narrow(column):
    """A column of VGG's table with a 64th of the channels, and two at least."""
    return re.sub(r"-(\d+)", lambda match: f"-{max(2, int(match[1]) // 64)}", column)


def with_numbers(block, **numbers):
    """A class of blocks like this one, but for some numbers that it holds, such as `groups`."""
    return type(block.__name__, (block,), numbers)


def two_cells(file, cells):
    """The second of which reads the stem, too, and finds it twice as large."""
    return file.NASNet((file.conv_norm(3, 6, 3, padding=1), 6), cells, (("reduction", 8), ("normal", 4)), 5)


def narrow_modules(table):
    """GoogLeNet's modules with a 16th of the channels, and six at least."""
    return {name: [max(6, channels // 16) for channels in columns] for name, columns in table.items()}


# Shorter figures for Inception-v4, with all that words can say, and for Inception-ResNet-v2.
SHORT_V4 = {
    "stem": ("3x3-4/2V 3x3-4V max+3x3-4/2V", "1x1-4 3x3-4V | 1x1-4 1x7-4 7x1-4 3x3-4V"), "A": "1x1-4 | avg 1x1-4",
    "reduction A": "3x3-4/2V | max", "B": "1x1-4 7x1-4", "reduction B": "1x1-4 3x3-4/2V | max",
    "C": "1x1-4 | 1x1-4 1x3-4+3x1-4"}
SHORT_RESNET = {
    "stem": ("3x3-4/2V max", "1x1-4 | 1x1-4 5x5-4"), "A": "1x1-4 | 1x1-4 3x3-4", "reduction A": "3x3-4/2V | max",
    "B": "1x1-4 | 1x1-4 1x7-4 7x1-4", "reduction B": "1x1-4 3x3-4/2V | max", "C": "1x1-4 | 1x3-4 3x1-4", "last": "1x1-8"}
V1_BLOCKS = (16, 1), (32, 2), (32, 1)
V2_STAGES = (1, 8, 1, 1), (6, 8, 2, 1), (6, 16, 1, 2)
EFFICIENT_STAGES = (1, 3, 1, 8, 1), (6, 5, 2, 8, 2), (4, 3, 1, 16, 1)

# Members of every family that are small enough for finite differences: the file, what builds them from what is in the
# file, and the images (C, H, W).
REDUCED = {
    "alexnet": (alexnet, lambda file: file.AlexNet(5, channels=(4, 6, 8, 8, 6), hidden=8, image_size=67), (3, 67, 67)),
    "alexnet_one_weird_trick": (
        alexnet, lambda file: file.OneTowerAlexNet(5, channels=(4, 6, 8, 8, 6), hidden=8, image_size=63), (3, 63, 63)),
    "zfnet": (zfnet, lambda file: file.ZFNet(5, channels=(4, 6, 8, 8, 6), hidden=8, image_size=63), (3, 63, 63)),
    "nin": (
        nin, lambda file: file.ImageNetNiN(5, channels=[(8, 8, 8), (16, 16, 16), (16, 16, 16), (32, 32)]), (3, 83, 83)),
    "nin_cifar10": (nin, lambda file: file.CifarNiN(5, channels=[(8, 8, 8), (8, 8, 8), (16, 16)]), (3, 16, 16)),
    "googlenet": (googlenet, lambda file: file.GoogLeNet(narrow_modules(file.TABLE_1), 5, width=6), (3, 64, 64)),
    "bn_inception": (
        bn_inception, lambda file: file.BNInception((
            (file.Inception, 4, 4, 4, 4, 4, "avg", 4), (file.Reduction, 4, 4, 4, 4),
            (file.Inception, 4, 4, 4, 4, 4, "max", 4)), 5, width=4), (3, 32, 32)),
    "inception_v4": (inception_v4, lambda file: file.InceptionV4(SHORT_V4, (1, 1, 1), 5), (3, 59, 59)),
    "inception_resnet_v2": (
        inception_v4, lambda file: file.InceptionResNetV2(SHORT_RESNET, (1, 1, 2), 5), (3, 47, 47)),
    "vgg11_lrn": (vgg, lambda file: file.VGG(narrow(file.TABLE_1["A-LRN"]), 5, image_size=32, hidden=8), (3, 32, 32)),
    "vgg16_c": (vgg, lambda file: file.VGG(narrow(file.TABLE_1["C"]), 5, image_size=32, hidden=8), (3, 32, 32)),
    "vgg11_bn": (vgg, lambda file: file.BatchNormVGG(narrow(file.TABLE_1["A"]), 5, image_size=64, hidden=8), (3, 64, 64)),
    "resnet18": (resnet, lambda file: file.ResNet(file.BasicBlock, (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "resnet50": (resnet, lambda file: file.ResNet(file.Bottleneck, (2, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "resnet50_v1_5": (resnet, lambda file: file.ResNet(file.BottleneckV15, (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "plain18": (resnet, lambda file: file.ResNet(file.PlainBlock, (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "resnet20": (resnet, lambda file: file.CifarResNet(file.BasicBlockA, 1, 5), (3, 16, 16)),
    "plain20": (resnet, lambda file: file.CifarResNet(file.PlainBlock, 1, 5), (3, 16, 16)),
    "resnet34_a": (resnet, lambda file: file.ResNet(file.BasicBlockA, (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "resnet34_c": (resnet, lambda file: file.ResNet(file.BasicBlockC, (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "preact_resnet110": (preact_resnet, lambda file: file.PreActResNet(*file.BASIC, 1, 5, width=4), (3, 16, 16)),
    "preact_resnet164": (preact_resnet, lambda file: file.PreActResNet(*file.BOTTLENECK, 2, 5, width=2), (3, 16, 16)),
    "constant_scaling": (resnet_shortcuts, lambda file: file.CifarResNet(file.ConstantScaling, 1, 5, width=4), (3, 8, 8)),
    "convex_scaling": (resnet_shortcuts, lambda file: file.CifarResNet(file.ConvexScaling, 1, 5, width=4), (3, 8, 8)),
    "exclusive_gating": (resnet_shortcuts, lambda file: file.CifarResNet(file.ExclusiveGating, 1, 5, width=4), (3, 8, 8)),
    "gated_shortcut": (resnet_shortcuts, lambda file: file.CifarResNet(file.ShortcutOnlyGating, 1, 5, width=4), (3, 8, 8)),
    "dropped_shortcut": (resnet_shortcuts, lambda file: file.CifarResNet(file.DroppedShortcut, 1, 5, width=4), (3, 8, 8)),
    "wrn_16_4": (wide_resnet, lambda file: file.WideResNet(10, 1, 5, dropout=0.3), (3, 8, 8)),
    "wide_resnet50_2": (wide_resnet, lambda file: file.ResNet(file.WideBottleneck, (2, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "resnext29_8x64d": (resnext, lambda file: file.CifarResNet(file.ResNeXtBlock8x64d, 2, 5, width=2), (3, 8, 8)),
    "resnext50_32x4d": (resnext, lambda file: file.ResNet(
        with_numbers(file.ResNeXtBlock, cardinality=2, width=32), (1, 1, 1, 1), 5, width=4), (3, 64, 64)),
    "se_resnet50": (senet, lambda file: file.ResNet(
        with_numbers(file.SEBottleneck, reduction=4), (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "senet154": (senet, lambda file: file.SENet154(
        with_numbers(file.SENet154Block, groups=2, reduction=4), (1, 1, 1, 1), 5, width=2), (3, 64, 64)),
    "mobilenet_v1": (mobilenet, lambda file: file.MobileNetV1(V1_BLOCKS, 5, width=0.5), (3, 16, 16)),
    "mobilenet_v2": (mobilenet, lambda file: file.MobileNetV2(V2_STAGES, 5, last_channels=16), (3, 16, 16)),
    "densenet40_12": (densenet, lambda file: file.DenseNet(
        file.cifar_stem(3, 4), file.DenseLayer, (2, 2, 2), 3, 1.0, 5), (3, 16, 16)),
    "densenet121": (densenet, lambda file: file.DenseNet(
        file.imagenet_stem(3, 8), file.BottleneckLayer, (1, 2, 1, 1), 4, 0.5, 5), (3, 64, 64)),
    "fractalnet20": (fractalnet, lambda file: file.FractalNet(
        3, (4, 6, 6), (0.0, 0.0, 0.0), 5, drop_path=0.0, global_drop_path=0.0), (3, 8, 8)),
    "shufflenet_v1": (shufflenet, lambda file: file.ShuffleNetV1((6, 24, 36, 48), (2, 1, 2), 3, 5), (3, 64, 64)),
    "shufflenet_v2": (shufflenet, lambda file: file.ShuffleNetV2((4, 8, 12, 16, 8), (2, 1, 2), 5), (3, 64, 64)),
    "efficientnet_b0": (efficientnet, lambda file: file.EfficientNet(
        EFFICIENT_STAGES, 1.0, 1.0, 0.2, 5, last_channels=16), (3, 16, 16)),
    "nasnet_a_cifar10": (nasnet, lambda file: two_cells(file, file.NASNET_A), (3, 8, 8)),
    "amoebanet_a_cifar10": (nasnet, lambda file: two_cells(file, file.AMOEBANET_A), (3, 8, 8)),
    "unet": (unet, lambda file: file.UNet(5, base_channels=2), (1, 188, 188)),
}


def reduced(name):
    """A small member of the family, and a batch of two for it."""
    file, make, shape = REDUCED[name]
    model = with_lively_weights(make(file))
    rng = np.random.default_rng(0)
    pixels = (4, 4) if name == "unet" else ()                     # which have a class each
    return model, (rng.standard_normal((2, *shape)), rng.integers(0, 5, (2, *pixels)))


def with_lively_weights(model):
    """With few channels and biases of 0 whole layers would be 0, where a ReLU has no derivative."""
    for _, layer in layers_with_weights(model):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.uniform_(layer.bias, 0.1, 0.3)
    return model


def shapes_of(model, image):
    """(name, shape without the batch) of all that the model's children put out, in the order of the calls."""
    seen = []
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.append((name, y.shape[1:])))
    model(image)
    return seen


def on_shapes(name, **options):
    """The network `name` and an image for it, both without numbers."""
    with minidl.device("meta"):
        return build(name, **options), minidl.zeros(1, *MODELS[name].input_shape)


def layers_with_weights(model):
    """(name, layer) of all convolutions and full layers."""
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


def running_statistics(model):
    """How many running means and variances its batch norms keep."""
    return sum([x.numel() for name, x in model.named_buffers() if "running" in name])


def backward(model, images, labels):
    """One forward and one backward pass."""
    F.cross_entropy(model(images), labels).backward()
