"""Convolution in which every filter reads one channel: too little to multiply matrices for, so rows are added up."""
import numpy as np

from minidl.kernels.cpu.columns import window
from minidl.kernels.cpu.jit import SUMS, jit
from minidl.kernels.cpu.threads import in_parts


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return w_shape[1] == 1 and groups > 1


def conv2d(x, w, b, stride, padding, dilation, groups):
    N, F = len(x), len(w)
    y = np.empty((N, F, *window(x.shape, w.shape[2:], stride, padding, dilation)[-1]), x.dtype)
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    b = np.zeros(F, x.dtype) if b is None else np.ascontiguousarray(b)
    in_parts(lambda first, last: _conv2d(x, w, b, stride, padding, dilation, y, first, last), N * F,
             y.size * w[0].size)
    return y


@jit
def _conv2d(x, w, b, stride, padding, dilation, y, first, last):
    """The planes `first` to `last` of y, numbered n F + f."""
    (C, H, W), (F, OH, OW), (KH, KW) = x.shape[1:], y.shape[1:], w.shape[2:]
    source, target = x.reshape(-1), y.reshape(-1)
    for plane in range(first, last):
        n, f = plane // F, plane % F
        c = f // (F // C)
        y[n, f] = b[f]
        for i in range(KH):
            for j in range(KW):
                start, count, left = _inside(W, j * dilation[1] - padding[1], stride[1], OW)
                for oy in range(OH):
                    iy = oy * stride[0] + i * dilation[0] - padding[0]
                    if 0 <= iy < H:
                        _add(w[f, 0, i, j], source, ((n * C + c) * H + iy) * W + left, stride[1],
                             target, (plane * OH + oy) * OW + start, 1, count)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    gx, gy, w = np.zeros(shape, gy.dtype), np.ascontiguousarray(gy), np.ascontiguousarray(w)
    in_parts(lambda first, last: _conv2d_gradient_x(gy, w, stride, padding, dilation, gx, first, last),
             shape[0] * shape[1], gy.size * w[0].size)
    return gx


@jit
def _conv2d_gradient_x(gy, w, stride, padding, dilation, gx, first, last):
    """The planes `first` to `last` of gx, numbered n C + c."""
    (C, H, W), (F, OH, OW), (KH, KW) = gx.shape[1:], gy.shape[1:], w.shape[2:]
    source, target = gy.reshape(-1), gx.reshape(-1)
    for plane in range(first, last):
        n, c = plane // C, plane % C
        for f in range(c * (F // C), (c + 1) * (F // C)):
            for i in range(KH):
                for j in range(KW):
                    start, count, left = _inside(W, j * dilation[1] - padding[1], stride[1], OW)
                    for oy in range(OH):
                        iy = oy * stride[0] + i * dilation[0] - padding[0]
                        if 0 <= iy < H:
                            _add(w[f, 0, i, j], source, ((n * F + f) * OH + oy) * OW + start, 1,
                                 target, (plane * H + iy) * W + left, stride[1], count)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw, gy, x = np.empty((gy.shape[1], 1, *size), x.dtype), np.ascontiguousarray(gy), np.ascontiguousarray(x)
    in_parts(lambda first, last: _conv2d_gradient_w(gy, x, stride, padding, dilation, gw, first, last),
             len(gw), gy.size * size[0] * size[1])
    return gw


@jit
def _conv2d_gradient_w(gy, x, stride, padding, dilation, gw, first, last):
    (N, C, H, W), (F, OH, OW), (KH, KW) = x.shape, gy.shape[1:], gw.shape[2:]
    source, sink = x.reshape(-1), gy.reshape(-1)
    for f in range(first, last):
        c = f // (F // C)
        for i in range(KH):
            for j in range(KW):
                start, count, left = _inside(W, j * dilation[1] - padding[1], stride[1], OW)
                total = x.dtype.type(0)
                for n in range(N):
                    for oy in range(OH):
                        iy = oy * stride[0] + i * dilation[0] - padding[0]
                        if 0 <= iy < H:
                            total += _dot(source, ((n * C + c) * H + iy) * W + left, stride[1],
                                          sink, ((n * F + f) * OH + oy) * OW + start, count)
                gw[f, 0, i, j] = total


@jit
def _inside(W, shift, stride, OW):
    """Of the cells ox * stride + shift for ox in range(OW): the first ox that is inside the image, how many are, and
    where the first of them is."""
    start = min(OW, max(0, -(shift // stride)))
    count = min(OW, max(0, (W - 1 - shift) // stride + 1)) - start
    return start, max(0, count), start * stride + shift


# Runs of numbers in flat arrays. Unsigned places need no test for being counted from the end, so these vectorize.

@jit(fastmath={"contract"})
def _add(factor, source, start, step, target, at, target_step, count):
    """target += factor * source"""
    start, step, at, target_step = np.uint64(start), np.uint64(step), np.uint64(at), np.uint64(target_step)
    if step == 1 and target_step == 1:
        for i in range(np.uint64(count)):
            target[at + i] += factor * source[start + i]
    else:
        for i in range(np.uint64(count)):
            target[at + i * target_step] += factor * source[start + i * step]


@jit(fastmath=SUMS)
def _dot(a, start, step, b, at, count):
    start, step, at, total = np.uint64(start), np.uint64(step), np.uint64(at), a.dtype.type(0)
    for i in range(np.uint64(count)):
        total += a[start + i * step] * b[at + i]
    return total
