"""CUDA C, compiled by the first call that needs it, and launched with arguments of C's types."""
import functools
from pathlib import Path

import cupy
import numpy as np

THREADS = 256                # of a block, where a kernel has a thread for each number
MOST_BLOCKS = 2 ** 16        # where there are more numbers than that makes threads, each thread goes on to further ones
REAL = {"f": "float", "d": "double"}


def threads_of_row(length):
    """How many threads a block has that goes through a row of numbers: a warp, or more, so that each has eight of them."""
    return min(512, max(32, 1 << (length // 8 - 1).bit_length()))


class Kernels:
    """Kernels in which REAL is float or double, that of the arrays they are given: those of a .cu file beside this one.

    A Python int becomes an int, a float a REAL, None a null pointer; what is to be of another type comes as NumPy's
    scalar of it. Arrays are contiguous. All that is launched is in one stream, so it runs in the order of the calls.

    topic : the file's name
    code  : kernels that stand in no file; they may use what the file has
    """

    def __init__(self, topic, code=""):
        self.topic, self.code = topic, code

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
        function(self.topic, self.code, name, real.char)(grid, threads, arguments, shared_mem=shared)

    def argument(self, name, x, real):
        """x as a kernel takes it: CuPy passes on whatever it is given, and looks at no type and no strides."""
        if isinstance(x, cupy.ndarray):
            if not x.flags.c_contiguous:
                raise ValueError(f"{name}: an array {x.shape} with strides {x.strides}; kernels take contiguous ones")
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
        if not isinstance(x, np.generic):
            raise TypeError(f"{name}: a kernel takes arrays of the GPU and numbers, not a {type(x).__name__}")
        return x


@functools.cache
def function(topic, code, name, char):
    """A kernel, compiled: looking it up in its module would take as long as launching it."""
    return module(topic, code, char).get_function(name)


@functools.cache
def module(topic, code, char):
    """The file's kernels, and those of `code`, for REAL = float or double, to be compiled."""
    return cupy.RawModule(code=source(topic) + code, options=(f"-DREAL={REAL[char]}", "--std=c++17"))


def source(topic):
    """What is compiled of a file: before it stands what the kernels have in common. Errors name file and line."""
    return "\n".join([f'#line 1 "{name}.cu"\n' + Path(__file__).with_name(f"{name}.cu").read_text()
                      for name in ("common", topic)])


def takes_float16(function):
    """The function, given arrays of float16, too: it computes in float32, and its results are of float16.

    Not for what changes its arguments.
    """
    @functools.wraps(function)
    def either(*args, **settings):
        if not any([is_half(x) for x in args]):
            return function(*args, **settings)
        return halved(function(*[x.astype(cupy.float32) if is_half(x) else x for x in args], **settings))
    return either


def is_half(x):
    return isinstance(x, cupy.ndarray) and x.dtype == np.float16


def halved(y):
    """Arrays of float32 in float16; other things, and those in tuples and lists, likewise."""
    if isinstance(y, (tuple, list)):
        return type(y)([halved(part) for part in y])
    return y.astype(np.float16) if isinstance(y, cupy.ndarray) and y.dtype == np.float32 else y
