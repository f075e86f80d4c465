"""Where kernels, and not ops, act number by number on large arrays: on all threads (one_pass.py)."""
import numpy as np

from minidl.kernels.cpu.one_pass import in_one_pass

LARGE = 2 ** 17              # numbers; below, NumPy is done before our threads are awake


def add(a, b, out=None):
    y = in_one_pass(the_sum, (a, b)) if out is None and getattr(a, "size", 1) >= LARGE else None
    return np.add(a, b, out=out) if y is None else y


def copy(a):
    """a, contiguous, in memory of its own."""
    y = in_one_pass(the_same, (a,)) if a.size >= LARGE else None
    return a.copy() if y is None else y


def broadcast_to(x, shape):
    """NumPy's, which takes longer than what is then done with a single number everywhere."""
    if not isinstance(x, np.ndarray) or x.ndim:
        return np.broadcast_to(x, shape)
    y = np.ndarray(shape, x.dtype, x, strides=(0,) * len(shape))
    y.flags.writeable = False                            # all of its numbers are one
    return y


def the_sum(k, a, b):
    return k.add(a, b)


def the_same(k, a):
    return a
