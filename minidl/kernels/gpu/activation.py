"""Activations that gain by a kernel of their own; the others are elementary ops."""
import math

import cupy

from minidl.kernels.gpu.launch import Kernels, takes_float16, threads_of_row

kernels = Kernels("activation")


def relu(x):
    return cupy.maximum(x, 0)


@takes_float16
def relu_gradient(gy, y):
    gx = cupy.empty(y.shape, y.dtype)
    kernels.each("relu_gradient", y.size, cupy.ascontiguousarray(gy), cupy.ascontiguousarray(y), gx, y.size)
    return gx


@takes_float16
def softmax(x, axis):
    return along("softmax", axis, x)


@takes_float16
def softmax_gradient(gy, y, axis):
    return along("softmax_gradient", axis, gy, y)


@takes_float16
def log_softmax(x, axis):
    return along("log_softmax", axis, x)


@takes_float16
def log_softmax_gradient(gy, y, axis):
    return along("log_softmax_gradient", axis, gy, y)


def along(name, axis, *arrays):
    """The kernel's result for arrays of one shape: by blocks along the last axis, by single threads along another."""
    shape, dtype = arrays[-1].shape, arrays[-1].dtype
    axis %= len(shape)
    K, outer, inner = shape[axis], math.prod(shape[:axis]), math.prod(shape[axis + 1:])
    arrays = *map(cupy.ascontiguousarray, arrays), cupy.empty(shape, dtype)
    if inner == 1:
        kernels.blocks(f"{name}_rows", outer, threads_of_row(K), *arrays, K)
    else:
        kernels.each(f"{name}_columns", outer * inner, *arrays, K, inner, outer * inner)
    return arrays[-1]
