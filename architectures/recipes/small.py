"""Recipes for small networks on small images, most of them chosen here or a tutorial's."""
from dataclasses import replace

from architectures.lenet import map_criterion
from architectures.recipes.recipe import MOMENTUM, Recipe, statistics
from architectures.recipes.schedules import Cosine, Stages
from minidl.utils.data.transforms import Normalize, Pad, RandomAffine, RandomCrop, Resize, ToFloat

LENET5_DIGITS = Recipe(
    "lenet5_digits", "lenet5", "digits", "chosen by cross-validation on the 1,347 training images",
    epochs=15, batch_size=32, lr=0.05, optimizer_options=MOMENTUM, schedule=Cosine(),
    prepare=(ToFloat(), Resize(32)), augment=(RandomAffine(10, (0.06, 0.06)),),
    normalize=Normalize(0.3063, 0.3766))

LENET5_MNIST = Recipe(
    "lenet5_mnist", "lenet5", "mnist", "chosen on 5,000 held-out training images",
    epochs=12, batch_size=64, lr=0.05, optimizer_options=MOMENTUM, schedule=Cosine(),
    prepare=(ToFloat(), Pad(2)), augment=(RandomCrop(32, padding=1),),        # a shift by a pixel at most
    normalize=Normalize(0.1307, 0.3081))

LENET5_COURSES = replace(
    LENET5_MNIST, name="lenet5_courses", epochs=20, lr=0.005,
    schedule=Stages(((2, 0.005), (3, 0.0002), (4, 0.00005), (11, 0.00001))),
    source="the schedule that courses quote for LeNet-5, a misquotation of the paper's 0.0005, 0.0002, 0.0001, "
           "0.00005, 0.00001, which are global rates for a diagonal Levenberg-Marquardt step; the rest is "
           "lenet5_mnist's")

# The paper's inputs: paper is -0.1 and ink 1.175. Its loss is a sum over 84 units, hence the small rates.
PAPERS_INPUT = Normalize(0.1 / 1.275, 1 / 1.275)

LENET5_1998_DIGITS = replace(
    LENET5_DIGITS, name="lenet5_1998_digits", model="lenet5_1998", epochs=30, lr=0.001, loss=map_criterion,
    normalize=PAPERS_INPUT)

LENET5_1998_MNIST = replace(
    LENET5_MNIST, name="lenet5_1998_mnist", model="lenet5_1998", epochs=20, lr=0.001, loss=map_criterion,
    normalize=PAPERS_INPUT, source="inputs, loss and passes are the paper's; the rate is lenet5_1998_digits's, "
                                   "the rest lenet5_mnist's")

KERAS_MNIST = Recipe(
    "keras_mnist", "keras_mnist_cnn", "mnist", "Chollet 2017, section 5.1; Keras's RMSprop",
    epochs=5, batch_size=64, lr=0.001, optimizer="RMSprop", optimizer_options={"alpha": 0.9, "eps": 1e-7})

KERAS_CIFAR100 = Recipe(
    "keras_cifar100", "keras_cifar100_cnn", "cifar100", "Keras's defaults, as in its tutorials; not tried here",
    epochs=10, batch_size=32, lr=0.001, optimizer="Adam", optimizer_options={"eps": 1e-7})

RESNET20_PHOTO_DIGITS = Recipe(
    "resnet20_photo_digits", "resnet20", "photo-digits", "chosen on 5,000 held-out training images",
    epochs=2, batch_size=128, lr=0.1, optimizer_options=MOMENTUM, weight_decay=1e-4, schedule=Cosine(),
    normalize=statistics("photo-digits"))

SMALL = (
    LENET5_DIGITS,
    LENET5_MNIST,
    LENET5_COURSES,
    replace(LENET5_DIGITS, name="lenet5_relu_digits", options={"activation": "relu"}),
    replace(LENET5_MNIST, name="lenet5_relu", options={"activation": "relu"}),
    replace(LENET5_COURSES, name="lenet5_relu_courses", options={"activation": "relu"}),
    LENET5_1998_DIGITS,
    LENET5_1998_MNIST,
    KERAS_MNIST,
    KERAS_CIFAR100,
)
