"""Philox once more, a thread for four words: the same bits as the reference."""
import math

import cupy
import numpy as np

from minidl.kernels.gpu.launch import Kernels
from minidl.kernels.reference.random import drop_below, scale_of_kept

kernels = Kernels("random")


def philox(key, size):
    return drawn("philox", size, np.uint32, key)


def uniform(key, shape, dtype):
    dtype = np.float32 if np.dtype(dtype) == np.float32 else np.float64
    return drawn("uniform", math.prod(shape), dtype, key).reshape(shape)


def dropout_mask(key, shape, p, dtype):
    dtype = np.dtype(dtype)
    drawn_as, scale = np.result_type(dtype, np.float32), dtype.type(scale_of_kept(p))
    mask = drawn("dropout_mask", math.prod(shape), drawn_as, key, drop_below(p), scale)
    return mask.reshape(shape).astype(dtype, copy=False)


def drawn(kernel, size, dtype, *settings):
    """`size` numbers; kernels write them by fours, of which the last may have some too many."""
    groups = -(-size // 4)
    x = cupy.empty(4 * groups, dtype)
    kernels.each(kernel, groups, *settings, x, groups)
    return x[:size]
