"""The gradient by the length of the paths that it came along, exactly."""
from typing import NamedTuple

import numpy as np

import minidl
from minidl.kernels import kernels_for
from minidl.lab.additions import Additions
from minidl.lab.observe import cotangents, host


class PathLengths(NamedTuple):
    """parts[k] is the gradient in x along all paths of length k; they add up to `gradient`.

    parts    : (longest + 1, *x.shape)
    gradient : (*x.shape), by ordinary backpropagation
    """
    parts: np.ndarray
    gradient: np.ndarray

    @property
    def energy(self):
        """(longest + 1,): the share of each length in the sum of all ||parts[k]||^2."""
        energy = np.square(self.parts, dtype=np.float64).reshape(len(self.parts), -1).sum(1)
        return energy / energy.sum()

    @property
    def mean(self):
        """The mean length, weighted by energy."""
        return float(self.energy @ np.arange(len(self.parts)))


def path_lengths(model, x, count="blocks", *, seed=0, dtype=minidl.float64):
    """The PathLengths of the gradient in x, from a random cotangent N(0, 1) at the output.

    count : "blocks", how many residual branches a path goes through and not around; or "layers", how many layers with
            weights

    A. Veit, M. Wilber, S. Belongie. Residual networks behave like ensembles of relatively shallow networks. 2016, arXiv
    1605.06431, section 5, who sampled paths. Instead of sampling, the gradient is kept in bins: where it goes back through
    what is counted, all bins move up by one, d_l[k] = d_{l+1}[k] + J^T d_{l+1}[k-1]. Every rule is linear in the gradient,
    so that this is exact in a graph of any form. Bins of a residual network are nearly orthogonal at initialisation;
    without batch norm their energy is Binomial(blocks, 1/2).

    Costs, for L blocks, L/2 backward passes of the kind that computes no weight gradients, and L + 1 times the memory of
    their gradients.
    """
    if count not in ("blocks", "layers"):
        raise ValueError(f"path_lengths: a path's length is counted in 'blocks' or 'layers', not in {count!r}")
    additions = Additions(model, x, dtype)
    if count == "blocks":
        additions.needed_by("path_lengths", model)
    branch = {addition.op: addition.branch for addition in additions.residual}
    J = additions.map
    start, = cotangents([J.y], None, False, seed)
    bins = {J.y.node: {0: start.array}}
    for op in reversed(additions.order):
        for length, gy in bins.pop(op, {}).items():
            for i, gx in enumerate(additions.gradients(op, gy)):
                if gx is not None:
                    longer = i == branch.get(op) if count == "blocks" else op in additions.weighted
                    add(bins.setdefault(op.edges[i], {}), length + longer, gx)
    parts = bins.get(J.x, {})
    zero = np.zeros(J.x.shape, J.x.dtype)
    parts = np.stack([host(parts[k]) if k in parts else zero for k in range(max(parts, default=0) + 1)])
    return PathLengths(parts, J.vjp(start.array))


def add(bins, length, gx):
    bins[length] = kernels_for(gx).add(bins[length], gx) if length in bins else gx
