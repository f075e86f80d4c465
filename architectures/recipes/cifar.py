"""The papers' recipes for CIFAR-10.

A number of updates is counted in epochs of 391, which 50,000 images in batches of 128 are. Images are normalised before
they are shifted, so that what comes in from outside has the mean colour.
"""
from dataclasses import replace

from architectures.recipes.recipe import MOMENTUM, NESTEROV, CrossEntropy, Recipe, members, statistics
from architectures.recipes.schedules import Cosine, Decay, Stages, WarmUp
from minidl.utils.data.transforms import RandomCrop, RandomHorizontalFlip, ToFloat

NORMALIZED = ToFloat(), statistics("cifar10")
SHIFT_AND_FLIP = RandomCrop(32, padding=4), RandomHorizontalFlip()
RMSPROP = {"alpha": 0.9, "momentum": 0.9, "eps": 1.0}
K_UPDATES = 1000 / 391


RESNET = Recipe(
    "resnet20_cifar10", "resnet20", "cifar10",
    "He et al. 2015, section 4.2. Here the mean and deviation of each channel, there the mean of each pixel",
    epochs=164, batch_size=128, lr=0.1, optimizer_options=MOMENTUM, weight_decay=1e-4,
    schedule=Stages(((32 * K_UPDATES, 0.1), (16 * K_UPDATES, 0.01), (16 * K_UPDATES, 0.001))),
    prepare=NORMALIZED, augment=SHIFT_AND_FLIP)

WARMED_UP = Stages(((0.4 * K_UPDATES, 0.01), (31.6 * K_UPDATES, 0.1), (16 * K_UPDATES, 0.01), (16 * K_UPDATES, 0.001)))

RESNET_110 = replace(
    RESNET, schedule=WARMED_UP,
    source=RESNET.source + ". There 0.01 until the training error is below 80 %, \"about 400 iterations\": here 400")

RESNET_TORCH = replace(
    RESNET, name="resnet20_torch", source="fb.resnet.torch, which trains any of the networks for CIFAR so",
    optimizer_options=NESTEROV, schedule=Stages(((80, 0.1), (41, 0.01), (43, 0.001))))

PREACT = replace(
    RESNET, source="He et al. 2016, whose released code takes batches of 64 and 200 epochs. Here the mean and deviation of "
                   "each channel", schedule=WARMED_UP)

WRN = Recipe(
    "wrn_28_10_cifar10", "wrn_28_10", "cifar10", "Zagoruyko & Komodakis 2016, section 3, without dropout",
    epochs=200, batch_size=128, lr=0.1, optimizer_options=NESTEROV, weight_decay=5e-4,
    schedule=Stages(((60, 0.1), (60, 0.02), (40, 0.004), (40, 0.0008))),
    prepare=NORMALIZED, augment=(RandomCrop(32, padding=4, padding_mode="reflect"), RandomHorizontalFlip()))

RESNEXT = replace(
    RESNET, source="Xie et al. 2016, the released code; the paper's batches are of 256",
    epochs=300, optimizer_options=NESTEROV, weight_decay=5e-4,
    schedule=Stages(((150, 0.1), (75, 0.01), (75, 0.001))))

DENSENET = replace(
    RESNEXT, source="Huang et al. 2016, section 4.2", batch_size=64, weight_decay=1e-4)

FRACTALNET = Recipe(
    "fractalnet20_cifar10", "fractalnet20", "cifar10",
    "Larsson et al. 2016, section 4: a tenth of the rate whenever the epochs that are left have halved; that it happens "
    "three times, and the normalisation, are not in the paper",
    epochs=400, batch_size=100, lr=0.02, optimizer_options=MOMENTUM,
    schedule=Stages(((200, 0.02), (100, 0.002), (50, 0.0002), (50, 0.00002))),
    prepare=NORMALIZED, augment=SHIFT_AND_FLIP)

NASNET = Recipe(
    "nasnet_a_cifar10", "nasnet_a_cifar10", "cifar10",
    "Zoph et al. 2017, the released code, which does not name its optimizer, here SGD with momentum. Augmentation is "
    "ResNet's; the paper also has results with cutout",
    epochs=600, batch_size=32, lr=0.025, optimizer_options=MOMENTUM, weight_decay=5e-4, decay_vectors=False,
    schedule=Cosine(), prepare=NORMALIZED, augment=SHIFT_AND_FLIP, loss=CrossEntropy(auxiliary=0.4), max_norm=5.0,
    options={"drop_path": 0.4, "aux": True})

AMOEBANET = replace(
    NASNET, name="amoebanet_a_cifar10", model="amoebanet_a_cifar10",
    source="Real et al. 2018, the released code for ImageNet: optimizer, rates, decay, smoothing, clipping, paths dropped. "
           "It does not train this network, which here has NASNet's epochs, batches, images and auxiliary classifier",
    lr=0.015, optimizer="RMSpropTF", optimizer_options=RMSPROP, weight_decay=4e-5, schedule=WarmUp(3, Decay(0.97, 2.4)),
    loss=CrossEntropy(label_smoothing=0.1, auxiliary=0.4), max_norm=10.0, options={"drop_path": 0.3, "aux": True})

OF_CIFAR10 = (
    *members(RESNET, "resnet20", "resnet32", "resnet44", "resnet56", "plain20", "plain32", "plain44", "plain56"),
    *members(RESNET_110, "resnet110", "resnet1202", "plain110", "plain1202"),
    RESNET_TORCH,
    *members(PREACT, "preact_resnet110", "preact_resnet164", "preact_resnet1001"),
    *members(WRN, "wrn_16_4", "wrn_40_4", "wrn_28_10"),
    replace(WRN, name="wrn_28_10_dropout", options={"dropout": 0.3},
            source="Zagoruyko & Komodakis 2016, section 3, with dropout"),
    *members(RESNEXT, "resnext29_8x64d"),
    *members(DENSENET, "densenet40_12", "densenet_bc100_12"),
    *members(FRACTALNET, "fractalnet20", "fractalnet40"),
    NASNET,
    AMOEBANET,
)
