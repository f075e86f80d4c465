"""`jit`, the project's one way to compile a kernel, and `prange`, a loop whose turns may run at the same time.

Nothing is imported or compiled before the first call, and NUMBA_DISABLE_JIT=1 leaves plain Python loops to step
through. Numba's cache notices a change of the file that a kernel is in, and of no other: so a jitted function
calls only jitted functions of its own file, and its globals are its own file's constants.
"""
import functools

from minidl.kernels.cpu.threads import has_threads, numba

prange = range                           # in a kernel's file, the first call puts Numba's own in its place

SUMS = {"reassoc", "contract"}           # fastmath for sums: faster, more accurate, and NaN stays NaN


def jit(function=None, *, parallel=False, fastmath=False):
    """Compile a function of arrays and numbers when it is first called, for the types it is called with."""
    if function is None:
        return lambda function: jit(function, parallel=parallel, fastmath=fastmath)
    return Kernel(function, parallel, fastmath)


class Kernel:
    """A function that is compiled when it is first called; then the compiled one takes its place in its file."""

    def __init__(self, function, parallel, fastmath):
        self.function, self.parallel, self.fastmath = function, parallel, fastmath
        functools.update_wrapper(self, function)

    def __call__(self, *args):
        file = self.function.__globals__
        file["prange"] = numba().prange
        for name, value in list(file.items()):           # all of them, as kernels call one another
            if isinstance(value, Kernel):
                file[name] = value.compiled
        return self.compiled(*args)

    @functools.cached_property
    def compiled(self):
        options = {"parallel": self.parallel and has_threads(), "fastmath": self.fastmath,
                   "nogil": True, "error_model": "numpy"}
        try:
            return numba().njit(self.function, cache=True, **options)
        except RuntimeError:                             # there is no directory that a cache could be written to
            return numba().njit(self.function, **options)
