"""A gradient profile: how large gradients are, layer by layer, and the rate at which that changes."""
import math
import statistics
from typing import NamedTuple

import numpy as np

from minidl.lab.observe import observe


def profile(model, x, seed=0, dtype=None):
    """The norms of gradients in a network of `minidl.lab.nets`, from a random output cotangent, N(0, 1).

    "trunk"   : ||dL/dx_l|| where block 1 begins, and where each block ends; the last is the nearest to the output
    "outputs" : ||dL/dz|| for the output z of every weight layer
    "weights" : ||dL/dW|| of every weight layer, and "names", theirs
    "zeros"   : the share of dL/dx_0 that is exactly 0

    One forward and one backward pass. The squares are summed in float64, where 1e-30 has one.
    """
    seen = observe(model, x, seed=seed, dtype=dtype)
    ends = trunk(seen)
    layers = [layer for layer in seen.layers if layer.w is not None]
    return {"trunk": [norm(layer.gy) for layer in ends], "outputs": [norm(layer.gy) for layer in layers],
            "weights": [norm(layer.gw) for layer in layers], "names": [layer.name for layer in layers],
            "zeros": float(np.mean(ends[0].gy == 0))}


def trunk(seen):
    """The last Layer before block 1, and the last of every block."""
    ends = {}
    for layer in seen.layers:
        first = layer.name.split(".")[0]
        if first.startswith("block"):
            ends[first] = layer
        elif not ends:
            start = layer
    return [start, *ends.values()]


def norm(array):
    return float(np.linalg.norm(array.astype(np.float64).ravel()))


# ---- rates


class Rate(NamedTuple):
    """A factor, with the interval in which it is with 95 % confidence, nets being drawn at random."""
    factor: float
    low: float
    high: float

    def __str__(self):
        return f"{self.factor:.3f} ({self.low:.3f} to {self.high:.3f})"


def rate(trunks, layers_per_block=1):
    """The factor by which ||dL/dx|| grows from one layer to the one below it: a Rate, from the trunks of several nets.

    For each net it is the least-squares slope of log ||dL/dx|| in the middle of the net: without an eighth of the blocks,
    and at least one step, at either end, where signals still settle. Logarithms are averaged: norms themselves are
    heavy-tailed (Hanin & Rolnick 2018, arXiv 1803.01719). The interval is Student's, for the mean of the nets.
    """
    return interval([-slope(trunk) / layers_per_block for trunk in trunks])


def middle(length):
    """The indices that are fitted, of so many on a trunk."""
    end = max(1, length // 8) if length > 4 else 0
    return slice(end, length - end)


def slope(trunk):
    """d log(norm) / d block, by least squares; nan where a norm is 0."""
    norms = np.asarray(trunk, float)[middle(len(trunk))]
    return float(np.polyfit(np.arange(len(norms)), np.log(norms), 1)[0]) if norms.all() else math.nan


def interval(logs):
    """The Rate whose logarithm is the mean of these."""
    from scipy.special import stdtrit
    mean = statistics.fmean(logs)
    half = math.inf if len(logs) < 2 else (
        float(stdtrit(len(logs) - 1, 0.975)) * statistics.stdev(logs) / math.sqrt(len(logs)))
    return Rate(*[math.exp(min(x, 700)) for x in (mean, mean - half, mean + half)])


def first_by_last(trunk):
    """||dL/dx_0|| / ||dL/dx_L||; nan where the network is dead, and all gradients are 0."""
    return trunk[0] / trunk[-1] if trunk[-1] else math.nan


def total(trunks):
    """||dL/dx_0|| / ||dL/dx_L||, the Rate of the whole trunk: over 1 where gradients grow toward the input."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [float(np.log(trunk[0]) - np.log(trunk[-1])) for trunk in np.asarray(trunks, float)]
    return interval(logs) if np.isfinite(logs).all() else Rate(math.nan, math.nan, math.nan)
