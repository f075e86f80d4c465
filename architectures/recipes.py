"""Training recipes: how a network is trained on a data set, number by number, and where each number is from.

    recipe = recipes.find("lenet5", "mnist")                  the usual one for this pair; or recipes.named("lenet5_courses")

    model = architectures.build(recipe.model, **recipe.options)
    optimizer = recipe.optimizer_for(model)
    scheduler = recipe.scheduler_for(optimizer)               stepped after every epoch
    training images go through recipe.train_transform, shuffled, in batches of recipe.batch_size,
    test images through recipe.test_transform, and the loss is recipe.loss(scores, labels)

Another number: `dataclasses.replace(recipe, lr=0.1)`.
"""
import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import architectures
from architectures.lenet import map_criterion
from minidl import optim
from minidl.nn.functional import cross_entropy
from minidl.optim.lr_scheduler import LambdaLR
from minidl.utils.data import datasets
from minidl.utils.data.transforms import Compose, Normalize, Pad, RandomAffine, Resize, ToFloat


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: only data.

    model, data     : names in architectures.MODELS and minidl.utils.data.datasets
    source          : where the numbers come from
    lr              : the learning rate that the schedule starts from
    schedule        : "constant", "cosine" (down to 0 at the end), or stages of (epochs, rate), which begin with lr;
                      the last stage stays
    prepare         : what makes of an image of the data set an input of the network
    augment         : random changes of training images, between `prepare` and `normalize`
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
    normalize: Normalize = Normalize(0.0, 1.0)
    loss: Callable = cross_entropy
    options: dict = field(default_factory=dict)

    @property
    def train_transform(self):
        return Compose([*self.prepare, *self.augment, self.normalize])

    @property
    def test_transform(self):
        return Compose([*self.prepare, self.normalize])

    def optimizer_for(self, model):
        kind = getattr(optim, self.optimizer)
        return kind(model.parameters(), lr=self.lr, weight_decay=self.weight_decay, **self.optimizer_options)

    def scheduler_for(self, optimizer):
        return LambdaLR(optimizer, self.factor)

    def factor(self, epoch):
        """The share of `lr` with which an epoch, counted from 0, is trained."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        for epochs, rate in self.schedule:
            if epoch < epochs:
                break
            epoch -= epochs
        return rate / self.schedule[0][1]
