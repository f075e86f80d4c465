"""Convolution as it is defined, with the sums in registers: for any size, stride, padding, dilation and groups.

The tile (tiles.py) adds up ROWS x WIDTH sums at a time. A convolution has such sums in each of its passes, with
channels in the lanes of the vectors; and what then is picked number by number need not be laid out in any order, so
that strides, dilations and the seams between the rows of an image are no more than entries in tables:

    y[pixel, f]    += x[pixel's place + way to (c, i, j)]  w[(c, i, j), f]       sum over (c, i, j)
    gx[pixel, c]   += gy[pixel's place + way to (f, i, j)] w[(f, i, j), c]       sum over f and some of the (i, j)
    gw[(c, i, j), f] += x[way to (c, i, j) + pixel's place] gy[pixel, f]         sum over pixels of y

This is im2col (columns.py) without the columns. Of x, some rows of an image or some images at a time are copied to
where there are zeros around them: a block, in the cache of one core. The result is turned on the way out, from
[pixel][channel] to channels of pixels.

With a stride of s, the pixels of gx fall into s x s phases: a pixel in row iy was read through the filter's row i by
the y in row oy if iy = s oy + i - padding, so only by every s-th row of the filter. All pixels with the same remainder
of iy by s were read through the same rows; and from row to row of a phase, the oy that read are one further on.

Sizes of blocks follow Goto & van de Geijn 2008: a block's sums and pixels stay in the second-level cache, and of the
filters, those for some channels (DEPTH steps) and one tile's width stay in the first while all pixels pass.
"""
import functools
from math import ceil
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import clear, copy, turn_some_in, turn_some_out
from minidl.kernels.cpu.simd import LANES, REGISTERS
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import gathering_tile
from minidl.kernels.reference.convolution import out_size

SUMS_IN_CACHE = 2 ** 17          # numbers of a block's sums,
PIXELS_IN_CACHE = 2 ** 16        # and of its padded pixels
WEIGHTS_IN_MEMORY = 2 ** 21      # numbers of sums for gw, which all threads may have together
PIXELS = 400                     # that share in reading the filters, where these are too many for the second-level cache
DEPTH = 128                      # steps for which a tile stays in registers, about

gather1, gather2, gather4 = gathering_tile(8, 1), gathering_tile(8, 2), gathering_tile(6, 4)
VECTORS = 4 if REGISTERS == 32 else 2
WIDTH = VECTORS * LANES
ROWS = 24                        # tables are filled up to a multiple of any tile's rows


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    return min(x_shape) > 0 and min(w_shape) > 0


