"""Pooling: where a window is inside the image, that of LANES neighbours is a vector's; at the edges, one by one.

Adaptive pooling is the reference's, except for the mean of whole images.
"""
import functools

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty, flat, planes
from minidl.kernels.cpu.moves import BLOCK, copy, interleave
from minidl.kernels.cpu.reduction import sum_of_run
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.reference import pooling as reference
from minidl.kernels.reference.pooling import pool_sizes

AHEAD = 1024                 # cells that are asked for before they are needed

@functools.lru_cache
def cells_inside(shape, size, stride, padding, dilation, out):
    """rows (OH, 2), columns (OW, 2): of each window, the first cell inside the image, and how many there are; and
    `whole`: from which window on, and up to which, none sticks out at a side, if vectors can be made of these."""
    rows, columns = (np.array([(cells[0], len(cells)) if cells else (0, 0) for o in range(count)
                               for cells in [[c for c in range(o * s - p, o * s - p + k * d, d) if 0 <= c < axis]]],
                              np.int64).reshape(count, 2)
                     for axis, k, s, p, d, count in zip(shape, size, stride, padding, dilation, out, strict=True))
    whole = np.flatnonzero(columns[:, 1] == size[1]) if stride[1] <= 2 else []
    return rows, columns, (whole[0], whole[-1] + 1) if len(whole) else (0, 0)


# ---- the largest


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    out = tuple(pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode))
    y, index = empty((*x.shape[:2], *out), x.dtype), empty((*x.shape[:2], *out), np.int32)
    where = *cells_inside(x.shape[2:], size, stride, padding, dilation, out), stride[1], dilation
    _max_pool(planes(np.ascontiguousarray(x)), *where, planes(y), planes(index), thread_count())
    return y, index


@jit(each="threads")
def _max_pool(t, x, rows, columns, whole, stride, dilation, y, index, threads):
    first, end = portion(len(x), t, threads)
    for plane in range(first, end):
        _max_pool_plane(x[plane].reshape(-1), x.shape[2], rows, columns, whole, stride, dilation,
                        y[plane].reshape(-1), index[plane].reshape(-1))


@jit(inline=True)
def _max_pool_plane(x, W, rows, columns, whole, stride, dilation, y, index):
    (left, right), OW = whole, len(columns)
    for oy in range(len(rows)):
        top, height = rows[oy]
        for ox in range(left, right, LANES):
            if stride == 1:
                largest1(x, top * W + columns[ox, 0], height, dilation[0] * W, columns[ox, 1], dilation[1],
                         y, index, oy * OW + ox, right - ox)
            else:
                largest2(x, top * W + columns[ox, 0], height, dilation[0] * W, columns[ox, 1], dilation[1],
                         y, index, oy * OW + ox, right - ox)
        for edge in range(left - right + OW):
            ox = edge if edge < left else edge - left + right
            largest(x, top * W + columns[ox, 0], height, dilation[0] * W, columns[ox, 1], dilation[1],
                    y, index, oy * OW + ox)


@jit
def largest(x, cell, rows, row_step, columns, column_step, y, index, o):
    """y[o], index[o] = the largest of a window's cells, the first of equals, and its place. NaN is larger than all."""
    y[o], index[o] = -np.inf, -1
    for i in range(rows):
        for j in range(columns):
            place = cell + i * row_step + j * column_step
            if x[place] > y[o] or (x[place] != x[place] and y[o] == y[o]) or index[o] < 0:
                y[o], index[o] = x[place], place


