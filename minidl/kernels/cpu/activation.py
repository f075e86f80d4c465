"""Activations in one pass over memory."""
import numpy as np

from minidl.kernels.cpu.jit import jit, prange


def relu(x):
    y = np.empty(x.shape, x.dtype)
    _relu(np.ascontiguousarray(x).reshape(-1), y.reshape(-1))
    return y


@jit(parallel=True)
def _relu(x, y):
    for i in prange(len(x)):
        y[i] = x[i] if not x[i] < 0 else 0               # NaN is not < 0, and stays


def relu_gradient(gy, y):
    gx = np.empty(y.shape, gy.dtype)
    _relu_gradient(np.ascontiguousarray(gy).reshape(-1), np.ascontiguousarray(y).reshape(-1), gx.reshape(-1))
    return gx


@jit(parallel=True)
def _relu_gradient(gy, y, gx):
    for i in prange(len(y)):
        gx[i] = gy[i] if y[i] > 0 else 0