def conv2d(x, w, b, stride, padding, dilation, groups):
    F, OH, OW = len(w), *(out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True))
    plan = plan_y(x.shape, w.shape, (OH, OW), stride, padding, dilation, groups, thread_count())
    y, start = empty((len(x), F, OH, OW), x.dtype), np.zeros(F, x.dtype) if b is None else b
    correlate(np.ascontiguousarray(x), laid_out(w, plan, 0, groups), np.ascontiguousarray(start), y, plan, groups)
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    plan = plan_gx(shape, w.shape, gy.shape[2:], stride, padding, dilation, groups, thread_count())
    gx, start = empty(shape, gy.dtype), np.zeros(shape[1], gy.dtype)
    correlate(np.ascontiguousarray(gy), laid_out(w, plan, 1, groups), start, gx, plan, groups)
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    gw = np.empty((gy.shape[1], x.shape[1] // groups, *size), x.dtype)
    plan = plan_gw(x.shape, gw.shape, gy.shape[2:], stride, padding, dilation, groups, thread_count())
    add_up(np.ascontiguousarray(gy), np.ascontiguousarray(x), gw, plan, groups)
    return gw


# ---- the tables


class Plan(NamedTuple):
    """Who reads what: for pixels x (channels, H, W) that are padded, and results y."""
    block: tuple             # images and steps of rows in a block
    rows: tuple              # rows of x and of y from one step of a block to the next
    corner: tuple            # the row and column of x that a padded block begins with
    padded: tuple            # the height and width of a padded block
    channels: int            # of x, that are padded at a time
    phases: np.ndarray       # for each phase: first row, pixels in a row, and where its pixels, ways, weights begin, taps
    places: np.ndarray       # of each pixel, in the padded block
    goals: np.ndarray        # of each pixel, among the block's results
    ways: np.ndarray         # from a pixel to those of which it is the sum: channels by taps
    order: np.ndarray        # where a run of w comes, among the rows that the tile reads: first, and how much later the next


@functools.lru_cache(256)
def plan_y(x_shape, w_shape, out, stride, padding, dilation, groups, threads, *limits):
    """y in row oy reads x in the rows oy SH + i DH - PH: one phase, with all taps."""
    (SH, SW), (DH, DW), (KH, KW) = stride, dilation, w_shape[2:]
    taps = [(i * DH, j * DW) for i in range(KH) for j in range(KW)]
    ends = (KH - 1) * DH + 1, (KW - 1) * DW + 1
    return planned(x_shape[0], x_shape[1] // groups, w_shape[0] // groups, out, (1, 1), (SH, SW),
                   (-padding[0], -padding[1]), ends, [taps], threads, *limits)


@functools.lru_cache(256)
def plan_gx(shape, w_shape, out, stride, padding, dilation, groups, threads, *limits):
    """gx in row iy = SH ty + a reads gy in the rows ty + (a + PH - i DH) / SH, if that is a whole number."""
    ways = [[[((a + p - i * d) // s, i) for i in range(k) if (a + p - i * d) % s == 0] for a in range(s)]
            for s, p, d, k in zip(stride, padding, dilation, w_shape[2:])]
    first, last = ([end([way for phase in axis for way, _ in phase]) for axis in ways] for end in (min, max))
    phases = [[(way_y - first[0], way_x - first[1]) for way_y, _ in rows for way_x, _ in columns]
              for rows in ways[0] for columns in ways[1]]
    order = [[i * w_shape[3] + j for _, i in rows for _, j in columns] for rows in ways[0] for columns in ways[1]]
    ends = last[0] - first[0] + 1, last[1] - first[1] + 1
    return planned(shape[0], w_shape[0] // groups, shape[1] // groups, shape[2:], stride, (1, 1), first, ends, phases,
                   threads, *limits or (None, None), order)


@functools.lru_cache(256)
def plan_gw(x_shape, w_shape, out, stride, padding, dilation, groups, threads, *limits):
    """Pixels and taps change places: a row of the tile is a (c, i, j), and its steps are the pixels of y."""
    plan = plan_y(x_shape, w_shape, out, stride, padding, dilation, groups, threads,
                        *limits or (4 * DEPTH, 4 * DEPTH))
    (images, rows), more = plan.block, -plan.ways.size % ROWS
    return plan._replace(places=np.pad(plan.ways, (0, more)), ways=plan.places[:images * rows * out[1]],
                         goals=np.arange(plan.ways.size + more))


def planned(N, C, F, size, phase, step, corner, ends, taps, threads, most=None, depth=None, order=None):
    """The tables for results of `size` whose rows are in phase[0] phases, each reading x with a stride of step[0];
    `taps` are each phase's ways (rows, columns), which end before `ends`."""
    (OH, OW), (PY, PX), (SY, SX) = size, phase, step
    steps, columns = ceil(OH / PY), ceil(OW / PX)                       # of the largest phase
    width = (columns - 1) * SX + ends[1]
    channels = ceil(C / max(1, round(C * max(map(len, taps)) / (depth or DEPTH))))
    most = most or max(SUMS_IN_CACHE // F, PIXELS)                      # pixels in a block

    def room(rows):
        return channels * width * ((rows - 1) * SY + ends[0])

    images, rows = 1, steps
    while rows > 1 and (rows * PY * OW > most or room(rows) > PIXELS_IN_CACHE or rows > N * steps // threads):
        rows = ceil(rows / 2)
    rows = ceil(steps / ceil(steps / rows))
    if rows == steps:
        images = max(1, min(most // (OH * OW), PIXELS_IN_CACHE // room(rows), N // threads))
        images = ceil(N / ceil(N / images))
    height = (rows - 1) * SY + ends[0]
    table, places, goals, ways, weights = [], [], [], [], 0
    for p, some in enumerate(taps):
        a, b = divmod(p, PX)
        n, ty, tx = np.ogrid[:images, :max(0, ceil((min(rows * PY, OH) - a) / PY)), :max(0, ceil((OW - b) / PX))]
        table.append((a, tx.size, sum(map(len, places)), sum(map(len, ways)), weights, len(some)))
        place = ((n * height + ty * SY) * width + tx * SX).reshape(-1)
        goal = ((n * min(OH, rows * PY) + ty * PY + a) * OW + tx * PX + b).reshape(-1)
        more = -len(place) % ROWS                                       # to fill the last tile, which are nobody's
        places.append(np.pad(place, (0, more)))
        goals.append(np.pad(goal, (0, more), constant_values=images * rows * PY * OW))
        c = np.arange(channels)[:, None]
        ways.append((c * images * height * width + [i * width + j for i, j in some]).reshape(-1))
        weights += C * len(some)
    position = np.stack([np.arange(C * len(taps[0])), np.zeros(C * len(taps[0]), np.int64)], 1)
    if order:
        position = np.zeros((sum(map(len, taps)), 2), np.int64)
        for (*_, first, count), some in zip(table, order):
            position[some] = np.array([(first + t, count) for t in range(count)], np.int64).reshape(count, 2)
    tables = [np.concatenate(list).astype(np.int64) for list in (places, goals, ways)]
    return Plan((images, rows), (SY, PY), tuple(corner), (height, width), channels, np.array(table), *tables, position)


# ---- filters


def laid_out(w, plan, kind, groups):
    """w (F, C/G, KH, KW) as the tile reads it: for each group and WIDTH channels of the result, a row of these per
    phase, channel of x, and tap."""
    (F, C), taps = w.shape[:2], w.shape[2] * w.shape[3]
    F //= groups
    lanes, runs = ((C, taps), (F, C * taps)) if kind else ((F, C * taps), (1, 0))    # how many, and how far apart
    packed = empty((groups * -(-lanes[0] // LANES) * LANES * (w[0].size if not kind else F * taps),), w.dtype)
    work = workspace(2 * LANES * LANES, w.dtype)
    _laid_out(np.ascontiguousarray(w).reshape(-1), packed, plan.order, lanes, runs, groups, F * C * taps, work)
    return packed


@jit(each="work")
def _laid_out(t, w, packed, order, lanes, runs, groups, group_step, work):
    tiles = -(-lanes[0] // LANES)
    first, last = portion(tiles, t, len(work))
    for group in range(groups):
        lay_out(w, group * group_step, packed, group * tiles * LANES * runs[0] * len(order), order, lanes, runs,
                first, last, work[t])


@jit(inline=True)
def lay_out(w, i, packed, to, order, lanes, runs, first, last, square):
    """Tiles of LANES channels of the result, from the first to the last. Runs are read in the order they have in w."""
    all_lanes, count = -(-lanes[0] // LANES) * LANES, len(order)
    for run in range(runs[0]):
        for lane in range(first * LANES, last * LANES, LANES):
            begin, width = panel(lane, all_lanes)
            for k in range(0, count, LANES):
                turn_some_in(w, i + lane * lanes[1] + run * runs[1] + k, lanes[1], lanes[0] - lane, square, 0, LANES,
                             min(LANES, count - k), LANES * LANES)
                for n in range(min(LANES, count - k)):
                    row = order[k + n, 0] + run * order[k + n, 1]
                    copy(square, n * LANES, packed, to + begin * runs[0] * count + row * width + lane - begin, LANES)


@jit
def panel(lane, lanes):
    """Which of `lanes` channels are in one tile with `lane`: the first, and how many. Tiles are 4, 2 or 1 vectors wide."""
    first, width = lane // WIDTH * WIDTH, WIDTH
    while first + width > lanes:
        width //= 2
        first = lane // width * width
    return first, width


# ---- y and gx


def correlate(x, w, start, y, plan, groups):
    """y (N, F, OH, OW) = start (F,) + x (N, C, H, W) by w, which is laid out."""
    (images, rows), F = plan.block, -(-y.shape[1] // groups // LANES) * LANES
    pixels = images * rows * plan.rows[1] * y.shape[3] + 1
    room = LANES * LANES + F + F * pixels + LANES * WIDTH + plan.channels * images * plan.padded[0] * plan.padded[1]
    _correlate(x, w, start, y, plan, groups, workspace(room, x.dtype))


@jit(each="work")
def _correlate(t, x, w, start, y, plan, groups, work):
    (images, rows), N, OH = plan.block, len(y), y.shape[2]
    parts = -(-OH // (rows * plan.rows[1]))
    blocks = -(-N // images) * parts
    clear(work[t], 0, work.shape[1])
    for block in range(t, blocks, len(work)):
        _block(x, w, start, y, plan, groups, work[t], block // parts * images, block % parts * rows)


@jit(inline=True)
def _block(x, w, start, y, plan, groups, work, n, step):
    """The images from n on, and their rows from `step` on."""
    block, (SY, PY), corner, padded, channels, phases, places, goals, ways, _ = plan
    N, F, OH, OW = len(y), y.shape[1] // groups, y.shape[2], y.shape[3]
    C, lanes, top = x.shape[1] // groups, -(-F // LANES) * LANES, step * PY
    images, rows = min(block[0], N - n), min(block[1] * PY, OH - top)
    steps, pixels = -(-rows // PY), block[0] * block[1] * PY * OW + 1
    bias = LANES * LANES
    sums = bias + lanes
    padded0 = sums + lanes * pixels + LANES * WIDTH
    all_rows = phases[-1, 4] + C * phases[-1, 5]
    for group in range(groups):
        clear(work, bias, lanes)
        copy(start, group * F, work, bias, F)
        for first in range(0, C, channels):
            some = min(channels, C - first)
            pad(x.reshape(-1), x.shape, n, images, group * C + first, some, step * SY + corner[0], corner[1], block[0],
                padded, padded[0] - (block[1] - steps) * SY, work, padded0)
            f = 0
            while f < lanes:
                width = panel(f, lanes)[1]
                for p in range(len(phases)):
                    a, columns, place, way, weights, taps = phases[p]
                    count = images * max(0, -(-(rows - a) // PY)) * columns
                    b0 = (group * lanes + f) * all_rows + (weights + first * taps) * width
                    c0 = sums + f * pixels
                    s0, s_row = (c0, width) if first else (bias + f, 0)
                    products(work[padded0:], places, goals, place, count, ways, way, w, b0, work, s0, s_row, c0, width,
                             some * taps)
                f += width
        for image in range(images):
            _results(work, sums, pixels, image * min(OH, block[1] * PY) * OW, rows * OW, y.reshape(-1),
                     (((n + image) * groups + group) * F * OH + top) * OW, OH * OW, F)


@jit
def products(a, places, goals, k0, count, ways, r0, b, b0, c, start, start_row, c0, width, depth):
    """`count` rows of sums (tiles.py) of one width."""
    if width == 4 * LANES:
        for k in range(k0, k0 + count, 6):
            gather4(a, places, goals, k, ways, r0, b, b0, width, c, start, start_row, c0, width, depth)
    elif width == 2 * LANES:
        for k in range(k0, k0 + count, 8):
            gather2(a, places, goals, k, ways, r0, b, b0, width, c, start, start_row, c0, width, depth)
    else:
        for k in range(k0, k0 + count, 8):
            gather1(a, places, goals, k, ways, r0, b, b0, width, c, start, start_row, c0, width, depth)


@jit(inline=True)
def _results(work, sums, pixels, pixel, count, y, j, y_row, F):
    """y (F, count) = the sums of `count` pixels."""
    lanes = -(-F // LANES) * LANES
    for f in range(0, F, LANES):
        tile, width = panel(f, lanes)
        i = sums + tile * pixels + f - tile
        for k in range(0, count, LANES):
            some = min(LANES, count - k)
            turn_some_out(work, i + (pixel + k) * width, width, y, j + f * y_row + k, y_row, F - f, some, work, 0)


@jit
def pad(x, shape, n, images, c, channels, top, left, all_images, padded, height, y, j):
    """y (channels, images, height, width) = images of x from row `top` and column `left` on.

    Left and right of them, y has to be 0 before, and stays so.
    """
    C, H, W = shape[1], shape[2], shape[3]
    lo, width = max(0, -left), padded[1]
    hi = max(lo, min(width, W - left))
    for channel in range(channels):
        for image in range(images):
            for row in range(height):
                to = j + ((channel * all_images + image) * padded[0] + row) * width
                iy = top + row
                if 0 <= iy < H:
                    copy(x, (((n + image) * C + c + channel) * H + iy) * W + lo + left, y, to + lo, hi - lo)
                else:
                    clear(y, to, width)


# ---- gw


def add_up(gy, x, gw, plan, groups):
    """gw (F, C, KH, KW) = the sums of x (N, G C, H, W) by gy (N, F, OH, OW).

    Either each thread has sums of its own for some of the pixels, or, where these would be many, some of the channels.
    """
    (N, F, OH, OW), C = gy.shape, gw.shape[1]
    (images, steps), rows, chunks = plan.block, len(plan.places), -(-C // plan.channels)
    lanes = -(-F // groups // LANES) * LANES
    blocks, size = -(-N // images) * -(-OH // steps), groups * chunks * rows * lanes + LANES * WIDTH
    room = 2 * LANES * LANES + lanes * images * steps * OW + LANES * WIDTH
    work = workspace(room + plan.channels * images * plan.padded[0] * plan.padded[1], x.dtype)
    each = blocks > 1 and size * len(work) <= WEIGHTS_IN_MEMORY
    sums = empty((len(work) if each else 1, size), x.dtype)
    _add_up(gy, x, gw, plan, groups, sums, work, blocks, chunks)
    _sum_up(sums, gw.reshape(-1), gw.shape, groups, plan.channels, rows, groups * lanes // LANES)


@jit(each="work")
def _add_up(t, gy, x, gw, plan, groups, sums, work, blocks, chunks):
    threads, by_blocks = len(work), len(sums) > 1
    block, block_step, chunk, chunk_step = (t, threads, 0, 1) if by_blocks else (0, 1, t, threads)
    _add_some(gy, x, gw.shape, plan, groups, sums[t if by_blocks else 0], work[t], block, blocks, block_step,
              chunk, chunks, chunk_step)


@jit(inline=True)
def _add_some(gy, x, w_shape, plan, groups, sums, work, block0, blocks, block_step, chunk0, chunks, chunk_step):
    """Every block_step-th block of pixels, and every chunk_step-th chunk of channels."""
    block, (SY, _), corner, padded, channels, _, places, goals, ways, _ = plan
    (N, F, OH, OW), (_, C, KH, KW) = gy.shape, w_shape
    F, parts = F // groups, -(-OH // block[1])
    lanes, rows = -(-F // LANES) * LANES, len(places)
    turned0 = 2 * LANES * LANES
    padded0 = turned0 + lanes * block[0] * block[1] * OW + LANES * WIDTH
    clear(work, padded0, len(work) - padded0)
    for chunk in range(chunk0, groups * chunks, chunk_step):
        clear(sums, chunk * rows * lanes, rows * lanes)
    for b in range(block0, blocks, block_step):
        n, top = b // parts * block[0], b % parts * block[1]
        images, steps, turned = min(block[0], N - n), min(block[1], OH - top), -1
        pixels = images * steps * OW
        for chunk in range(chunk0, groups * chunks, chunk_step):
            group, first = chunk // chunks, chunk % chunks * channels
            some = min(channels, C - first)
            if group != turned:
                _turn(gy.reshape(-1), gy.shape, n, images, group * F, F, top * OW, steps * OW, work, turned0)
                turned = group
            pad(x.reshape(-1), x.shape, n, images, group * C + first, some, top * SY + corner[0], corner[1], block[0],
                padded, padded[0] - (block[1] - steps) * SY, work, padded0)
            f = 0
            while f < lanes:
                width = panel(f, lanes)[1]
                c0 = (chunk * lanes + f) * rows
                for r in range(0, pixels, DEPTH):
                    products(work[padded0:], places, goals, 0, some * KH * KW, ways, r, work,
                             turned0 + f * pixels + r * width, sums, c0, width, c0, width, min(DEPTH, pixels - r))
                f += width


@jit(inline=True)
def _turn(gy, shape, n, images, f0, F, pixel, count, work, turned0):
    """For each width of channels, work (pixels, width) = gy (images, F, pixels)."""
    size, lanes = shape[2] * shape[3], -(-F // LANES) * LANES
    for f in range(0, F, LANES):
        tile, width = panel(f, lanes)
        to = turned0 + tile * images * count + f - tile
        for image in range(images):
            i = ((n + image) * shape[1] + f0 + f) * size + pixel
            for k in range(0, count, LANES):
                turn_some_in(gy, i + k, size, F - f, work, to + (image * count + k) * width, width,
                             min(LANES, count - k), 0)


@jit(each="parts")
def _sum_up(part, sums, gw, shape, groups, channels, rows, parts):
    """gw of LANES filters of a group = the threads' sums."""
    F, C, KH, KW = shape
    F, taps = F // groups, KH * KW
    group, f = part * groups // parts, part % (parts // groups) * LANES
    lanes, chunks = -(-F // LANES) * LANES, -(-C // channels)
    tile, width = panel(f, lanes)
    square = np.empty(LANES * LANES, gw.dtype)
    for chunk in range(chunks):
        i = ((group * chunks + chunk) * lanes + tile) * rows + f - tile
        first, count = chunk * channels * taps, min(channels, C - chunk * channels) * taps
        for row in range(0, count, LANES):
            some = min(LANES, count - row)
            for k in range(row, row + some):
                for lane in range(i + k * width, i + k * width + LANES):
                    for t in range(1, len(sums)):
                        sums[0, lane] += sums[t, lane]
            j = ((group * F + f) * C * taps) + first + row
            turn_some_out(sums[0], i + row * width, width, gw, j, C * taps, F - f, some, square, 0)
