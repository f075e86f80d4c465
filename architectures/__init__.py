"""Networks from papers, one family a file: `architectures.build("lenet5")`.

Each has a method `init_(module)` that gives a layer the first values of its paper; the constructor applies it to all.
"""
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from architectures import (
    alexnet, bn_inception, densenet, efficientnet, fractalnet, googlenet, inception_v4, keras_tutorial, lenet, mobilenet,
    nasnet, nin, preact_resnet, resnet, resnext, senet, shufflenet, unet, vgg, wide_resnet, zfnet)


@dataclass(frozen=True)
class Model:
    """What is known of a network before it is built; calling `builder` builds it.

    input_shape : (C, H, W) of the images the paper feeds it
    """
    builder: Callable
    year: int
    paper: str
    input_shape: tuple

    @property
    def options(self):
        """The arguments of the constructor with their defaults."""
        return {name: option.default for name, option in inspect.signature(self.builder).parameters.items()}


def entries(year, paper, input_shape, *builders):
    """Models of one paper, under the names of their builders."""
    return {builder.__name__: Model(builder, year, paper, input_shape) for builder in builders}


LECUN = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition"
CHOLLET = "Chollet: Deep Learning with Python, section 5.1"
KRIZHEVSKY = "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks"
KRIZHEVSKY_2014 = "Krizhevsky: One weird trick for parallelizing convolutional neural networks"
ZEILER = "Zeiler, Fergus: Visualizing and understanding convolutional networks"
LIN = "Lin, Chen, Yan: Network in network"
SZEGEDY = "Szegedy and others: Going deeper with convolutions"
IOFFE = "Ioffe, Szegedy: Batch normalization: accelerating deep network training by reducing internal covariate shift"
SZEGEDY_2016 = ("Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the impact of residual connections "
                "on learning")
SIMONYAN = "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition"
HE = "He, Zhang, Ren, Sun: Deep residual learning for image recognition"
HE_2016 = "He, Zhang, Ren, Sun: Identity mappings in deep residual networks"
ZAGORUYKO = "Zagoruyko, Komodakis: Wide residual networks"
XIE = "Xie, Girshick, Dollar, Tu, He: Aggregated residual transformations for deep neural networks"
HU = "Hu, Shen, Sun: Squeeze-and-excitation networks"
HOWARD = "Howard and others: MobileNets: efficient convolutional neural networks for mobile vision applications"
SANDLER = "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: inverted residuals and linear bottlenecks"
HUANG = "Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks"
LARSSON = "Larsson, Maire, Shakhnarovich: FractalNet: ultra-deep neural networks without residuals"
ZHANG = "Zhang, Zhou, Lin, Sun: ShuffleNet: an extremely efficient convolutional neural network for mobile devices"
MA = "Ma, Zhang, Zheng, Sun: ShuffleNet V2: practical guidelines for efficient CNN architecture design"
TAN = "Tan, Le: EfficientNet: rethinking model scaling for convolutional neural networks"
ZOPH = "Zoph, Vasudevan, Shlens, Le: Learning transferable architectures for scalable image recognition"
REAL = "Real, Aggarwal, Huang, Le: Regularized evolution for image classifier architecture search"
RONNEBERGER = "Ronneberger, Fischer, Brox: U-Net: convolutional networks for biomedical image segmentation"
CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)

