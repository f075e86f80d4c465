"""Who runs in parallel: the threads of OpenMP, to which Numba brings the parts of a kernel's work (parts.py).

There is one pool of threads. NumPy's BLAS has a pool of its own, and on the same cores two pools keep each other
waiting: threads that ran out of work stay awake for a while, in case that more comes. So BLAS is left with products
that are too small to be worth a second thread, and what is large is computed by kernels.
"""
import functools
import math
import os
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

LINE = 64                    # bytes that a cache moves at a time


# ---- how many


def set_num_threads(n):
    """From now on kernels run on n threads, the calling one among them, in all of this process."""
    global _asked_for
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, but got {n}")
    import numba
    if n > (most := numba.config.NUMBA_NUM_THREADS):
        raise RuntimeError(f"set_num_threads: there are no more than {most} threads to compute with, and {n} were asked "
                           f"for; NUMBA_NUM_THREADS={n} in the environment lets a new process have them")
    _asked_for = int(n)


def get_num_threads():
    """How many threads kernels run on: what was set, else OMP_NUM_THREADS, else the cores this process may use."""
    return thread_count()


def thread_count():
    return _asked_for or thread_count_at_first()


_asked_for = None


@functools.cache
def thread_count_at_first():
    setting = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()     # for loops inside loops there are more
    return int(setting) if setting.isdecimal() and int(setting) else cores()


def cores():
    """The cores that this process may use: those it may run on, and no more than it is granted the time of."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(there, granted())


def granted(own="/proc/self/cgroup", groups="/sys/fs/cgroup"):
    """How many cores' time Linux grants to this process, rounded up; inf without a limit.

    A container is a control group: it may use `quota` microseconds of processor time in every `period`, and so may
    the groups that it is in. The file `own` lists this process's groups as lines "number:controllers:path"; of the old
    kind (v1) the one whose controllers include "cpu" counts, and a group of the new kind (v2) has them all.
    """
    least = math.inf
    try:
        lines = Path(own).read_text().splitlines()
    except OSError:
        return least
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            group = Path(groups) / ("cpu" if controllers else "")
            for name in path.split("/"):                 # from the outermost group to the one of this process
                if name == "..":                         # which this container cannot see
                    break
                group /= name
                least = min(least, limit(group))
    return least


def limit(group):
    """The cores that one group is granted; inf where it has no limit, or where there is no such group."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
        return max(1, math.ceil(int(quota) / int(period))) if int(quota) > 0 else math.inf
    except (OSError, ValueError):                        # no file, or "max" as the quota
        return math.inf


# ---- running


_lock = threading.RLock()


def in_parallel():
    """May a kernel run on several threads?"""
    return thread_count() > 1 and not forked and layer() is not None


def one_at_a_time():
    """The lock for what only one Python thread may do at a time: to launch a kernel on all threads, or to compile one."""
    return _lock


@contextmanager
def launch():
    """Within the block a parallel kernel runs on `thread_count()` threads; one kernel at a time.

    How many threads the caller's own Numba functions run on is not changed by it.
    """
    with one_at_a_time():
        numba = layer()
        before, wanted = numba.get_num_threads(), min(thread_count(), numba.config.NUMBA_NUM_THREADS)
        if before != wanted:
            numba.set_num_threads(wanted)
        try:
            yield
        finally:
            if before != wanted:
                numba.set_num_threads(before)


@functools.cache
def layer():
    """Numba, with its threads started: OpenMP's, which are awake in a microsecond, or TBB's. None where it has neither.

    Its third kind, the workqueue, ends the process when two Python threads compute at the same time.
    """
    import numba
    for name in "omp", "tbb":
        numba.config.THREADING_LAYER, before = name, numba.config.THREADING_LAYER
        try:
            numba.get_num_threads()                      # starts them, if nobody did before
            break
        except ValueError:                               # not on this machine
            continue
        finally:
            numba.config.THREADING_LAYER = before
    if started() in ("omp", "tbb"):
        return numba
    why = "Numba has no OpenMP on this machine (`pip install tbb` would do, on a Mac intel-openmp)"
    if started():
        why = f"Numba was started with its {started()} threads, which Python threads must not share"
    warnings.warn(f"minidl computes on one thread: {why}", RuntimeWarning, stacklevel=2)
    return None


def started():
    """The kind of threads that Numba has started, "omp" for example; None before it has."""
    try:
        return sys.modules["numba"].threading_layer()
    except (KeyError, ValueError):
        return None


def after_fork():
    """Threads do not survive a fork, and OpenMP would wait for its own for ever."""
    global forked, _lock
    forked, _lock = forked or started() is not None, threading.RLock()


forked = False                           # did this process lose its threads in a fork? Then kernels are ordinary loops
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)


# ---- memory to work in


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
    threads, step = thread_count(), -(-size // 64) * 64 + 16
    return scratch(threads * step, dtype).reshape(threads, step)


_own = threading.local()
