"""Convolution of few channels: a vector holds LANES neighbouring pixels, and filters slide over all of them at once.

direct.py has channels in the lanes of its vectors, and turns pixels into channels and back. Of an image with three
channels, or for six filters, most lanes would be empty. Here nothing is turned:

    y[f, pixel]    += w[f, (c, i, j)] x[way to (c, i, j) + pixel]              sum over (c, i, j)
    gw[f, (c, i, j)] += gy[f, pixel] x[way to (c, i, j) + pixel]               sum over pixels of y

with a number of w for all lanes, and as many pixels side by side as fit. A vector may begin in one row and end in the
next: all rows of a block lie one behind the other, each as wide as its padded image, and what is computed between two
rows is dropped, or counts nothing because gy is 0 there.

With a stride of s, neighbours in y read pixels of x that are s apart. So a block of x is sorted into s x s planes
(phases): in each, what neighbours in y read through one place of the filter is side by side again.

gx is a convolution, too, of gy by the flipped filters; with a stride, one for each phase of gx, by those places of the
filter that reached it.
"""
import functools
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import clear, copy, pick, stream
from minidl.kernels.cpu.simd import LANES, REGISTERS
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import pairing_tile, sliding_tile
from minidl.kernels.reference.convolution import out_size

IN_CACHE = 2 ** 15           # numbers of a block: its pixels of x and one tile's of y, or all of gy
STREAMED = 2 ** 24           # bytes of a result that goes past the caches

FILTERS, VECTORS = (8, 3) if REGISTERS == 32 else (6, 2)
slide = sliding_tile(FILTERS, VECTORS)
ROWS, WAYS = (8, 3) if REGISTERS == 32 else (4, 2)
pair = pairing_tile(ROWS, WAYS)


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return min(x_shape) > 0 and min(w_shape) > 0


