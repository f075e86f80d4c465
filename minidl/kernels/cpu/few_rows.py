"""Matrix products y = a b in which a has few rows, as a linear layer's have with a small batch.

Then every number of b, the weights, takes part in a few multiplications only, and the time is that of reading b from
memory, once. So b is read from one end to the other, as memory likes it best, and not laid out anew as in panels.py.

With b (K, N), rows of y grow by what some rows of b add to them, which are read side by side. With b turned, (N, K),
some rows of b are multiplied by the rows of a, number by number, and summed up at the end.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.moves import copy
from minidl.kernels.cpu.simd import LANES, REGISTERS
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.cpu.tiles import ROWS, VECTORS, pairing_tile, tile, width_of

FEW = 16                     # rows of a
STEP = 8                     # rows of b that are read side by side: a power of two apart they would share cache lines
COLUMNS = 4096               # numbers of each, while y's are in the second-level cache
LONG = 2048                  # numbers of turned rows, while all of a's rows meet them in the first-level cache
SIDE = 4 if REGISTERS == 32 else 2                       # SIDE rows of a by 4 of b are multiplied number by number
OF_B = 4

multiply, pair = tile(ROWS, VECTORS), pairing_tile(SIDE, OF_B)


def suits(a, b, turned):
    """Does y = a b fall into whole tiles?"""
    if len(a) > FEW:
        return False
    return len(b) % OF_B == b.shape[1] % LANES == 0 if turned else b.shape[1] % width_of(a) == 0


def product(a, b, y, turned):
    """y (M, N) = a (M, K) times b (K, N) or, turned, (N, K)"""
    (M, K), N, unit = a.shape, y.shape[1], SIDE if turned else ROWS
    rows = -(-M // unit) * unit                          # whole tiles of them
    if rows > M:
        a = np.concatenate([a, np.zeros((rows - M, K), a.dtype)])
    if turned:
        sums = np.zeros((rows, N), a.dtype)
        _pairs(a.reshape(-1), b.reshape(-1), np.arange(0, N * K, K), sums, workspace(1, a.dtype))
        y[...] = sums[:M]
    else:
        _sums(a, b.reshape(-1), y, workspace(rows * COLUMNS, a.dtype))


@jit(each="work")
def _sums(t, a, b, y, work):
    """Each thread makes some columns of y."""
    (rows, K), N, width = a.shape, y.shape[1], width_of(y)
    first, end = portion(N // width, t, len(work))
    for j in range(first * width, end * width, COLUMNS):
        count = min(COLUMNS, end * width - j)
        for d in range(0, K, STEP):
            _grow(a.reshape(-1), rows, K, b, j, count, N, d, min(STEP, K - d), width, work[t])
        for i in range(len(y)):
            copy(work[t], i * COLUMNS, y.reshape(-1), i * N + j, count)


@jit(inline=True)
def _grow(a, rows, K, b, j, count, N, d, depth, width, sums):
    """sums += what the rows d to d + depth of b add to `count` columns of y, from j on."""
    for column in range(0, count, width):
        for i in range(0, rows, ROWS):
            at = i * K + d
            multiply(a, at, 1, K, b, d * N + j + column, N, sums, i * COLUMNS + column, COLUMNS, depth, d, at)


@jit(each="work")
def _pairs(t, a, b, places, y, work):
    """Each thread makes some columns of y, from as many rows of b."""
    (rows, N), K = y.shape, len(b) // y.shape[1]
    first, end = portion(N // OF_B, t, len(work))
    for j in range(first * OF_B, end * OF_B, OF_B):
        for k in range(0, K, LONG):
            for i in range(0, rows, SIDE):
                pair(a, i * K + k, K, b[k:], places, j, min(LONG, K - k) // LANES, y.reshape(-1), i * N + j, N)
