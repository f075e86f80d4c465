"""CUDA C, compiled by the first call that needs it, and launched with arguments of the types that it declares."""
import functools
import operator
import re
from pathlib import Path

import cupy
import numpy as np

THREADS = 256                # of a block, where a kernel has a thread for each number
MOST_BLOCKS = 2 ** 16        # where there are more numbers than that makes threads, each thread goes on to further ones
REAL = {"f": "float", "d": "double"}
NUMPY = {"bool": "bool", "int": "int32", "unsigned": "uint32", "long long": "int64", "unsigned long long": "uint64"}


def threads_of_row(length):
    """How many threads a block has that goes through a row of numbers: a warp, or more, so that each has eight of them."""
    return min(512, max(32, 1 << (length // 8 - 1).bit_length()))


class Kernels:
    """Kernels in which REAL is float or double, that of the arrays they are given: those of a .cu file beside this one.

    A number becomes what the kernel declares, None a null pointer. Arrays are contiguous, of the type that it declares. All
    that is launched is in one stream, so it runs in the order of the calls.

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
        types = parameters(self.topic, self.code, name, real.char)
        arguments = tuple([argument(name, x, type) for x, type in zip(args, types, strict=True)])
        function(self.topic, self.code, name, real.char)(grid, threads, arguments, shared_mem=shared)


def argument(name, x, type):
    """x as a kernel takes it: CuPy passes on whatever it is given, and looks at no type and no strides.

    type : the parameter's, of a pointer that of what it points to
    """
    dtype, is_pointer = type
    if not is_pointer:
        try:
            return dtype.type(x if dtype.kind == "f" else operator.index(x))
        except OverflowError:
            raise OverflowError(f"{name}: {x} is too large for a kernel's {dtype}") from None
    if x is None:
        return np.uint64(0)
    if not isinstance(x, cupy.ndarray) or x.dtype != dtype:
        came = f"an array of {x.dtype}" if isinstance(x, cupy.ndarray) else f"a {x.__class__.__name__}"
        raise TypeError(f"{name}: {came} where the kernel takes an array of {dtype} on the GPU")
    if not x.flags.c_contiguous:
        raise ValueError(f"{name}: an array {x.shape} with strides {x.strides}; kernels take contiguous ones")
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


@functools.cache
def parameters(topic, code, name, char):
    """Of each parameter of a kernel: the dtype of what is passed or pointed to, and whether it is a pointer."""
    declared = re.search(rf"void {name}\(([^)]*)\)", source(topic) + code)[1].split(",")
    types = [" ".join([word for word in re.findall(r"\w+", text)[:-1] if word not in ("const", "__restrict__")])
             for text in declared]
    return [(np.dtype(char if type == "REAL" else NUMPY[type]), "*" in text) for type, text in zip(types, declared)]


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
