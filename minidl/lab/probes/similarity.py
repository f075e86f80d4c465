"""How alike are two inputs, layer by layer, on the way forward; and their gradients, on the way back?"""
from typing import NamedTuple

import numpy as np

from minidl.lab.observe import observe


class Cosine(NamedTuple):
    """The cosine of the angle between two examples, the mean over all pairs.

    forward  : of what the layer puts out        backward : of the gradients in that
    Examples that are 0 everywhere have no direction and are left out; without two others it is NaN.
    """
    layer: str
    kind: str
    forward: float
    backward: float


def cosines(model, x, **how):
    """A Cosine for each layer, for a batch x of two examples or more; `how` are options of `observe`.

    All examples start from the same random cotangent: what is compared is the derivative of one function at different
    inputs. Forward, Poole et al. 2016, arXiv 1606.05340: c_{l+1} = kappa_1(c_l), which goes to 1 in a ReLU network without
    batch norm. Backward, Balduzzi et al. 2017, arXiv 1702.08591: gradients of a plain network become unrelated,
    "shattered", with depth. Costs one observation; a mean over pairs costs no more than the sum of the unit vectors:
    (||sum u_i||^2 - n) / (n (n - 1)).
    """
    if len(x) < 2:
        raise ValueError(f"cosines: a cosine is between two examples, and the batch has {len(x)}")
    seen = observe(model, x, shared=True, **how)
    return [Cosine(layer.name, layer.kind, mean_cosine(layer.y), mean_cosine(layer.gy))
            for layer in seen.layers if layer.gy is not None]


def mean_cosine(x):
    """Of all pairs of rows of x (N, ...)."""
    units = unit_rows(x)
    n = len(units)
    return float((np.square(units.sum(0)).sum() - n) / (n * (n - 1))) if n > 1 else float("nan")


def unit_rows(x):
    """x (N, ...) -> (M, D): each example divided by its length, in float64; those that are 0 are left out."""
    rows = np.asarray(x, np.float64).reshape(len(x), -1)
    rows = rows / np.maximum(np.abs(rows).max(1, keepdims=True), np.finfo(np.float64).tiny)    # squares do not underflow
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[length[:, 0] > 0] / length[length[:, 0] > 0]
