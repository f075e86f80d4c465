"""Matrix products c = a b for matrices that do not fit into a cache: what a BLAS does around the register tile.

After Goto & van de Geijn 2008, section 4, whose question is for every loop: from which cache does the tile read?

    for COLUMNS of b, and of these DEPTH rows at a time:     "packed", laid out as panels: the second-level cache
        for BLOCK rows of a:                                 the second-level cache, too
            for each panel, as wide as a tile:               the first-level cache, while all these rows pass
                for ROWS of a:                               one number after the other
                    a tile of c += these rows times the panel    registers

A panel has its numbers in the order in which the tile reads them, whatever their order in b, so b may be any of these:
a matrix (K, N); or, with `turned`, one (N, K), of which the product with the transpose is wanted; or a batch of images.

An image (C, H, W) is a matrix with a row of H W pixels per channel, and a batch of images (N, C, H, W) is one with N H W
columns, which come in runs, an image each. So a Layout says where a matrix is in a flat array: the number [i, j] at

    i row + (j // run) jump + j % run

As a's numbers are read along its rows, a transpose is first laid out anew: each step down a column is a step to another
page, of which a core remembers few.
"""
import functools
from math import ceil
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import copy, fetch, turn_some_in, worth_streaming
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import ROWS, VECTORS, WIDTH, tile, width_of

DEPTH = 256                      # rows and
COLUMNS = 512                    # columns of b that are packed at a time: the second-level cache holds them twice,
BLOCK = 30 * ROWS                # and so many rows of a
SHALLOW = 256                     # columns of a, so few that it is c that takes the time, if that is in no cache
NEAR = False                     # c is in a cache: what `multiply` is told instead of `streaming`

# The memory of a thread: panels, which turn_in may overrun by LANES rows, a tile that has no place in c, and a square.
SUMS = (DEPTH + LANES) * COLUMNS
SPARE = SUMS + ROWS * WIDTH
ROOM = SPARE + LANES * LANES

multiply_tile, multiply_row, stream_tile = tile(ROWS, VECTORS), tile(1, VECTORS), tile(ROWS, VECTORS, streamed=True)


class Layout(NamedTuple):
    row: int                     # how far it is from a row to the next,
    run: int                     # how many columns lie side by side,
    jump: int                    # and how far it is from a run to the next


def product(a, a_at, b, b_at, c, c_at, size, start=None, turned=False):
    """c (M, N) = a (M, K) b (K, N), + start (M,) in every column; the Layouts say where they lie in the flat arrays.

    With `turned`, b is (N, K), and c = a b^T.
    """
    M, K, N = size
    width = width_of(c)
    blocks = shares(ceil(M / ROWS), ceil(N / width), COLUMNS // width, thread_count())
    streaming = (start is None and K <= SHALLOW and c_at.row % LANES == c_at.run % LANES == c_at.jump % LANES == 0
                 and worth_streaming(c))
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
    for first in range(columns[0], columns[1], COLUMNS):
        last = min(first + COLUMNS, columns[1])
        for d in range(0, K, DEPTH):
            depth = min(DEPTH, K - d)
            if turned:
                _pack_turned(b, b_at, first, last, d, depth, width, work)
            else:
                _pack(b, b_at, first, last, d, depth, width, work)
            some = ROWS if streaming else BLOCK          # then all panels fit into that cache, and c is written row by row
            for i in range(rows[0], rows[1], some):
                block = i, min(i + some, rows[1])
                for j in range(first, last, width):
                    _panel(a, a_at, c, c_at, block, j, min(width, last - j), d, depth, _begin(j - first, depth), width,
                           more or d > 0, streaming, work)


@jit
def _begin(j, depth):
    """Where the panel of the columns from j on lies. A row is between two: powers of two apart they would share places
    in the caches."""
    return j * (depth + 1)


@jit(inline=True)
def _pack(b, b_at, first, last, d, depth, width, work):
    """Rows d to d + depth of b as panels: of each, `width` numbers of a row, then those of the next row."""
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


@jit(inline=True)
def _pack_turned(b, b_at, first, last, d, depth, width, work):
    """The same of the transpose of b: LANES rows of b become columns."""
    for j in range(first, last, LANES):
        lane = (j - first) % width
        done = 0
        while done < depth:
            at, count = run(b_at, j, d + done, d + depth)
            for k in range(0, count, LANES):
                to = _begin(j - first - lane, depth) + (done + k) * width + lane
                turn_some_in(b, at + k, b_at[0], last - j, work, to, width, min(LANES, count - k), SPARE)
                for row in range(min(LANES, last - j)):          # for the next time
                    fetch(b, at + k + row * b_at[0] + DEPTH)
            done += count


@jit(inline=True)
def _panel(a, a_at, c, c_at, rows, j, columns, d, depth, panel, width, more, streaming, work):
    """What the depth d to d + depth adds to c's `rows` in one panel's columns, from j on."""
    a0, some = run(a_at, rows[0], d, d + depth)
    c0, count = run(c_at, rows[0], j, j + columns)
    for i in range(rows[0], rows[1], ROWS):
        if i + ROWS > rows[1] or count < width:          # c has no room for a whole tile here: it grows in `work`
            end = min(i + ROWS, rows[1])
            top = max(0, end - ROWS)                     # a whole tile all the same, though some rows were done before
            if more:
                _move(c, c_at, i, end - i, j, columns, work, SUMS + (i - top) * width, width, False)
            _sums(a, a_at, top, end - top, a0 + (top - rows[0]) * a_at[0], some, d, depth, panel, width,
                  work, SUMS, width, more, work)
            _move(c, c_at, i, end - i, j, columns, work, SUMS + (i - top) * width, width, True)
        elif streaming:
            at = a0 + (i - rows[0]) * a_at[0]
            stream_tile(a, at, 1, a_at[0], work, panel, width, c, c0 + (i - rows[0]) * c_at[0], c_at[0], depth, False, at)
        else:
            _sums(a, a_at, i, ROWS, a0 + (i - rows[0]) * a_at[0], some, d, depth, panel, width,
                  c, c0 + (i - rows[0]) * c_at[0], c_at[0], more, work)


@jit
def _sums(a, a_at, i, rows, at, count, d, depth, panel, width, c, c0, c_row, more, work):
    """c = the sums, or grows by them, wherever it is; a's first numbers are `count` from place `at` on."""
    done = 0
    while True:
        if rows == ROWS:
            multiply_tile(a, at, 1, a_at[0], work, panel, width, c, c0, c_row, count, more, at + ROWS * a_at[0])
        else:
            for k in range(rows):
                multiply_row(a, at + k * a_at[0], 1, 0, work, panel, width, c, c0 + k * c_row, 0, count, more, at)
        done += count
        if done == depth:
            break
        panel, more = panel + count * width, True
        at, count = run(a_at, i, d + done, d + depth)


@jit
def _move(c, c_at, i, rows, j, columns, work, w0, width, back):
    """Up to a tile of c into `work`, or back."""
    done = 0
    while done < columns:
        at, count = run(c_at, i, j + done, j + columns)
        for row in range(rows):
            if back:
                copy(work, w0 + row * width + done, c, at + row * c_at[0], count)
            else:
                copy(c, at + row * c_at[0], work, w0 + row * width + done, count)
        done += count
