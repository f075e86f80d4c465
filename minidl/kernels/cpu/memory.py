"""Where results go: arrays that begin where vectors do, in memory that the process has had before.

The C library gives a large block back to the system when it is freed, and asks for a new one a moment later. The
system fills new pages with zeros, one at a time, when they are first written to: that takes longer than most of what
is computed into them. A training step frees and takes the same sizes over and over, so the first `empty` tells the C
library (GNU's; others have no such setting) to keep what is freed. MINIDL_KEEP_MEMORY=0 leaves everything as it was.
"""
import ctypes
import functools
import math
import os

import numpy as np

ALIGNED = 128                # bytes: two lines of a cache, a vector of 16 numbers of float64
SMALL = 2 ** 16              # bytes below which it does not matter where an array begins

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4                    # from GNU's malloc.h


def empty(shape, dtype):
    """np.empty, but beginning at a multiple of 128 bytes: vectors at places 0, 16, 32, ... lie in one line each."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    keep_memory()
    block = np.empty(size + ALIGNED, np.uint8)
    return np.ndarray(shape, dtype, block, -block.ctypes.data % ALIGNED)


@functools.cache
def keep_memory():
    """Ask the C library to keep freed memory. Did it agree?"""
    if os.environ.get("MINIDL_KEEP_MEMORY") == "0" or not hasattr(os, "confstr"):
        return False
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2 ** 31 - 1))
    except (ValueError, OSError, AttributeError):
        return False


def flat(x):
    """x's numbers in a row, in the same memory where x is contiguous"""
    return np.ascontiguousarray(x).reshape(-1)


def planes(x):
    """x (N, C, H, W), C-contiguous -> (N C, H, W), the same memory"""
    N, C, H, W = x.shape
    return x.reshape(N * C, H, W)
