"""Matrix products c = a b for matrices that do not fit into a cache: what a BLAS does around the register tile.

After Goto & van de Geijn 2008, section 4, whose question is for every loop: from which cache does the tile read?

    for COLUMNS of b, and of these DEPTH rows at a time:     "packed", laid out as panels: the second-level cache
        for BLOCK rows of a:                                 packed, too: the second-level cache
            for each panel, as wide as a tile:               the first-level cache, while all these rows pass
                for ROWS of a:                               one tile's after the other's
                    a tile of c += these rows times the panel    registers

A panel has its numbers in the order in which the tile reads them, whatever their order in b, so b may be any of these:
a matrix (K, N); or, with `turned`, one (N, K), of which the product with the transpose is wanted; or a batch of images.

The rows of a, which are often a power of two apart, would share places in the first-level cache. In panels of their own
they lie side by side, and a tile knows the places of all its numbers from one. A product with a transpose is a sum over
pixels, many for few columns: there, to pack a would take as long as to multiply, and it is read where it is.

An image (C, H, W) is a matrix with a row of H W pixels per channel, and a batch of images (N, C, H, W) is one with N H W
columns, which come in runs, an image each. So a Layout says where a matrix is in a flat array: the number [i, j] at

    i row + (j // run) jump + j % run

A transpose that is wanted as a is first laid out anew: each step down a column is a step to another page, of which a
core remembers few.
"""
import functools
from math import ceil, lcm
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import copy, fetch, turn_some_in, worth_streaming
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import ROWS, VECTORS, WIDTH, tile, width_of

TALL = lcm(ROWS, LANES)          # rows of a side by side in a panel of its own: some tiles of them, and whole vectors
DEPTH = 128                      # rows of b,
COLUMNS = 512                    # columns of it,
BLOCK = 16 * TALL                # and rows of a that are packed at a time: the second-level cache holds them twice
LONG = 256                       # numbers of a's rows at a time where they are not packed: memory likes long runs
NEAR = False                     # c is in a cache: what `multiply` is told instead of `streaming`

# The memory of a thread: panels, which turn_in may overrun by LANES rows, a tile that has no place in c, and a square.
OF_A = (LONG + LANES) * COLUMNS
SUMS = OF_A + (DEPTH + LANES) * BLOCK
SPARE = SUMS + ROWS * WIDTH
ROOM = SPARE + LANES * LANES

multiply_tile, multiply_packed = tile(ROWS, VECTORS), tile(ROWS, VECTORS, unrolled=4)
stream_packed = tile(ROWS, VECTORS, streamed=True, unrolled=4)


class Layout(NamedTuple):
    row: int                     # how far it is from a row to the next,
    run: int                     # how many columns lie side by side,
    jump: int                    # and how far it is from a run to the next


