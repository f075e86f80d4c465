"""Convolution with 1x1 filters, stride 1, without padding: an image (C, H, W) is its own columns (C, H W)."""
import numpy as np

from minidl.kernels.cpu.threads import in_parts, one_blas_thread


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return tuple(w_shape[2:]) == tuple(stride) == (1, 1) and tuple(padding) == (0, 0)


def conv2d(x, w, b, stride, padding, dilation, groups):
    y = products(matrices(w, groups), x, groups)
    return y if b is None else y + b.reshape(-1, 1, 1)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    return products(matrices(w, groups).swapaxes(1, 2), gy, groups)


def products(w, x, groups):
    """w (G, R, C/G) times each image of x (N, C, H, W) -> (N, G R, H, W)"""
    (N, C, H, W), R = x.shape, w.shape[1]
    x, y = x.reshape(N, groups, C // groups, H * W), np.empty((N, groups, R, H * W), x.dtype)
    with one_blas_thread():
        in_parts(lambda i, j: np.matmul(w, x[i:j], out=y[i:j]), N, y.size * w.shape[2] // 8)
    return y.reshape(N, groups * R, H, W)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    (N, C, H, W), F = x.shape, gy.shape[1]
    x, gy = x.reshape(N, groups, C // groups, H * W), gy.reshape(N, groups, F // groups, H * W)

    def part(first, last):
        gw = np.zeros((groups, F // groups, C // groups), x.dtype)
        for n in range(first, last):
            gw += np.matmul(gy[n], x[n].swapaxes(1, 2))
        return gw

    with one_blas_thread():
        return sum(in_parts(part, N, x.size * F // groups // 8)).reshape(F, C // groups, 1, 1)


def matrices(w, groups):
    """w (F, C/G, 1, 1) -> (G, F/G, C/G)"""
    return w.reshape(groups, len(w) // groups, w.shape[1])
