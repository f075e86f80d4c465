"""Winograd's convolution: 3x3 filters with a quarter of the multiplications.

Lavin & Gray 2015, "Fast algorithms for convolutional neural networks", arXiv 1509.09308, algorithm 1. The image is cut
into tiles of 6x6 that overlap by two, each of which makes 4x4 outputs. Transformed, a tile's convolution is a product
of its 36 numbers, one by one (winograd_transforms.py). The sum over channels may be taken before the way back; so for
each of the 36 places e of a tile, all tiles, channels and filters make one matrix product:

    V[e] (tiles, C) = B^T d B                of every tile d of x
    U[e] (C, F)     = G g G^T                of every filter g
    M[e] (tiles, F) = V[e] U[e]              all the work: 36 products for 16 outputs, instead of 144
    y               = A^T M A

gw is the same, differentiated: (tiles, F) gradients Q = A gy A^T, the products dU[e] (C, F) = V[e]^T Q[e], and G^T dU G.
gx is the convolution of gy with the filters turned around.

Two orders of the work. *By tiles*: each thread takes some rows of tiles from V to y, while they stay in its cache, and
reads all of U for them; for layers with few channels. *By filters*: V of all tiles is made first, and then each thread
takes some filters and transforms them in its cache: U, four times as large as w, is never in memory.

V is read once for every few filters, from beyond the second-level cache, which takes as long as to multiply, unless it
is read from one end to the other, and asked for in time. So it lies there in slabs of some channels (class Slabs).

Inside, the channels are the lanes of vectors, so that images of any width serve. Channels and filters come in
multiples of LANES. Float32 only: the largest error, 1e-5 to 1e-4 of the result's standard deviation (ten times that
of the other algorithms), is harmless in training, but a gradient check would take it for a mistake.
"""
from math import lcm, prod
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import clear, fetch, turn_in, turn_out
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.cpu.tiles import ROWS, VECTORS, tile
from minidl.kernels.cpu.winograd_transforms import transform

BLOCK = 3 * 2 ** 16                          # numbers that a thread works on: three quarters of a megabyte
MANY = 2 ** 21                               # numbers of V that are made at a time, for all threads
FEW = 128 * 128                              # channels times filters up to which all of U is read again and again
DEPTH = 128                                  # channels of a filter that a thread keeps
RUN = 128                                    # tiles whose products are summed while they are in the first-level cache
AHEAD = 4                                    # rows of filters that are fetched before they are needed
PAD = 16                                     # numbers between places: at powers of two they would share cache lines
WIDTH = VECTORS * LANES
TILES = ROWS * VECTORS                       # tiles come in multiples of this
THIN = lcm(TILES, LANES)                     # channels of V side by side, where it is V's columns that are multiplied

B_T, A_T, A, G, G_T = (transform(name) for name in ("bt", "at", "a", "g", "gt"))
multiply, multiply_narrow = tile(ROWS, VECTORS), tile(ROWS * VECTORS, 1)


