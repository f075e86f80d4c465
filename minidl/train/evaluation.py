"""How good is the model: its mean loss, and how often the right class is its first or among its first five."""
from typing import NamedTuple

import numpy as np

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
        first += hits(scores, labels)
        five += hits(scores, labels, 5)
    if not count:
        raise ValueError("evaluate: the loader has no batches")
    return Evaluation(total / count, first / count, five / count, count)


def predictions(model, loader):
    """The model's scores (N, classes) for every batch, with its labels (N,), without recording a graph."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        for images, labels in loader:
            model.eval()
            with no_grad():
                scores = model(images)
            yield scores, labels
    finally:
        for module, training in modes:
            module.training = training


def hits(scores, labels, k=1):
    """How many of the labels (N,) are among the k highest of their scores (N, classes).

    Of equal scores the first wins, and NaN is higher than all: a network of NaNs recognises nothing.
    """
    scores, labels = (x.detach().cpu().numpy() for x in (scores, labels))
    right = np.take_along_axis(scores, labels[:, None], 1)                              # (N, 1)
    before = (scores == right) & (np.arange(scores.shape[1]) < labels[:, None])
    rank = (~(scores <= right) | before).sum(1)
    return int((rank < k).sum())
