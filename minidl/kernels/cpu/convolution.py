"""Convolution: which algorithm runs."""
from minidl.kernels.cpu import columns
from minidl.kernels.cpu.columns import col2im, im2col                # noqa: F401


def algorithm(w_shape, groups):
    """The file whose conv2d, conv2d_gradient_x and conv2d_gradient_w are the fastest here."""
    return columns


def conv2d(x, w, b, stride, padding, dilation, groups):
    return algorithm(w.shape, groups).conv2d(x, w, b, stride, padding, dilation, groups)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    return algorithm(w.shape, groups).conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    w_shape = (gy.shape[1], x.shape[1] // groups, *size)
    return algorithm(w_shape, groups).conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups)
