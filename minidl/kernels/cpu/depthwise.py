"""Convolution in which every filter reads one channel: images that do not mix, LANES of them side by side.

There is too little to multiply matrices for. What a vector can hold are the same pixel of LANES channels: then a window
moves over all of them at once, and its strides, edges and phases are entries in the tables of direct.py. Rows of
the channels are turned into vectors on the way in, pixel by pixel, and back on the way out; in between

    y[pixel]  += x[pixel's place + way to (i, j)] w[i, j]           sum over (i, j), a product for each lane
    gx[pixel] += gy[pixel's place + way to (i, j)] w[i, j]          sum over those (i, j) that the pixel's phase was read by
    gw[i, j]  += x[way to (i, j) + pixel's place] gy[pixel]         sum over pixels

A channel may be read by several filters (F = M C): filter f reads channel f // M.
"""
import numpy as np

from minidl.kernels.cpu.direct import (aligned, lay_out, panel, plan_gw, plan_gx, plan_y, turn_some_in,
                                       turn_some_out)
from minidl.kernels.cpu.jit import jit, prange
from minidl.kernels.cpu.moves import clear
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import gathering_tile
from minidl.kernels.reference.convolution import out_size

PIXELS = 2 ** 11             # of a block, whose vectors stay in a core's second-level cache
TILE = 8                     # pixels, or places of a filter, whose sums are in registers

gather = gathering_tile(TILE, 1, by_lanes=True)


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return w_shape[1] == 1 and groups == x_shape[1] > 1 and min(x_shape) > 0 and min(w_shape) > 0


def conv2d(x, w, b, stride, padding, dilation, groups):
    OH, OW = (out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True))
    y, start = np.empty((len(x), len(w), OH, OW), x.dtype), np.zeros(len(w), x.dtype) if b is None else b
    plan = in_lanes(plan_y, x.shape, w.shape, (OH, OW), stride, padding, dilation)
    correlate(x, w, np.ascontiguousarray(start), y, plan)
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    gx = np.empty(shape, gy.dtype)
    plan = in_lanes(plan_gx, shape, w.shape, gy.shape[2:], stride, padding, dilation)
    correlate(gy, w, np.zeros(len(w), gy.dtype), gx, plan)
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw = np.empty((gy.shape[1], 1, *size), x.dtype)
    plan = in_lanes(plan_gw, x.shape, gw.shape, gy.shape[2:], stride, padding, dilation)
    add_up(gy, x, gw, plan)
    return gw


def in_lanes(make, shape, w_shape, out, stride, padding, dilation):
    """The tables for one image of one channel, whose pixels are LANES numbers each."""
    plan = make((1, 1, *shape[2:]), (1, 1, *w_shape[2:]), tuple(out), stride, padding, dilation, 1, 1, PIXELS, 1)
    return plan._replace(places=plan.places * LANES, ways=plan.ways * LANES)


# ---- y and gx


