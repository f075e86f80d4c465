"""Convolution with filters as large as the image, without padding: there is one patch, so it is a linear layer."""
from math import prod

from minidl.kernels.cpu.matrix import matmul


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return tuple(x_shape[2:]) == tuple(w_shape[2:]) and tuple(padding) == (0, 0) and groups == 1


def conv2d(x, w, b, stride, padding, dilation, groups):
    y = matmul(flat(x), flat(w).T)                       # (N, C KH KW), (C KH KW, F) -> (N, F)
    return (y if b is None else y + b)[:, :, None, None]


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    return matmul(gy[:, :, 0, 0], flat(w)).reshape(shape)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    return matmul(gy[:, :, 0, 0].T, flat(x)).reshape(gy.shape[1], x.shape[1], *size)


def flat(x):
    return x.reshape(len(x), prod(x.shape[1:]))
