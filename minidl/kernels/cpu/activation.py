"""Activations in one pass over memory."""
import numpy as np

from minidl.kernels.cpu.jit import jit, prange
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import BLOCK, worth_streaming, stream
from minidl.kernels.cpu.threads import workspace


def relu(x):
    y = empty(x.shape, x.dtype)
    _relu(flat(x), flat(y), worth_streaming(y), workspace(BLOCK, y.dtype))
    return y


@jit(parallel=True)
def _relu(x, y, streaming, rooms):
    for t in prange(len(rooms)):
        for i in range(np.int64(t) * BLOCK, len(x), len(rooms) * BLOCK):
            j = min(i + BLOCK, len(x))
            if streaming:
                _positive(x[i:j], rooms[t])
                stream(rooms[t, :j - i], y, i)
            else:
                _positive(x[i:j], y[i:j])


@jit
def _positive(x, y):
    for n in range(len(x)):
        y[n] = 0 if x[n] < 0 else x[n]                   # NaN is not < 0, and stays


def relu_gradient(gy, y):
    gx = empty(y.shape, gy.dtype)
    _relu_gradient(flat(gy), flat(y), flat(gx), worth_streaming(gx), workspace(BLOCK, gx.dtype))
    return gx


@jit(parallel=True)
def _relu_gradient(gy, y, gx, streaming, rooms):
    for t in prange(len(rooms)):
        for i in range(np.int64(t) * BLOCK, len(y), len(rooms) * BLOCK):
            j = min(i + BLOCK, len(y))
            if streaming:
                _where_positive(gy[i:j], y[i:j], rooms[t])
                stream(rooms[t, :j - i], gx, i)
            else:
                _where_positive(gy[i:j], y[i:j], gx[i:j])


@jit
def _where_positive(gy, y, gx):
    for n in range(len(y)):
        gx[n] = gy[n] if y[n] > 0 else 0


def flat(x):
    """x's numbers in a row, in the same memory where x is contiguous"""
    return np.ascontiguousarray(x).reshape(-1)
