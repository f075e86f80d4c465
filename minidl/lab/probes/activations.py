"""Activations layer by layer: mean, std, what is saturated, what is dead, what is zero; and the outputs of batch norms."""
from typing import NamedTuple

import numpy as np

SATURATED = {"Tanh": lambda y: np.abs(y) > 0.97, "Sigmoid": lambda y: (y < 0.03) | (y > 0.97)}


class Activation(NamedTuple):
    """Of what a layer puts out for a batch.

    mean, std : over all its numbers
    zeros     : the share of its numbers that are exactly 0
    dead      : the share of its units (channels; dimension 1) that are 0 for the whole batch, at every pixel
    saturated : the share of its numbers where its slope is nearly 0: |tanh| > 0.97, sigmoid below 0.03 or above 0.97; None
                for all other layers
    """
    layer: str
    kind: str
    mean: float
    std: float
    zeros: float
    dead: float
    saturated: float | None


def activations(seen):
    """An Activation for each layer of an Observation, whether it is a module or a function such as `F.relu`.

    Saturation: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    section 3. Dead units: those whose weights receive no gradient from any example of the batch. After the ReLU of the
    b-th block of a residual network of figure 2 of He et al. 2015 the share of zeros is that of a reflected random walk,
    C(2m, m) / 4^m with m = b + 1. Costs one pass over the activations that were observed.
    """
    rows = []
    for layer in seen.layers:
        y = layer.y
        saturated = SATURATED.get(layer.kind)
        rows.append(Activation(layer.name, layer.kind, float(y.mean(dtype=np.float64)), float(y.std(dtype=np.float64)),
                               float((y == 0).mean()), float((per_unit(y) == 0).all(1).mean()),
                               float(saturated(y).mean()) if saturated else None))
    return rows


def per_unit(y):
    """(N, C, ...) -> (C, everything else); fewer dimensions have one unit."""
    return np.moveaxis(y, 1, 0).reshape(y.shape[1], -1) if y.ndim > 1 else y.reshape(1, -1)


class NormOutput(NamedTuple):
    layer: str
    std: float


def batch_norm_std(seen):
    """The std of what each batch norm of an Observation puts out, over all its numbers.

    He et al. 2015, arXiv 1512.03385, figure 7 and section 4.2, "Analysis of layer responses": in a trained residual
    network it is smaller than in a plain one, and smaller the deeper the network is. At initialisation it is 1. Costs one
    pass over these outputs.
    """
    rows = [NormOutput(layer.name, float(layer.y.std(dtype=np.float64)))
            for layer in seen.layers if layer.kind.startswith("BatchNorm")]
    if not rows:
        raise ValueError(f"batch_norm_std: {seen.model} has no batch norm")
    return rows
