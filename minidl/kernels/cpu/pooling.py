"""Pooling: one image plane per thread, in one pass. Adaptive pooling is the reference's."""
import numpy as np

from minidl.kernels.cpu.jit import jit, prange
from minidl.kernels.reference.pooling import divisors, pool_sizes


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = (*x.shape[:2], *pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode))
    y, index = np.empty(out, x.dtype), np.empty(out, np.int32)
    _max_pool(planes(x), size, stride, padding, dilation, planes(y), planes(index))
    return y, index


@jit(parallel=True)
def _max_pool(x, size, stride, padding, dilation, y, index):
    for plane in prange(len(x)):
        _max_pool_plane(x[plane], size, stride, padding, dilation, y[plane], index[plane])


@jit
def _max_pool_plane(x, size, stride, padding, dilation, y, index):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = size, stride, padding, dilation
    (H, W), (OH, OW) = x.shape, y.shape
    for oy in range(OH):
        top = oy * SH - PH
        for ox in range(OW):
            left = ox * SW - PW
            best, place = x.dtype.type(-np.inf), -1
            for iy in range(top, min(H, top + (KH - 1) * DH + 1), DH):
                for ix in range(left, min(W, left + (KW - 1) * DW + 1), DW):
                    if iy >= 0 and ix >= 0:
                        v = x[iy, ix]
                        if v > best or place < 0 or (v != v and best == best):           # v != v: NaN
                            best, place = v, iy * W + ix
            y[oy, ox], index[oy, ox] = best, place


def max_pool_gradient(gy, index, shape):
    N, C, H, W = shape
    gx = np.zeros(shape, gy.dtype)
    _max_pool_gradient(planes(gy), planes(index), gx.reshape(N * C, H * W))
    return gx


@jit(parallel=True)
def _max_pool_gradient(gy, index, gx):
    for plane in prange(len(gy)):
        for oy in range(gy.shape[1]):
            for ox in range(gy.shape[2]):
                if index[plane, oy, ox] >= 0:
                    gx[plane, index[plane, oy, ox]] += gy[plane, oy, ox]


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    out = pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode)
    y = np.empty((*x.shape[:2], *out), x.dtype)
    counts = divisors(x.shape, out, size, stride, padding, count_include_pad, divisor_override, x.dtype)
    _avg_pool(planes(x), size, stride, padding, counts, planes(y))
    return y


@jit(parallel=True)
def _avg_pool(x, size, stride, padding, counts, y):
    for plane in prange(len(x)):
        _avg_pool_plane(x[plane], size, stride, padding, counts, y[plane])


@jit
def _avg_pool_plane(x, size, stride, padding, counts, y):
    (H, W), (OH, OW) = x.shape, y.shape
    for oy in range(OH):
        top, bottom = _window(oy, size[0], stride[0], padding[0], H)
        for ox in range(OW):
            left, right = _window(ox, size[1], stride[1], padding[1], W)
            total = x.dtype.type(0)
            for iy in range(top, bottom):
                for ix in range(left, right):
                    total += x[iy, ix]
            y[oy, ox] = total / counts[oy, ox]


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx = np.zeros(shape, gy.dtype)
    counts = divisors(shape, gy.shape[2:], size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    _avg_pool_gradient(planes(gy), size, stride, padding, counts, planes(gx))
    return gx


@jit(parallel=True)
def _avg_pool_gradient(gy, size, stride, padding, counts, gx):
    for plane in prange(len(gx)):
        _avg_pool_gradient_plane(gy[plane], size, stride, padding, counts, gx[plane])


@jit
def _avg_pool_gradient_plane(gy, size, stride, padding, counts, gx):
    (H, W), (OH, OW) = gx.shape, gy.shape
    for oy in range(OH):
        top, bottom = _window(oy, size[0], stride[0], padding[0], H)
        for ox in range(OW):
            left, right = _window(ox, size[1], stride[1], padding[1], W)
            share = gy[oy, ox] / counts[oy, ox]
            for iy in range(top, bottom):
                for ix in range(left, right):
                    gx[iy, ix] += share


@jit
def _window(o, kernel, stride, padding, size):
    """The cells, from and to, that window o has inside an axis of `size`."""
    start = o * stride - padding
    return max(0, start), min(size, start + kernel)


def planes(x):
    """(N, C, H, W) -> (N C, H, W), C-contiguous"""
    N, C, H, W = x.shape
    return np.ascontiguousarray(x).reshape(N * C, H, W)
