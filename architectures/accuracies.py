"""Published accuracies: how often these networks are wrong, how that was tested, and who says so.

Only results of one data set that were tested alike can be compared. The answers to ten crops of an image, averaged, are
right more often than those to one: ResNet-50's error is 22.85 % with ten, and 24.7 % with one. How a network was trained
differs in all of them; where it was not by the authors of its paper, `source` names who did it.
"""
from dataclasses import dataclass

ONE_CROP = "1 crop"                     # of the middle of an image, whose shorter side is some pixels longer
TEN_CROPS = "10 crops"                  # of the four corners and the middle, and their mirror images: the mean of the scores
WHOLE_IMAGE = "whole image"             # the full layers slide over it, as over its mirror image: the mean of the scores
AS_IT_IS = "as it is"                   # images as large as the network's input need no crop


@dataclass(frozen=True)
class Result:
    """The errors of one trained network, without an ensemble.

    network    : a name of architectures.MODELS
    data       : "ImageNet", its 50,000 images for validation, or "CIFAR-10" or "MNIST", their 10,000 test images
    tested     : which part of each image the network saw: ONE_CROP, ...
    top1, top5 : how many of 100 images have a label that is not the first, or not among the first five, of the network's
                 answers; None where that is not published
    """
    network: str
    data: str
    tested: str
    top1: float | None
    top5: float | None
    source: str


def results(data, tested, source, **errors):
    """Results from one place: `resnet50=(22.85, 6.71)`, or one number where there is no top-5 error."""
    for network, error in errors.items():
        top1, top5 = error if isinstance(error, tuple) else (error, None)
        yield Result(network, data, tested, top1, top5, source)


