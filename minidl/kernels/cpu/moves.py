"""Moving numbers: runs of them from one flat array to another, and LANES rows that become columns.

A run of 10 or 30 numbers, a row of a small image, is moved in a few instructions: the last vector is masked, so that
nothing beyond the run is read or written.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import ALIGNED
from minidl.kernels.cpu.simd import LANES, vectorized

BLOCK = 2048                 # numbers that are computed in the first-level cache, and streamed from there
LARGE = 2 ** 23              # bytes of an array that will have left the caches when it is read again


def worth_streaming(y):
    """Smaller arrays are read from a cache by whoever comes next. What is streamed has to be aligned."""
    return y.nbytes >= LARGE and y.ctypes.data % ALIGNED == 0


# ---- LANES numbers, or the first `count` of them


@jit
def _copy(x, i, y, j, count):
    for n in range(min(count, LANES)):
        y[j + n] = x[i + n]


@vectorized(_copy)
def _copy(code, x, i, y, j, count):
    y.store_some(j, x.load_some(i, count), count)


@jit
def _copy_whole(x, i, y, j):
    for n in range(LANES):
        y[j + n] = x[i + n]


@vectorized(_copy_whole)
def _copy_whole(code, x, i, y, j):
    y.store(j, x.load(i))


@jit
def _stream(x, i, y, j):
    for n in range(LANES):
        y[j + n] = x[i + n]


@vectorized(_stream)
def _stream(code, x, i, y, j):
    y.stream(j, x.load(i))


@jit
def _clear(y, j, count):
    for n in range(min(count, LANES)):
        y[j + n] = 0


@vectorized(_clear)
def _clear(code, y, j, count):
    y.store_some(j, code.zero(), count)


@jit
def _every_second(x, i, y, j, count):
    for n in range(min(count, LANES)):
        y[j + n] = x[i + 2 * n]


@vectorized(_every_second)
def _every_second(code, x, i, y, j, count):
    y.store_some(j, x.load_every(2, i, count), count)


@jit
def _interleave(a, i, b, k, y, j, count):
    for n in range(min(count, LANES)):
        y[j + 2 * n], y[j + 2 * n + 1] = a[i + n], b[k + n]


@vectorized(_interleave)
def _interleave(code, a, i, b, k, y, j, count):
    even, odd = a.load_some(i, count), b.load_some(k, count)
    low, high = code.interleaved(even, odd)
    y.store_some(j, low, count * 2)
    y.store_some(j + LANES, high, count * 2 - LANES)


@jit
def fetch(x, i):
    """Ask for the numbers around x[i], which will be read soon."""


@vectorized(fetch)
def fetch(code, x, i):
    x.prefetch(i)


# ---- runs of any length


@jit
def copy(x, i, y, j, count):
    """y[j : j + count] = x[i : i + count]"""
    whole = count // LANES * LANES
    for n in range(0, whole, LANES):                     # for loads with a mask the processor does not look ahead
        _copy_whole(x, i + n, y, j + n)
    if whole < count:
        _copy(x, i + whole, y, j + whole, count - whole)


@jit
def stream(x, y, j):
    """y[j : j + len(x)] = x, past the caches, where `worth_streaming(y)`; j is a multiple of LANES.

    A store into a cache first fetches the 64 bytes around it from memory, to change a part of them; one that is
    told to go to memory itself does not, which saves a third of the traffic of y = f(x).
    """
    whole = len(x) // LANES * LANES
    for n in range(0, whole, LANES):
        _stream(x, n, y, j + n)
    _copy(x, whole, y, j + whole, len(x) - whole)


@jit
def clear(y, j, count):
    """y[j : j + count] = 0"""
    for n in range(0, count, LANES):
        _clear(y, j + n, count - n)


@jit
def every_second(x, i, y, j, count):
    """y[j : j + count] = x[i : i + 2 count : 2]"""
    for n in range(0, count, LANES):
        _every_second(x, i + 2 * n, y, j + n, count - n)


@jit(inline=True)
def pick(x, i, step, y, j, count):
    """y[j : j + count] = x[i : i + step count : step]"""
    if step == 1:
        copy(x, i, y, j, count)
    elif step == 2:
        every_second(x, i, y, j, count)
    else:
        for n in range(count):
            y[j + n] = x[i + n * step]


@jit(inline=True)
def interleave(a, i, b, k, y, j, count):
    """y[j : j + 2 count] = a[i], b[k], a[i + 1], b[k + 1], ..."""
    for n in range(0, count, LANES):
        _interleave(a, i + n, b, k + n, y, j + 2 * n, count - n)


@jit
def add(x, i, x_step, y, j, y_step, count):
    """y[j], y[j + y_step], ... += x[i], x[i + x_step], ..."""
    i, x_step, j, y_step = np.uint64(i), np.uint64(x_step), np.uint64(j), np.uint64(y_step)
    if x_step == y_step == 1:                            # unsigned places are not counted from the end: this vectorizes
        for n in range(np.uint64(max(0, count))):
            y[j + n] += x[i + n]
    else:
        for n in range(np.uint64(max(0, count))):
            y[j + n * y_step] += x[i + n * x_step]


# ---- rows that become columns


@jit
def turn_in(x, i, x_row, y, j, y_row, count):
    """y (LANES, LANES) = the transpose of x (LANES, count), and 0 in the rows for which x has no column."""
    for row in range(LANES):
        for lane in range(LANES):
            y[j + row * y_row + lane] = x[i + lane * x_row + row] if row < count else x.dtype.type(0)


@vectorized(turn_in)
def turn_in(code, x, i, x_row, y, j, y_row, count):
    for row, vector in enumerate(turned(code, [x.load_some(i + row * x_row, count) for row in range(LANES)])):
        y.store(j + row * y_row, vector)


@jit
def turn_out(x, i, x_row, y, j, y_row, count):
    """y (LANES, count) = the transpose of the first `count` rows of x (LANES, LANES)."""
    for row in range(LANES):
        for lane in range(min(count, LANES)):
            y[j + row * y_row + lane] = x[i + lane * x_row + row]


@vectorized(turn_out)
def turn_out(code, x, i, x_row, y, j, y_row, count):
    for row, vector in enumerate(turned(code, [x.load(i + row * x_row) for row in range(LANES)])):
        y.store_some(j + row * y_row, vector, count)


def turned(code, rows):
    """LANES vectors, transposed. To interleave each with the one half the way further, as cards are shuffled, halves
    the way between a row's neighbours and doubles that between a column's: after log2(LANES) times they changed places."""
    for _ in range(LANES.bit_length() - 1):
        half = LANES // 2
        rows = [vector for a, b in zip(rows[:half], rows[half:]) for vector in code.interleaved(a, b)]
    return rows


@jit
def turn_some_in(x, i, x_row, rows, y, j, y_row, count, spare):
    """turn_in of fewer than LANES rows, maybe; in y, there is room for LANES more from `spare` on."""
    if rows >= LANES:
        turn_in(x, i, x_row, y, j, y_row, count)
    else:
        clear(y, spare, LANES * LANES)
        for row in range(rows):
            copy(x, i + row * x_row, y, spare + row * LANES, count)
        turn_in(y, spare, LANES, y, j, y_row, count)


@jit
def turn_some_out(x, i, x_row, y, j, y_row, rows, count, spare, at):
    """turn_out of fewer than LANES rows, maybe; in `spare`, there is room for LANES more from `at` on."""
    if rows >= LANES:
        turn_out(x, i, x_row, y, j, y_row, count)
    else:
        turn_out(x, i, x_row, spare, at, LANES, count)
        for row in range(rows):
            copy(spare, at + row * LANES, y, j + row * y_row, count)
