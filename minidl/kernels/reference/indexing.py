"""Gradients of reading by index: what was read from one place twice is added there twice."""
import numpy as np


def getitem_gradient(gy, shape, index):
    """The gradient of y = x[index]: zeros of `shape` with gy added at `index`, anything NumPy takes as an index."""
    gx = np.zeros(shape, gy.dtype)
    if reads_nothing_twice(index):
        gx[index] = gy
    else:
        np.add.at(gx, index, gy)
    return gx


def reads_nothing_twice(index):
    """True for slices, numbers, None and ..., and for one boolean mask; lists of positions may repeat one."""
    if isinstance(index, np.ndarray) and index.dtype == bool:
        return True
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer)) for part in parts)


def scatter_add(gy, index, shape, axis):
    """The gradient of take_along_axis(x, index, axis): zeros of `shape`, gy added where it was taken from.

    gy has as many axes as `shape`; along the others than `axis` it may be shorter (as in torch.gather).
    """
    gx = np.zeros(shape, gy.dtype)
    where = list(np.ogrid[tuple(slice(n) for n in gy.shape)])
    where[axis] = index
    np.add.at(gx, tuple(where), gy)
    return gx


def one_hot(index, num_classes):
    """index (...) of integers -> (..., num_classes), 1 at the index and 0 elsewhere."""
    return (index[..., None] == np.arange(num_classes)).astype(index.dtype)
