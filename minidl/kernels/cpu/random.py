"""Philox again, in registers: the same bits as the reference, without its arrays of 64-bit products."""
import math

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.threads import thread_count
from minidl.kernels.reference.random import as_uniform, drop_below, scale_of_kept


def philox(key, size):
    words = np.empty((-(-size // 4), 4), np.uint32)
    _philox(np.uint64(key), words, thread_count())
    return words.reshape(-1)[:size]


@jit(each="threads")
def _philox(t, key, words, threads):
    first, end = portion(len(words), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):
        words[i, 0], words[i, 1], words[i, 2], words[i, 3] = _block(i, key)


@jit
def _block(i, key):
    """The four words that block i of the stream of `key` is made of."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = i & low, i >> half, np.uint64(0), np.uint64(0)
    k0, k1 = key & low, key >> half
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


def uniform(key, shape, dtype):
    count = math.prod(shape)
    return as_uniform(philox(key, count if np.dtype(dtype) == np.float32 else 2 * count), shape, dtype)


def dropout_mask(key, shape, p, dtype):
    mask = empty(shape, dtype)
    _dropout_mask(np.uint64(key), np.uint32(drop_below(p)), mask.dtype.type(scale_of_kept(p)), mask.reshape(-1),
                  thread_count())
    return mask


@jit(each="threads")
def _dropout_mask(t, key, drop, scale, mask, threads):
    first, end = portion((len(mask) + 3) // 4, t, threads)
    for i in range(first, end):
        words, four = _block(np.uint64(i), key), mask[4 * i:4 * i + 4]
        for j in range(len(four)):
            four[j] = scale if words[j] >> np.uint32(8) >= drop else 0
