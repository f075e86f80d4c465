"""`jit`, the project's one way to compile a kernel.

Nothing is imported or compiled before the first call, and NUMBA_DISABLE_JIT=1 leaves plain Python loops to step
through. What is compiled is kept on disk, in a folder named after the contents of this one: a kernel may call
the kernels of other files, and is compiled again when any of them changes.

A parallel kernel has one `prange`, its outermost loop, over things that do not touch one another: images, channels,
blocks of rows. What is done for one of them stands in a function of its own, because Numba takes five times as long
to compile a line that is inside a prange. Given little to do, the same kernel runs as an ordinary loop.
"""
import functools
import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np

from minidl.kernels.cpu import threads

SUMS = {"reassoc", "contract"}           # fastmath for sums: faster, more accurate, and NaN stays NaN
WORTH_A_THREAD = 2 ** 15                 # numbers to handle; below, waking a thread takes longer than the work
prange = range                           # until a kernel is compiled; then it is Numba's


def jit(function=None, *, parallel=False, fastmath=False):
    """Compile a function of arrays and numbers when it is first called, for the types it is called with."""
    kind = ParallelKernel if parallel else Kernel
    return kind(function, fastmath) if function else lambda function: kind(function, fastmath)


class Kernel:
    """A function that is compiled when it is first called; then the compiled one takes its place in its file."""

    def __init__(self, function, fastmath):
        self.function, self.fastmath = function, fastmath
        functools.update_wrapper(self, function)

    def __call__(self, *args):
        link(self.function.__globals__)
        return self.compiled(*args)

    @functools.cached_property
    def compiled(self):
        return self.compile()

    def compile(self, **options):
        import numba
        # Numba's cache tells functions apart, but not what was asked of the compiler: so each way has a folder.
        folder = cache_folder() and f"{cache_folder()}/{'parallel' if options else 'serial'}"
        options |= {"fastmath": self.fastmath, "nogil": True, "error_model": "numpy"}
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
        try:
            return numba.njit(self.function, cache=bool(folder), **options)
        except RuntimeError:                             # a function without a file has no place in a cache
            return numba.njit(self.function, **options)
        finally:
            numba.config.CACHE_DIR = before


class ParallelKernel(Kernel):
    """Runs its `prange` on all threads where there is enough to do, and as an ordinary loop where there is not.

    What it has to do is told by the sizes of its arrays, but for `work`, which is memory to do it in.
    """

    def __init__(self, function, fastmath):
        super().__init__(function, fastmath)
        self.given = [name != "work" for name in function.__code__.co_varnames[:function.__code__.co_argcount]]

    def __call__(self, *args):
        numbers = 0
        for x, given in zip(args, self.given):
            if given and isinstance(x, np.ndarray):
                numbers += x.size
        if numbers < WORTH_A_THREAD or threads.thread_count() == 1 or threads.forked:
            return super().__call__(*args)
        with threads.launch():
            return self.in_parallel(*args)

    @functools.cached_property
    def in_parallel(self):
        link(self.function.__globals__)
        return self.compile(parallel=True)


def link(file, done=()):
    """Let the names of kernels in a file, and in the files that they are from, stand for the compiled ones."""
    import numba
    done = (*done, id(file))
    for name, value in list(file.items()):
        if isinstance(value, Kernel) and not isinstance(value, ParallelKernel):
            file[name] = value.compiled
            _linked[id(value.compiled)] = value
            if id(value.function.__globals__) not in done:
                link(value.function.__globals__, done)
        elif name == "prange":
            file[name] = numba.prange


_linked: dict = {}           # id of a compiled kernel -> the kernel, which keeps it alive


def plain(f):
    """The Python function behind a kernel, or behind the compiled one that stands for it; any other f as it is."""
    kernel = f if isinstance(f, Kernel) else _linked.get(id(f))
    return kernel.function if kernel else f


@functools.cache
def cache_folder():
    """Where compiled kernels are kept: a folder for these very sources; "" where none can be made.

    Folders for other versions of the sources are removed when they were not used for a month.
    """
    settings = [os.environ.get(name, "") for name in ("MINIDL_SIMD", "NUMBA_BOUNDSCHECK")]
    sources = hashlib.sha256(repr(settings).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    home = os.environ.get("NUMBA_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(home) / "minidl" / "kernels" / sources.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in folder.parent.iterdir():
            if other.stat().st_mtime < time.time() - 30 * 86400:
                shutil.rmtree(other, ignore_errors=True)
        return str(folder) if os.access(folder, os.W_OK) else ""
    except OSError:
        return ""
