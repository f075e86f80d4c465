"""Activations in one pass over memory."""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.threads import in_parts


def relu(x):
    y, x = np.empty(x.shape, x.dtype), np.ascontiguousarray(x)
    in_parts(lambda i, j: _relu(flat(x)[i:j], flat(y)[i:j]), x.size, x.size // 4)
    return y


@jit
def _relu(x, y):
    for i in range(len(x)):
        y[i] = 0 if x[i] < 0 else x[i]                   # NaN is not < 0, and stays


def relu_gradient(gy, y):
    gx, gy, y = np.empty(y.shape, gy.dtype), np.ascontiguousarray(gy), np.ascontiguousarray(y)
    in_parts(lambda i, j: _relu_gradient(flat(gy)[i:j], flat(y)[i:j], flat(gx)[i:j]), y.size, y.size // 4)
    return gx


@jit
def _relu_gradient(gy, y, gx):
    for i in range(len(y)):
        gx[i] = gy[i] if y[i] > 0 else 0


def flat(x):
    return x.reshape(-1)
