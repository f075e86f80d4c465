"""The training loop: forward, backward, update, and a pause after every update."""
import math
from itertools import islice
from typing import NamedTuple

from minidl.nn.functional import cross_entropy
from minidl.nn.utils import clip_grad_norm_
from minidl.train.evaluation import hits


class TrainStep(NamedTuple):
    """What one update did. Epochs and batches count from 0.

    epoch, batch : where in the training; `batch` is the last one of this update
    loss         : the mean loss of its images, before the update
    correct      : how many of the images were recognised, before the update
    lr           : the learning rate of the first parameter group, as used
    ends_epoch   : was it the last update of its epoch?
    """
    epoch: int
    batch: int
    loss: float
    images: int
    correct: int
    lr: float
    ends_epoch: bool


class NonFiniteLoss(ArithmeticError):
    """The loss is NaN or infinite, so that training cannot go on; the message says where."""


def train(model, loader, optimizer, epochs=1, *, loss=cross_entropy, scheduler=None, accumulate=1,
          max_norm=None, average=None):
    """Train for `epochs` passes over the loader, yielding a TrainStep after each update.

    loss       : (scores, labels) -> a number; of a model that gives a tuple in training, the first are its own scores
    scheduler  : stepped after every update; one that counts epochs, the caller steps: `if step.ends_epoch`
    accumulate : so many batches make one update, as if they were one batch
    max_norm   : gradients longer than that, all parameters together, are shortened to it
    average    : an AveragedModel, updated after every update

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
            try:
                value, images, correct = update(model, group, optimizer, loss, max_norm)
            except NonFiniteLoss as error:
                raise NonFiniteLoss(f"{error} at epoch {epoch + 1}, batch {done} of {len(loader)}, "
                                    f"learning rate {lr:g}") from None
            if average is not None:
                average.update_parameters(model)
            if scheduler is not None:
                scheduler.step()
            yield TrainStep(epoch, done - 1, value, images, correct, lr, done == len(loader))


def update(model, batches, optimizer, loss=cross_entropy, max_norm=None):
    """One update from pairs (images, labels): mean loss over all images, their number, how many were right."""
    model.train()
    total, mean, correct = sum(len(labels) for _, labels in batches), 0.0, 0
    for images, labels in batches:
        share = len(labels) / total               # the mean of all is the weighted mean of the batches' means
        scores = model(images)
        error = loss(scores, labels) * share
        mean += finite(error)
        error.backward()
        correct += hits(scores[0] if isinstance(scores, tuple) else scores, labels)
    if max_norm is not None:
        clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()
    return mean, total, correct


def finite(error):
    """The number in a loss; a NonFiniteLoss if it is none."""
    value = error.item()
    if not math.isfinite(value):
        raise NonFiniteLoss(f"the loss is {value}")
    return value
