"""Who runs in parallel: the threads of OpenMP, on which Numba runs the `prange` of a kernel.

There is one pool of threads. NumPy's BLAS has a pool of its own, and on the same cores two pools keep each other
waiting: threads that ran out of work stay awake for a while, in case that more comes. So BLAS is left with products
that are too small to be worth a second thread, and what is large is computed by kernels.
"""
import functools
import os
import threading
from contextlib import contextmanager

import numpy as np

LINE = 64                    # bytes that a cache moves at a time


@functools.cache
def thread_count():
    """OMP_NUM_THREADS, as for other programs that count, or the cores that this process may use."""
    if setting := os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip():
        return max(1, int(setting))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_launching = threading.RLock()


@contextmanager
def launch():
    """Within the block a parallel kernel runs on `thread_count()` threads; one kernel at a time."""
    with _launching:
        numba = layer()
        numba.set_num_threads(min(thread_count(), numba.config.NUMBA_NUM_THREADS))
        yield


@functools.cache
def layer():
    """Numba, with its threads started: OpenMP's, which are awake in a microsecond."""
    import numba
    numba.config.THREADING_LAYER = "omp"
    numba.get_num_threads()
    return numba


def after_fork():
    """Threads do not survive a fork, and OpenMP would wait for its own for ever."""
    global forked, _launching
    forked, _launching = True, threading.RLock()


forked = False                           # is this the child of a fork? Then parallel kernels are ordinary loops
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)


def scratch(size, dtype):
    """`size` numbers of memory that is this thread's until its next call, so that pages are not made anew.

    It starts where a cache line does: a vector that lies across two lines takes two loads.
    """
    held = getattr(_own, "memory", None)
    needed = size * np.dtype(dtype).itemsize
    if held is None or held.nbytes < needed:
        fresh = np.empty(needed + LINE, np.uint8)
        start = -fresh.ctypes.data % LINE
        held = _own.memory = fresh[start:start + needed]
    return held[:needed].view(dtype)


def workspace(size, dtype):
    """scratch memory (threads, size) for a parallel kernel, a row for each of its threads.

    Rows are a little further apart than a power of two: the same place in all of them would fall into the same few
    lines of a cache.
    """
    step = -(-size // 64) * 64 + 16
    return scratch(thread_count() * step, dtype).reshape(thread_count(), step)


_own = threading.local()
