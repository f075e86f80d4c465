"""Convolution by im2col and matrix products, block by block, so that the columns stay in a core's cache.

A block is some rows of the output, numbered through all images: row r is row r % OH of image r // OH. Each
thread takes its share of the rows, and of each block makes the columns, multiplies, and puts the result where
it belongs.

With stride 1, neighbouring patches are the same numbers one further on, also from a row's last patch to the next
row's first, if one does not mind the patches in between, which lie half in one row and half in the next. So
the columns of a block are made, those included, by copying the image from each of the KH KW places it can be
shifted to, in one long run: `wide` columns, as many per row as the padded image is wide (W + 2 PW). Copying row
by row, without the useless columns, takes longer than multiplying them.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import add
from minidl.kernels.cpu.panels import NEAR, ROOM, multiply, transposed
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.reference.convolution import out_size

IN_CACHE = 2 ** 17           # numbers of columns that stay in a core's second-level cache
PRODUCT = 256                # columns below which a matrix product is slow


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    """Any convolution."""
    return True


def im2col(x, size, stride, padding, dilation, fill=0.0):
    where = settings(x.shape, size, stride, padding, dilation)
    N, C, OH, OW = *x.shape[:2], *where[-2:]
    cols = empty((N, C, *size, OH, OW), x.dtype)
    _im2col(np.ascontiguousarray(x), cols, x.dtype.type(fill), where, workspace(image_size(x.shape, where, OH), x.dtype))
    return cols


def col2im(cols, shape, stride, padding, dilation):
    where = (*settings(shape, cols.shape[2:4], stride, padding, dilation)[:-2], *cols.shape[4:])  # room for more windows
    x = np.zeros(shape, cols.dtype)                                                             # may be left
    _col2im(np.ascontiguousarray(cols), x, where, workspace(image_size(shape, where, cols.shape[4]), x.dtype))
    return x


def conv2d(x, w, b, stride, padding, dilation, groups):
    N, F, where = len(x), len(w), settings(x.shape, w.shape[2:], stride, padding, dilation)
    y, b = empty((N, F, *where[-2:]), x.dtype), np.zeros(F, x.dtype) if b is None else np.ascontiguousarray(b)
    plan, work = blocks(x.shape, w.shape, where, groups, N * y.shape[2], x.dtype)
    _conv2d(np.ascontiguousarray(x), np.ascontiguousarray(w), b, y, where, groups, plan, work)
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    where = (*settings(shape, w.shape[2:], stride, padding, dilation)[:-2], *gy.shape[2:])
    gx = np.zeros(shape, gy.dtype)
    plan, work = blocks(shape, w.shape, where, groups, gy.shape[2], gy.dtype)       # of one image, as patches overlap
    w = transposed(w.reshape(groups, len(w) // groups, -1))                         # (groups, C KH KW, F)
    _conv2d_gradient_x(np.ascontiguousarray(gy), w, gx, where, plan, work)
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    where = (*settings(x.shape, size, stride, padding, dilation)[:-2], *gy.shape[2:])
    w_shape = gy.shape[1], x.shape[1] // groups, *size
    plan, work = blocks(x.shape, w_shape, where, groups, len(x) * gy.shape[2], x.dtype)
    gw = np.zeros((len(work), *w_shape), x.dtype)                                   # a sum for each thread
    _conv2d_gradient_w(np.ascontiguousarray(gy), np.ascontiguousarray(x), gw, where, groups, plan, work)
    return gw.sum(0)


def settings(shape, size, stride, padding, dilation):
    """(KH, KW, SH, SW, PH, PW, DH, DW, OH, OW), as the functions below take them: the settings and the output's size."""
    OH, OW = (out_size(*axis) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True))
    return *size, *stride, *padding, *dilation, OH, OW


def image_size(shape, where, rows):
    """How many numbers of a padded image `rows` rows of the output read."""
    KH, _, SH, _, _, PW, DH, *_ = where
    return shape[1] * max(0, (rows - 1) * SH + (KH - 1) * DH + 1) * (shape[3] + 2 * PW)


