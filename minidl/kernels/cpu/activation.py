"""Activations in one pass over memory."""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.threads import in_parts


def relu(x):
    y = np.empty(x.shape, x.dtype)
    xs, ys = x.ravel(), y.ravel()
    in_parts(lambda i, j: _relu(xs[i:j], ys[i:j]), x.size, x.size // 4)
    return y


@jit
def _relu(x, y):
    for i in range(len(x)):
        y[i] = 0 if x[i] < 0 else x[i]                   # NaN is not < 0, and stays


def relu_gradient(gy, y):
    gx = np.empty(y.shape, gy.dtype)
    gys, ys, gxs = gy.ravel(), y.ravel(), gx.ravel()
    in_parts(lambda i, j: _relu_gradient(gys[i:j], ys[i:j], gxs[i:j]), y.size, y.size // 4)
    return gx


@jit
def _relu_gradient(gy, y, gx):
    for i in range(len(y)):
        gx[i] = gy[i] if y[i] > 0 else 0
