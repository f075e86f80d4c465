"""Pooling, one cell of all windows at a time and not one window at a time, so that the loops are long.

Adaptive pooling is the reference's.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.threads import in_parts
from minidl.kernels.reference.pooling import divisors, pool_sizes


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = (*x.shape[:2], *pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode))
    y, index = np.full(out, -np.inf, x.dtype), np.full(out, -1, np.int32)
    where = planes(np.ascontiguousarray(x)), size, stride, padding, dilation, planes(y), planes(index)
    in_parts(lambda first, last: _max_pool(*where, first, last), len(planes(y)), x.size)
    return y, index


@jit
def _max_pool(x, size, stride, padding, dilation, y, index, first, last):
    (H, W), (OH, OW) = x.shape[1:], y.shape[1:]
    x, y, index = x.reshape(-1), y.reshape(-1), index.reshape(-1)
    for plane in range(first, last):
        for i in range(size[0]):
            for j in range(size[1]):
                start, count, ix = _inside(W, j * dilation[1] - padding[1], stride[1], OW)
                for oy in range(OH):
                    iy = oy * stride[0] - padding[0] + i * dilation[0]
                    if 0 <= iy < H:
                        _keep_larger(x, (plane * H + iy) * W + ix, stride[1], iy * W + ix,
                                     y, index, (plane * OH + oy) * OW + start, count)


@jit
def _keep_larger(x, start, step, place, y, index, at, count):
    start, step, at = np.uint64(start), np.uint64(step), np.uint64(at)
    for i in range(np.uint64(count)):
        v, best = x[start + i * step], y[at + i]
        wins = (v > best) | ((v != v) & (best == best)) | (index[at + i] < 0)            # v != v: NaN
        y[at + i] = v if wins else best
        index[at + i] = np.int32(place + np.int64(i * step)) if wins else index[at + i]


def max_pool_gradient(gy, index, shape):
    gx = np.zeros(shape, gy.dtype)
    where = planes(np.ascontiguousarray(gy)), planes(index), planes(gx)
    in_parts(lambda first, last: _max_pool_gradient(*where, first, last), len(planes(gx)), gx.size)
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
    y = np.zeros((*x.shape[:2], *out), x.dtype)
    counts = divisors(x.shape, out, size, stride, padding, count_include_pad, divisor_override, x.dtype)
    where = planes(np.ascontiguousarray(x)), size, stride, padding, counts, planes(y)
    in_parts(lambda first, last: _avg_pool(*where, first, last), len(planes(y)), x.size)
    return y


@jit
def _avg_pool(x, size, stride, padding, counts, y, first, last):
    (H, W), (OH, OW) = x.shape[1:], y.shape[1:]
    source, target = x.reshape(-1), y.reshape(-1)
    for plane in range(first, last):
        for i in range(size[0]):
            for j in range(size[1]):
                start, count, ix = _inside(W, j - padding[1], stride[1], OW)
                for oy in range(OH):
                    iy = oy * stride[0] - padding[0] + i
                    if 0 <= iy < H:
                        _add(source, (plane * H + iy) * W + ix, stride[1],
                             target, (plane * OH + oy) * OW + start, 1, count)
        y[plane] /= counts


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx = np.zeros(shape, gy.dtype)
    share = gy / divisors(shape, gy.shape[2:], size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    where = planes(share), size, stride, padding, planes(gx)
    in_parts(lambda first, last: _avg_pool_gradient(*where, first, last), len(planes(gx)), gx.size)
    return gx


@jit
def _avg_pool_gradient(share, size, stride, padding, gx, first, last):
    (H, W), (OH, OW) = gx.shape[1:], share.shape[1:]
    source, target = share.reshape(-1), gx.reshape(-1)
    for plane in range(first, last):
        for i in range(size[0]):
            for j in range(size[1]):
                start, count, ix = _inside(W, j - padding[1], stride[1], OW)
                for oy in range(OH):
                    iy = oy * stride[0] - padding[0] + i
                    if 0 <= iy < H:
                        _add(source, (plane * OH + oy) * OW + start, 1,
                             target, (plane * H + iy) * W + ix, stride[1], count)


@jit
def _add(source, start, step, target, at, target_step, count):
    start, step, at, target_step = np.uint64(start), np.uint64(step), np.uint64(at), np.uint64(target_step)
    for i in range(np.uint64(count)):
        target[at + i * target_step] += source[start + i * step]


@jit
def _inside(W, shift, stride, OW):
    """Of the cells ox * stride + shift for ox in range(OW): the first ox that is inside the image, how many
    are, and where the first of them is."""
    start = min(OW, max(0, -(shift // stride)))
    count = min(OW, max(0, (W - 1 - shift) // stride + 1)) - start
    return start, max(0, count), start * stride + shift


def planes(x):
    """x (N, C, H, W), C-contiguous -> (N C, H, W), the same memory"""
    N, C, H, W = x.shape
    return x.reshape(N * C, H, W)
