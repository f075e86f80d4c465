"""`jit`, the project's one way to compile a kernel.

Nothing is imported or compiled before the first call, and NUMBA_DISABLE_JIT=1 leaves plain Python loops to step
through. Numba's cache notices a change of the file that a kernel is in, and of no other: so a jitted function
calls only jitted functions of its own file, and its globals are its own file's constants.

What runs in parallel are parts of a kernel (`threads.in_parts`), not loops in it: compiled without Numba's
`parallel=True` a kernel is there in a tenth of the time.
"""
import functools

SUMS = {"reassoc", "contract"}           # fastmath for sums: faster, more accurate, and NaN stays NaN


def jit(function=None, *, fastmath=False):
    """Compile a function of arrays and numbers when it is first called, for the types it is called with."""
    return Kernel(function, fastmath) if function else lambda function: Kernel(function, fastmath)


class Kernel:
    """A function that is compiled when it is first called; then the compiled one takes its place in its file."""

    def __init__(self, function, fastmath):
        self.function, self.fastmath = function, fastmath
        functools.update_wrapper(self, function)

    def __call__(self, *args):
        file = self.function.__globals__
        for name, value in list(file.items()):           # all of them, as kernels call one another
            if isinstance(value, Kernel):
                file[name] = value.compiled
        return self.compiled(*args)

    @functools.cached_property
    def compiled(self):
        from numba import njit
        options = {"fastmath": self.fastmath, "nogil": True, "error_model": "numpy"}
        try:
            return njit(self.function, cache=True, **options)
        except RuntimeError:                             # there is no directory that a cache could be written to
            return njit(self.function, **options)
