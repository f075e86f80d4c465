"""Pooling: along the rows first, then across them, so that loops are long and a row is compared once.

Adaptive pooling is the reference's, except for the mean of whole images.
"""
import numpy as np

from minidl.kernels.cpu.activation import flat
from minidl.kernels.cpu.jit import SUMS, jit, prange
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import copy, every_second
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count
from minidl.kernels.reference import pooling as reference
from minidl.kernels.reference.pooling import divisors, pool_sizes


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = (*x.shape[:2], *pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode))
    y, index, x = empty(out, x.dtype), empty(out, np.int32), np.ascontiguousarray(x)
    rooms = np.empty((thread_count(), 2 * out[3]), x.dtype), np.empty((thread_count(), out[3]), np.int32)
    columns = np.array([_inside(x.shape[3], j * dilation[1] - padding[1], stride[1], out[3]) for j in range(size[1])])
    windows = windows_of_rows(x.shape[2], size[0], stride[0], padding[0], dilation[0], out[2])
    _max_pool(flat(x), x.shape[3], columns, windows, stride[1], planes(y), planes(index), *rooms)
    return y, index


def windows_of_rows(H, kernel, stride, padding, dilation, out):
    """(H, kernel): of which window is each row of x the first, second, ... row? -1 where there is none."""
    oy, rest = np.divmod(np.arange(H)[:, None] + padding - dilation * np.arange(kernel), stride)
    return np.where((rest == 0) & (oy >= 0) & (oy < out), oy, -1)


@jit(parallel=True)
def _max_pool(x, W, columns, windows, step, y, index, rows, places):
    for t in prange(len(rows)):
        for plane in range(np.int64(t), len(y), len(rows)):
            start = plane * len(windows) * W
            _max_pool_plane(x, start, W, columns, windows, step, y[plane], index[plane], rows[t], places[t])


@jit
def _max_pool_plane(x, start, W, columns, windows, step, y, index, row, place):
    """Each row of x gives the largest of its cells in each window's columns; then the rows of a window compete. They
    come from top to bottom, and cells from left to right, so of equal values the first in row-major order wins."""
    OW = y.shape[1]
    y[:] = -np.inf
    index[:] = -1
    y, index = y.reshape(-1), index.reshape(-1)
    for iy in range(len(windows)):
        row[:OW] = -np.inf
        place[:] = -1
        for j in range(len(columns)):
            ox, count, ix = columns[j]
            _pick(x, start + iy * W + ix, step, row, OW, count)
            for n in range(0, count, LANES):
                _keep_larger_cell(row, OW + n, iy * W + ix + n * step, step, row, place, ox + n, count - n)
        for oy in windows[iy]:
            if oy >= 0:
                for n in range(0, OW, LANES):
                    _keep_larger(row, place, n, y, index, oy * OW + n, OW - n)


@jit
def _pick(x, i, step, y, j, count):
    """y[j : j + count] = x[i], x[i + step], x[i + 2 step], ..."""
    if step == 1:
        copy(x, i, y, j, count)
    elif step == 2:
        every_second(x, i, y, j, count)
    else:
        for n in range(count):
            y[j + n] = x[i + n * step]


@jit
def _keep_larger_cell(x, i, first, step, best, place, j, count):
    """Of `count` cells, at most LANES, at places first, first + step, ..., those win that are larger than the best."""
    for n in range(min(count, LANES)):
        if beats(x[i + n], best[j + n], place[j + n]):
            best[j + n], place[j + n] = x[i + n], first + n * step


@vectorized(_keep_larger_cell)
def _keep_larger_cell(code, x, i, first, step, best, place, j, count):
    compete(code, x.load_some(i, count), code.places(first, step), best, place, j, count)


@jit
def _keep_larger(x, places, i, best, place, j, count):
    """The same for cells that are winners themselves, and know their places."""
    for n in range(min(count, LANES)):
        if beats(x[i + n], best[j + n], place[j + n]):
            best[j + n], place[j + n] = x[i + n], places[i + n]


@vectorized(_keep_larger)
def _keep_larger(code, x, places, i, best, place, j, count):
    compete(code, x.load_some(i, count), places.load_some(i, count), best, place, j, count)


@jit
def beats(x, best, place):
    """Is x larger, or the first NaN, or the first at all?"""
    return x > best or (x != x and best == best) or place < 0


