"""Convolution of many small images: a vector holds one pixel of LANES of them.

direct.py has channels in the lanes of its vectors, sliding.py neighbouring pixels. LeNet-5 has 6 filters and rows of 10
pixels, which fill neither. But it has a batch, and all images of a batch are treated alike, at every pixel:

    y[f, pixel]      += w[f, (i, c, j)] x[pixel + way to (i, c, j)]          sum over (i, c, j)
    gw[f, (c, i, j)] += gy[f, pixel] x[pixel + way to (c, i, j)]             sum over pixels, and over lanes in the end

LANES images at a time are turned, so that what was (LANES, C, H, W) is (C, H, width, LANES), with zeros to the left and to
the right of each row. Above and below an image there is nothing: y's first and last rows leave out the rows of the filter
that would lie there. A tile is as many filters by as many neighbouring pixels as waste the least.

gx is a convolution, too, of gy by the flipped filters.
"""
import functools

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import clear, turn_in, turn_out
from minidl.kernels.cpu.simd import LANES, REGISTERS, vectorized
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.cpu.tiles import matching_tile, sliding_tile, total
from minidl.kernels.reference.convolution import out_size

IN_CACHE = 2 ** 17           # numbers of LANES images, in the second-level cache of a core
NEAR = 2 ** 12               # numbers of some rows of gy, in the first-level cache

TILES = ((8, 3), (6, 4), (4, 5)) if REGISTERS == 32 else ((6, 2), (4, 3), (2, 5))
slide_high, slide, slide_wide = (sliding_tile(*tile) for tile in TILES)
match_high, match, match_wide = (matching_tile(*tile) for tile in TILES)


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    """Whole vectors of images, of which all is in a cache; stride 1, and no more padding than a filter reaches over."""
    if min(x_shape) == 0 or min(w_shape) == 0 or x_shape[0] % LANES or tuple(stride) != (1, 1) or groups > 1:
        return False
    (_, C, H, W), F, (PH, PW) = x_shape, w_shape[0], padding
    return ((C + F) * (H + 2 * PH) * (W + 2 * PW) * LANES <= IN_CACHE
            and all([p <= d * (k - 1) for p, d, k in zip(padding, dilation, w_shape[2:])]))


@functools.cache
def fitting(rows, columns):
    """The number of the tile that covers so many sums with the fewest too many."""
    return min(range(len(TILES)), key=lambda i: padded(rows, TILES[i][0]) * padded(columns, TILES[i][1]))


def padded(n, unit):
    return n + -n % unit


def conv2d(x, w, b, stride, padding, dilation, groups):
    out = tuple([out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)])
    return correlate(x, w, b, out, padding, dilation)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    around = tuple([d * (k - 1) - p for d, k, p in zip(dilation, w.shape[2:], padding)])
    return correlate(gy, w.swapaxes(0, 1)[..., ::-1, ::-1], None, tuple(shape[2:]), around, dilation)


# ---- y and gx


def correlate(x, w, b, out, padding, dilation):
    """y (N, F, *out) = b (F,) + x (N, C, H, W) by w (F, C, KH, KW)"""
    (N, C, H, _), (F, _, KH, KW) = x.shape, w.shape
    tile = fitting(F, out[1])
    (rows, vectors), width = TILES[tile], out[1] + (KW - 1) * dilation[1]
    filters, start = np.zeros((padded(F, rows), KH, C, KW), x.dtype), np.zeros(padded(F, rows), x.dtype)
    filters[:F] = w.swapaxes(1, 2)
    if b is not None:
        start[:F] = b
    y = empty((N, F, *out), x.dtype)
    work = workspace((C * H * width + rows * padded(out[1], vectors) + 2 * LANES) * LANES, x.dtype)
    _correlate(flat(x), x.shape, filters, start, flat(y), y.shape, padding, dilation[0],
               ways((C, H, width), (KH, KW), dilation, (1, 0, 2)), width, tile, TILES[tile], work)
    return y


@functools.lru_cache(256)
def ways(shape, size, dilation, order):
    """From a pixel of turned images (C, H, W) to those that each (c, i, j) reads for it; axes of the table in this order."""
    c, i, j = np.ogrid[:shape[0], :size[0], :size[1]]
    table = ((c * shape[1] + i * dilation[0]) * shape[2] + j * dilation[1]) * LANES
    return np.ascontiguousarray(table.transpose(order)).reshape(-1)


