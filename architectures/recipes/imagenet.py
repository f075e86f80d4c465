"""The papers' recipes for ImageNet: for any folder of pictures with train/CLASS/ and test/CLASS/.

A number of updates is counted in epochs of 1,281,167 images. Test images are seen once, in the middle: where the papers
average ten crops, this gives a worse result than theirs. Where many workers trained at once, `batch_size` is what one
update sees: of one worker if they did not wait for each other, and of all if they did.
"""
from dataclasses import replace

from architectures.efficientnet import PUBLISHED
from architectures.recipes.recipe import (
    IMAGENET,
    IMAGENET_STATISTICS,
    MOMENTUM,
    NESTEROV,
    CrossEntropy,
    Recipe,
    members,
)
from architectures.recipes.schedules import Decay, Polynomial, Stages, WarmUp
from minidl.utils.data.transforms import (
    CenterCrop,
    ColorJitter,
    Normalize,
    PCAColorShift,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomScaledCrop,
    Resize,
    ToFloat,
)

IMAGES = 1_281_167

BYTES = Normalize(IMAGENET_STATISTICS.mean, 1 / 255)            # -124 to 152: only the mean is subtracted from bytes
FLIP = RandomHorizontalFlip()
LIGHTING = PCAColorShift((0.2175, 0.0188, 0.0045), (            # fb.resnet.torch's, of ImageNet's colours, 0 to 1
    (-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203)))
JITTER = ColorJitter(0.4, 0.4, 0.4)


def center(size, shorter):
    """What is seen in testing: the middle, once the shorter side has so many pixels."""
    return Resize(shorter), CenterCrop(size)


ALEXNET = Recipe(
    "alexnet_imagenet", "alexnet", IMAGENET,
    "Krizhevsky et al. 2012, as usually quoted. There the rate is divided by hand, three times: here every 20 epochs, as "
    "BVLC's. Windows of 227 pixels, not 224",
    epochs=90, batch_size=128, lr=0.01, optimizer_options=MOMENTUM, weight_decay=5e-4,
    schedule=Stages(((20, 0.01), (20, 0.001), (20, 0.0001), (30, 0.00001))),
    prepare=(ToFloat(), *center(256, 256)), augment=(RandomCrop(227), FLIP, LIGHTING), view=(CenterCrop(227),),
    normalize=BYTES)

BVLC = 100_000 / (IMAGES / 256)                                  # epochs
ALEXNET_BVLC = replace(
    ALEXNET, name="alexnet_bvlc", batch_size=256,
    source="BVLC's replication in Caffe; its first weights are others for fc6 and fc7, and 0.1 for biases",
    schedule=Stages(((BVLC, 0.01), (BVLC, 0.001), (BVLC, 0.0001), (BVLC, 0.00001), (BVLC / 2, 0.000001))),
    prepare=(ToFloat(), Resize((256, 256))), augment=(RandomCrop(227), FLIP))

ZFNET = replace(
    ALEXNET, name="zfnet_imagenet", model="zfnet",
    source="Zeiler & Fergus 2013, as usually quoted. There the rate is annealed by hand, and filters are shortened: here "
           "the rate is divided every 20 epochs, as BVLC's, and no filter is shortened",
    epochs=70, weight_decay=0.0, schedule=Stages(((20, 0.01), (20, 0.001), (20, 0.0001), (10, 0.00001))),
    augment=(RandomCrop(224), FLIP), view=(CenterCrop(224),))

VGG = replace(
    ALEXNET, name="vgg16_imagenet", model="vgg16",
    source="Simonyan & Zisserman 2014, section 3.1, with the shorter side at 256. There the rate is divided on plateaus, "
           "three times: here every 20 epochs",
    epochs=74, batch_size=256, schedule=Stages(((20, 0.01), (20, 0.001), (20, 0.0001), (14, 0.00001))),
    prepare=(ToFloat(), Resize(256)), augment=(RandomCrop(224), FLIP, LIGHTING), view=(CenterCrop(224),))