MODELS = {
    **entries(1998, LECUN, (1, 32, 32), lenet.lenet5, lenet.lenet5_1998),
    **entries(2012, KRIZHEVSKY, (3, 227, 227), alexnet.alexnet),
    **entries(2013, ZEILER, IMAGENET, zfnet.zfnet),
    **entries(2013, LIN, IMAGENET, nin.nin),
    **entries(2013, LIN, CIFAR, nin.nin_cifar10),
    **entries(2014, KRIZHEVSKY_2014, IMAGENET, alexnet.alexnet_one_weird_trick),
    **entries(2014, SZEGEDY, IMAGENET, googlenet.googlenet),
    **entries(2014, SIMONYAN, IMAGENET,
              vgg.vgg11, vgg.vgg11_lrn, vgg.vgg13, vgg.vgg16_c, vgg.vgg16, vgg.vgg19,
              vgg.vgg11_bn, vgg.vgg13_bn, vgg.vgg16_bn, vgg.vgg19_bn),
    **entries(2014, SIMONYAN, CIFAR, vgg.vgg16_cifar, vgg.vgg19_cifar),
    **entries(2015, IOFFE, IMAGENET, bn_inception.bn_inception),
    **entries(2015, HE, IMAGENET,
              resnet.resnet18, resnet.resnet34, resnet.resnet50, resnet.resnet101, resnet.resnet152,
              resnet.resnet50_v1_5, resnet.plain18, resnet.plain34),
    **entries(2015, HE, CIFAR,
              resnet.resnet20, resnet.resnet32, resnet.resnet44, resnet.resnet56, resnet.resnet110, resnet.resnet1202,
              resnet.plain20, resnet.plain32, resnet.plain44, resnet.plain56, resnet.plain110, resnet.plain1202),
    **entries(2015, RONNEBERGER, (1, 572, 572), unet.unet),
    **entries(2016, SZEGEDY_2016, (3, 299, 299), inception_v4.inception_v4, inception_v4.inception_resnet_v2),
    **entries(2016, HE_2016, CIFAR,
              preact_resnet.preact_resnet110, preact_resnet.preact_resnet164, preact_resnet.preact_resnet1001),
    **entries(2016, ZAGORUYKO, CIFAR, wide_resnet.wrn_16_4, wide_resnet.wrn_40_4, wide_resnet.wrn_28_10),
    **entries(2016, ZAGORUYKO, IMAGENET, wide_resnet.wide_resnet50_2),
    **entries(2016, XIE, CIFAR, resnext.resnext29_8x64d),
    **entries(2016, XIE, IMAGENET, resnext.resnext50_32x4d, resnext.resnext101_32x8d),
    **entries(2016, HUANG, CIFAR, densenet.densenet40_12, densenet.densenet_bc100_12),
    **entries(2016, HUANG, IMAGENET,
              densenet.densenet121, densenet.densenet169, densenet.densenet201, densenet.densenet161),
    **entries(2016, LARSSON, CIFAR, fractalnet.fractalnet20, fractalnet.fractalnet40),
    **entries(2017, CHOLLET, (1, 28, 28), keras_tutorial.keras_mnist_cnn),
    **entries(2017, "a tutorial", CIFAR, keras_tutorial.keras_cifar100_cnn),
    **entries(2017, HU, IMAGENET, senet.se_resnet50, senet.se_resnext50_32x4d, senet.senet154),
    **entries(2017, HOWARD, IMAGENET, mobilenet.mobilenet_v1),
    **entries(2017, ZHANG, IMAGENET, shufflenet.shufflenet_v1),
    **entries(2017, ZOPH, CIFAR, nasnet.nasnet_a_cifar10),
    **entries(2017, ZOPH, IMAGENET, nasnet.nasnet_a_mobile),
    **entries(2018, SANDLER, IMAGENET, mobilenet.mobilenet_v2),
    **entries(2018, MA, IMAGENET, shufflenet.shufflenet_v2),
    **entries(2018, REAL, CIFAR, nasnet.amoebanet_a_cifar10),
    **entries(2019, TAN, IMAGENET, efficientnet.efficientnet_b0),
    **entries(2019, TAN, (3, 240, 240), efficientnet.efficientnet_b1),
    **entries(2019, TAN, (3, 260, 260), efficientnet.efficientnet_b2),
    **entries(2019, TAN, (3, 300, 300), efficientnet.efficientnet_b3),
    **entries(2019, TAN, (3, 380, 380), efficientnet.efficientnet_b4),
    **entries(2019, TAN, (3, 456, 456), efficientnet.efficientnet_b5),
    **entries(2019, TAN, (3, 528, 528), efficientnet.efficientnet_b6),
    **entries(2019, TAN, (3, 600, 600), efficientnet.efficientnet_b7),
}


class Small(NamedTuple):
    """A small member of a family: builder(num_classes=10, in_channels=1), its images' height and width, its epochs."""
    builder: Callable
    size: int
    epochs: int


# Every family's classifier, so small that it learns within two minutes: `minidl bench trainings`.
SMALL = {
    "lenet": Small(lenet.small, 32, 10),
    "alexnet": Small(alexnet.small, 67, 10),
    "zfnet": Small(zfnet.small, 64, 10),
    "nin": Small(nin.small, 67, 12),
    "vgg": Small(vgg.small, 28, 10),
    "googlenet": Small(googlenet.small, 56, 7),
    "bn_inception": Small(bn_inception.small, 48, 5),
    "plain": Small(resnet.small_plain, 28, 5),
    "resnet": Small(resnet.small, 28, 5),
    "inception_v4": Small(inception_v4.small_v4, 75, 6),
    "inception_resnet_v2": Small(inception_v4.small_resnet_v2, 75, 6),
    "preact_resnet": Small(preact_resnet.small, 28, 5),
    "wide_resnet": Small(wide_resnet.small, 20, 6),
    "resnext": Small(resnext.small, 48, 8),
    "densenet": Small(densenet.small, 48, 8),
    "fractalnet": Small(fractalnet.small, 28, 5),
    "keras_cnn": Small(keras_tutorial.small, 28, 10),
    "se_resnet": Small(senet.small, 28, 7),
    "mobilenet_v1": Small(mobilenet.small_v1, 48, 11),
    "shufflenet_v1": Small(shufflenet.small_v1, 64, 5),
    "nasnet": Small(nasnet.small_nasnet, 28, 8),
    "mobilenet_v2": Small(mobilenet.small_v2, 48, 10),
    "shufflenet_v2": Small(shufflenet.small_v2, 64, 5),
    "amoebanet": Small(nasnet.small_amoebanet, 28, 9),
    "efficientnet": Small(efficientnet.small, 36, 7),
}


def build(name, **options):
    """The network `name` of MODELS with fresh weights: `build("lenet5", num_classes=26, activation="relu")`.

    An option that is not given has the paper's value. ValueError for a name or an option that is not there.
    """
    model = find(name)
    for option in options:
        if option not in model.options:
            there = ", ".join(f"{key}={value!r}" for key, value in model.options.items())
            raise ValueError(f"{name}: there is no option {option!r}{like(option, model.options)}; "
                             f"it has {there or 'none'}")
    return model.builder(**options)


def find(name):
    """The entry of MODELS; ValueError with the nearest names if there is none."""
    if name not in MODELS:
        raise ValueError(f"there is no network {name!r}{like(name, MODELS)}; there are {', '.join(MODELS)}")
    return MODELS[name]


def like(name, names):
    """Which names may have been meant, as part of a sentence."""
    near = difflib.get_close_matches(str(name), names, 3, 0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""