def product(a, a_at, b, b_at, c, c_at, size, start=None, turned=False):
    """c (M, N) = a (M, K) b (K, N), + start (M,) in every column; the Layouts say where they lie in the flat arrays.

    With `turned`, b is (N, K), in runs like a's, and c = a b^T.
    """
    M, K, N = size
    width = width_of(c)
    blocks = shares(ceil(M / ROWS), ceil(N / width), COLUMNS // width, thread_count())
    streaming = (start is None and K <= min(DEPTH, a_at.run) and worth_streaming(c)
                 and c_at.row % LANES == c_at.run % LANES == c_at.jump % LANES == 0)
    _product(a, tuple(a_at), b, tuple(b_at), turned, c, tuple(c_at), size, c[:0] if start is None else start, blocks,
             streaming, workspace(ROOM, c.dtype))


def transposed(x):
    """Of each of the matrices x (B, M, N) the transpose, in memory of its own: (B, N, M)."""
    x = np.ascontiguousarray(x)
    y = empty((len(x), *x.shape[:0:-1]), x.dtype)
    _transpose(x, y, workspace(2 * LANES * LANES, x.dtype))
    return y


@jit(each="work")
def _transpose(t, x, y, work):
    for b in range(len(x)):
        for j in range(t * LANES, x.shape[2], len(work) * LANES):
            _transpose_some(x[b].reshape(-1), x.shape[1:], j, y[b].reshape(-1), work[t])


@jit(inline=True)
def _transpose_some(x, shape, j, y, work):
    """Up to LANES columns of x, from j on, become rows of y."""
    M, N = shape
    for i in range(0, M, LANES):
        turn_some_in(x, i * N + j, N, M - i, work, 0, LANES, min(LANES, N - j), LANES * LANES)
        for row in range(min(LANES, N - j)):
            copy(work, row * LANES, y, (j + row) * M + i, min(LANES, M - i))


@functools.lru_cache(1024)
def shares(rows, panels, most, threads):
    """Into how many blocks of rows, and of at most `most` panels, c falls: few, and as much work for each thread."""

    def time(blocks):
        """What the busiest thread has to do. To pack a panel takes as long as to multiply it by a tile's rows."""
        return ceil(blocks[0] * blocks[1] / threads) * (ceil(rows / blocks[0]) + 1) * ceil(panels / blocks[1])

    least = ceil(panels / most)
    return min(((i, j) for i in range(1, min(rows, threads) + 1) for j in range(least, min(panels, least + threads) + 1)),
               key=time)


@jit(each="work")
def _product(t, a, a_at, b, b_at, turned, c, c_at, size, start, blocks, streaming, work):
    for block in range(t, blocks[0] * blocks[1], len(work)):
        _block(a, a_at, b, b_at, turned, c, c_at, size, start, blocks, block, streaming, work[t])


@jit(inline=True)
def _block(a, a_at, b, b_at, turned, c, c_at, size, start, blocks, block, streaming, work):
    M, K, N = size
    rows, columns = -(-M // ROWS), -(-N // width_of(c))
    i, j = block // blocks[1], block % blocks[1]
    rows = rows * i // blocks[0] * ROWS, min(M, rows * (i + 1) // blocks[0] * ROWS)
    columns = columns * j // blocks[1] * width_of(c), min(N, columns * (j + 1) // blocks[1] * width_of(c))
    if len(start):
        for row in range(rows[0], rows[1]):
            _set_row(start[row], c, c_at, row, columns)
    multiply(a, a_at, b, b_at, turned, c, c_at, rows, columns, K, len(start) > 0, streaming, work)


@jit(inline=True)
def _set_row(value, c, c_at, i, columns):
    j = columns[0]
    while j < columns[1]:
        at, count = run(c_at, i, j, columns[1])
        c[at:at + count] = value
        j += count


@jit
def run(where, i, j, last):
    """The place of number [i, j], and how many lie there side by side, up to column `last`."""
    return i * where[0] + j // where[1] * where[2] + j % where[1], min(where[1] - j % where[1], last - j)


@jit
def multiply(a, a_at, b, b_at, turned, c, c_at, rows, columns, K, more, streaming, work):
    """c = a b in c's `rows` and `columns`, which are (first, last); with `more`, c grows by it."""
    width = width_of(c)
    direct = turned and not streaming and (rows[1] - rows[0]) % ROWS == 0
    for first in range(columns[0], columns[1], COLUMNS):
        some = first, min(first + COLUMNS, columns[1])
        d = 0
        while d < K:
            at, left = run(a_at, 0, d, K)
            depth = -(-left // -(-left // (LONG if direct else DEPTH)))          # what is left of the run, in equal parts
            if turned:
                _pack_turned(b, b_at, some, d, depth, work, 0, width)
            else:
                _pack(b, b_at, some, d, depth, width, work)
            for top in range(rows[0], rows[1], BLOCK):
                block = top, min(top + BLOCK, rows[1])
                if not direct:
                    _pack_turned(a, a_at, block, d, depth, work, OF_A, TALL)
                _panels(a, at + top * a_at[0], a_at[0], direct, c, c_at, block, some, depth, width, more or d > 0, streaming,
                        work)
            d += depth


@jit
def _begin(j, depth):
    """Where the panel of the columns from j on lies. A row is between two: powers of two apart they would share places
    in the caches."""
    return j * (depth + 1)


@jit(inline=True)
def _pack(b, b_at, columns, d, depth, width, work):
    """Rows d to d + depth of b as panels: of each, `width` numbers of a row, then those of the next row."""
    first, last = columns
    j = first
    while j < last:
        at, count = run(b_at, d, j, last)
        for r in range(depth):
            done = 0
            while done < count:
                lane = (j - first + done) % width
                some = min(width - lane, count - done)
                to = _begin(j - first + done - lane, depth) + r * width + lane
                if some == width:
                    _copy_row(b, at + r * b_at[0] + done, work, to, b_at[0])
                else:
                    copy(b, at + r * b_at[0] + done, work, to, some)
                done += some
        j += count


@jit
def _copy_row(b, i, panel, j, row):
    for t in range(width_of(b)):
        panel[j + t] = b[i + t]


@vectorized(_copy_row)
def _copy_row(code, b, i, panel, j, row):
    for v in range(VECTORS * 4 // b.itemsize):
        panel.store(j + v * LANES, b.load(i + v * LANES))
        b.prefetch(i + row + v * LANES)                  # the next row is on another page, where no processor looks ahead


@jit
def _pack_turned(b, b_at, columns, d, depth, work, start, width):
    """The same of the transpose of b, from place `start` of `work` on: LANES rows of b, within a run, become columns."""
    first, last = columns
    for j in range(first, last, LANES):
        lane = (j - first) % width
        at, to = run(b_at, j, d, d + depth)[0], start + _begin(j - first - lane, depth) + lane
        for k in range(0, depth, LANES):
            turn_some_in(b, at + k, b_at[0], last - j, work, to + k * width, width, min(LANES, depth - k), SPARE)
            for row in range(min(LANES, last - j)):      # for the next time
                fetch(b, at + k + row * b_at[0] + depth)


@jit(inline=True)
def _panels(a, a0, a_row, direct, c, c_at, rows, columns, depth, width, more, streaming, work):
    """What the panels of these columns add to c's `rows`. Those of a are packed, or, if `direct`, in a from a0 on."""
    at_once = ROWS if streaming else rows[1] - rows[0]   # then c is written row by row, and a's stay in the nearest cache
    for top in range(rows[0], rows[1], at_once):
        for j in range(columns[0], columns[1], width):
            panel, wide = _begin(j - columns[0], depth), min(width, columns[1] - j)
            c0, count = run(c_at, top, j, j + wide)
            for i in range(top, min(top + at_once, rows[1]), ROWS):
                lane = (i - rows[0]) % TALL
                at, to = OF_A + _begin(i - rows[0] - lane, depth) + lane, c0 + (i - top) * c_at[0]
                in_a = a0 + (i - rows[0]) * a_row
                whole = i + ROWS <= rows[1] and count == width
                if more and not whole:                   # c has no room for a whole tile here: it grows in `work`
                    _move(c, c_at, i, min(ROWS, rows[1] - i), j, wide, work, width, False)
                if direct and whole:
                    multiply_tile(a, in_a, 1, a_row, work, panel, width, c, to, c_at[0], depth, more, in_a + ROWS * a_row)
                elif direct:
                    multiply_tile(a, in_a, 1, a_row, work, panel, width, work, SUMS, width, depth, more, in_a + ROWS * a_row)
                elif not whole:
                    multiply_packed(work, at, TALL, 1, work, panel, width, work, SUMS, width, depth, more, at)
                elif streaming:
                    stream_packed(work, at, TALL, 1, work, panel, width, c, to, c_at[0], depth, False, at)
                else:
                    multiply_packed(work, at, TALL, 1, work, panel, width, c, to, c_at[0], depth, more, at)
                if not whole:
                    _move(c, c_at, i, min(ROWS, rows[1] - i), j, wide, work, width, True)


@jit
def _move(c, c_at, i, rows, j, columns, work, width, back):
    """Up to a tile of c into `work`, or back."""
    done = 0
    while done < columns:
        at, count = run(c_at, i, j + done, j + columns)
        for row in range(rows):
            if back:
                copy(work, SUMS + row * width + done, c, at + row * c_at[0], count)
            else:
                copy(c, at + row * c_at[0], work, SUMS + row * width + done, count)
        done += count