GOOGLENET = Recipe(
    "googlenet_imagenet", "googlenet", IMAGENET,
    "Szegedy et al. 2014, section 6, as usually quoted, without the averaging of weights. Rate, weight decay, batch and "
    "epochs, which it does not give, are those of BVLC's solver for the same steps",
    epochs=250, batch_size=32, lr=0.01, optimizer_options=MOMENTUM, weight_decay=2e-4, schedule=Decay(0.96, 8),
    augment=(RandomResizedCrop(224), FLIP), view=center(224, 256), normalize=IMAGENET_STATISTICS,
    loss=CrossEntropy(auxiliary=0.3), options={"aux": True})

GOOGLENET_BVLC = replace(
    GOOGLENET, name="googlenet_bvlc", source="BVLC's quick solver in Caffe; its first weights are Glorot's, for bytes",
    epochs=60, schedule=Polynomial(0.5), prepare=(ToFloat(), Resize((256, 256))), augment=(RandomCrop(224), FLIP),
    view=(CenterCrop(224),))

INCEPTION = Recipe(
    "inception_v4_imagenet", "inception_v4", IMAGENET,
    "Szegedy et al. 2016, section 4: 20 workers, which did not wait for each other. It gives neither batch, epochs, weight "
    "decay nor the decay of the average of weights: 32, 160, none and 0.9999 here. Windows are GoogLeNet's",
    epochs=160, batch_size=32, lr=0.045, optimizer="RMSpropTF", optimizer_options={"alpha": 0.9, "eps": 1.0},
    schedule=Decay(0.94, 2), augment=(RandomResizedCrop(299), FLIP), view=center(299, 342), normalize=IMAGENET_STATISTICS,
    average=0.9999)

RESNET = Recipe(
    "resnet50_imagenet", "resnet50", IMAGENET,
    "He et al. 2015, section 3.4: 600,000 updates at most. There the rate is divided on plateaus: here every 30 epochs, as "
    "ResNeXt's",
    epochs=120, batch_size=256, lr=0.1, optimizer_options=MOMENTUM, weight_decay=1e-4,
    schedule=Stages(((30, 0.1), (30, 0.01), (30, 0.001), (30, 0.0001))),
    augment=(RandomScaledCrop(224, (256, 480)), FLIP, LIGHTING), view=center(224, 256), normalize=IMAGENET_STATISTICS)

RESNET_TORCH = replace(
    RESNET, source="fb.resnet.torch, with which version 1.5 and the wide network were trained",
    epochs=90, optimizer_options=NESTEROV, schedule=Stages(((30, 0.1), (30, 0.01), (30, 0.001))),
    augment=(RandomResizedCrop(224), FLIP, JITTER, LIGHTING))

RESNEXT = replace(
    RESNET_TORCH, source="Xie et al. 2016. That training ends after 120 epochs is not in the paper",
    epochs=120, optimizer_options=MOMENTUM, schedule=RESNET.schedule)

SENET = replace(
    RESNET, source="Hu et al. 2017. Weight decay, which it does not give, is ResNet's. The released code takes "
                   "batches of 256 and a rate of 0.1, and turns images, too",
    epochs=100, batch_size=1024, lr=0.6, schedule=Stages(((30, 0.6), (30, 0.06), (30, 0.006), (10, 0.0006))),
    augment=(RandomResizedCrop(224), FLIP))

DENSENET = replace(RESNET_TORCH, source="Huang et al. 2016, section 4.2; images are fb.resnet.torch's")

