"""Operations on two large arrays, number by number, on all threads; small arrays and other shapes are NumPy's.

There is nothing to compute but what memory can bring. So a result that is too large for the caches is made in blocks, in
a thread's own memory, and goes from there past the caches (moves.stream).
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import BLOCK, stream, worth_streaming
from minidl.kernels.cpu.threads import workspace

LARGE = 2 ** 17              # numbers; below, NumPy is done before our threads are awake
ADD, SUBTRACT, MULTIPLY, DIVIDE, WHERE_POSITIVE, FIRST = range(6)


def add(a, b, out=None):
    return combined(ADD, a, b) if out is None and large(a, b) else np.add(a, b, out=out)


def subtract(a, b):
    return combined(SUBTRACT, a, b) if large(a, b) else np.subtract(a, b)


def multiply(a, b):
    return combined(MULTIPLY, a, b) if large(a, b) else np.multiply(a, b)


def divide(a, b):
    return combined(DIVIDE, a, b) if large(a, b) else np.divide(a, b)


def copy(a):
    """a, contiguous, in memory of its own."""
    return combined(FIRST, a, a) if large(a, a) and a.flags.c_contiguous else a.copy()


def large(a, b):
    """Are these two arrays of one shape and type that are worth all threads?"""
    return (isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.size >= LARGE and a.shape == b.shape
            and a.dtype == b.dtype and a.dtype.kind == "f" and a.dtype.itemsize >= 4)


def combined(operation, a, b):
    y = empty(a.shape, a.dtype)
    _combine(operation, flat(a), flat(b), flat(y), worth_streaming(y), workspace(BLOCK, y.dtype))
    return y


@jit(each="work")
def _combine(t, operation, a, b, y, streaming, work):
    for i in range(t * BLOCK, len(y), len(work) * BLOCK):
        j = min(i + BLOCK, len(y))
        if streaming:
            _combine_block(operation, a[i:j], b[i:j], work[t])
            stream(work[t, :j - i], y, i)
        else:
            _combine_block(operation, a[i:j], b[i:j], y[i:j])


@jit
def _combine_block(operation, a, b, y):
    if operation == ADD:
        for n in range(len(a)):
            y[n] = a[n] + b[n]
    elif operation == SUBTRACT:
        for n in range(len(a)):
            y[n] = a[n] - b[n]
    elif operation == MULTIPLY:
        for n in range(len(a)):
            y[n] = a[n] * b[n]
    elif operation == DIVIDE:
        for n in range(len(a)):
            y[n] = a[n] / b[n]
    elif operation == WHERE_POSITIVE:
        for n in range(len(a)):
            y[n] = a[n] if b[n] > 0 else 0
    elif operation == FIRST:
        for n in range(len(a)):
            y[n] = a[n]