def neighbours_largest(stride):
    """The kernel `largest_of_neighbours` for windows `stride` cells apart, 1 or 2."""

    @jit
    def largest_of_neighbours(x, cell, rows, row_step, columns, column_step, y, index, o, count):
        """`largest` for `count` windows, at most LANES, side by side; they have a cell at least, and do not stick out."""
        for n in range(min(count, LANES)):
            largest(x, cell + n * stride, rows, row_step, columns, column_step, y, index, o + n)

    @vectorized(largest_of_neighbours)
    def largest_of_neighbours(code, x, cell, rows, row_step, columns, column_step, y, index, o, count):
        best = code.variable(x.load_every(stride, cell, count))
        winner = code.variable(code.places(cell, stride))
        with code.loop(rows) as i:
            look_ahead(x, cell + i * row_step, stride)
            with code.loop(columns) as j:
                place = cell + i * row_step + j * column_step
                cells = x.load_every(stride, place, count)
                wins = (cells > best.get()) | (cells.is_nan() & ~best.get().is_nan())
                best.set(code.where(wins, cells, best.get()))
                winner.set(code.where(wins, code.places(place, stride), winner.get()))
        y.store_some(o, best.get(), count)
        index.store_some(o, winner.get(), count)

    return largest_of_neighbours


def look_ahead(x, cell, vectors):
    """Ask memory for what comes soon, as a processor does by itself, but not for loads with a mask."""
    for v in range(vectors):
        x.prefetch(cell + AHEAD + v * LANES)


largest1, largest2 = neighbours_largest(1), neighbours_largest(2)


def max_pool_gradient(gy, index, shape):
    gx, gy = empty(shape, gy.dtype), np.ascontiguousarray(gy)
    _max_pool_gradient(planes(gy), planes(np.ascontiguousarray(index)), planes(gx), thread_count())
    return gx


@jit(each="threads")
def _max_pool_gradient(t, gy, index, gx, threads):
    first, end = portion(len(gx), t, threads)
    for plane in range(first, end):
        _plane_gradient(gy[plane].reshape(-1), index[plane].reshape(-1), gx[plane].reshape(-1))


@jit(inline=True)
def _plane_gradient(gy, index, gx):
    gx[:] = 0
    for o in range(len(gy)):
        if index[o] >= 0:
            gx[np.uint64(index[o])] += gy[o]


# ---- the mean


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    out = tuple(pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode))
    y = empty((*x.shape[:2], *out), x.dtype)
    if are_squares(x.shape, size, stride, padding):
        divisor = np.array([divisor_override or 4], x.dtype)
        _mean_of_squares(flat(x), x.shape[3], divisor, y.reshape(-1), workspace(BLOCK + x.shape[3], x.dtype))
        return y
    counts = divisors(x.shape[2:], out, size, stride, padding, count_include_pad, divisor_override, x.dtype)
    where = *cells_inside(x.shape[2:], size, stride, padding, (1, 1), out), stride[1]
    _avg_pool(planes(np.ascontiguousarray(x)), *where, counts.reshape(-1), planes(y), thread_count())
    return y


@functools.lru_cache
def divisors(shape, *settings):
    return reference.divisors((1, 1, *shape), *settings)


@jit(each="threads")
def _avg_pool(t, x, rows, columns, whole, stride, counts, y, threads):
    first, end = portion(len(x), t, threads)
    for plane in range(first, end):
        _avg_pool_plane(x[plane].reshape(-1), x.shape[2], rows, columns, whole, stride, counts, y[plane].reshape(-1))


@jit(inline=True)
def _avg_pool_plane(x, W, rows, columns, whole, stride, counts, y):
    (left, right), OW = whole, len(columns)
    for oy in range(len(rows)):
        top, height = rows[oy]
        for ox in range(left, right, LANES):
            if stride == 1:
                mean1(x, top * W + columns[ox, 0], height, W, columns[ox, 1], counts, y, oy * OW + ox, right - ox)
            else:
                mean2(x, top * W + columns[ox, 0], height, W, columns[ox, 1], counts, y, oy * OW + ox, right - ox)
        for edge in range(left - right + OW):
            ox = edge if edge < left else edge - left + right
            mean(x, top * W + columns[ox, 0], height, W, columns[ox, 1], counts, y, oy * OW + ox)


@jit
def mean(x, cell, rows, row_step, columns, counts, y, o):
    """y[o] = the sum of a window's cells, by its count."""
    total = x.dtype.type(0)
    for i in range(rows):
        for j in range(columns):
            total += x[cell + i * row_step + j]
    y[o] = total / counts[o]