def blocks(shape, w_shape, where, groups, count, dtype):
    """A plan (rows in a block, columns per row, a padded image's size), and the threads' memory: for that image,
    the columns (C KH KW, P) and the output (F, P) of a block, and a product."""
    F, K = w_shape[0], groups * w_shape[1] * w_shape[2] * w_shape[3]
    OH, OW = where[-2:]
    width = shape[3] + 2 * where[5] if is_wide(where) else OW
    rows = max(IN_CACHE // max(1, K * width), -(-PRODUCT // max(1, width)))
    rows = max(1, min(rows, count))
    image = image_size(shape, where, min(rows, OH))
    return (rows, width, image), workspace(image + (K + F) * rows * width + ROOM, dtype)


@jit
def is_wide(where):
    return where[2] == where[3] == 1


@jit(each="work")
def _im2col(t, x, cols, fill, where, work):
    for n in range(t, len(x), len(work)):
        _fill(x, where, False, fill, work[t], cols[n].reshape(-1), n * where[8], (n + 1) * where[8])


@jit(each="work")
def _col2im(t, cols, x, where, work):
    for n in range(t, len(x), len(work)):
        _spill(cols[n].reshape(-1), where, False, work[t], x[n], 0, where[8])


@jit(each="work")
def _conv2d(t, x, w, b, y, where, groups, plan, work):
    rows = len(x) * where[8]
    for first in range(t * plan[0], rows, len(work) * plan[0]):
        _conv2d_block(x, w, b, y, where, groups, plan, work[t], first, min(first + plan[0], rows))


@jit(inline=True)
def _conv2d_block(x, w, b, y, where, groups, plan, work, first, last):
    """y's rows `first` to `last`: the columns (C KH KW, P), and for each group w (F, C KH KW) times its part of them."""
    image, cols, block, more = parts(work, len(w), w.size // len(w) * groups, plan)
    F, K, P = len(w) // groups, w.size // len(w), (last - first) * plan[1]
    _fill(x, where, is_wide(where), x.dtype.type(0), image, cols, first, last)
    for g in range(groups):
        multiply(w.reshape(-1)[g * F * K:], (K, K, 0), cols[g * K * P:], (P, P, 0), False,
                 block[g * F * P:], (P, P, 0), (0, F), (0, P), K, False, NEAR, more)
    _put(block, b, y, first, last, plan[1])


@jit(each="work")
def _conv2d_gradient_x(t, gy, w, gx, where, plan, work):
    for n in range(t, len(gx), len(work)):
        for first in range(0, where[8], plan[0]):
            last = min(first + plan[0], where[8])
            _conv2d_gradient_x_block(gy[n:], w, gx[n], where, plan, work[t], first, last)


@jit(inline=True)
def _conv2d_gradient_x_block(gy, w, gx, where, plan, work, first, last):
    """For one image, the gradient of a block's columns, w^T times that of y; and they go back to where they came from."""
    (groups, K, F), P = w.shape, (last - first) * plan[1]
    image, cols, block, more = parts(work, groups * F, groups * K, plan)
    _take(gy, block, first, last, plan[1])
    for g in range(groups):
        multiply(w[g].reshape(-1), (F, F, 0), block[g * F * P:], (P, P, 0), False,
                 cols[g * K * P:], (P, P, 0), (0, K), (0, P), F, False, NEAR, more)
    _spill(cols, where, is_wide(where), image, gx, first, last)


@jit(each="work")
def _conv2d_gradient_w(t, gy, x, gw, where, groups, plan, work):
    rows = len(x) * where[8]
    for first in range(t * plan[0], rows, len(work) * plan[0]):
        _conv2d_gradient_w_block(gy, x, gw[t], where, groups, plan, work[t], first, min(first + plan[0], rows))


@jit(inline=True)
def _conv2d_gradient_w_block(gy, x, gw, where, groups, plan, work, first, last):
    """gw (F, C KH KW) grows by gy (F, P) times the columns' transpose."""
    image, cols, block, more = parts(work, len(gw), gw.size // len(gw) * groups, plan)
    F, K, P = len(gw) // groups, gw.size // len(gw), (last - first) * plan[1]
    _fill(x, where, is_wide(where), x.dtype.type(0), image, cols, first, last)
    _take(gy, block, first, last, plan[1])
    for g in range(groups):
        multiply(block[g * F * P:], (P, P, 0), cols[g * K * P:], (P, P, 0), True,
                 gw.reshape(-1)[g * F * K:], (K, K, 0), (0, F), (0, K), P, True, NEAR, more)


@jit
def parts(work, F, K, plan):
    """Of a thread's memory: the padded image, the columns, the output, and room for products."""
    rows, width, image = plan
    cols = image + K * rows * width
    block = cols + F * rows * width
    return work[:image], work[image:cols], work[cols:block], work[block:]


@jit
def _fill(x, where, wide, fill, image, cols, first, last):
    """cols (C KH KW, P), flat, = the patches of the output's rows `first` to `last`."""
    C, W = x.shape[1], x.shape[3]
    KH, KW, SH, SW, PH, PW, DH, DW, OH, OW = where
    WP = W + 2 * PW
    P = (last - first) * (WP if wide else OW)
    r, done = first, 0                                   # rows and columns that are ready
    while r < last:
        n, oy = r // OH, r % OH
        rows = min(last - r, OH - oy)                    # to the end of the block or of the image
        height = (rows - 1) * SH + (KH - 1) * DH + 1
        _pad(x[n], fill, image, oy * SH - PH, height, PW)
        at = done
        for c in range(C):
            for i in range(KH):
                for j in range(KW):
                    start = (c * height + i * DH) * WP + j * DW
                    if wide:
                        run = rows * WP - (KW - 1) * DW
                        _copy(image, start, 1, cols, at, run)
                        _set(x.dtype.type(0), cols, at + run, rows * WP - run)
                    else:
                        for row in range(rows):
                            _copy(image, start + row * SH * WP, SW, cols, at + row * OW, OW)
                    at += P
        r, done = r + rows, done + rows * (WP if wide else OW)


@jit
def _spill(cols, where, wide, image, x, first, last):
    """The transpose of _fill, for one image x (C, H, W): what a column's cell was copied from, it is added to."""
    C, _, W = x.shape
    KH, KW, SH, SW, PH, PW, DH, DW, _, OW = where
    rows, WP = last - first, W + 2 * PW
    height, at = (rows - 1) * SH + (KH - 1) * DH + 1, 0
    _set(x.dtype.type(0), image, 0, C * height * WP)
    for c in range(C):
        for i in range(KH):
            for j in range(KW):
                start = (c * height + i * DH) * WP + j * DW
                if wide:
                    add(cols, at, 1, image, start, 1, rows * WP - (KW - 1) * DW)
                else:
                    for row in range(rows):
                        add(cols, at + row * OW, 1, image, start + row * SH * WP, SW, OW)
                at += rows * (WP if wide else OW)
    _unpad(image, x, first * SH - PH, height, PW)


@jit(inline=True)
def _pad(x, fill, image, top, height, PW):
    """image (C, height, W + 2 PW) = the rows of x (C, H, W) from `top` on, and `fill` where x has none."""
    C, H, W = x.shape
    source, at = x.reshape(-1), 0
    for c in range(C):
        for iy in range(top, top + height):
            if 0 <= iy < H:
                _set(fill, image, at, PW)
                _copy(source, (c * H + iy) * W, 1, image, at + PW, W)
                _set(fill, image, at + PW + W, PW)
            else:
                _set(fill, image, at, W + 2 * PW)
            at += W + 2 * PW


@jit(inline=True)
def _unpad(image, x, top, height, PW):
    """The transpose of _pad: x's own cells are added to x, the padding's are dropped."""
    C, H, W = x.shape
    target, at = x.reshape(-1), 0
    for c in range(C):
        for iy in range(top, top + height):
            if 0 <= iy < H:
                add(image, at + PW, 1, target, (c * H + iy) * W, 1, W)
            at += W + 2 * PW


@jit(inline=True)
def _put(block, b, y, first, last, width):
    """y's rows `first` to `last` = block (F, P), flat, + b (F,), without the columns between one row and the next."""
    F, OH, OW = y.shape[1:]
    target = y.reshape(-1)
    for f in range(F):
        n, oy, at = first // OH, first % OH, f * (last - first) * width
        for _ in range(first, last):
            _copy_plus(block, at, target, ((n * F + f) * OH + oy) * OW, OW, b[f])
            at, oy = at + width, oy + 1
            if oy == OH:
                n, oy = n + 1, 0


@jit
def _take(gy, block, first, last, width):
    """block (F, P), flat, = gy's rows `first` to `last`, and 0 in the columns between one row and the next."""
    F, OH, OW = gy.shape[1:]
    source = gy.reshape(-1)
    for f in range(F):
        n, oy, at = first // OH, first % OH, f * (last - first) * width
        for _ in range(first, last):
            _copy(source, ((n * F + f) * OH + oy) * OW, 1, block, at, OW)
            _set(gy.dtype.type(0), block, at + OW, width - OW)
            at, oy = at + width, oy + 1
            if oy == OH:
                n, oy = n + 1, 0


# Runs of numbers in flat arrays. Unsigned places need no test for being counted from the end, so these vectorize.

@jit
def _set(value, target, at, count):
    at = np.uint64(at)
    for i in range(np.uint64(count)):
        target[at + i] = value


@jit
def _copy(source, start, step, target, at, count):
    start, step, at = np.uint64(start), np.uint64(step), np.uint64(at)
    if step == 1:
        for i in range(np.uint64(count)):
            target[at + i] = source[start + i]
    else:
        for i in range(np.uint64(count)):
            target[at + i] = source[start + i * step]


@jit(inline=True)
def _copy_plus(source, start, target, at, count, value):
    start, at = np.uint64(start), np.uint64(at)
    for i in range(np.uint64(count)):
        target[at + i] = source[start + i] + value
