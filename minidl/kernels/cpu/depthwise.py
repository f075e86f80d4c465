"""Convolution in which every filter reads one channel: images that do not mix, one after the other.

There is too little to multiply matrices for: a number of x takes part in a few products only. So each image is read
once, its result is written once, and everything between is in registers (windows.py).

Filters of 3 x 3 with a stride of 1 or 2, as networks have them, are windows of their own. Any other filter is a sum of
windows of 1 x 1: each of its places is one, with a padding of its own, and all but the first add to what is there.

A channel may be read by several filters (F = M C): filter f reads channel f // M.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.threads import thread_count
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
    _conv2d(flat(x), x.shape, flat(w), flat(start), y.reshape(-1), y.shape, parts(w.shape[2:], stride, dilation),
            padding, thread_count())
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    gx = empty(shape, gy.dtype)
    _conv2d_gradient_x(flat(gy), gy.shape, flat(w), gx.reshape(-1), gx.shape, parts(w.shape[2:], stride, dilation),
                       padding, thread_count())
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw = np.empty((gy.shape[1], 1, *size), x.dtype)
    _conv2d_gradient_w(flat(gy), gy.shape, flat(x), x.shape, gw.reshape(-1), parts(size, stride, dilation), padding,
                       thread_count())
    return gw


def parts(size, stride, dilation):
    """The windows that a filter is the sum of: (size, how many rows and columns of them, stride, how far apart)."""
    if tuple(size) == (3, 3) and tuple(dilation) == (1, 1):
        return 3, 1, 1, stride[0], 1, 1
    return 1, *size, stride[0], *dilation


# ---- y


@jit(each="threads")
def _conv2d(t, x, x_shape, w, start, y, y_shape, parts, padding, threads):
    (N, C, H, W), (_, F, OH, OW) = x_shape, y_shape
    size, rows, columns, stride, step_y, step_x = parts
    first, end = portion(F, t, threads)
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first, end):
        x0, y0 = f // M * H * W, f * OH * OW
        for i in range(rows):
            for j in range(columns):
                top, left, more = padding[0] - i * step_y, padding[1] - j * step_x, i + j
                w0 = (f * rows + i) * columns + j if size == 1 else f * 9
                if size == 3 and stride == 1:
                    correlate_31(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left, more)
                elif size == 3:
                    correlate_32(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left, more)
                elif stride == 1:
                    correlate_11(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left, more)
                else:
                    correlate_12(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left, more)


# ---- gx


@jit(each="threads")
def _conv2d_gradient_x(t, gy, gy_shape, w, gx, gx_shape, parts, padding, threads):
    (N, F, OH, OW), (_, C, H, W) = gy_shape, gx_shape
    size, rows, columns, stride, step_y, step_x = parts
    first, end = portion(C, t, threads)
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first * M, end * M):
        x0, y0 = f // M * H * W, f * OH * OW
        for i in range(rows):
            for j in range(columns):
                top, left, more = padding[0] - i * step_y, padding[1] - j * step_x, f % M + i + j
                w0 = (f * rows + i) * columns + j if size == 1 else f * 9
                if size == 3 and stride == 1:
                    spread_31(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)
                elif size == 3:
                    spread_32(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)
                elif stride == 1:
                    spread_11(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)
                else:
                    spread_12(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)


# ---- gw


@jit(each="threads")
def _conv2d_gradient_w(t, gy, gy_shape, x, x_shape, gw, parts, padding, threads):
    (N, F, OH, OW), (_, C, H, W) = gy_shape, x_shape
    size, rows, columns, stride, step_y, step_x = parts
    first, end = portion(F, t, threads)
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first, end):
        x0, y0 = f // M * H * W, f * OH * OW
        for i in range(rows):
            for j in range(columns):
                top, left = padding[0] - i * step_y, padding[1] - j * step_x
                w0 = (f * rows + i) * columns + j if size == 1 else f * 9
                if size == 3 and stride == 1:
                    compare_31(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
                elif size == 3:
                    compare_32(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
                elif stride == 1:
                    compare_11(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
                else:
                    compare_12(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
