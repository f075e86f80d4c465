"""Convolution in which every filter reads one channel: images that do not mix, one after the other.

There is too little to multiply matrices for: a number of x takes part in a few products only. So each image is read
once, its result is written once, and everything between is in registers.

Filters of 3 x 3, which networks have most of, are windows of their own (windows.py); all others are windows of any size
(large_windows.py), also those whose rows and columns lie apart. For them, gx with a stride of 1 is one more correlation,
of gy and the filter turned around. Filters that lie apart and have a stride of 2, too, are left to other algorithms.

A channel may be read by several filters (F = M C): filter f reads channel f // M.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.large_windows import compare_1, compare_2, correlate_1, correlate_2, spread_2
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.windows import comparing, correlating, spreading
from minidl.kernels.reference.convolution import out_size

correlate_31, correlate_32 = correlating(1), correlating(2)
spread_31, spread_32 = spreading(1), spreading(2)
compare_31, compare_32 = comparing(1), comparing(2)


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return (w_shape[1] == 1 and groups == x_shape[1] > 1 and min(x_shape) > 0 and min(w_shape) > 0
            and (tuple(stride) == (1, 1) or tuple(stride) == (2, 2) and tuple(dilation) == (1, 1)))


def conv2d(x, w, b, stride, padding, dilation, groups):
    OH, OW = (out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True))
    y, start = empty((len(x), len(w), OH, OW), x.dtype), np.zeros(len(w), x.dtype) if b is None else b
    _conv2d(flat(x), x.shape, flat(w), flat(start), y.reshape(-1), y.shape, w.shape[2:], stride, padding, dilation,
            np.zeros(x.shape[3], x.dtype), thread_count())
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    gx = empty(shape, gy.dtype)
    _conv2d_gradient_x(flat(gy), gy.shape, flat(w), gx.reshape(-1), gx.shape, w.shape[2:], stride, padding, dilation,
                       np.zeros(gy.shape[3], gy.dtype), thread_count())
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw, nothing = np.empty((gy.shape[1], 1, *size), x.dtype), np.zeros(max(x.shape[3], gy.shape[3]), x.dtype)
    work = workspace(gw[0].size * LANES, x.dtype)        # a sum in every lane for every number of a filter
    _conv2d_gradient_w(flat(gy), gy.shape, flat(x), x.shape, gw.reshape(-1), size, stride, padding, dilation, nothing, work)
    return gw


# ---- y


@jit(each="threads")
def _conv2d(t, x, x_shape, w, start, y, y_shape, size, stride, padding, dilation, nothing, threads):
    (N, C, H, W), (_, F, OH, OW), (KH, KW), (step_y, step_x), (top, left) = x_shape, y_shape, size, dilation, padding
    small = size == (3, 3) and dilation == (1, 1)
    first, end = portion(F, t, threads)
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first, end):
        x0, y0, w0 = f // M * H * W, f * OH * OW, f * KH * KW
        if small and stride == (1, 1):
            correlate_31(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left)
        elif small:
            correlate_32(N, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left)
        elif stride == (1, 1):
            correlate_1(N, x, x0, x_step, H, W, nothing, w, w0, 1, KH, KW, step_y, step_x, start, f,
                        y, y0, y_step, OH, OW, top, left, 0)
        else:
            correlate_2(N, x, x0, x_step, H, W, nothing, w, w0, 1, KH, KW, step_y, step_x, start, f,
                        y, y0, y_step, OH, OW, top, left, 0)


# ---- gx


@jit(each="threads")
def _conv2d_gradient_x(t, gy, gy_shape, w, gx, gx_shape, size, stride, padding, dilation, nothing, threads):
    (N, F, OH, OW), (_, C, H, W), (KH, KW), (step_y, step_x), (top, left) = gy_shape, gx_shape, size, dilation, padding
    small = size == (3, 3) and dilation == (1, 1)
    first, end = portion(C, t, threads)
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first * M, end * M):
        x0, y0, w0, more = f // M * H * W, f * OH * OW, f * KH * KW, f % M
        if small and stride == (1, 1):
            spread_31(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)
        elif small:
            spread_32(N, gy, y0, y_step, OH, OW, w, w0, gx, x0, x_step, H, W, top, left, more)
        elif stride == (1, 1):
            correlate_1(N, gy, y0, y_step, OH, OW, nothing, w, w0 + KH * KW - 1, -1, KH, KW, step_y, step_x, nothing, 0,
                        gx, x0, x_step, H, W, (KH - 1) * step_y - top, (KW - 1) * step_x - left, more)
        else:
            spread_2(N, gy, y0, y_step, OH, OW, nothing, w, w0, KH, KW, gx, x0, x_step, H, W, top, left, more)


# ---- gw


@jit(each="work")
def _conv2d_gradient_w(t, gy, gy_shape, x, x_shape, gw, size, stride, padding, dilation, nothing, work):
    (N, F, OH, OW), (_, C, H, W), (KH, KW), (step_y, step_x), (top, left) = gy_shape, x_shape, size, dilation, padding
    small = size == (3, 3) and dilation == (1, 1)
    first, end = portion(F, t, len(work))
    M, x_step, y_step = F // C, C * H * W, F * OH * OW
    for f in range(first, end):
        x0, y0, w0 = f // M * H * W, f * OH * OW, f * KH * KW
        if small and stride == (1, 1):
            compare_31(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
        elif small:
            compare_32(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, gw, w0, top, left)
        elif stride == (1, 1):
            compare_1(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, nothing, gw, w0, KH, KW, step_y, step_x, top, left,
                      work[t])
        else:
            compare_2(N, gy, y0, y_step, OH, OW, x, x0, x_step, H, W, nothing, gw, w0, KH, KW, step_y, step_x, top, left,
                      work[t])