@jit(each="work")
def _correlate(t, x, x_shape, w, start, y, y_shape, padding, dilation, ways, width, tile, tile_size, work):
    first, end = portion(y_shape[0] // LANES, t, len(work))
    clear(work[t], 0, work.shape[1])
    for n in range(first * LANES, end * LANES, LANES):
        _correlate_some(x, x_shape, w, start, y, y_shape, padding, dilation, ways, width, tile, tile_size, work[t], n)


@jit(inline=True)
def _correlate_some(x, x_shape, w, start, y, y_shape, padding, dilation, ways, width, tile, tile_size, work, n):
    """The images from n on."""
    (_, C, H, _), (_, F, OH, OW), (_, KH, _, KW) = x_shape, y_shape, w.shape
    (PH, PW), (rows, vectors), step = padding, tile_size, C * KW
    w, line = w.reshape(-1), -(-OW // vectors) * vectors * LANES
    sums = (C * H * width + LANES) * LANES
    turn_images(x, n, x_shape, work, 0, H * width, width, PW)
    for f in range(0, F, rows):
        for oy in range(OH):
            above = max(0, -((oy - PH) // dilation))     # rows of the filter that lie above the image, and the first below
            below = min(KH, (H - 1 - oy + PH) // dilation + 1)
            for ox in range(0, OW, vectors):
                slide_by(tile, w, (f * KH + above) * step, KH * step, work, ((oy - PH) * width + ox) * LANES,
                         ways[above * step:], max(0, below - above) * step, start, f, work, sums + ox * LANES, line)
            for k in range(min(rows, F - f)):
                to = ((n * F + f + k) * OH + oy) * OW
                for ox in range(0, OW, LANES):
                    turn_out(work, sums + k * line + ox * LANES, LANES, y, to + ox, F * OH * OW, OW - ox)


@jit
def slide_by(tile, a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row):
    if tile == 0:
        slide_high(a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row)
    elif tile == 1:
        slide(a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row)
    else:
        slide_wide(a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row)


@jit
def turn_images(x, n, shape, y, j, plane, width, left):
    """y (C, plane, LANES) = LANES images of x from n on, each row `left` pixels after where it would begin."""
    _, C, H, W = shape
    for c in range(C):
        for row in range(H):
            i, to = ((n * C + c) * H + row) * W, j + (c * plane + row * width + left) * LANES
            for column in range(0, W, LANES):            # what is written beyond W are zeros, where the next row begins
                turn_in(x, i + column, C * H * W, y, to + column * LANES, LANES, min(LANES, W - column))


# ---- gw


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    (_, F, OH, OW), (_, C, H, W), (PH, PW) = gy.shape, x.shape, padding
    height, width = H + 2 * PH, W + 2 * PW
    table = ways((C, height, width), tuple(size), dilation, (0, 1, 2))
    tile = fitting(F, len(table))
    (rows, columns), count = TILES[tile], len(table)
    table = np.pad(table, (0, -count % columns))
    turned = (C * height * width + LANES) * LANES
    places = turned, turned + (padded(F, rows) * OH * OW + LANES) * LANES
    work = workspace(places[1] + padded(F, rows) * len(table) * LANES, x.dtype)
    sums = np.empty((len(work), F, count), x.dtype)
    _add_up(flat(gy), gy.shape, flat(x), x.shape, padding, table, tile, TILES[tile], places, sums, work)
    return sums.sum(0).reshape(F, C, *size)


@jit(each="work")
def _add_up(t, gy, gy_shape, x, x_shape, padding, ways, tile, tile_size, places, sums, work):
    first, end = portion(x_shape[0] // LANES, t, len(work))
    clear(work[t], 0, work.shape[1])
    for n in range(first * LANES, end * LANES, LANES):
        _add_some(gy, gy_shape, x, x_shape, padding, ways, tile, tile_size, places, work[t], n)
    for f in range(sums.shape[1]):
        for r in range(sums.shape[2]):
            add_lanes(work[t], places[1] + (f * len(ways) + r) * LANES, sums[t].reshape(-1), f * sums.shape[2] + r)


@jit(inline=True)
def _add_some(gy, gy_shape, x, x_shape, padding, ways, tile, tile_size, places, work, n):
    """What the images from n on add to the sums (F, ways, LANES)."""
    (_, _, H, W), (_, F, OH, OW), (PH, PW), (rows, columns) = x_shape, gy_shape, padding, tile_size
    height, width, R, (turned, sums) = H + 2 * PH, W + 2 * PW, len(ways), places
    turn_images(x, n, x_shape, work, PH * width * LANES, height * width, width, PW)
    turn_images(gy, n, gy_shape, work, turned, OH * OW, OW, 0)
    lines = max(1, NEAR // (rows * OW * LANES))
    for oy in range(0, OH, lines):
        for f in range(0, F, rows):
            for r in range(0, R, columns):
                match_by(tile, work, turned + (f * OH + oy) * OW * LANES, OH * OW * LANES, OW * LANES,
                         work[oy * width * LANES:], ways, r, width * LANES, min(lines, OH - oy), OW,
                         work, sums + (f * R + r) * LANES, R * LANES)


@jit
def match_by(tile, a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row):
    if tile == 0:
        match_high(a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row)
    elif tile == 1:
        match(a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row)
    else:
        match_wide(a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row)


@jit
def add_lanes(x, i, y, j):
    """y[j] = the sum of LANES numbers of x from i on"""
    y[j] = 0
    for lane in range(LANES):
        y[j] += x[i + lane]


@vectorized(add_lanes)
def add_lanes(code, x, i, y, j):
    y.store_some(j, total(code, x.load(i)), 1)