def compete(code, x, places, best, place, j, count):
    b, p = best.load_some(j, count), place.load_some(j, count)
    wins = (x > b) | (x.is_nan() & ~b.is_nan()) | p.is_negative()
    best.store_some(j, code.where(wins, x, b), count)
    place.store_some(j, code.where(wins, places, p), count)


def max_pool_gradient(gy, index, shape):
    gx, gy = empty(shape, gy.dtype), np.ascontiguousarray(gy)
    _max_pool_gradient(planes(gy), planes(np.ascontiguousarray(index)), planes(gx))
    return gx


@jit(parallel=True)
def _max_pool_gradient(gy, index, gx):
    for plane in prange(len(gx)):
        _plane_gradient(gy[plane].reshape(-1), index[plane].reshape(-1), gx[plane].reshape(-1))


@jit
def _plane_gradient(gy, index, gx):
    gx[:] = 0
    for o in range(len(gy)):
        if index[o] >= 0:
            gx[np.uint64(index[o])] += gy[o]


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    out = pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode)
    y, x = empty((*x.shape[:2], *out), x.dtype), np.ascontiguousarray(x)
    counts = divisors(x.shape, out, size, stride, padding, count_include_pad, divisor_override, x.dtype)
    _avg_pool(planes(x), size, stride, padding, counts, planes(y))
    return y


@jit(parallel=True)
def _avg_pool(x, size, stride, padding, counts, y):
    for plane in prange(len(y)):
        _avg_pool_plane(x[plane], size, stride, padding, counts, y[plane])


@jit
def _avg_pool_plane(x, size, stride, padding, counts, y):
    (H, W), (OH, OW) = x.shape, y.shape
    y[:] = 0
    for i in range(size[0]):
        for j in range(size[1]):
            start, count, ix = _inside(W, j - padding[1], stride[1], OW)
            for oy in range(OH):
                iy = oy * stride[0] - padding[0] + i
                if 0 <= iy < H and count > 0:
                    _add(x[iy, ix:], stride[1], y[oy, start:start + count])
    for oy in range(OH):
        for ox in range(OW):
            y[oy, ox] /= counts[oy, ox]


@jit
def _add(x, step, y):
    for n in range(len(y)):
        y[n] += x[step * n]


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx = empty(shape, gy.dtype)
    share = gy / divisors(shape, gy.shape[2:], size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    _avg_pool_gradient(planes(share), size, stride, padding, planes(gx))
    return gx


@jit(parallel=True)
def _avg_pool_gradient(share, size, stride, padding, gx):
    for plane in prange(len(gx)):
        _avg_plane_gradient(share[plane], size, stride, padding, gx[plane])


@jit
def _avg_plane_gradient(share, size, stride, padding, gx):
    (H, W), (OH, OW) = gx.shape, share.shape
    gx[:] = 0
    for i in range(size[0]):
        for j in range(size[1]):
            start, count, ix = _inside(W, j - padding[1], stride[1], OW)
            for oy in range(OH):
                iy = oy * stride[0] - padding[0] + i
                if 0 <= iy < H and count > 0:
                    _add_back_gradient(share[oy, start:start + count], stride[1], gx[iy, ix:])


@jit
def _add_back_gradient(share, step, gx):
    for n in range(len(share)):
        gx[step * n] += share[n]


def adaptive_avg_pool(x, out):
    if tuple(out) != (1, 1):
        return reference.adaptive_avg_pool(x, out)
    y = np.empty((*x.shape[:2], 1, 1), x.dtype)
    _mean_of_images(flat(x).reshape(y.size, x.shape[2] * x.shape[3]), y.reshape(-1))
    return y


@jit(parallel=True)
def _mean_of_images(x, y):
    for plane in prange(len(x)):
        y[plane] = _mean(x[plane])


@jit(fastmath=SUMS)
def _mean(x):
    total = x.dtype.type(0)
    for n in range(len(x)):
        total += x[n]
    return total / len(x)


def adaptive_avg_pool_gradient(gy, shape):
    if gy.shape[2:] != (1, 1):
        return reference.adaptive_avg_pool_gradient(gy, shape)
    gx = empty(shape, gy.dtype)
    gx[:] = gy / max(1, shape[2] * shape[3])
    return gx


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
