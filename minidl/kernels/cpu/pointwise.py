"""Convolution with 1x1 filters, stride 1, without padding: a matrix product, as an image (C, H, W) is its own columns."""
from math import prod

import numpy as np

from minidl.kernels.cpu.panels import Layout, product


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return (tuple(w_shape[2:]) == tuple(stride) == (1, 1) and tuple(padding) == (0, 0) and dtype.kind == "f"
            and 0 not in x_shape and 0 not in w_shape)


def conv2d(x, w, b, stride, padding, dilation, groups):
    """y (F, pixels) = w (F, C) x (C, pixels)"""
    return mixed(w.reshape(groups, -1, w.shape[1]), x, b)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    """gx (C, pixels) = w^T (C, F) gy (F, pixels)"""
    return mixed(w.reshape(groups, -1, w.shape[1]).swapaxes(1, 2), gy, None)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    """gw (F, C) = gy (F, pixels) x^T (pixels, C)"""
    F, C = gy.shape[1] // groups, x.shape[1] // groups
    gw = np.empty((groups * F, C, 1, 1), x.dtype)
    for gy_part, x_part, gw_part in zip(channels(gy, groups), channels(x, groups), gw.reshape(groups, F * C)):
        product(gy_part, images(gy), x_part, images(x), gw_part, Layout(C, C, 0), (F, pixels(x), C), turned=True)
    return gw


def mixed(w, x, b):
    """The channels of x (N, G C, H, W), mixed by w (G, F, C), + b -> y (N, G F, H, W)"""
    groups, F, C = w.shape
    y = np.empty((len(x), groups * F, *x.shape[2:]), x.dtype)
    b = [None] * groups if b is None else np.ascontiguousarray(b).reshape(groups, F)
    at = Layout(C, C, 0) if w.flags.c_contiguous else Layout(1, C, 0, F)
    w = (w if w.flags.c_contiguous else w.swapaxes(1, 2)).reshape(groups, -1)
    for w_part, x_part, b_part, y_part in zip(w, channels(x, groups), b, channels(y, groups)):
        product(w_part, at, x_part, images(x), y_part, images(y), (F, C, pixels(x)), b_part)
    return y


def channels(x, groups):
    """For each group, a flat array that begins with its channels in the first image."""
    flat = np.ascontiguousarray(x).reshape(-1)
    return [flat[group * prod(x.shape[1:]) // groups:] for group in range(groups)]


def images(x):
    """Where the channels of all images are: a row each, and a run of H W columns per image."""
    return Layout(row=prod(x.shape[2:]), run=prod(x.shape[2:]), jump=prod(x.shape[1:]))


def pixels(x):
    return len(x) * prod(x.shape[2:])