MOBILENET_V2 = Recipe(
    "mobilenet_v2_imagenet", "mobilenet_v2", IMAGENET,
    "Sandler et al. 2018, section 6.1: 16 workers, which did not wait for each other. It does not give epochs, 300 here, "
    "nor eps, 1 as in the authors' other code. Windows are GoogLeNet's",
    epochs=300, batch_size=96, lr=0.045, optimizer="RMSpropTF",
    optimizer_options={"alpha": 0.9, "momentum": 0.9, "eps": 1.0}, weight_decay=4e-5, decay_vectors=False,
    schedule=Decay(0.98), augment=(RandomResizedCrop(224), FLIP), view=center(224, 256), normalize=IMAGENET_STATISTICS)

SHUFFLENET = Recipe(
    "shufflenet_v1_imagenet", "shufflenet_v1", IMAGENET,
    "Zhang et al. 2017 and Ma et al. 2018, the released code: 300,000 updates. It feeds bytes, blue first, as they are",
    epochs=240, batch_size=1024, lr=0.5, optimizer_options=MOMENTUM, weight_decay=4e-5, decay_vectors=False,
    schedule=Polynomial(1), augment=(RandomResizedCrop(224), JITTER, FLIP), view=center(224, 256),
    normalize=IMAGENET_STATISTICS, loss=CrossEntropy(label_smoothing=0.1))

EFFICIENTNET = Recipe(
    "efficientnet_b0_imagenet", "efficientnet_b0", IMAGENET,
    "Tan & Le 2019, the released code without AutoAugment; biases decay there, too, and images are resized by cubic "
    "interpolation. The rate is 0.016 for every 256 images of a batch",
    epochs=350, batch_size=2048, lr=0.128, optimizer="RMSpropTF",
    optimizer_options={"alpha": 0.9, "momentum": 0.9, "eps": 0.001}, weight_decay=1e-5, decay_vectors=False,
    schedule=WarmUp(5, Decay(0.97, 2.4)), normalize=IMAGENET_STATISTICS, loss=CrossEntropy(label_smoothing=0.1),
    average=0.9999)


def scaled(name, size):
    """EfficientNet's recipe for images of this size."""
    return replace(EFFICIENTNET, name=f"efficientnet_{name}_imagenet", model=f"efficientnet_{name}",
                   augment=(RandomResizedCrop(size), FLIP), view=center(size, size + 32))


NASNET = Recipe(
    "nasnet_a_mobile_imagenet", "nasnet_a_mobile", IMAGENET,
    "Zoph et al. 2017, the released code: 250,000 updates of 50 workers with 32 images each. It does not name its "
    "optimizer: AmoebaNet's here. Windows are GoogLeNet's",
    epochs=312, batch_size=1600, lr=2.0, optimizer="RMSpropTF",
    optimizer_options={"alpha": 0.9, "momentum": 0.9, "eps": 1.0}, weight_decay=4e-5, decay_vectors=False,
    schedule=Decay(0.97, 2.4), augment=(RandomResizedCrop(224), FLIP), view=center(224, 256),
    normalize=IMAGENET_STATISTICS, loss=CrossEntropy(label_smoothing=0.1, auxiliary=0.4), max_norm=10.0,
    options={"aux": True})

OF_IMAGENET = (
    ALEXNET,
    ALEXNET_BVLC,
    ZFNET,
    *members(VGG, "vgg11", "vgg11_lrn", "vgg13", "vgg16_c", "vgg16", "vgg19"),
    GOOGLENET,
    GOOGLENET_BVLC,
    *members(INCEPTION, "inception_v4", "inception_resnet_v2"),
    *members(RESNET, "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "plain18", "plain34"),
    *members(RESNET_TORCH, "resnet50_v1_5", "wide_resnet50_2"),
    *members(RESNEXT, "resnext50_32x4d", "resnext101_32x8d"),
    *members(SENET, "se_resnet50", "se_resnext50_32x4d", "senet154"),
    *members(DENSENET, "densenet121", "densenet169", "densenet201", "densenet161"),
    MOBILENET_V2,
    *members(SHUFFLENET, "shufflenet_v1", "shufflenet_v2"),
    *[scaled(name, size) for name, (_, _, size, _) in PUBLISHED.items()],
    NASNET,
)
