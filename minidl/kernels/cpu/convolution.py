"""Convolution: which algorithm runs. Each is a file with the same three functions."""
from minidl.kernels.cpu import columns, depthwise, pointwise, whole
from minidl.kernels.cpu.columns import col2im, im2col                # noqa: F401


def algorithm(image, channels, size, stride, padding, groups):
    """The one for images of (H, W), and filters that read `channels` channels and are of `size`."""
    unpadded = tuple(padding) == (0, 0)
    if unpadded and tuple(size) == tuple(image) and groups == 1:
        return whole
    if unpadded and tuple(size) == tuple(stride) == (1, 1):
        return pointwise
    if channels == 1 and groups > 1:
        return depthwise
    return columns


def conv2d(x, w, b, stride, padding, dilation, groups):
    chosen = algorithm(x.shape[2:], w.shape[1], w.shape[2:], stride, padding, groups)
    return chosen.conv2d(x, w, b, stride, padding, dilation, groups)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    chosen = algorithm(shape[2:], w.shape[1], w.shape[2:], stride, padding, groups)
    return chosen.conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    chosen = algorithm(x.shape[2:], x.shape[1] // groups, size, stride, padding, groups)
    return chosen.conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups)