def correlate(x, w, start, y, plan):
    """y (N, F, OH, OW) = start (F,) + x (N, C, H, W) by w (F, 1, KH, KW), where one of C and F is M times the other."""
    C, F, taps = x.shape[1], y.shape[1], w.shape[2] * w.shape[3]
    channels, M = min(C, F), len(w) // min(C, F)
    tiles = -(-channels // LANES)
    packed = aligned(M * tiles * LANES * taps, w.dtype)
    room = LANES * (2 * LANES + plan.block[1] * plan.rows[1] * y.shape[3] + 1 + LANES + plan.padded[0] * plan.padded[1])
    _correlate(flat(x), x.shape, flat(w), packed, start, y.reshape(-1), y.shape, plan.for_threads(), channels, M,
               workspace(room + LANES * LANES, x.dtype))


def flat(x):
    return np.ascontiguousarray(x).reshape(-1)


@jit(parallel=True)
def _correlate(x, x_shape, w, packed, start, y, y_shape, plan, channels, M, work):
    block, taps = plan[0][1], len(plan[-1])
    tiles, parts = -(-channels // LANES), -(-y_shape[2] // (block * plan[1][1]))
    for filters in range(M * tiles):
        lay_out(w, packed, plan[5], plan[-1], (channels, M * taps), (1, 0), filters // tiles, filters % tiles, taps, work[0])
    for t in prange(len(work)):
        for job in range(np.int64(t), y_shape[0] * tiles * parts, len(work)):
            _block(x, x_shape, packed, start, y, y_shape, plan, channels, M, work[t], job // parts // tiles,
                   job // parts % tiles, job % parts * block)


@jit
def _block(x, x_shape, w, start, y, y_shape, plan, channels, M, work, n, tile, step):
    """LANES channels of an image: their rows from `step` on."""
    blocks, strides, corner, padded, _, phases, places, goals, ways, order = plan
    block, SY, PY = blocks[1], strides[0], strides[1]
    (C, H, W), (F, OH, OW) = x_shape[1:], y_shape[1:]
    lanes, taps, c = -(-channels // LANES) * LANES, len(order), tile * LANES
    some, rows = min(LANES, channels - c), min(block * PY, OH - step * PY)
    height = padded[0] - (block - -(-rows // PY)) * SY
    sums = 2 * LANES * LANES
    padded0 = sums + (block * PY * OW + 1 + LANES) * LANES
    first, width = panel(c, lanes)
    pixels = work[padded0:]
    for m in range(M):
        if C > channels or m == 0:
            each = C // channels
            turn_rows(x, (n * C + c * each + m) * H * W, each * H * W, H, W, some,
                      step * SY + corner[0], corner[1], height, padded[1], work, padded0)
        if F > channels or m == 0:
            for lane in range(some):
                work[LANES * LANES + lane] = start[(c + lane) * M + m]
        for p in range(len(phases)):
            a, columns, place, way, weights, depth = phases[p]
            b0 = (m * lanes + first) * taps + weights * width + c - first
            begin, row = (sums, LANES) if C > channels and m > 0 else (LANES * LANES, 0)
            slide(pixels, places, goals, place, max(0, -(-(rows - a) // PY)) * columns, ways, way, w, b0, width, work, begin,
                  row, sums, depth)
        if F > channels or m == M - 1:
            each = F // channels
            to = ((n * F + c * each + (m if each > 1 else 0)) * OH + step * PY) * OW
            for k in range(0, rows * OW, LANES):
                turn_some_out(work, sums + k * LANES, LANES, y, to + k, each * OH * OW, some,
                              min(LANES, rows * OW - k), work, 0)


@jit
def slide(a, places, goals, first, count, ways, way, w, b0, width, c, start, row, c0, depth):
    """The sums (tiles.py) of `count` pixels. With the number of steps known, the compiler leaves out the loop over them."""
    if depth == 9 and width == 4 * LANES:
        for k in range(first, first + count, TILE):
            gather(a, places, goals, k, ways, way, w, b0, 4 * LANES, c, start, row, c0, LANES, 9)
    else:
        for k in range(first, first + count, TILE):
            gather(a, places, goals, k, ways, way, w, b0, width, c, start, row, c0, LANES, depth)


@jit
def turn_rows(x, i, x_row, H, W, lanes, top, left, height, width, y, j):
    """y (height, width, LANES) = rows of `lanes` images from row `top` and column `left` on, and zeros around them."""
    lo = max(0, -left)
    hi = max(lo, min(width, W - left))
    for row in range(height):
        to, iy = j + row * width * LANES, top + row
        if 0 <= iy < H and hi > lo:
            clear(y, to, lo * LANES)
            for k in range(lo, hi, LANES):
                turn_some_in(x, i + iy * W + k + left, x_row, lanes, y, to + k * LANES, LANES, min(LANES, hi - k), 0)
            clear(y, to + hi * LANES, (width - hi) * LANES)
        else:
            clear(y, to, width * LANES)


# ---- gw


def add_up(gy, x, gw, plan):
    """gw (F, 1, KH, KW) = the sums of x (N, C, H, W) by gy (N, F, OH, OW). Threads share out channels, then images."""
    (N, C), F, rows = x.shape[:2], gy.shape[1], len(plan.places)
    tiles = -(-C // LANES)
    parts = max(1, min(N, -(-thread_count() // tiles)))
    sums = aligned((parts * (F // C) * tiles * rows + LANES) * LANES, x.dtype)
    room = LANES * (2 * LANES + plan.block[1] * gy.shape[3] + LANES + plan.padded[0] * plan.padded[1] + LANES)
    _add_up(flat(gy), gy.shape, flat(x), x.shape, gw.reshape(-1), gw.shape, plan.for_threads(), parts, sums,
            workspace(room, x.dtype))


@jit(parallel=True)
def _add_up(gy, gy_shape, x, x_shape, gw, w_shape, plan, parts, sums, work):
    tiles = -(-x_shape[1] // LANES)
    for t in prange(len(work)):
        for job in range(np.int64(t), parts * tiles, len(work)):
            _add_some(gy, gy_shape, x, x_shape, plan, parts, job % parts, job // parts, sums, work[t])
    for tile in range(tiles):
        _sum_some(sums, gw, w_shape, x_shape[1], tile, parts, len(plan[6]), work[0])


@jit
def _add_some(gy, gy_shape, x, x_shape, plan, parts, part, tile, sums, work):
    """LANES channels of each `parts`-th image."""
    blocks, strides, corner, padded, _, _, places, goals, ways, order = plan
    block, SY = blocks[1], strides[0]
    (N, C, H, W), (F, OH, OW) = x_shape, gy_shape[1:]
    c, M, tiles, taps = tile * LANES, F // C, -(-C // LANES), len(order)
    some, turned0 = min(LANES, C - c), 2 * LANES * LANES
    padded0 = turned0 + (block * OW + LANES) * LANES
    pixels = work[padded0:]
    for m in range(M):
        to = ((part * M + m) * tiles + tile) * len(places) * LANES
        clear(sums, to, len(places) * LANES)
        for n in range(part, N, parts):
            for top in range(0, OH, block):
                rows = min(block, OH - top)
                turn_rows(x, (n * C + c) * H * W, H * W, H, W, some, top * SY + corner[0], corner[1],
                          padded[0] - (block - rows) * SY, padded[1], work, padded0)
                for k in range(0, rows * OW, LANES):
                    turn_some_in(gy, ((n * F + c * M + m) * OH + top) * OW + k, M * OH * OW, some, work,
                                 turned0 + k * LANES, LANES, min(LANES, rows * OW - k), 0)
                for k in range(0, taps, TILE):
                    gather(pixels, places, goals, k, ways, 0, work, turned0, LANES, sums, to, LANES, to, LANES,
                           rows * OW)


@jit
def _sum_some(sums, gw, shape, C, tile, parts, rows, work):
    """gw of LANES channels = the parts' sums."""
    c, M, tiles, taps = tile * LANES, shape[0] // C, -(-C // LANES), shape[2] * shape[3]
    for m in range(M):
        first = (m * tiles + tile) * rows * LANES
        for part in range(1, parts):
            more = part * M * tiles * rows * LANES
            for i in range(first, first + rows * LANES):
                sums[i] += sums[i + more]
        for k in range(0, taps, LANES):
            turn_some_out(sums, first + k * LANES, LANES, gw, (c * M + m) * taps + k, M * taps,
                          min(LANES, C - c), min(LANES, taps - k), work, 0)