def conv2d(x, w, b, stride, padding, dilation, groups):
    out = tuple([out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)])
    return correlate(x, w, b, out, stride, padding, dilation, groups)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    """gx in row s t + a reads gy in the rows t + (a + p - i d) / s, for those i where that is a whole number."""
    F, (C, KH, KW) = len(w), w.shape[1:]
    flipped = w.reshape(groups, F // groups, C, KH, KW).swapaxes(1, 2)[..., ::-1, ::-1]
    flipped = flipped.reshape(groups * C, F // groups, KH, KW)
    if tuple(stride) == (1, 1):
        around = tuple([d * (k - 1) - p for d, k, p in zip(dilation, (KH, KW), padding)])
        return correlate(gy, flipped, None, tuple(shape[2:]), (1, 1), around, dilation, groups)
    gx = np.zeros(shape, gy.dtype)
    for a in range(min(stride[0], shape[2])):
        for b in range(min(stride[1], shape[3])):
            axes = [some_taps(*axis) for axis in zip((a, b), (KH, KW), stride, padding, dilation)]
            if all(axes):
                (rows, top, down), (columns, left, right) = axes
                part = gx[:, :, a::stride[0], b::stride[1]]
                part[:] = correlate(gy, flipped[:, :, rows, columns], None, part.shape[2:], (1, 1), (top, left),
                                    (down, right), groups)
    return gx


def some_taps(a, k, s, p, d):
    """Which places of the flipped filter reach phase a of gx: a slice, its padding and dilation; None if there are none."""
    taps = [i for i in range(k) if (a + p - i * d) % s == 0]
    if not taps:
        return None
    last, step = taps[-1], s // gcd(s, d)
    return slice(k - 1 - last, None, step), -((a + p - last * d) // s), d // gcd(s, d)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    F, C = gy.shape[1] // groups, x.shape[1] // groups
    plan = planned(x.shape[0], C, F, size, gy.shape[2:], stride, padding, dilation, thread_count())
    ways = np.pad(plan.ways, (0, -len(plan.ways) % WAYS))
    work = workspace(plan.room + (F + -F % ROWS) * (plan.pixels + -plan.pixels % LANES), x.dtype)
    sums = np.zeros((len(work), groups, F + -F % ROWS, len(ways)), x.dtype)
    _add_up(flat(gy), gy.shape, flat(x), x.shape, plan.numbers, ways, sums, work)
    return np.ascontiguousarray(sums.sum(0)[:, :F, :len(plan.ways)]).reshape(groups * F, C, *size)


# ---- blocks


class Plan(NamedTuple):
    """How x (channels, H, W) is sorted."""
    numbers: tuple           # rows of y in a block; rows and columns of a plane; stride and padding of both axes
    ways: np.ndarray         # from a pixel of the block's y to the pixel of x that each (c, i, j) reads for it
    pixels: int              # of a block's y, with those between its rows
    room: int                # numbers of all planes, and behind them as many as a tile may read too many


@functools.lru_cache(256)
def planned(N, C, F, size, out, stride, padding, dilation, threads):
    (OH, OW), (SH, SW) = out, stride
    more, wider = ((k - 1) * d // s for k, d, s in zip(size, dilation, stride))
    width, rows = OW + wider, OH

    def room(rows):
        return C * SH * SW * (rows + more) * width

    while rows > 1 and (room(rows) + F * rows * width > IN_CACHE or N * ceil(OH / rows) < threads):
        rows = ceil(rows / 2)
    rows = ceil(OH / ceil(OH / rows))
    height = rows + more
    c, i, j = np.ogrid[:C, :size[0], :size[1]]
    (row, a), (column, b) = (np.divmod(n * d, s) for n, d, s in zip((i, j), dilation, stride))
    ways = (((c * SH + a) * SW + b) * height + row) * width + column
    return Plan((rows, height, width, *stride, *padding), ways.reshape(-1).astype(np.int64), rows * width,
                room(rows) + VECTORS * LANES + wider)


@jit
def sort(x, x_shape, n, c, channels, top, plan, y):
    """y (channels, SH, SW, height, width) = the pixels of x by phase, for rows of the result from `top` on.

    What lies left and right of x has to be 0 before, and stays so.
    """
    _, height, width, SH, SW, PH, PW = plan
    C, H, W = x_shape[1], x_shape[2], x_shape[3]
    to = 0
    for channel in range(c, c + channels):
        for a in range(SH):
            for b in range(SW):
                left = b - PW                            # a plane's columns are the columns left, left + SW, ... of x
                lo = min(width, max(0, -(left // SW)))
                hi = max(lo, min(width, (W - 1 - left) // SW + 1))
                for row in range(height):
                    iy = (top + row) * SH + a - PH
                    if 0 <= iy < H:
                        pick(x, ((n * C + channel) * H + iy) * W + left + lo * SW, SW, y, to + lo, hi - lo)
                    else:
                        clear(y, to, width)
                    to += width


# ---- y and gx


def correlate(x, w, b, out, stride, padding, dilation, groups):
    """y (N, F, *out) = b (F,) + x (N, C, H, W) by w (F, C/groups, KH, KW)"""
    F, C = len(w) // groups, w.shape[1]
    plan = planned(len(x), C, FILTERS, w.shape[2:], tuple(out), stride, padding, dilation, thread_count())
    filters = np.zeros((groups, F + -F % FILTERS, len(plan.ways)), x.dtype)          # whole tiles of them
    filters[:, :F] = w.reshape(groups, F, -1)
    start = np.zeros(filters.shape[:2], x.dtype)
    if b is not None:
        start[:, :F] = b.reshape(groups, F)
    y = empty((len(x), groups * F, *out), x.dtype)
    work = workspace(plan.room + FILTERS * (plan.pixels + VECTORS * LANES), x.dtype)
    past_caches = y.nbytes >= STREAMED and out[1] % LANES == 0
    _correlate(flat(x), x.shape, filters, start, y.reshape(-1), y.shape, plan.numbers, plan.ways, past_caches, work)
    return y


@jit(each="work")
def _correlate(t, x, x_shape, w, start, y, y_shape, plan, ways, past_caches, work):
    parts = -(-y_shape[2] // plan[0])
    first, end = portion(y_shape[0] * parts, t, len(work))
    clear(work[t], 0, work.shape[1])
    for block in range(first, end):
        _block(x, x_shape, w, start, y, y_shape, plan, ways, past_caches, work[t], block // parts,
               block % parts * plan[0])


@jit(inline=True)
def _block(x, x_shape, w, start, y, y_shape, plan, ways, past_caches, work, n, top):
    """Rows of the image n from `top` on."""
    all_rows, width, (groups, padded, depth) = plan[0], plan[2], w.shape
    C, F, OH, OW = x_shape[1] // groups, y_shape[1] // groups, y_shape[2], y_shape[3]
    rows, sums = min(all_rows, OH - top), len(work) - FILTERS * (all_rows * width + VECTORS * LANES)
    w, start = w.reshape(-1), start.reshape(-1)
    for group in range(groups):
        sort(x, x_shape, n, group * C, C, top, plan, work)
        for f in range(0, F, FILTERS):
            first = group * padded + f
            for p in range(0, rows * width, VECTORS * LANES):
                slide(w, first * depth, depth, work, p, ways, depth, start, first, work, sums + p,
                      all_rows * width + VECTORS * LANES)
            for k in range(min(FILTERS, F - f)):
                to = (((n * groups + group) * F + f + k) * OH + top) * OW
                for row in range(rows):
                    i = sums + k * (all_rows * width + VECTORS * LANES) + row * width
                    if past_caches:
                        stream(work[i:i + OW], y, to + row * OW)
                    else:
                        copy(work, i, y, to + row * OW, OW)


# ---- gw


@jit(each="work")
def _add_up(t, gy, gy_shape, x, x_shape, plan, ways, sums, work):
    parts = -(-gy_shape[2] // plan[0])
    first, end = portion(gy_shape[0] * parts, t, len(work))
    clear(work[t], 0, work.shape[1])
    for block in range(first, end):
        _add_some(gy, gy_shape, x, x_shape, plan, ways, sums[t], work[t], block // parts, block % parts * plan[0])


@jit(inline=True)
def _add_some(gy, gy_shape, x, x_shape, plan, ways, sums, work, n, top):
    """sums (groups, F, C KH KW) += what rows of the image n add, from `top` on."""
    all_rows, width, (groups, padded, depth) = plan[0], plan[2], sums.shape
    C, F, OH, OW = x_shape[1] // groups, gy_shape[1] // groups, gy_shape[2], gy_shape[3]
    rows, each = min(all_rows, OH - top), -(-all_rows * width // LANES) * LANES
    turned = len(work) - padded * each
    sums = sums.reshape(-1)
    for group in range(groups):
        sort(x, x_shape, n, group * C, C, top, plan, work)
        for f in range(F):
            i, to = (((n * groups + group) * F + f) * OH + top) * OW, turned + f * each
            for row in range(rows):
                copy(gy, i + row * OW, work, to + row * width, OW)
            clear(work, to + rows * width, each - rows * width)
        for f in range(0, F, ROWS):
            for r in range(0, depth, WAYS):
                pair(work, turned + f * each, each, work, ways, r, -(-rows * width // LANES), sums,
                     (group * padded + f) * depth + r, depth)
