"""What a recipe is: the training of a network as data."""
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import minidl
from architectures.recipes.schedules import Constant
from minidl import optim
from minidl.nn import functional as F
from minidl.optim.lr_scheduler import LambdaLR
from minidl.train import parameter_groups
from minidl.utils.data.datasets import DATASETS
from minidl.utils.data.transforms import Compose, Normalize, Resize, ToFloat

MOMENTUM, NESTEROV = {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}
IMAGENET, MASKS = "imagenet", "masks"
IMAGENET_STATISTICS = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))      # fb.resnet.torch's


@dataclass(frozen=True)
class CrossEntropy:
    """The mean cross-entropy; where a network in training gives several scores, with a share of that of the others."""
    label_smoothing: float = 0.0
    auxiliary: float = 0.0

    def __call__(self, scores, labels):
        scores, *others = scores if isinstance(scores, tuple) else [scores]
        loss = F.cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        for other in others:
            loss = loss + self.auxiliary * F.cross_entropy(other, labels, label_smoothing=self.label_smoothing)
        return loss

    def __str__(self):
        return "cross-entropy" + (f", labels smoothed by {self.label_smoothing:g}" if self.label_smoothing else "") \
            + (f", plus {self.auxiliary:g} of each auxiliary classifier's" if self.auxiliary else "")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: only data.

    model, data     : names in architectures.MODELS and minidl.utils.data.datasets; or "imagenet", which is any folder
                      of pictures, or "masks", pictures with a class for every pixel
    source          : where the numbers come from, and which of them do not come from there
    lr              : the highest learning rate of the schedule
    schedule        : one of those in schedules.py
    decay_vectors   : whether weight_decay is for parameters of one dimension, too: biases, and weights of batch norm
    prepare         : what makes of an image of the data set an input of the network, or begins to
    augment         : random changes of training images, between `prepare` and `normalize`
    view            : what test images go through in the place of `augment`
    loss            : (scores, labels) -> a number
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
    decay_vectors: bool = True
    schedule: object = Constant()
    prepare: tuple = (ToFloat(),)
    augment: tuple = ()
    view: tuple = ()
    normalize: Normalize | None = None
    loss: Callable = CrossEntropy()
    max_norm: float | None = None
    average: float | None = None
    options: dict = field(default_factory=dict)

    @property
    def train_transform(self):
        return Compose([*self.prepare, *self.augment, *self.last])

    @property
    def test_transform(self):
        return Compose([*self.prepare, *self.view, *self.last])

    @property
    def last(self):
        return [self.normalize] if self.normalize else []

    def optimizer_for(self, model, lr_decay=None):
        """lr_decay : the rate of every layer is that of the one after it, times this; None is one rate for all"""
        groups = [{"params": list(model.parameters())}] if lr_decay is None else parameter_groups(model, self.lr, lr_decay)
        if not self.decay_vectors:
            groups = [part for group in groups for part in without_decay_of_vectors(group)]
        kind = getattr(optim, self.optimizer)
        return kind(groups, lr=self.lr, weight_decay=self.weight_decay, **self.optimizer_options)

    def scheduler_for(self, optimizer, updates_per_epoch):
        """To be stepped after every update."""
        return LambdaLR(optimizer, lambda update: self.factor(update / updates_per_epoch))

    def factor(self, epoch):
        """The share of `lr` at a time in epochs: 1.5 is the middle of the second."""
        return self.schedule.share(epoch, self.epochs)

    def on(self, data):
        """The same training on another data set, or a folder.

        Once they are prepared, its images are brought to the size that the recipe's own have then, and where they are
        normalised it is by their own mean and deviation, if those are known.
        """
        if data == self.data:
            return self
        known, own = DATASETS.get(data), DATASETS.get(self.data)
        mine, theirs = statistics(self.data), statistics(data) if known else None
        fit = lambda step: theirs if theirs and step == mine else step
        prepare = tuple(map(fit, self.prepare))
        if own:
            size = size_after(self.prepare, own.shape)
            if not known or size_after(prepare, known.shape) != size:
                prepare = (*prepare, Resize(size))
        return replace(self, data=data, prepare=prepare, normalize=fit(self.normalize))


def without_decay_of_vectors(group):
    """A group of parameters as two, where it has both: those of one dimension are not decayed."""
    vectors = [p for p in group["params"] if p.ndim <= 1]
    others = [p for p in group["params"] if p.ndim > 1]
    return [part for part in ({**group, "params": others}, {**group, "params": vectors, "weight_decay": 0.0})
            if part["params"]]


def members(recipe, *models):
    """The same recipe for each of the networks, named after it and the data."""
    return [replace(recipe, name=f"{model}_{recipe.data}", model=model) for model in models]


def statistics(data):
    """What gives the training pixels of a data set mean 0 and deviation 1 in each channel."""
    if data == IMAGENET:
        return IMAGENET_STATISTICS
    known = DATASETS[data]
    return Normalize(*[x[0] if len(x) == 1 else x for x in (known.mean, known.std)])


def size_after(transforms, shape):
    """(height, width) of an image (C, H, W) that went through them."""
    return Compose(list(transforms))(minidl.zeros(shape).numpy()).shape[1:]
