"""The training loop: forward, backward, update, and a pause after every update."""
import math
from itertools import islice

from minidl.nn.functional import cross_entropy
from minidl.nn.utils import clip_grad_norm_
from minidl.train.evaluation import hits, home_of


class NonFiniteLoss(ArithmeticError):
    """The loss is NaN or infinite, so that training cannot go on; the message says where."""


class TrainStep:
    """What one update did. Epochs and batches count from 0.

    epoch, batch : where in the training; `batch` is the last one of this update
    loss         : the mean loss of its images, before the update
    correct      : how many of the images were recognised, before the update
    lr           : the learning rate of the first parameter group, as used
    ends_epoch   : was it the last update of its epoch?

    On a GPU, loss and correct are read when they are first asked for, because to read is to wait until all is computed.
    A loss that is no number is then a NonFiniteLoss that says `where`; on the CPU it is one before the update.
    """

    def __init__(self, epoch, batch, loss, images, correct, lr, ends_epoch, where=""):
        self.epoch, self.batch, self.images, self.lr, self.ends_epoch = epoch, batch, images, lr, ends_epoch
        self._loss, self._correct, self._where = loss, correct, where

    @property
    def loss(self):
        self._loss = finite(self._loss, self._where)
        return self._loss

    @property
    def correct(self):
        self._correct = int(self._correct)
        return self._correct

    def __eq__(self, other):
        return isinstance(other, TrainStep) and self.numbers() == other.numbers()

    def numbers(self):
        """All of it, read."""
        return {"epoch": self.epoch, "batch": self.batch, "loss": self.loss, "images": self.images,
                "correct": self.correct, "lr": self.lr, "ends_epoch": self.ends_epoch}

    def __repr__(self):
        return f"TrainStep({', '.join([f'{name}={value!r}' for name, value in self.numbers().items()])})"


def train(model, loader, optimizer, epochs=1, *, loss=cross_entropy, scheduler=None, accumulate=1,
          max_norm=None, average=None):
    """Train for `epochs` passes over the loader, yielding a TrainStep after each update.

    loss       : (scores, labels) -> a number; of a model that gives a tuple in training, the first are its own scores
    scheduler  : stepped after every update; one that counts epochs, the caller steps: `if step.ends_epoch`
    accumulate : so many batches make one update, as if they were one batch
    max_norm   : gradients longer than that, all parameters together, are shortened to it
    average    : an AveragedModel, updated after every update

    Where the model is, images are moved, and nothing waits for a GPU: labels stay on the host until the loss has checked
    them, and a TrainStep's loss is read when somebody asks for it.

    A model that has `set_progress` is told before every update which part of the training is done, 0 to 1, where the
    epochs that the loader has already seen count as done.

    At a yield everything that belongs to the step is done, so the state dicts of model, optimizer,
    scheduler, loader and average, taken there, are all that is needed to go on: a loader that was put back
    into the middle of an epoch goes on there. Logging, evaluating, saving and stopping are the caller's own
    loop.
    """
    for left in range(epochs, 0, -1):
        batches = iter(loader)
        epoch, done = loader.epoch, loader.position               # not 0 where training was resumed
        while group := list(islice(batches, accumulate)):
            if hasattr(model, "set_progress"):
                model.set_progress((epoch + done / len(loader)) / (epoch + left))
            done += len(group)
            lr = optimizer.param_groups[0]["lr"]
            where = f" at epoch {epoch + 1}, batch {done} of {len(loader)}, learning rate {lr:g}"
            value, images, correct = update(model, group, optimizer, loss, max_norm, where)
            if average is not None:
                average.update_parameters(model)
            if scheduler is not None:
                scheduler.step()
            yield TrainStep(epoch, done - 1, value, images, correct, lr, done == len(loader), where)


def update(model, batches, optimizer, loss=cross_entropy, max_norm=None, where=""):
    """One update from pairs (images, labels): mean loss over all images, their number, how many were right.

    The images are moved to where the model is. On a GPU the mean and the last number are not waited for: a tensor and an
    array, of no dimension. `where` is what a NonFiniteLoss on the CPU adds.
    """
    model.train()
    device, total, mean, correct = home_of(model), sum(len(labels) for _, labels in batches), 0.0, 0
    for images, labels in batches:
        share = len(labels) / total               # the mean of all is the weighted mean of the batches' means
        scores = model(images.to(device, non_blocking=True))
        error = loss(scores, labels) * share
        mean += error.detach() if device == "cuda" else finite(error, where)
        error.backward()
        correct += hits(scores[0] if isinstance(scores, tuple) else scores, labels)
    if max_norm is not None:
        clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()
    return mean, total, correct


def finite(error, where=""):
    """The number in a loss; a NonFiniteLoss if it is none."""
    value = float(error)
    if not math.isfinite(value):
        raise NonFiniteLoss(f"the loss is {value}{where}")
    return value