RESULTS = (
    *results("MNIST", AS_IT_IS, "LeCun et al. 1998, without distorted images", lenet5_1998=0.95),

    # ---- ImageNet, one crop
    *results("ImageNet", ONE_CROP, "the authors of Caffe", alexnet=(42.9, 19.8), googlenet=(31.3, 11.1)),
    *results("ImageNet", ONE_CROP, "M. Lin, in the model zoo of Caffe", nin=40.64),
    *results("ImageNet", ONE_CROP, "torchvision", alexnet_one_weird_trick=(43.48, 20.93),
             vgg11=(30.98, 11.37), vgg13=(30.07, 10.75), vgg16=(28.41, 9.62), vgg19=(27.62, 9.12),
             resnext101_32x8d=(20.69, 5.47)),
    *results("ImageNet", ONE_CROP, "Ioffe & Szegedy 2015, figure 4", bn_inception=(25.2, 7.82)),
    *results("ImageNet", ONE_CROP, "S. Gross and M. Wilber, fb.resnet.torch",
             resnet18=(30.43, 10.76), resnet34=(26.73, 8.74), resnet50_v1_5=(24.01, 7.02)),
    *results("ImageNet", ONE_CROP, "He et al., with their published models",
             resnet50=(24.7, 7.8), resnet101=(23.6, 7.1), resnet152=(23.0, 6.7)),
    *results("ImageNet", ONE_CROP, "Szegedy et al. 2016, table 2, without images whose label is in doubt",
             inception_v4=(20.0, 5.0), inception_resnet_v2=(19.9, 4.9)),
    *results("ImageNet", ONE_CROP, "Zagoruyko & Komodakis 2016, table 8", wide_resnet50_2=(21.9, 6.03)),
    *results("ImageNet", ONE_CROP, "Xie et al. 2016", resnext50_32x4d=22.2),
    *results("ImageNet", ONE_CROP, "Huang et al. 2016, table 3",
             densenet121=(25.02, 7.71), densenet169=(23.80, 6.85), densenet201=(22.58, 6.34)),
    *results("ImageNet", ONE_CROP, "Huang et al., with their published model", densenet161=22.2),
    *results("ImageNet", ONE_CROP, "Hu et al. 2017", se_resnet50=(23.29, 6.62), se_resnext50_32x4d=(21.10, 5.49)),
    *results("ImageNet", ONE_CROP, "Hu et al., with their published model", senet154=(18.68, 4.47)),
    *results("ImageNet", ONE_CROP, "Howard et al. 2017", mobilenet_v1=29.4),
    *results("ImageNet", ONE_CROP, "Zhang et al. 2017", shufflenet_v1=32.6),
    *results("ImageNet", ONE_CROP, "Zoph et al., with their published model", nasnet_a_mobile=(26.0, 8.4)),
    *results("ImageNet", ONE_CROP, "Sandler et al. 2018", mobilenet_v2=28.0),
    *results("ImageNet", ONE_CROP, "Ma et al. 2018", shufflenet_v2=30.6),
    *results("ImageNet", ONE_CROP, "Tan & Le 2019, table 2 of 2020, with AutoAugment",
             efficientnet_b0=(22.9, 6.7), efficientnet_b1=(20.9, 5.6), efficientnet_b2=(19.9, 5.1),
             efficientnet_b3=(18.4, 4.3), efficientnet_b4=(17.1, 3.6), efficientnet_b5=(16.4, 3.3),
             efficientnet_b6=(16.0, 3.2), efficientnet_b7=(15.7, 3.0)),

    # ---- ImageNet, ten crops
    *results("ImageNet", TEN_CROPS, "Krizhevsky et al. 2012, table 2", alexnet=(40.7, 18.2)),
    *results("ImageNet", TEN_CROPS, "Zeiler & Fergus 2013, table 2", zfnet=(38.4, 16.5)),
    *results("ImageNet", TEN_CROPS, "Szegedy et al. 2014, table 3", googlenet=(None, 9.15)),
    *results("ImageNet", TEN_CROPS, "He et al. 2015, table 2", plain18=27.94),
    *results("ImageNet", TEN_CROPS, "He et al. 2015, table 2, shortcuts of option A", resnet18=27.88),
    *results("ImageNet", TEN_CROPS, "He et al. 2015, table 3",
             vgg16=(28.07, 9.33), plain34=(28.54, 10.02), resnet34=(24.52, 7.46), resnet50=(22.85, 6.71),
             resnet101=(21.75, 6.05), resnet152=(21.43, 5.71)),
    *results("ImageNet", TEN_CROPS, "Huang et al. 2016, table 3",
             densenet121=(23.61, 6.66), densenet169=(22.08, 5.92), densenet201=(21.46, 5.54)),

    # ---- ImageNet, the whole image
    *results("ImageNet", WHOLE_IMAGE, "Simonyan & Zisserman 2014, table 3, one scale",
             vgg11=(29.6, 10.4), vgg11_lrn=(29.7, 10.5), vgg13=(28.7, 9.9), vgg16_c=(27.3, 8.8), vgg16=(25.6, 8.1),
             vgg19=(25.5, 8.0)),

    # ---- CIFAR-10, trained with shifted and mirrored images
    *results("CIFAR-10", AS_IT_IS, "Lin et al. 2013", nin_cifar10=8.81),
    *results("CIFAR-10", AS_IT_IS, "He et al. 2015, table 6",
             resnet20=8.75, resnet32=7.51, resnet44=7.17, resnet56=6.97, resnet1202=7.93),
    *results("CIFAR-10", AS_IT_IS, "He et al. 2015, table 6, the mean of five", resnet110=6.61),
    *results("CIFAR-10", AS_IT_IS, "He et al. 2016", preact_resnet110=6.37, preact_resnet164=5.46,
             preact_resnet1001=4.92),
    *results("CIFAR-10", AS_IT_IS, "Zagoruyko & Komodakis 2016, table 6", wrn_16_4=5.02),
    *results("CIFAR-10", AS_IT_IS, "Zagoruyko & Komodakis 2016, table 5", wrn_40_4=4.53, wrn_28_10=4.00),
    *results("CIFAR-10", AS_IT_IS, "Xie et al. 2016, table 7", resnext29_8x64d=3.65),
    *results("CIFAR-10", AS_IT_IS, "Huang et al. 2016, table 2", densenet40_12=5.24, densenet_bc100_12=4.51),
    *results("CIFAR-10", AS_IT_IS, "Larsson et al. 2016, who count 38.6 million parameters", fractalnet20=5.22),
    *results("CIFAR-10", AS_IT_IS, "Zoph et al. 2017, table 1", nasnet_a_cifar10=3.41),
    *results("CIFAR-10", AS_IT_IS, "Real et al. 2018, table 1, a mean", amoebanet_a_cifar10=3.34),
)

# What a line joins in a picture: one design, made larger.
FAMILIES = (
    ("vgg11", "vgg13", "vgg16", "vgg19"),
    ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    ("plain18", "plain34"),
    ("densenet121", "densenet169", "densenet201"),
    tuple([f"efficientnet_b{i}" for i in range(8)]),
    ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"),
    ("preact_resnet110", "preact_resnet164", "preact_resnet1001"),
    ("wrn_16_4", "wrn_40_4", "wrn_28_10"),
)
