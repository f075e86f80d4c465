"""Pooling on a GPU; sizes, ties and edges as in the reference."""
import cupy
import numpy as np

from minidl.kernels.gpu.launch import THREADS, Kernels, takes_float16
from minidl.kernels.reference.pooling import pool_sizes

kernels = Kernels("pooling")


@takes_float16
def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode)
    y, index = cupy.empty((*x.shape[:2], *out), x.dtype), cupy.empty((*x.shape[:2], *out), np.int32)
    kernels.each("max_pool", y.size, cupy.ascontiguousarray(x), y, index, y.size, *x.shape[2:], *size, *out,
                 *stride, *padding, *dilation)
    return y, index


@takes_float16
def max_pool_gradient(gy, index, shape):
    N, C, H, W = shape
    gx = cupy.empty(shape, gy.dtype)
    kernels.blocks("max_pool_gradient", -(-N * C * 32 // THREADS), THREADS, cupy.ascontiguousarray(gy),
                   cupy.ascontiguousarray(index), gx, N * C, H * W, gy.shape[2] * gy.shape[3])
    return gx


@takes_float16
def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    out = pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode)
    y = cupy.empty((*x.shape[:2], *out), x.dtype)
    kernels.each("avg_pool", y.size, cupy.ascontiguousarray(x), y, y.size, *x.shape[2:], *size, *out, *stride,
                 *padding, int(count_include_pad), divisor_override or 0)
    return y


@takes_float16
def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx = cupy.empty(shape, gy.dtype)
    kernels.each("avg_pool_gradient", gx.size, cupy.ascontiguousarray(gy), gx, gx.size, *shape[2:], *size,
                 *gy.shape[2:], *stride, *padding, int(count_include_pad), divisor_override or 0)
    return gx


@takes_float16
def adaptive_avg_pool(x, out):
    y = cupy.empty((*x.shape[:2], *out), x.dtype)
    by_lanes("adaptive_avg_pool", x, y)
    return y


@takes_float16
def adaptive_avg_pool_gradient(gy, shape):
    gx = cupy.empty(shape, gy.dtype)
    kernels.each("adaptive_avg_pool_gradient", gx.size, cupy.ascontiguousarray(gy), gx, gx.size, *shape[2:],
                 *gy.shape[2:])
    return gx


@takes_float16
def adaptive_max_pool(x, out):
    y, index = cupy.empty((*x.shape[:2], *out), x.dtype), cupy.empty((*x.shape[:2], *out), np.int32)
    by_lanes("adaptive_max_pool", x, y, index)
    return y, index


def by_lanes(name, x, *results):
    """Launch a kernel in which a window is gone through by as many lanes, a power of two, as it has cells, or by a warp."""
    (H, W), (OH, OW), windows = x.shape[2:], results[0].shape[2:], results[0].size
    cells = -(-H // max(1, OH)) * -(-W // max(1, OW))
    lanes = min(32, 2 ** (max(1, cells).bit_length() - 1))
    kernels.blocks(name, -(-windows * lanes // THREADS), THREADS, cupy.ascontiguousarray(x), *results, windows,
                   H, W, OH, OW, lanes)
