"""Training recipes: how a network is trained on a data set, number by number, and where each number is from.

    recipe = recipes.find("lenet5", "mnist")                  the usual one for this pair
    recipe = recipes.named("lenet5_courses")                  another one

    model = architectures.build(recipe.model, **recipe.options)
    optimizer = recipe.optimizer_for(model)
    scheduler = recipe.scheduler_for(optimizer, len(loader))  stepped after every update
    training images go through recipe.train_transform, shuffled, in batches of recipe.batch_size,
    test images through recipe.test_transform, and the loss is recipe.loss(scores, labels)

Another number: `dataclasses.replace(recipe, lr=0.1)`.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import architectures
from architectures.lenet import map_criterion
from minidl import optim
from minidl.nn.functional import cross_entropy
from minidl.optim.lr_scheduler import LambdaLR
from minidl.utils.data.transforms import Compose, Normalize, Pad, RandomAffine, RandomCrop, Resize, ToFloat


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: only data.

    model, data     : names in architectures.MODELS and minidl.utils.data.datasets
    source          : where the numbers come from
    lr              : the learning rate that the schedule starts from
    schedule        : "constant", "cosine" (down to 0 at the end), or stages of (epochs, rate), the first of
                      which begins with lr and the last of which stays
    prepare         : what makes of an image of the data set an input of the network
    augment         : random changes of training images, between `prepare` and `normalize`
    max_norm        : gradients longer than that, all together, are shortened to it
    average         : the decay of a running average of the weights, which is then what is evaluated and kept
    options         : of the network's constructor
    optimizer_options : of the optimizer, besides lr and weight_decay
    """
    name: str
    model: str
    data: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "SGD"
    optimizer_options: dict = field(default_factory=dict)
    weight_decay: float = 0.0
    schedule: str | tuple = "constant"
    prepare: tuple = (ToFloat(),)
    augment: tuple = ()
    normalize: Normalize | None = None
    loss: Callable = cross_entropy
    max_norm: float | None = None
    average: float | None = None
    options: dict = field(default_factory=dict)

    @property
    def train_transform(self):
        return Compose([*self.prepare, *self.augment, *self.last])

    @property
    def test_transform(self):
        return Compose([*self.prepare, *self.last])

    @property
    def last(self):
        return [self.normalize] if self.normalize else []

    def optimizer_for(self, model):
        kind = getattr(optim, self.optimizer)
        return kind(model.parameters(), lr=self.lr, weight_decay=self.weight_decay, **self.optimizer_options)

    def scheduler_for(self, optimizer, updates_per_epoch):
        """To be stepped after every update."""
        return LambdaLR(optimizer, lambda update: self.factor(update / updates_per_epoch))

    def factor(self, epoch):
        """The share of `lr` at a time in epochs: 1.5 is the middle of the second."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        rates = [rate for epochs, rate in self.schedule for _ in range(epochs)]
        return rates[min(int(epoch), len(rates) - 1)] / rates[0]


MOMENTUM = {"momentum": 0.9}

LENET5_DIGITS = Recipe(
    "lenet5_digits", "lenet5", "digits", "chosen by cross-validation on the 1,347 training images",
    epochs=15, batch_size=32, lr=0.05, optimizer_options=MOMENTUM, schedule="cosine",
    prepare=(ToFloat(), Resize(32)), augment=(RandomAffine(10, (0.06, 0.06)),),
    normalize=Normalize(0.3063, 0.3766))

LENET5_MNIST = Recipe(
    "lenet5_mnist", "lenet5", "mnist", "chosen on 5,000 held-out training images",
    epochs=12, batch_size=64, lr=0.05, optimizer_options=MOMENTUM, schedule="cosine",
    prepare=(ToFloat(), Pad(2)), augment=(RandomCrop(32, padding=1),),        # a shift by a pixel at most
    normalize=Normalize(0.1307, 0.3081))

LENET5_COURSES = replace(
    LENET5_MNIST, name="lenet5_courses", epochs=20, lr=0.005,
    schedule=((2, 0.005), (3, 0.0002), (4, 0.00005), (11, 0.00001)),
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
    "resnet20_photo_digits", "resnet20", "photo-digits",
    "the paper's rate, batch and weight decay, in few epochs; tried on 5,000 held-out training images",
    epochs=2, batch_size=128, lr=0.1, optimizer_options=MOMENTUM, weight_decay=1e-4, schedule="cosine",
    normalize=Normalize((0.4985, 0.4257, 0.3931), (0.2347, 0.2238, 0.2376)))

RECIPES = (
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
    RESNET20_PHOTO_DIGITS,
)


def find(model, data):
    """The usual recipe for a network on a data set, the first of RECIPES; ValueError if there is none."""
    for recipe in RECIPES:
        if (recipe.model, recipe.data) == (model, data):
            return recipe
    there = ", ".join(f"{recipe.model} on {recipe.data}" for recipe in RECIPES)
    raise ValueError(f"there is no recipe for {model} on {data}; there are those for {there}")


def named(name):
    """The recipe of this name; ValueError with the nearest names if there is none."""
    by_name = {recipe.name: recipe for recipe in RECIPES}
    if name not in by_name:
        raise ValueError(f"there is no recipe {name!r}{architectures.like(name, by_name)}; "
                         f"there are {', '.join(by_name)}")
    return by_name[name]
