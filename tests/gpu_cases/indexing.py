"""Calls of the kernels of indexing.cu: masks, repeated places, places counted from the end."""
import numpy as np

from gpu_cases import Call

every = slice(None)


def mask(d, *shape):
    return d.rng.random(shape) < 0.5


def read(shape, index):
    """Arguments for the gradient of x[index], x of this shape, where index(d) draws the index."""
    def args(d):
        drawn = index(d)
        return d.x(*np.empty(shape, bool)[drawn].shape), shape, drawn
    return args


def from_end(d, limit, *shape):
    """Indices of which some count from the end."""
    return d.rng.integers(-limit, limit, shape)


CALLS = [
    # slices, numbers, None, ...
    *[Call("getitem_gradient", read((4, 5), lambda d, index=index: index), 0)
      for index in [1, (1, -1), (slice(None, None, 2), slice(1, 4)), (slice(None, None, -2), None), (..., 2), ...]],
    # a mask of all dimensions, or of the first
    *[Call("getitem_gradient", read((4, 5, 3), lambda d, n=n: mask(d, *(4, 5, 3)[:n])), 0) for n in (1, 2, 3)],
    Call("getitem_gradient", read((5, 4), lambda d: mask(d, 4, 5).T), 0),
    Call("getitem_gradient", read((300,), lambda d: mask(d, 300)), 0),
    Call("getitem_gradient", read((3, 2), lambda d: np.zeros(3, bool)), 0),
    Call("getitem_gradient", read((3, 4), lambda d: (every, mask(d, 4))), 0, waits=True),
    Call("getitem_gradient", read((3, 4), lambda d: (1, mask(d, 4))), 0, waits=True),
    # rows of a table, and of one that lies inside
    Call("getitem_gradient", read((7, 5), lambda d: from_end(d, 7, 4, 6)), 0),
    Call("getitem_gradient", read((7, 5), lambda d: from_end(d, 7, 6, 4).T.astype("int32")), 0),
    Call("getitem_gradient", read((3, 70), lambda d: d.ints(3, 30)), 0),                   # more than a block's threads
    Call("getitem_gradient", read((9, 2), lambda d: d.ints(9, 300)), 0),
    Call("getitem_gradient", read((2, 5, 3), lambda d: (every, from_end(d, 5, 8))), 0),
    Call("getitem_gradient", read((2, 3, 5), lambda d: (every, every, from_end(d, 5, 2, 4))), 0),
    Call("getitem_gradient", read((7, 5), lambda d: np.zeros(4, int)), 0),
    Call("getitem_gradient", read((7, 5), lambda d: [0, 2, 2]), 0),
    Call("getitem_gradient", read((7, 5), lambda d: ([0, 2, 2],)), 0),
    Call("getitem_gradient", read((7, 5), lambda d: np.array(3)), 0),
    Call("getitem_gradient", read((7, 5), lambda d: d.ints(7, 0)), 0),
    # indices that meet
    Call("getitem_gradient", read((4, 5), lambda d: (from_end(d, 4, 9), from_end(d, 5, 9))), 0),
    Call("getitem_gradient", read((4, 5, 3), lambda d: (d.ints(4, 3, 1), slice(1, 4), d.ints(3, 6))), 0),
    Call("getitem_gradient", read((4, 5, 3), lambda d: (1, d.ints(5, 6))), 0),
    Call("getitem_gradient", read((4, 5, 3), lambda d: (slice(0, 3), d.ints(5, 6))), 0),
    Call("getitem_gradient", read((4, 5), lambda d: (None, d.ints(4, 6))), 0),
    Call("getitem_gradient", read((4, 5), lambda d: (..., d.ints(5, 6))), 0),
    # taken along an axis, from all of it and from less
    Call("scatter_add", lambda d: (d.x(4, 5), from_end(d, 7, 4, 5), (7, 5), 0), 0),
    Call("scatter_add", lambda d: (d.x(3, 9), from_end(d, 4, 3, 9), (3, 4), 1), 0),
    Call("scatter_add", lambda d: (d.x(2, 6, 3), d.ints(4, 2, 6, 3).astype("int32"), (2, 4, 5), 1), 0),
    Call("scatter_add", lambda d: (d.x(5, 2, 3), d.ints(4, 5, 2, 3), (4, 3, 7), 0), 0),
    Call("scatter_add", lambda d: (d.x(3, 2).T, d.ints(200, 3, 2).T, (2, 200), 1), 0),     # more than a block's threads
    Call("scatter_add", lambda d: (d.x(2, 0), d.ints(4, 2, 0), (2, 4), 1), 0),
    Call("one_hot", lambda d: (d.ints(5, 2, 3), 5), 0),
    Call("one_hot", lambda d: (d.ints(5, 4).astype("int32"), 7), 0),
]
