"""A recorded node, run again: its function on other numbers, its rule on another gradient."""
import copy

import numpy as np

from minidl.kernels import kernels_for
from minidl.mode import mode
from minidl.op import Outline
from minidl.trace.tape import Snapshot

LISTENERS = "Gate", "Pass"       # what hooks put into a graph: a gradient passes from one to the other unseen


class Replay:
    """What a node computed, and its rule, on the arrays `xs` that were recorded.

    dtype : of the floating-point numbers among them; None leaves them as they were
    Raises ValueError, in a sentence, where the trace does not have all that this takes.
    """

    def __init__(self, node, dtype=None):
        if node.op is None or node.kind in LISTENERS:
            raise ValueError(f"{node.label} cannot be run again: " +
                             ("it passes gradients to a hook" if node.op else "a file does not tell all of its settings"))
        self.node, self.op = node, copy.copy(node.op)
        self.xs = [all_numbers(node, slot.name, slot.value, dtype) for slot in node.slots]
        if dtype is not None and hasattr(self.op, "dtype"):                      # a Cast, which would round again
            self.op.dtype = np.dtype(dtype)

    def forward(self, i=None, x=None):
        """The result, with `x` in place of the i-th input."""
        xs = [x if j == i else other for j, other in enumerate(self.xs)]
        with np.errstate(all="ignore"):
            return np.asarray(self.op.forward(kernels_for(*self.xs), *xs))

    def backward(self, i, gy):
        """What the rule sends through slot i for an incoming gradient gy: an array of the shape of that input."""
        op, y, xs = self.op, self.forward(), self.xs
        op.wanted = [j == i for j in range(len(xs))]
        with mode(recording=False, rule=op), np.errstate(all="ignore"):
            raws = op.backward(np.asarray(gy, y.dtype), y, *xs)
            raw = raws[i] if isinstance(raws, (tuple, list)) else raws
            if raw is None:
                return np.zeros(xs[i].shape, y.dtype)
            return op.checked(i, np.asarray(raw), Outline(xs[i]))


def all_numbers(node, name, value, dtype=None):
    """The array of an input, or the number (or None) that it is."""
    if not isinstance(value, Snapshot):
        return value
    try:
        array = value.all()
    except ValueError as error:
        raise ValueError(f"{node.label}, {name}: {error}") from None
    return array.astype(dtype) if dtype is not None and array.dtype.kind == "f" else array
