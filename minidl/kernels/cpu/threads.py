"""Who runs in parallel: Python's threads, each with a part of the work, in code that does not hold Python's lock.

There is one pool of threads, and they sleep when they have nothing to do. NumPy's BLAS has a pool of its own,
whose threads stay awake for a while, and on the same cores two pools keep each other waiting. So BLAS is
given one thread here, and what is parallel is parallel around it.
"""
import functools
import os
import threading
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np

WORTH_A_THREAD = 2 ** 16     # numbers to handle; below, waking a thread takes longer than the work
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
        layer().set_num_threads(thread_count())
        yield


@functools.cache
def layer():
    """Numba, with its threads started: OpenMP's, which are awake in a microsecond."""
    import numba
    numba.config.THREADING_LAYER = "omp"
    numba.get_num_threads()
    return numba


def in_parts(work, count, size):
    """[work(start, stop) for ranges that cover range(count)], one per thread; `size` is how many numbers that is.

    The parts depend on nothing but count, size and the number of threads, so sums of the results are repeatable.
    """
    parts = max(1, min(thread_count(), count, size // WORTH_A_THREAD))
    if parts == 1:
        return [work(0, count)]
    bounds, done = [count * i // parts for i in range(parts + 1)], SimpleQueue()
    for i in range(1, parts):
        tasks().put((work, bounds[i], bounds[i + 1], i, done))
    results = {}
    try:
        results[0] = work(bounds[0], bounds[1])
    finally:                             # also after an error: nobody may write into arrays that were given up
        answers = [done.get() for _ in range(1, parts)]
    for i, result, error in answers:
        if error:
            raise error
        results[i] = result
    return [results[i] for i in range(parts)]


@functools.cache
def tasks():
    """What the threads read from; the first call starts them, one less than the cores, as the caller works, too."""
    queue = SimpleQueue()
    for i in range(1, thread_count()):
        threading.Thread(target=serve, args=(queue,), name=f"kernels-{i}", daemon=True).start()
    return queue


def serve(queue):
    while True:
        work, start, stop, i, done = queue.get()
        try:
            done.put((i, work(start, stop), None))
        except BaseException as error:
            done.put((i, None, error))
        del work, done                   # or a waiting thread would keep the last arrays alive


def after_fork():
    """Threads do not survive a fork. Python's are started anew; OpenMP would wait for its own for ever."""
    global forked, _launching
    forked, _launching = True, threading.RLock()
    tasks.cache_clear()


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


@contextmanager
def one_blas_thread():
    """Within the block, a matrix product runs on the thread that asks for it."""
    libraries = blas_of_numpy()
    for library, _ in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in libraries:
            library.set_num_threads(count)


@functools.cache
def blas_of_numpy():
    """NumPy's BLAS, and how many threads it usually has: the one of its own that it brings, or the system's."""
    from threadpoolctl import ThreadpoolController       # at the first product, not at `import minidl`
    found = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    own = [lib for lib in found if "numpy.libs" in lib.filepath]
    return [(lib, lib.get_num_threads()) for lib in own or found]