class Winograd:
    """F(m x m, 3 x 3), a convolution algorithm."""

    def __init__(self, m):
        self.m = m

    def suits(self, x_shape, w_shape, stride, padding, dilation, groups, dtype):
        F, C, *size = w_shape
        return (tuple(size) == (3, 3) and tuple(stride) == tuple(dilation) == (1, 1) and max(padding) <= 2
                and C % LANES == F // groups % LANES == 0 and dtype == np.float32 and 0 not in x_shape and 0 not in w_shape
                and all(size + 2 * p >= 3 for size, p in zip(x_shape[2:], padding)))

    def products(self, x_shape, padding):
        """Multiplications for an image, a channel and a filter: one for each place of each tile. Fewer with m = 4, but on
        images of 2x2, which a tile of 4x4 outputs covers four times over."""
        return (self.m + 2) ** 2 * prod(-(-(size + 2 * p - 2) // self.m) for size, p in zip(x_shape[2:], padding))

    def conv2d(self, x, w, b, stride, padding, dilation, groups):
        N, F, (H, W), (PH, PW) = len(x), len(w), x.shape[2:], padding
        b, shape = np.zeros(F, x.dtype) if b is None else b, (N, F // groups, H + 2 * PH - 2, W + 2 * PW - 2)
        return joined([correlate(self.m, *of_group, False, shape, padding)
                       for of_group in zip(parts(x, 1, groups), parts(w, 0, groups), parts(b, 0, groups))], 1)

    def conv2d_gradient_x(self, gy, w, shape, stride, padding, dilation, groups):
        (N, C, H, W), (PH, PW) = shape, padding
        none, shape = np.zeros(C // groups, gy.dtype), (N, C // groups, H, W)
        return joined([correlate(self.m, gy_part, w_part, none, True, shape, (2 - PH, 2 - PW))
                       for gy_part, w_part in zip(parts(gy, 1, groups), parts(w, 0, groups))], 1)

    def conv2d_gradient_w(self, gy, x, size, stride, padding, dilation, groups):
        return joined([gradient_of_filters(self.m, gy_part, x_part, padding)
                       for gy_part, x_part in zip(parts(gy, 1, groups), parts(x, 1, groups))], 0)


F2, F4 = Winograd(2), Winograd(4)


def parts(x, axis, groups):
    """x of each group."""
    return [np.ascontiguousarray(part) for part in np.split(x, groups, axis)]


def joined(parts, axis):
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


class Slabs(NamedTuple):
    """How V (places, tiles, C) lies in memory, or Q, M, U: (C / depth, places, tiles, depth). The number [e, t, c] is at

    c // depth slab + e place + t depth + c % depth
    """
    slab: int
    place: int
    depth: int


def slabs(places, tiles, depth):
    place = tiles * depth + PAD
    return Slabs(places * place, place, depth)


def up(count, unit):
    return -(-count // unit) * unit


# ---- y and gx


def correlate(m, x, w, b, turned, shape, padding):
    """y = x * w + b; with `turned`, of filters turned around, whose outputs are the inputs of w."""
    y, places = empty(shape, x.dtype), (m + 2) ** 2
    C, (N, F, OH, OW), w_shape, w = x.shape[1], shape, w.shape, w.reshape(-1)
    rows, columns = N * -(-OH // m), -(-OW // m)                        # of tiles; rows are numbered through all images
    width = WIDTH if F % WIDTH == 0 else LANES                          # filters that are multiplied at a time
    strip = (m + 2) * (columns * m + 2 + LANES) * LANES                 # an image's rows, as vectors of channels
    depth = min(C, DEPTH)
    if C * F <= FEW:
        step = max(1, min(BLOCK // (places * columns * (C + width)), -(-rows // thread_count())))       # rows at a time
        tiles = up(step * columns, TILES)
        V_at, M_at = slabs(places, tiles, depth), slabs(places, tiles, width)
        U = empty((places * (C * F + PAD),), x.dtype)
        _all_filters(m, w, w_shape, turned, width, U, workspace((9 + LANES) * LANES, x.dtype))
        work = workspace(-(-C // depth) * V_at.slab + M_at.slab + strip, x.dtype)
        _by_tiles(m, x, U, b, y, rows, columns, step, *padding, tuple(V_at), tuple(M_at), work)
    else:
        step = min(rows, max(1, MANY // (places * columns * C)))
        tiles = up(step * columns, TILES)
        V_at, M_at, U_at = (slabs(places, *size) for size in ((tiles, depth), (tiles, width), (depth, width)))
        V = empty((-(-C // depth) * V_at.slab,), x.dtype)
        work = workspace(U_at.slab + M_at.slab + (9 + LANES) * LANES + strip, x.dtype)
        for first in range(0, rows, step):
            last = min(first + step, rows)
            _all_tiles(m, x, V, tuple(V_at), OH, first, last, columns, *padding, work)
            _by_filters(m, V, tuple(V_at), w, w_shape, turned, tuple(U_at), b, y, first, last, columns, tuple(M_at), work)
    return y


@jit(each="work")
def _by_tiles(thread, m, x, U, b, y, rows, columns, step, PH, PW, V_at, M_at, work):
    """Each thread takes `step` rows of tiles after the other from x to y."""
    for block in range(thread, -(-rows // step), len(work)):
        first, last = block * step, min(rows, (block + 1) * step)
        _tiles_to_end(m, x, U, b, y, first, last, columns, PH, PW, V_at, M_at, work[thread])


@jit(inline=True)
def _tiles_to_end(m, x, U, b, y, first, last, columns, PH, PW, V_at, M_at, work):
    C, F, (slab, _, depth), (M_slab, M_place, width) = x.shape[1], y.shape[1], V_at, M_at
    M = -(-C // depth) * slab
    strip = M + M_slab
    _tiles(m, x, y.shape[2], first, last, columns, PH, PW, work, 0, V_at, work, strip)
    for f in range(0, F, width):
        for c in range(0, C, depth):
            _products(m, work, c // depth * slab, V_at, U, f * C + c * width, C * F + PAD, min(depth, C - c),
                      work, M, M_place, (last - first) * columns, width, c)
        _outputs(m, work, M, M_place, width, b, f, y, first, last, columns, work, strip)


@jit(each="work")
def _all_tiles(thread, m, x, V, V_at, OH, first, last, columns, PH, PW, work):
    """V of all tiles, for all threads."""
    for row in range(first + thread, last, len(work)):
        _tiles(m, x, OH, row, row + 1, columns, PH, PW, V, (row - first) * columns * V_at[2], V_at, work[thread], 0)


@jit(each="work")
def _by_filters(thread, m, V, V_at, w, w_shape, turned, U_at, b, y, first, last, columns, M_at, work):
    """Each thread takes some filters, a slab of M, after the other: it makes their U, a slab of V at a time, and their y."""
    width = M_at[2]
    for f in range(thread * width, y.shape[1], len(work) * width):
        _filters_to_end(m, V, V_at, w, w_shape, turned, U_at, b, y, f, first, last, columns, M_at, work[thread])


@jit(inline=True)
def _filters_to_end(m, V, V_at, w, w_shape, turned, U_at, b, y, f, first, last, columns, M_at, work):
    C, (slab, _, depth), (U_slab, U_place, width), (M_slab, M_place, _) = w_shape[0 if turned else 1], V_at, U_at, M_at
    U, M, strip = 0, U_slab, U_slab + M_slab
    for c in range(0, C, depth):
        count = min(depth, C - c)
        for lane in range(0, width, LANES):
            _filters(m, w, w_shape, turned, f + lane, c, count, work, U + lane, U_place, width, work, strip)
        _products(m, V, c // depth * slab, V_at, work, U, U_place, count, work, M, M_place, (last - first) * columns, width,
                  c)
    _outputs(m, work, M, M_place, width, b, f, y, first, last, columns, work, strip)


# ---- the steps: each stands at a place in an array; `step` leads from one place of a tile to the next


@jit
def _strip(x, image, c, top, rows, left, width, strip, at):
    """An image's rows from `top` on, as vectors of the channels c to c + LANES: (rows, width + LANES, LANES).

    The first `left` columns are padding, as is what lies outside of the image.
    """
    (_, C, H, W), source = x.shape, x.reshape(-1)
    for iy in range(top, top + rows):
        if 0 <= iy < H:
            clear(strip, at, left * LANES)
            for ix in range(0, W, LANES):
                turn_in(source, ((image * C + c) * H + iy) * W + ix, H * W, strip, at + (left + ix) * LANES, LANES,
                        min(LANES, W - ix))
            clear(strip, at + (left + W) * LANES, (width - left - W) * LANES)
        else:
            clear(strip, at, width * LANES)
        at += (width + LANES) * LANES


@jit
def _tiles(m, x, OH, first, last, columns, PH, PW, V, v, V_at, strip, s):
    """V (places, tiles, C) = B^T d B for the rows `first` to `last` of tiles."""
    C, per_image, width, (slab, place, depth) = x.shape[1], -(-OH // m), columns * m + 2, V_at
    for row in range(first, last):
        for c in range(0, C, LANES):
            _strip(x, row // per_image, c, row % per_image * m - PH, m + 2, PW, width, strip, s)
            for column in range(columns):
                B_T(m, strip, s + column * m * LANES, (width + LANES) * LANES, LANES,
                    V, v + c // depth * slab + ((row - first) * columns + column) * depth + c % depth,
                    (m + 2) * place, place)


@jit
def _filters(m, w, w_shape, turned, f, c, count, U, u, step, width, strip, s):
    """U (places, count, LANES of width) = G g G^T for the filters f to f + LANES and the channels from c on."""
    for r in range(count):
        place, row = ((c + r) * w_shape[1] + f) * 9, 9
        if not turned:
            place, row = (f * w_shape[1] + c + r) * 9, w_shape[1] * 9
        for i in range(0, 9, LANES):
            turn_in(w, place + i, row, strip, s + i * LANES, LANES, min(LANES, 9 - i))
        if turned:                                       # the next ones are on other pages, where no processor looks ahead
            for i in range(0, 9 * LANES, 16):
                fetch(w, place + AHEAD * w_shape[1] * 9 + i)
            G(m, strip, s + 8 * LANES, -3 * LANES, -LANES, U, u + r * width, (m + 2) * step, step)
        else:
            G(m, strip, s, 3 * LANES, LANES, U, u + r * width, (m + 2) * step, step)


@jit(each="work")
def _all_filters(thread, m, w, w_shape, turned, width, U, work):
    """U (places, F / width, C, width)"""
    F, C = (w_shape[1], w_shape[0]) if turned else w_shape[:2]
    for f in range(thread * LANES, F, len(work) * LANES):
        _filters(m, w, w_shape, turned, f, 0, C, U, f // width * C * width + f % width, C * F + PAD, width,
                 work[thread], 0)


@jit
def _products(m, V, v, V_at, U, u, u_step, count, M, mm, m_step, tiles, width, more):
    """M[e] (tiles, width) = V[e] (tiles, count) U[e] (count, width), for every place e; with `more`, M grows by it."""
    _, place, depth = V_at
    for e in range((m + 2) ** 2):
        if width == WIDTH:
            for t in range(0, tiles, ROWS):
                here = v + e * place + t * depth
                multiply(V, here, 1, depth, U, u + e * u_step, width, M, mm + e * m_step + t * width, width, count, more,
                         here + ROWS * depth)
        else:
            for t in range(0, tiles, TILES):
                here = v + e * place + t * depth
                multiply_narrow(V, here, 1, depth, U, u + e * u_step, width, M, mm + e * m_step + t * width, width, count,
                                more, here + TILES * depth)


@jit
def _outputs(m, M, mm, step, width, b, f, y, first, last, columns, strip, s):
    """y = A^T M A + b for the filters f to f + width.

    The bias comes in at the place of the point 1, where A^T has ones: it reaches every output once.
    """
    F, OH, OW = y.shape[1:]
    target, per_image, length = y.reshape(-1), -(-OH // m), (columns * m + LANES) * LANES
    for row in range(first, last):
        for lanes in range(0, width, LANES):
            for column in range(columns):
                place = mm + ((row - first) * columns + column) * width + lanes
                for lane in range(LANES):
                    M[place + (m + 3) * step + lane] += b[f + lanes + lane]
                A_T(m, M, place, (m + 2) * step, step, strip, s + column * m * LANES, length, LANES)
            image, top = row // per_image, row % per_image * m
            for i in range(min(m, OH - top)):
                for ox in range(0, OW, LANES):
                    turn_out(strip, s + i * length + ox * LANES, LANES,
                             target, ((image * F + f + lanes) * OH + top + i) * OW + ox, OH * OW, min(LANES, OW - ox))


# ---- gw


def gradient_of_filters(m, gy, x, padding):
    """gw (F, C, 3, 3) = G^T dU G, dU[e] (C, F) = V[e]^T Q[e] being sums over the tiles of V = B^T x B and Q = A gy A^T."""
    (N, F, OH, OW), C = gy.shape, x.shape[1]
    gw, places = empty((F, C, 3, 3), x.dtype), (m + 2) ** 2
    rows, columns = N * -(-OH // m), -(-OW // m)
    width = WIDTH if F % WIDTH == 0 else LANES
    strip = (m + 2) * (columns * m + 2 + LANES) * LANES
    if places * C * F <= BLOCK:                                         # each thread has a dU of its own
        step = max(1, BLOCK // 2 // (places * columns * (C + F)))
        V_at, Q_at = slabs(places, step * columns, THIN), slabs(places, step * columns, width)
        work = workspace(-(-C // THIN) * V_at.slab + F // width * Q_at.slab + strip, x.dtype)
        dU = empty((len(work), places * (up(C, TILES) * F + PAD)), x.dtype)
        _gradient_by_tiles(m, x, gy, rows, columns, step, *padding, tuple(V_at), tuple(Q_at), dU, work)
        _all_gradients(m, dU, F, up(C, TILES) * F + PAD, gw, workspace((9 + LANES) * LANES, x.dtype))
    else:                                                               # each takes a part of dU after the other
        step, depth = min(rows, max(1, MANY // (places * columns * max(C, F)))), min(C, DEPTH // THIN * THIN)
        V_at, Q_at = slabs(places, step * columns, THIN), slabs(places, step * columns, width)
        V, Q = empty((-(-C // THIN) * V_at.slab,), x.dtype), empty((F // width * Q_at.slab,), x.dtype)
        part = places * (up(depth, TILES) * width + PAD)
        work = workspace(strip, x.dtype)
        dU = empty((-(-C // depth) * (F // width) if step < rows else len(work), part), x.dtype)
        for first in range(0, rows, step):
            last = min(first + step, rows)
            _all_tiles(m, x, V, tuple(V_at), OH, first, last, columns, *padding, work)
            _all_gradient_tiles(m, gy, Q, tuple(Q_at), first, last, columns, work)
            _gradient_by_filters(m, V, tuple(V_at), Q, tuple(Q_at), (last - first) * columns, first > 0, last == rows, depth,
                                 dU, gw, work)
    return gw


@jit(each="work")
def _gradient_by_tiles(thread, m, x, gy, rows, columns, step, PH, PW, V_at, Q_at, dU, work):
    """Each thread takes `step` rows of tiles after the other, and adds what they give to its own dU (places, C, F)."""
    dU[thread] = 0
    for first in range(thread * step, rows, len(work) * step):
        last = min(rows, first + step)
        _tiles_to_gradient(m, x, gy, first, last, columns, PH, PW, V_at, Q_at, dU[thread], work[thread])


@jit(inline=True)
def _tiles_to_gradient(m, x, gy, first, last, columns, PH, PW, V_at, Q_at, dU, work):
    C, F, width = x.shape[1], gy.shape[1], Q_at[2]
    Q = -(-C // V_at[2]) * V_at[0]
    strip = Q + F // width * Q_at[0]
    _tiles(m, x, gy.shape[2], first, last, columns, PH, PW, work, 0, V_at, work, strip)
    _gradient_tiles(m, gy, first, last, columns, work, Q, Q_at, work, strip)
    for f in range(0, F, width):
        _gradient_products(m, work, 0, V_at, work, Q + f // width * Q_at[0], Q_at, (last - first) * columns,
                           dU, f, -(-C // TILES) * TILES * F + PAD, F, C, 1)


@jit(each="work")
def _all_gradients(thread, m, dU, F, step, gw, work):
    """gw = G^T dU G, dU being the sum of what the threads have."""
    for f in range(thread * LANES, F, len(work) * LANES):
        for c in range(gw.shape[1]):
            for e in range((m + 2) ** 2):
                for other in range(1, len(dU)):
                    for lane in range(LANES):
                        dU[0, e * step + c * F + f + lane] += dU[other, e * step + c * F + f + lane]
        _gradients(m, dU[0], f, step, F, f, 0, gw.shape[1], gw, work[thread], 0)


@jit(each="work")
def _all_gradient_tiles(thread, m, gy, Q, Q_at, first, last, columns, work):
    """Q of all tiles, for all threads."""
    for row in range(first + thread, last, len(work)):
        _gradient_tiles(m, gy, row, row + 1, columns, Q, (row - first) * columns * Q_at[2], Q_at, work[thread], 0)


@jit(each="work")
def _gradient_by_filters(thread, m, V, V_at, Q, Q_at, tiles, more, done, depth, dU, gw, work):
    """Each thread takes some filters, a slab of Q, and `depth` of their channels after the other: a part of dU stays in
    its cache."""
    (F, C), width = gw.shape[:2], Q_at[2]
    deep = -(-C // depth)
    for part in range(thread, deep * (F // width), len(work)):
        f, c = part // deep * width, part % deep * depth
        own = dU[part] if len(dU) > len(work) else dU[thread]
        count, step = min(depth, C - c), -(-depth // TILES) * TILES * width + PAD
        _gradient_products(m, V, c // V_at[2] * V_at[0], V_at, Q, f // width * Q_at[0], Q_at, tiles,
                           own, 0, step, width, count, more)
        if done:
            for lane in range(0, width, LANES):
                _gradients(m, own, lane, step, width, f + lane, c, count, gw, work[thread], 0)


@jit
def _gradient_tiles(m, gy, first, last, columns, Q, q, Q_at, strip, s):
    """Q (places, tiles, F) = A gy A^T for the rows `first` to `last` of tiles; outside of gy it is zero."""
    F, per_image, length, (slab, place, width) = gy.shape[1], -(-gy.shape[2] // m), columns * m, Q_at
    for row in range(first, last):
        for f in range(0, F, LANES):
            _strip(gy, row // per_image, f, row % per_image * m, m, 0, length, strip, s)
            for column in range(columns):
                A(m, strip, s + column * m * LANES, (length + LANES) * LANES, LANES,
                  Q, q + f // width * slab + ((row - first) * columns + column) * width + f % width, (m + 2) * place, place)


@jit
def _gradient_products(m, V, v, V_at, Q, q, Q_at, tiles, dU, u, u_step, u_row, count, more):
    """dU[e] (count, width) = V[e]^T (count, tiles) Q[e] (tiles, width), for every place e; with `more`, dU grows by it."""
    slab, place, depth = V_at
    _, Q_place, width = Q_at
    for e in range((m + 2) ** 2):
        for t in range(0, tiles, RUN):
            run, at = min(RUN, tiles - t), q + e * Q_place + t * width
            if width == WIDTH:
                for c in range(0, count, ROWS):
                    here = v + c // depth * slab + e * place + t * depth
                    multiply(V, here + c % depth, depth, 1, Q, at, width, dU, u + e * u_step + c * u_row, u_row, run,
                             more or t > 0, here + slab)
            else:
                for c in range(0, count, TILES):
                    here = v + c // depth * slab + e * place + t * depth
                    multiply_narrow(V, here + c % depth, depth, 1, Q, at, width, dU, u + e * u_step + c * u_row, u_row, run,
                                    more or t > 0, here + slab)


@jit
def _gradients(m, dU, u, step, row, f, c, count, gw, strip, s):
    """gw (LANES filters from f, count channels from c, 3, 3) = G^T dU G"""
    target, C = gw.reshape(-1), gw.shape[1]
    for r in range(count):
        G_T(m, dU, u + r * row, (m + 2) * step, step, strip, s, 3 * LANES, LANES)
        for i in range(0, 9, LANES):
            turn_out(strip, s + i * LANES, LANES, target, (f * C + c + r) * 9 + i, C * 9, min(LANES, 9 - i))