def neighbours_mean(stride):
    """The kernel `mean_of_neighbours` for windows `stride` cells apart, 1 or 2."""

    @jit
    def mean_of_neighbours(x, cell, rows, row_step, columns, counts, y, o, count):
        """`mean` for `count` windows, at most LANES, side by side, that do not stick out."""
        for n in range(min(count, LANES)):
            mean(x, cell + n * stride, rows, row_step, columns, counts, y, o + n)

    @vectorized(mean_of_neighbours)
    def mean_of_neighbours(code, x, cell, rows, row_step, columns, counts, y, o, count):
        total = code.variable(code.zero())
        with code.loop(rows) as i:
            look_ahead(x, cell + i * row_step, stride)
            with code.loop(columns) as j:
                total.set(total.get() + x.load_every(stride, cell + i * row_step + j, count))
        y.store_some(o, total.get() / counts.load_some(o, count), count)

    return mean_of_neighbours


mean1, mean2 = neighbours_mean(1), neighbours_mean(2)


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    gx = empty(shape, gy.dtype)
    if are_squares(shape, size, stride, padding):
        divisor = np.array([divisor_override or 4], gy.dtype)
        _shares_of_squares(flat(gy), shape[3], divisor, gx.reshape(-1), workspace(2 * (BLOCK + shape[3]), gy.dtype))
        return gx
    shape, out = tuple(shape[2:]), gy.shape[2:]
    counts = divisors(shape, out, size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    where = *cells_inside(shape, size, stride, padding, (1, 1), out), stride[1]
    _avg_pool_gradient(planes(np.ascontiguousarray(gy)), *where, counts.reshape(-1), planes(gx), thread_count())
    return gx


@jit(each="threads")
def _avg_pool_gradient(t, gy, rows, columns, whole, stride, counts, gx, threads):
    first, end = portion(len(gx), t, threads)
    for plane in range(first, end):
        _avg_plane_gradient(gy[plane].reshape(-1), rows, columns, whole, stride, counts, gx[plane].reshape(-1),
                            gx.shape[2])


@jit(inline=True)
def _avg_plane_gradient(gy, rows, columns, whole, stride, counts, gx, W):
    (left, right), OW = whole, len(columns)
    gx[:] = 0
    for oy in range(len(rows)):
        top, height = rows[oy]
        for ox in range(left, right, LANES):
            if stride == 1:
                shares1(gy, counts, oy * OW + ox, gx, top * W + columns[ox, 0], height, W, columns[ox, 1], right - ox)
            else:
                shares2(gy, counts, oy * OW + ox, gx, top * W + columns[ox, 0], height, W, columns[ox, 1], right - ox)
        for edge in range(left - right + OW):
            ox = edge if edge < left else edge - left + right
            share(gy, counts, oy * OW + ox, gx, top * W + columns[ox, 0], height, W, columns[ox, 1])


@jit
def share(gy, counts, o, gx, cell, rows, row_step, columns):
    """Each cell of a window gets an equal share of gy[o]."""
    for i in range(rows):
        for j in range(columns):
            gx[cell + i * row_step + j] += gy[o] / counts[o]


def neighbours_shares(stride):
    """The kernel `shares_of_neighbours` for windows `stride` cells apart, 1 or 2."""

    @jit
    def shares_of_neighbours(gy, counts, o, gx, cell, rows, row_step, columns, count):
        """`share` for `count` windows, at most LANES, side by side, that do not stick out."""
        for n in range(min(count, LANES)):
            share(gy, counts, o + n, gx, cell + n * stride, rows, row_step, columns)

    @vectorized(shares_of_neighbours)
    def shares_of_neighbours(code, gy, counts, o, gx, cell, rows, row_step, columns, count):
        one = gy.load_some(o, count) / code.where(code.first(count), counts.load_some(o, count), code.constant(1))
        with code.loop(rows) as i, code.loop(columns) as j:
            gx.add_every(stride, cell + i * row_step + j, one, count)

    return shares_of_neighbours


shares1, shares2 = neighbours_shares(1), neighbours_shares(2)


# ---- the mean of squares


def are_squares(shape, size, stride, padding):
    """Are the windows squares of 2 x 2 cells that cover the images and have no cell in common?"""
    return size == stride == (2, 2) and padding == (0, 0) and shape[2] % 2 == shape[3] % 2 == 0


@jit(each="work")
def _mean_of_squares(t, x, W, divisor, y, work):
    """Rows of all images alike: first two rows are added to one, and then neighbours in all of these, side by side."""
    sums, (first, end) = work[t], portion(len(x) // (2 * W), t, len(work))
    some = max(1, BLOCK // W)
    for top in range(first, end, some):
        rows = min(some, end - top)
        for row in range(rows):
            i = (top + row) * 2 * W
            for column in range(0, W, LANES):
                sum_of_two(x, i + column, i + W + column, sums, row * W + column, W - column)
        for n in range(0, rows * W // 2, LANES):
            mean_of_pairs(sums, 2 * n, divisor, y, top * W // 2 + n, rows * W // 2 - n)


@jit
def sum_of_two(x, i, k, y, j, count):
    """y[j : j + count] = x[i : i + count] + x[k : k + count], for at most LANES numbers"""
    for n in range(min(count, LANES)):
        y[j + n] = x[i + n] + x[k + n]


@vectorized(sum_of_two)
def sum_of_two(code, x, i, k, y, j, count):
    y.store_some(j, x.load_some(i, count) + x.load_some(k, count), count)


@jit
def mean_of_pairs(x, i, divisor, y, j, count):
    """y[j : j + count] = (x[i] + x[i + 1]) / divisor[0], (x[i + 2] + x[i + 3]) / divisor[0], ..., at most LANES"""
    for n in range(min(count, LANES)):
        y[j + n] = (x[i + 2 * n] + x[i + 2 * n + 1]) / divisor[0]


@vectorized(mean_of_pairs)
def mean_of_pairs(code, x, i, divisor, y, j, count):
    sums = x.load_every(2, i, count) + x.load_every(2, i + 1, count)
    y.store_some(j, sums / divisor.spread(0), count)


@jit(each="work")
def _shares_of_squares(t, gy, W, divisor, gx, work):
    """The way back: every number becomes two in a row, and the row two."""
    (first, end), room = portion(len(gx) // (2 * W), t, len(work)), work.shape[1] // 2
    some = max(1, BLOCK // W)
    for top in range(first, end, some):
        rows = min(some, end - top)
        count, part, shares = rows * W // 2, gy[top * W // 2:], work[t, room:]
        for n in range(np.uint64(count)):
            shares[n] = part[n] / divisor[0]
        interleave(shares, 0, shares, 0, work[t], 0, count)
        for row in range(rows):
            copy(work[t], row * W, gx, (top + row) * 2 * W, W)
            copy(work[t], row * W, gx, (top + row) * 2 * W + W, W)


def adaptive_avg_pool(x, out):
    if tuple(out) != (1, 1):
        return reference.adaptive_avg_pool(x, out)
    y = np.empty((*x.shape[:2], 1, 1), x.dtype)
    _mean_of_images(flat(x).reshape(y.size, x.shape[2] * x.shape[3]), y.reshape(-1), thread_count())
    return y


@jit(each="threads")
def _mean_of_images(t, x, y, threads):
    first, end = portion(len(x), t, threads)
    for plane in range(first, end):
        y[plane] = sum_of_run(x[plane]) / x.shape[1]


def adaptive_avg_pool_gradient(gy, shape):
    if gy.shape[2:] != (1, 1):
        return reference.adaptive_avg_pool_gradient(gy, shape)
    gx = empty(shape, gy.dtype)
    gx[:] = gy / max(1, shape[2] * shape[3])
    return gx
