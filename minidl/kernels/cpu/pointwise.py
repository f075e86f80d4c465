"""Convolution with 1x1 filters, without padding: a matrix product, as an image (C, H, W) is its own columns.

With a stride, the pixels that are read are put together first.
"""
from math import prod

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty, flat, planes
from minidl.kernels.cpu.moves import copy, every_second, interleave
from minidl.kernels.cpu.panels import Layout, product, transposed
from minidl.kernels.cpu.threads import thread_count

SMALL = 128                  # pixels: so small images are put together


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return (tuple(w_shape[2:]) == (1, 1) and tuple(padding) == (0, 0) and dtype.kind == "f"
            and 0 not in x_shape and 0 not in w_shape)


def conv2d(x, w, b, stride, padding, dilation, groups):
    """y (F, pixels) = w (F, C) x (C, pixels)"""
    return apart(mixed(w.reshape(groups, -1, w.shape[1]), together(read(x, stride)), b), len(x))


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    """gx (C, pixels) = w^T (C, F) gy (F, pixels)"""
    gx = apart(mixed(transposed(w.reshape(groups, -1, w.shape[1])), together(gy), None), len(gy))
    return gx if gx.shape == tuple(shape) else spread(gx, shape, stride)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    """gw (F, C) = gy (F, pixels) x^T (pixels, C)"""
    F, C, x, gy = gy.shape[1] // groups, x.shape[1] // groups, together(read(x, stride)), together(gy)
    gw = np.empty((groups * F, C, 1, 1), x.dtype)
    for gy_part, x_part, gw_part in zip(channels(gy, groups), channels(x, groups), gw.reshape(groups, F * C)):
        product(gy_part, images(gy), x_part, images(x), gw_part, Layout(C, C, 0), (F, pixels(x), C), turned=True)
    return gw


def mixed(w, x, b):
    """The channels of x (N, G C, H, W), mixed by w (G, F, C), + b -> y (N, G F, H, W)"""
    groups, F, C = w.shape
    y = empty((len(x), groups * F, *x.shape[2:]), x.dtype)
    b = [None] * groups if b is None else np.ascontiguousarray(b).reshape(groups, F)
    for w_part, x_part, b_part, y_part in zip(w, channels(x, groups), b, channels(y, groups)):
        product(flat(w_part), Layout(C, C, 0), x_part, images(x), y_part, images(y), (F, C, pixels(x)), b_part)
    return y


# ---- small images


def together(x):
    """Small images x (N, C, H, W) as one, (1, C, N H, W), as few tiles would lie within one of them; others as they are."""
    N, C, H, W = x.shape
    return swapped(x, N, C).reshape(1, C, N * H, W) if N > 1 and H * W < SMALL else x


def apart(y, N):
    """N images, that were put together, each on its own again."""
    return y if len(y) == N else swapped(y, y.shape[1], N).reshape(N, y.shape[1], -1, y.shape[3])


def swapped(x, M, N):
    """x, of whose first axes there are M times N places, with these in the other order: (N, M, pixels)"""
    x = flat(x).reshape(M, N, -1)
    y = empty((N, M, x.shape[2]), x.dtype)
    _swap(x, y)
    return y


@jit(each="y")
def _swap(n, x, y):
    for m in range(len(x)):
        copy(x[m, n], 0, y[n, m], 0, x.shape[2])


# ---- strides


def read(x, stride):
    """Every stride-th pixel of x (N, C, H, W), from the first on."""
    if tuple(stride) == (1, 1):
        return x
    y = empty((*x.shape[:2], -(-x.shape[2] // stride[0]), -(-x.shape[3] // stride[1])), x.dtype)
    _read(planes(np.ascontiguousarray(x)), *stride, planes(y), thread_count())
    return y


@jit(each="threads")
def _read(t, x, SH, SW, y, threads):
    first, end = portion(len(x), t, threads)
    for plane in range(first, end):
        _read_plane(x[plane].reshape(-1), x.shape[2], SH, SW, y[plane].reshape(-1), y.shape[1], y.shape[2])


@jit(inline=True)
def _read_plane(x, W, SH, SW, y, OH, OW):
    for oy in range(OH):
        if SW == 1:
            copy(x, oy * SH * W, y, oy * OW, OW)
        elif SW == 2:
            every_second(x, oy * SH * W, y, oy * OW, OW)
        else:
            for ox in range(OW):
                y[oy * OW + ox] = x[oy * SH * W + ox * SW]


def spread(y, shape, stride):
    """The transpose of read: y (N, C, OH, OW), and zeros between its pixels, of `shape` (N, C, H, W)."""
    x = empty(shape, y.dtype)
    _spread(planes(y), *stride, np.zeros(y.shape[3], y.dtype), planes(x), thread_count())
    return x


@jit(each="threads")
def _spread(t, y, SH, SW, zeros, x, threads):
    first, end = portion(len(x), t, threads)
    for plane in range(first, end):
        _spread_plane(y[plane].reshape(-1), y.shape[1], y.shape[2], SH, SW, zeros, x[plane].reshape(-1), x.shape[2])


@jit(inline=True)
def _spread_plane(y, OH, OW, SH, SW, zeros, x, W):
    x[:] = 0
    for oy in range(OH):
        done = 0
        if SW == 2:                                      # but for the last one, each has a zero behind it in its row
            done = OW - 1
            interleave(y, oy * OW, zeros, 0, x, oy * SH * W, done)
        for ox in range(done, OW):
            x[oy * SH * W + ox * SW] = y[oy * OW + ox]


# ---- images as matrices


def channels(x, groups):
    """For each group, a flat array that begins with its channels in the first image."""
    flat = np.ascontiguousarray(x).reshape(-1)
    return [flat[group * prod(x.shape[1:]) // groups:] for group in range(groups)]


def images(x):
    """Where the channels of all images are: a row each, and a run of H W columns per image."""
    return Layout(row=prod(x.shape[2:]), run=prod(x.shape[2:]), jump=prod(x.shape[1:]))


def pixels(x):
    return len(x) * prod(x.shape[2:])
