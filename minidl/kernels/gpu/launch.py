"""CUDA C, compiled by the first call that needs it, and launched with arguments of C's types."""
import functools
from pathlib import Path

import cupy
import numpy as np

THREADS = 256                # of a block, where a kernel has a thread for each number
MOST_BLOCKS = 2 ** 16        # where there are more numbers than that makes threads, each thread goes on to further ones
REAL = {"f": "float", "d": "double"}


class Kernels:
    """The kernels of one .cu file beside this one, in which REAL is float or double: that of the arrays they are given.

    A Python int becomes an int, a float a REAL, None a null pointer; what is to be of another type comes as NumPy's
    scalar of it. Arrays are contiguous. All that is launched is in one stream, so it runs in the order of the calls.
    """

    def __init__(self, topic):
        self.topic = topic

    def each(self, name, count, *args):
        """Launch a kernel that has a thread for each of `count` numbers."""
        self.blocks(name, min(-(-count // THREADS), MOST_BLOCKS), THREADS, *args)

    def blocks(self, name, grid, threads, *args, shared=0):
        """Launch `grid` blocks of `threads` threads; where there are no blocks, nothing is launched.

        grid, threads : a number, or a tuple of up to three
        shared        : bytes of dynamic shared memory
        """
        grid, threads = ((n,) if isinstance(n, int) else n for n in (grid, threads))
        if 0 in grid:
            return                                       # CuPy would launch one block
        real = next((x.dtype for x in args if isinstance(x, cupy.ndarray) and x.dtype.char in REAL), np.dtype("f"))
        arguments = tuple([self.argument(name, x, real) for x in args])
        module(self.topic, real.char).get_function(name)(grid, threads, arguments, shared_mem=shared)

    def argument(self, name, x, real):
        """x as a kernel takes it: CuPy passes on whatever it is given, and looks at no type and no strides."""
        if isinstance(x, cupy.ndarray):
            if not x.flags.c_contiguous:
                raise ValueError(f"{name}: an array of shape {x.shape} with strides {x.strides}; kernels read contiguous ones")
            if x.dtype.kind == "f" and x.dtype != real:
                raise TypeError(f"{name}: an array of {x.dtype} among arrays of {real}")
            return x
        if x is None:
            return np.uint64(0)
        if isinstance(x, float):
            return real.type(x)
        if isinstance(x, int):
            if not -2 ** 31 <= x < 2 ** 31:
                raise OverflowError(f"{name}: {x} is too large for a kernel's 32 bits")
            return np.int32(x)
        return x


@functools.cache
def module(topic, char):
    """The file's kernels for REAL = float or double, to be compiled; what they have in common stands in common.cu."""
    code = "\n".join([source("common"), source(topic)])
    return cupy.RawModule(code=code, options=(f"-DREAL={REAL[char]}", "--std=c++17"))


def source(topic):
    return Path(__file__).with_name(f"{topic}.cu").read_text()
