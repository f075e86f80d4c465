"""Where results go: arrays that begin where vectors do, in memory that the process has had before, and in large pages.

The C library gives a large block back to the system when it is freed, and asks for a new one a moment later. The
system fills new pages with zeros, one at a time, when they are first written to: that takes longer than most of what
is computed into them. A training step frees and takes the same sizes over and over, so the first `empty` tells the C
library (GNU's; others have no such setting) to keep what is freed. MINIDL_KEEP_MEMORY=0 leaves everything as it was.

Where a number is in memory the processor looks up by its page. It has the places of some hundreds of pages at hand,
which are a few megabytes in pages of 4 KiB, and a gigabyte in pages of 2 MiB. Linux gives those to who asks for them.
"""
import ctypes
import functools
import math
import mmap
import os

import numpy as np

ALIGNED = 128                # bytes: two lines of a cache, a vector of 16 numbers of float64
SMALL = 2 ** 16              # bytes below which it does not matter where an array begins

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4     # from GNU's malloc.h
GROWTH = 2 ** 26             # bytes by which memory grows at least: pages that it needs not yet are not made yet


def empty(shape, dtype):
    """np.empty, but beginning at a multiple of 128 bytes: vectors at places 0, 16, 32, ... lie in one line each."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    heap = the_heap()
    block = np.empty(size + ALIGNED, np.uint8)
    if heap:
        heap.ask_for_large_pages()
    return np.ndarray(shape, dtype, block, -block.ctypes.data % ALIGNED)


@functools.cache
def the_heap():
    """The Heap, where the C library has one and is not to be left alone; else None."""
    if os.environ.get("MINIDL_KEEP_MEMORY") == "0" or not hasattr(os, "confstr"):
        return None
    try:
        if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return Heap(ctypes.CDLL(None))
    except (ValueError, OSError, AttributeError):
        pass
    return None


class Heap:
    """The memory that GNU's C library makes arrays in: one run of pages, which grows at its end and keeps what is freed."""

    def __init__(self, library):
        self.library, library.sbrk.restype = library, ctypes.c_size_t
        for what, value in (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2 ** 31 - 1), (M_TOP_PAD, GROWTH):
            library.mallopt(what, value)
        self.end = library.sbrk(0)

    def ask_for_large_pages(self):
        """In what the heap has grown by, which must not have been written to yet: a page is made then."""
        before, self.end = self.end, self.library.sbrk(0)
        if self.end > before and hasattr(mmap, "MADV_HUGEPAGE"):
            start = before // mmap.PAGESIZE * mmap.PAGESIZE
            self.library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(self.end - start), mmap.MADV_HUGEPAGE)


def flat(x):
    """x's numbers in a row, in the same memory where x is contiguous"""
    return np.ascontiguousarray(x).reshape(-1)


def planes(x):
    """x (N, C, H, W), C-contiguous -> (N C, H, W), the same memory"""
    N, C, H, W = x.shape
    return x.reshape(N * C, H, W)
