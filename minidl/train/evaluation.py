"""How good is the model: its mean loss, and how often the right class is its first or among its first five."""
from typing import NamedTuple

from minidl.kernels import device_of, kernels_for
from minidl.mode import no_grad
from minidl.nn.functional import cross_entropy


class Evaluation(NamedTuple):
    """Mean loss, and the fractions of images whose class was first, or among the first five."""
    loss: float
    top1: float
    top5: float
    images: int


def evaluate(model, loader, loss=cross_entropy):
    """Evaluate `model` in eval mode on all batches (images, labels) of `loader`; then its mode is as before."""
    return measure(predictions(model, loader), loss)


def measure(predictions, loss=cross_entropy):
    """The Evaluation of pairs (scores, labels)."""
    total, count, first, five = 0.0, 0, 0, 0
    for scores, labels in predictions:
        total += loss(scores, labels).item() * len(labels)
        count += len(labels)
        first += int(hits(scores, labels))
        five += int(hits(scores, labels, 5))
    if not count:
        raise ValueError("evaluate: the loader has no batches")
    return Evaluation(total / count, first / count, five / count, count)


def predictions(model, loader):
    """The model's scores (N, classes) for every batch, with its labels (N,), without recording a graph.

    The images are moved to where the model is.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        for images, labels in loader:
            model.eval()
            with no_grad():
                scores = model(images.to(home_of(model), non_blocking=True))
            yield scores, labels
    finally:
        for module, training in modes:
            module.training = training


def home_of(model):
    """The device of a network: that of its first parameter, or "cpu" if it has none."""
    return next((x.device for x in model.parameters()), "cpu")


def hits(scores, labels, k=1):
    """How many of the labels (N,) are among the k highest of their scores (N, classes).

    Of equal scores the first wins, and NaN is higher than all: a network of NaNs recognises nothing. On a GPU the answer
    is an array of no dimension, which it may still be computing.
    """
    scores, labels = scores.detach().array, labels.to(scores.device, non_blocking=True).array[:, None]
    kernels = kernels_for(scores)
    right = kernels.take_along_axis(scores, labels, 1)                                  # (N, 1)
    before = (scores == right) & (kernels.arange(scores.shape[1]) < labels)
    rank = (~(scores <= right) | before).sum(1)
    found = (rank < k).sum()
    return found if device_of(scores) == "cuda" else int(found)
