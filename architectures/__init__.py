"""Networks from papers, one family a file: `architectures.build("lenet5")`."""
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from architectures import (
    alexnet, bn_inception, googlenet, inception_v4, keras_tutorial, lenet, mobilenet, nin, resnet, vgg, zfnet)


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
HOWARD = "Howard and others: MobileNets: efficient convolutional neural networks for mobile vision applications"
SANDLER = "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: inverted residuals and linear bottlenecks"
CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)

MODELS = {
    **entries(1998, LECUN, (1, 32, 32), lenet.lenet5, lenet.lenet5_1998),
    **entries(2017, CHOLLET, (1, 28, 28), keras_tutorial.keras_mnist_cnn),
    **entries(2017, "a tutorial", CIFAR, keras_tutorial.keras_cifar100_cnn),
    **entries(2012, KRIZHEVSKY, (3, 227, 227), alexnet.alexnet),
    **entries(2013, ZEILER, IMAGENET, zfnet.zfnet),
    **entries(2013, LIN, IMAGENET, nin.nin),
    **entries(2013, LIN, CIFAR, nin.nin_cifar10),
    **entries(2014, KRIZHEVSKY_2014, IMAGENET, alexnet.alexnet_one_weird_trick),
    **entries(2014, SZEGEDY, IMAGENET, googlenet.googlenet),
    **entries(2015, IOFFE, IMAGENET, bn_inception.bn_inception),
    **entries(2016, SZEGEDY_2016, (3, 299, 299), inception_v4.inception_v4, inception_v4.inception_resnet_v2),
    **entries(2014, SIMONYAN, IMAGENET,
              vgg.vgg11, vgg.vgg11_lrn, vgg.vgg13, vgg.vgg16_c, vgg.vgg16, vgg.vgg19,
              vgg.vgg11_bn, vgg.vgg13_bn, vgg.vgg16_bn, vgg.vgg19_bn),
    **entries(2014, SIMONYAN, CIFAR, vgg.vgg16_cifar, vgg.vgg19_cifar),
    **entries(2015, HE, IMAGENET,
              resnet.resnet18, resnet.resnet34, resnet.resnet50, resnet.resnet101, resnet.resnet152,
              resnet.resnet50_v1_5, resnet.plain18, resnet.plain34),
    **entries(2015, HE, CIFAR,
              resnet.resnet20, resnet.resnet32, resnet.resnet44, resnet.resnet56, resnet.resnet110, resnet.resnet1202,
              resnet.plain20, resnet.plain32, resnet.plain44, resnet.plain56, resnet.plain110, resnet.plain1202),
    **entries(2017, HOWARD, IMAGENET, mobilenet.mobilenet_v1),
    **entries(2018, SANDLER, IMAGENET, mobilenet.mobilenet_v2),
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
