"""Convolution in which every filter reads one channel: as many images of one channel, each with windows.py's kernels.

There is too little to multiply matrices for: each number of x takes part in nine products, and could be in memory
again before the next one is there. So each image is read once and its result written once, and what is in between
stays in registers.

Filters of 3 x 3 with the strides 1 and 2, which networks are made of, have kernels of their own. Any other filter,
and one whose places lie apart (dilation), is a sum of filters of 1 x 1, each with a place of its own on the image.

A channel may be read by several filters (F = M C): filter f reads channel f // M.
"""
import numpy as np

from minidl.kernels.cpu.jit import SUMS, jit, prange
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.windows import comparing, correlating, spreading
from minidl.kernels.reference.convolution import out_size

correlate_31, correlate_32, correlate_11, correlate_12 = [correlating(k, s) for k in (3, 1) for s in (1, 2)]
spread_31, spread_32, spread_11, spread_12 = [spreading(k, s) for k in (3, 1) for s in (1, 2)]
compare_31, compare_32, compare_11, compare_12 = [comparing(k, s) for k in (3, 1) for s in (1, 2)]


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return (w_shape[1] == 1 and groups == x_shape[1] > 1 and min(x_shape) > 0 and min(w_shape) > 0
            and tuple(stride) in ((1, 1), (2, 2)))


def conv2d(x, w, b, stride, padding, dilation, groups):
    OH, OW = (out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True))
    y, start = empty((len(x), len(w), OH, OW), x.dtype), np.zeros(len(w), x.dtype) if b is None else b
    window = parts(w.shape[2:], stride, dilation)
    _conv2d(flat(x), x.shape, flat(w), flat(start), y.reshape(-1), y.shape, window, padding, thread_count())
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    gx = empty(shape, gy.dtype)
    window = parts(w.shape[2:], stride, dilation)
    _conv2d_gradient_x(flat(gy), gy.shape, flat(w), gx.reshape(-1), gx.shape, window, padding, thread_count())
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw = np.empty((gy.shape[1], 1, *size), x.dtype)
    _conv2d_gradient_w(flat(gy), gy.shape, flat(x), x.shape, gw.reshape(-1), parts(size, stride, dilation), padding,
                       workspace(gw[0].size * LANES, x.dtype))
    return gw


def parts(size, stride, dilation):
    """(size of the windows that a filter is a sum of, their number in a column and in a row, how far apart, stride)"""
    if tuple(size) == (3, 3) and tuple(dilation) == (1, 1):
        return 3, 1, 1, 1, 1, stride[0]
    return 1, *size, *dilation, stride[0]


# ---- y


@jit(parallel=True)
def _conv2d(x, x_shape, w, start, y, y_shape, window, padding, threads):
    images = y_shape[0] * y_shape[1]
    for t in prange(threads):
        first, end = images * np.int64(t) // threads, images * (np.int64(t) + 1) // threads
        _images_of_y(x, x_shape, w, start, y, y_shape, window, padding, first, end)


@jit
def _images_of_y(x, x_shape, w, start, y, y_shape, window, padding, first, end):
    (_, C, H, W), (_, F, OH, OW) = x_shape, y_shape
    size, taps_y, taps_x, step_y, step_x, stride = window
    M, w_size = F // C, taps_y * taps_x * size * size
    for image in range(first, end):
        f, x0, y0 = image % F, image // M * H * W, image * OH * OW
        for i in range(taps_y):
            for j in range(taps_x):
                top, left, more = padding[0] - i * step_y, padding[1] - j * step_x, i + j
                w0 = f * w_size + i * taps_x + j
                if size == 3 and stride == 1:
                    correlate_31(x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, more)
                elif size == 3:
                    correlate_32(x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, more)
                elif stride == 1:
                    correlate_11(x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, more)
                else:
                    correlate_12(x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, more)


# ---- gx


@jit(parallel=True)
def _conv2d_gradient_x(gy, gy_shape, w, gx, gx_shape, window, padding, threads):
    images = gx_shape[0] * gx_shape[1]
    for t in prange(threads):
        first, end = images * np.int64(t) // threads, images * (np.int64(t) + 1) // threads
        _images_of_gx(gy, gy_shape, w, gx, gx_shape, window, padding, first, end)


@jit
def _images_of_gx(gy, gy_shape, w, gx, gx_shape, window, padding, first, end):
    (_, F, OH, OW), (_, C, H, W) = gy_shape, gx_shape
    size, taps_y, taps_x, step_y, step_x, stride = window
    M, w_size = F // C, taps_y * taps_x * size * size
    for image in range(first, end):
        c, x0 = image % C, image * H * W
        for m in range(M):
            y0 = (image * M + m) * OH * OW
            for i in range(taps_y):
                for j in range(taps_x):
                    top, left, more = padding[0] - i * step_y, padding[1] - j * step_x, m + i + j
                    w0 = (c * M + m) * w_size + i * taps_x + j
                    if size == 3 and stride == 1:
                        spread_31(gy, y0, OH, OW, w, w0, gx, x0, H, W, top, left, more)
                    elif size == 3:
                        spread_32(gy, y0, OH, OW, w, w0, gx, x0, H, W, top, left, more)
                    elif stride == 1:
                        spread_11(gy, y0, OH, OW, w, w0, gx, x0, H, W, top, left, more)
                    else:
                        spread_12(gy, y0, OH, OW, w, w0, gx, x0, H, W, top, left, more)


# ---- gw


@jit(parallel=True)
def _conv2d_gradient_w(gy, gy_shape, x, x_shape, gw, window, padding, work):
    F, threads = gy_shape[1], len(work)
    for t in prange(threads):
        first, end = F * np.int64(t) // threads, F * (np.int64(t) + 1) // threads
        _filters_of_gw(gy, gy_shape, x, x_shape, gw, window, padding, work[t], first, end)


@jit
def _filters_of_gw(gy, gy_shape, x, x_shape, gw, window, padding, sums, first, end):
    (N, F, OH, OW), (_, C, H, W) = gy_shape, x_shape
    size, taps_y, taps_x, step_y, step_x, stride = window
    M, w_size = F // C, taps_y * taps_x * size * size
    for f in range(first, end):
        sums[:w_size * LANES] = 0
        for n in range(N):
            x0, y0 = (n * C + f // M) * H * W, (n * F + f) * OH * OW
            for i in range(taps_y):
                for j in range(taps_x):
                    top, left, s0 = padding[0] - i * step_y, padding[1] - j * step_x, (i * taps_x + j) * LANES
                    if size == 3 and stride == 1:
                        compare_31(gy, y0, OH, OW, x, x0, H, W, sums, s0, top, left)
                    elif size == 3:
                        compare_32(gy, y0, OH, OW, x, x0, H, W, sums, s0, top, left)
                    elif stride == 1:
                        compare_11(gy, y0, OH, OW, x, x0, H, W, sums, s0, top, left)
                    else:
                        compare_12(gy, y0, OH, OW, x, x0, H, W, sums, s0, top, left)
        for k in range(w_size):
            gw[f * w_size + k] = _total(sums, k * LANES)


@jit(fastmath=SUMS)
def _total(sums, s0):
    total = sums.dtype.type(0)
    for lane in range(LANES):
        total += sums[s0 + lane]
    return total
