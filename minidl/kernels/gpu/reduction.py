"""Sums for each channel, as the gradients of biases are, by as many blocks as fill a GPU; and gradients of products."""
import math

import cupy

from minidl.kernels.gpu.launch import THREADS, Kernels, takes_float16

BLOCKS = 1024                # are enough to keep any GPU busy
SHARE = 64                   # numbers for each thread of a block are enough to pay for a second pass
MANY = 2 ** 31               # numbers, from which on a kernel's 32 bits do not count them

kernels = Kernels("reduction")


def sum(x, axis=None, *, keepdims=False, **options):
    """CuPy's; of x (A.., B.., D..) over the axes A and D, or over A alone, in two steps of ours.

    CuPy has a block for a sum, or for 32: of few channels in large images, that is few.
    """
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = sorted([d % x.ndim for d in axes]) if x.ndim else []
    kept = [d for d in range(x.ndim) if d not in axes]
    outside = 0 in axes and kept and kept[-1] - kept[0] < len(kept)
    if not outside or options or x.dtype.char not in "fd" or not x.flags.c_contiguous or not 0 < x.size < MANY:
        return cupy.sum(x, axis, keepdims=keepdims, **options)
    y = sum_outside(x, kept[0], kept[-1] + 1)
    return y.reshape([1 if d in axes else n for d, n in enumerate(x.shape)] if keepdims else [x.shape[d] for d in kept])


def sum_outside(x, start, end):
    """x's sum over all dimensions but those from `start` to `end`: (B,)"""
    A, B, D = (math.prod(x.shape[part]) for part in (slice(start), slice(start, end), slice(end, None)))
    if D == 1:
        columns = -(-B // 32)
        parts = min(max(1, BLOCKS // columns), -(-A // (8 * SHARE)))
        y = cupy.empty((parts, B), x.dtype)
        kernels.blocks("sum_columns", (columns, parts), (32, 8), x, y, A, B)
    else:
        parts = min(max(1, BLOCKS // B), -(-A * D // (THREADS * SHARE)))
        y = cupy.empty((parts, B), x.dtype)
        kernels.blocks("sum_channels", (B, parts), THREADS, x, y, B, D, A * D)
    return sum_outside(y, 1, 2) if parts > 1 else y


@takes_float16
def prod_gradient(gy, x):
    before, after = cupy.ones_like(x), cupy.ones_like(x)
    if x.size > len(x):                                  # there are other factors
        before[:, 1:] = cupy.cumprod(x[:, :-1], 1)
        after[:, :-1] = cupy.cumprod(x[:, :0:-1], 1)[:, ::-1]
    return gy[:, None] * before * after


@takes_float16
def cumprod_gradient(gy, x, axis):
    gx, inner = cupy.empty(x.shape, x.dtype), math.prod(x.shape[axis + 1:])
    lines = x.size // max(1, x.shape[axis])
    kernels.each("cumprod_gradient", lines, cupy.ascontiguousarray(gy), cupy.ascontiguousarray(x), gx,
                 x.shape[axis], inner, lines)
    return gx
