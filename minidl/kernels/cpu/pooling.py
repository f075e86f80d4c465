"""Pooling, in one pass over each image plane. Adaptive pooling is the reference's."""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.threads import in_parts
from minidl.kernels.reference.pooling import divisors, pool_sizes


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = (*x.shape[:2], *pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode))
    y, index, x = np.empty(out, x.dtype), np.empty(out, np.int32), np.ascontiguousarray(x)
    in_parts(lambda first, last: _max_pool(planes(x), size, stride, padding, dilation, planes(y), planes(index), first,
                                           last), len(planes(x)), x.size)
    return y, index


@jit
def _max_pool(x, size, stride, padding, dilation, y, index, first, last):
    (KH, KW), (SH, SW), (PH, PW), (DH, DW) = size, stride, padding, dilation
    (H, W), (OH, OW) = x.shape[1:], y.shape[1:]
    for plane in range(first, last):
        for oy in range(OH):
            top = oy * SH - PH
            for ox in range(OW):
                left = ox * SW - PW
                best, place = x.dtype.type(-np.inf), -1
                for iy in range(top, min(H, top + (KH - 1) * DH + 1), DH):
                    for ix in range(left, min(W, left + (KW - 1) * DW + 1), DW):
                        if iy >= 0 and ix >= 0:
                            v = x[plane, iy, ix]
                            if v > best or place < 0 or (v != v and best == best):       # v != v: NaN
                                best, place = v, iy * W + ix
                y[plane, oy, ox], index[plane, oy, ox] = best, place


def max_pool_gradient(gy, index, shape):
    gx, gy = np.zeros(shape, gy.dtype), np.ascontiguousarray(gy)
    in_parts(lambda first, last: _max_pool_gradient(planes(gy), planes(index), planes(gx), first, last),
             len(planes(gx)), gx.size)
    return gx


@jit
def _max_pool_gradient(gy, index, gx, first, last):
    W = gx.shape[2]
    for plane in range(first, last):
        for oy in range(gy.shape[1]):
            for ox in range(gy.shape[2]):
                place = index[plane, oy, ox]
                if place >= 0:
                    gx[plane, place // W, place % W] += gy[plane, oy, ox]


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    out = pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode)
    y, x = np.empty((*x.shape[:2], *out), x.dtype), np.ascontiguousarray(x)
    counts = divisors(x.shape, out, size, stride, padding, count_include_pad, divisor_override, x.dtype)
    in_parts(lambda first, last: _avg_pool(planes(x), size, stride, padding, counts, planes(y), first, last),
             len(planes(x)), x.size)
    return y


@jit
def _avg_pool(x, size, stride, padding, counts, y, first, last):
    (H, W), (OH, OW) = x.shape[1:], y.shape[1:]
    for plane in range(first, last):
        for oy in range(OH):
            top, bottom = _window(oy, size[0], stride[0], padding[0], H)
            for ox in range(OW):
                left, right = _window(ox, size[1], stride[1], padding[1], W)
                total = x.dtype.type(0)
                for iy in range(top, bottom):
                    for ix in range(left, right):
                        total += x[plane, iy, ix]
                y[plane, oy, ox] = total / counts[oy, ox]


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx, gy = np.zeros(shape, gy.dtype), np.ascontiguousarray(gy)
    counts = divisors(shape, gy.shape[2:], size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    in_parts(lambda first, last: _avg_pool_gradient(planes(gy), size, stride, padding, counts, planes(gx), first, last),
             len(planes(gx)), gx.size)
    return gx


@jit
def _avg_pool_gradient(gy, size, stride, padding, counts, gx, first, last):
    (H, W), (OH, OW) = gx.shape[1:], gy.shape[1:]
    for plane in range(first, last):
        for oy in range(OH):
            top, bottom = _window(oy, size[0], stride[0], padding[0], H)
            for ox in range(OW):
                left, right = _window(ox, size[1], stride[1], padding[1], W)
                share = gy[plane, oy, ox] / counts[oy, ox]
                for iy in range(top, bottom):
                    for ix in range(left, right):
                        gx[plane, iy, ix] += share


@jit
def _window(o, kernel, stride, padding, size):
    """The cells, from and to, that window o has inside an axis of `size`."""
    start = o * stride - padding
    return max(0, start), min(size, start + kernel)


def planes(x):
    """x (N, C, H, W), C-contiguous -> (N C, H, W), the same memory"""
    N, C, H, W = x.shape
    return x.reshape(N * C, H, W)
