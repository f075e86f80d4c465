"""Gradients of reading by index, without atomic additions, and so with the same bits each time.

What was read from one place twice is found by sorting the index. A kernel of ours counts, for each place, the smaller ones:
K^2 comparisons, by K threads, and less than a millisecond up to MANY. From there CuPy sorts, which waits for the GPU.
"""
import math

import cupy
import numpy as np

from minidl.kernels.gpu.launch import Kernels, takes_float16

MANY = 2 ** 16

kernels = Kernels("indexing")


@takes_float16
def getitem_gradient(gy, shape, index):
    """By the index of rows, where one array is all of the index but for whole dimensions, or else by that of numbers.

    A mask alone is not waited for; of a mask among other indices CuPy must know how many places hold.
    """
    parts = tuple([part if is_basic(part) else cupy.asarray(part) for part in as_tuple(index)])
    arrays = [part for part in parts if isinstance(part, cupy.ndarray)]
    if not arrays:
        gx = cupy.zeros(shape, gy.dtype)
        gx[parts] = gy
        return gx
    if len(parts) == 1 and arrays[0].dtype == bool:
        return put_rows(gy, arrays[0], shape)
    dim = [part is arrays[0] for part in parts].index(True)
    if arrays[0].dtype != bool and all([is_all(part) for part in parts[:dim] + parts[dim + 1:]]):
        return add_rows(gy, arrays[0], math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1:])).reshape(shape)
    places = cupy.arange(math.prod(shape)).reshape(shape)[parts]
    return add_rows(gy, places, 1, math.prod(shape), 1).reshape(shape)


def as_tuple(index):
    return index if isinstance(index, tuple) else (index,)


def is_basic(part):
    return part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer))


def is_all(part):
    return isinstance(part, slice) and part == slice(None)


def put_rows(gy, mask, shape):
    """The gradient of x[mask], mask being for x's first dimensions: rows of gy, in order, where it holds."""
    gx = cupy.empty(shape, gy.dtype)
    inner = math.prod(shape[mask.ndim:])
    mask = cupy.ascontiguousarray(mask).reshape(-1)
    kernels.each("put_rows", gx.size, cupy.ascontiguousarray(gy), mask, cupy.cumsum(mask), gx, inner,
                 gx.size)
    return gx


def add_rows(gy, index, outer, rows, inner):
    """gx (outer, rows, inner): what gy (outer, K, inner) adds to the rows that an index of K numbers names."""
    gx, K = cupy.zeros((outer, rows, inner), gy.dtype), index.size
    if gy.size == 0:
        return gx
    index = cupy.ascontiguousarray(index.reshape(-1) % rows, np.int64)         # one below 0 counts from the end
    if K > MANY:
        order = cupy.argsort(index)
        sorted = index[order]
    else:
        sorted, order = cupy.empty((2, K), np.int64)
        kernels.each("sort_index", K, index, sorted, order, K)
    end = cupy.searchsorted(sorted, sorted, "right")     # known beforehand, so that a thread asks for several rows at once
    kernels.each("add_rows", gy.size, cupy.ascontiguousarray(gy), sorted, order, end, gx, K, rows,
                 inner, gy.size)
    return gx


@takes_float16
def scatter_add(gy, index, shape, axis):
    """By as many comparisons as gx has numbers, times those of the index along `axis`."""
    reached = [n if d == axis else m for d, (n, m) in enumerate(zip(shape, gy.shape))]
    part = cupy.empty(reached, gy.dtype)
    kernels.each("scatter_add", part.size, cupy.ascontiguousarray(gy), cupy.ascontiguousarray(index, np.int64), part,
                 shape[axis], gy.shape[axis], math.prod(gy.shape[axis + 1:]),
                 part.size)
    if part.shape == tuple(shape):
        return part
    gx = cupy.zeros(shape, gy.dtype)
    gx[tuple([slice(n) for n in reached])] = part
    return gx


def one_hot(index, num_classes):
    return (index[..., None] == cupy.arange(num_classes)).astype(index.dtype)
