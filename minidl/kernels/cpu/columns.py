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
from minidl.kernels.cpu.threads import in_parts, one_blas_thread, scratch
from minidl.kernels.reference.convolution import out_size

CACHE = 2 ** 19              # bytes of columns that stay in a core's second-level cache
PRODUCT = 256                # columns below which a matrix product is slow


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    """Any convolution."""
    return True


def im2col(x, size, stride, padding, dilation, fill=0.0):
    where = window(x.shape, size, stride, padding, dilation)
    N, C, OH, OW = *x.shape[:2], *where[-1]
    cols, x, fill = np.empty((N, C, *size, OH, OW), x.dtype), np.ascontiguousarray(x), x.dtype.type(fill)

    def part(first, last):
        image = scratch(image_size(x.shape, where, OH), x.dtype)
        for n in range(first, last):
            _fill(x, where, False, fill, image, cols[n].reshape(-1, OH * OW), n * OH, n * OH + OH)

    in_parts(part, N, cols.size)
    return cols


def col2im(cols, shape, stride, padding, dilation):
    N, OH, OW = shape[0], *cols.shape[4:]                # more windows than these may fit (output_padding)
    where = (*window(shape, cols.shape[2:4], stride, padding, dilation)[:4], (OH, OW))
    x, cols = np.zeros(shape, cols.dtype), np.ascontiguousarray(cols)

    def part(first, last):
        image = scratch(image_size(shape, where, OH), x.dtype)
        for n in range(first, last):
            _spill(cols[n].reshape(-1, OH * OW), where, False, image, x, n * OH, n * OH + OH)

    in_parts(part, N, cols.size)
    return x


def conv2d(x, w, b, stride, padding, dilation, groups):
    N, F, where = len(x), len(w), window(x.shape, w.shape[2:], stride, padding, dilation)
    wide, (OH, OW) = tuple(stride) == (1, 1), where[-1]
    x, w = np.ascontiguousarray(x), w.reshape(groups, F // groups, w[0].size)       # w (G, F/G, C/G KH KW)
    b = np.zeros(F, x.dtype) if b is None else np.ascontiguousarray(b)
    y = np.empty((N, F, OH, OW), x.dtype)

    def part(start, stop):
        for first, last, image, cols, block in blocks(start, stop, x.shape, where, wide, w.shape, x.dtype):
            _fill(x, where, wide, x.dtype.type(0), image, matrix(cols), first, last)
            np.matmul(w, cols, out=block)
            _put(matrix(block), b, y, first, last)

    with one_blas_thread():
        in_parts(part, N * OH, y.size * w.shape[2])
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    N, F, OH, OW = gy.shape                              # more windows than these may fit (output_padding)
    wide, where = tuple(stride) == (1, 1), (*window(shape, w.shape[2:], stride, padding, dilation)[:4], (OH, OW))
    w = w.reshape(groups, F // groups, w[0].size)
    gy, gx = np.ascontiguousarray(gy), np.zeros(shape, gy.dtype)

    def part(start, stop):                                                          # whole images, as patches overlap
        for first, last, image, cols, block in blocks(start * OH, stop * OH, shape, where, wide, w.shape, gy.dtype):
            _take(gy, matrix(block), first, last)
            np.matmul(w.swapaxes(1, 2), block, out=cols)
            _spill(matrix(cols), where, wide, image, gx, first, last)

    with one_blas_thread():
        in_parts(part, N, gy.size * w.shape[2])
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    (N, F, OH, OW), C = gy.shape, x.shape[1]
    wide, where = tuple(stride) == (1, 1), (*window(x.shape, size, stride, padding, dilation)[:4], (OH, OW))
    gy, x = np.ascontiguousarray(gy), np.ascontiguousarray(x)
    shape = (groups, F // groups, C // groups * size[0] * size[1])

    def part(start, stop):
        gw, product = np.zeros(shape, x.dtype), np.empty(shape, x.dtype)
        for first, last, image, cols, block in blocks(start, stop, x.shape, where, wide, shape, x.dtype):
            _fill(x, where, wide, x.dtype.type(0), image, matrix(cols), first, last)
            _take(gy, matrix(block), first, last)
            gw += np.matmul(block, cols.swapaxes(1, 2), out=product)
        return gw

    with one_blas_thread():
        return sum(in_parts(part, N * OH, gy.size * shape[2])).reshape(F, C // groups, *size)


def window(shape, size, stride, padding, dilation):
    """The settings and the output's size (OH, OW), as the functions below take them."""
    OH, OW = (out_size(*axis) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True))
    return tuple(size), tuple(stride), tuple(padding), tuple(dilation), (OH, OW)


def blocks(start, stop, shape, where, wide, w_shape, dtype):
    """The blocks that rows `start` to `stop` fall into: first and last row, and memory, which the next block
    overwrites, for an image, the columns (G, C/G KH KW, P) and the output (G, F/G, P)."""
    G, FG, KG = w_shape
    _, _, (_, PW), _, (OH, OW) = where
    width = shape[3] + 2 * PW if wide else OW                                       # columns per row
    rows = max(CACHE // max(1, G * KG * width * np.dtype(dtype).itemsize), -(-PRODUCT // max(1, width)), 1)
    rows = max(1, min(rows, stop - start))
    image = image_size(shape, where, min(rows, OH))
    room = scratch(image + G * (KG + FG) * rows * width, dtype)
    image, room = room[:image], room[image:]
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        P = (last - first) * width
        cols, block = room[:G * KG * P], room[G * KG * P:G * (KG + FG) * P]
        yield first, last, image, cols.reshape(G, KG, P), block.reshape(G, FG, P)


def image_size(shape, where, rows):
    """How many numbers of a padded image `rows` rows of the output read."""
    (KH, _), (SH, _), (_, PW), (DH, _), _ = where
    return shape[1] * ((rows - 1) * SH + (KH - 1) * DH + 1) * (shape[3] + 2 * PW)


def matrix(block):
    """(G, R, P) -> (G R, P)"""
    return block.reshape(block.shape[0] * block.shape[1], block.shape[2])


@jit
def _fill(x, where, wide, fill, image, cols, first, last):
    """cols (C KH KW, P) = the patches of the output's rows `first` to `last`."""
    C, W = x.shape[1], x.shape[3]
    (KH, KW), (SH, SW), (PH, PW), (DH, DW), (OH, OW) = where
    target, P, WP = cols.reshape(-1), cols.shape[1], W + 2 * PW
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
                        _copy(image, start, 1, target, at, run)
                        _set(x.dtype.type(0), target, at + run, rows * WP - run)
                    else:
                        for row in range(rows):
                            _copy(image, start + row * SH * WP, SW, target, at + row * OW, OW)
                    at += P
        r, done = r + rows, done + rows * (WP if wide else OW)


@jit
def _spill(cols, where, wide, image, x, first, last):
    """The transpose of _fill: what a column's cell was copied from, it is added to."""
    C, W = x.shape[1], x.shape[3]
    (KH, KW), (SH, SW), (PH, PW), (DH, DW), (OH, OW) = where
    source, P, WP = cols.reshape(-1), cols.shape[1], W + 2 * PW
    r, done = first, 0
    while r < last:
        n, oy = r // OH, r % OH
        rows = min(last - r, OH - oy)
        height = (rows - 1) * SH + (KH - 1) * DH + 1
        _set(x.dtype.type(0), image, 0, C * height * WP)
        at = done
        for c in range(C):
            for i in range(KH):
                for j in range(KW):
                    start = (c * height + i * DH) * WP + j * DW
                    if wide:
                        _add(source, at, image, start, 1, rows * WP - (KW - 1) * DW)
                    else:
                        for row in range(rows):
                            _add(source, at + row * OW, image, start + row * SH * WP, SW, OW)
                    at += P
        _unpad(image, x[n], oy * SH - PH, height, PW)
        r, done = r + rows, done + rows * (WP if wide else OW)


@jit
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


@jit
def _unpad(image, x, top, height, PW):
    """The transpose of _pad: x's own cells are added to x, the padding's are dropped."""
    C, H, W = x.shape
    target, at = x.reshape(-1), 0
    for c in range(C):
        for iy in range(top, top + height):
            if 0 <= iy < H:
                _add(image, at + PW, target, (c * H + iy) * W, 1, W)
            at += W + 2 * PW


@jit
def _put(block, b, y, first, last):
    """y's rows `first` to `last` = block (F, P) + b (F,), without the columns between one row and the next."""
    F, OH, OW = y.shape[1:]
    source, target, width = block.reshape(-1), y.reshape(-1), block.shape[1] // (last - first)
    for f in range(F):
        n, oy, at = first // OH, first % OH, f * block.shape[1]
        for _ in range(first, last):
            _copy_plus(source, at, target, ((n * F + f) * OH + oy) * OW, OW, b[f])
            at, oy = at + width, oy + 1
            if oy == OH:
                n, oy = n + 1, 0


@jit
def _take(gy, block, first, last):
    """block (F, P) = gy's rows `first` to `last`, and 0 in the columns between one row and the next."""
    F, OH, OW = gy.shape[1:]
    source, target, width = gy.reshape(-1), block.reshape(-1), block.shape[1] // (last - first)
    for f in range(F):
        n, oy, at = first // OH, first % OH, f * block.shape[1]
        for _ in range(first, last):
            _copy(source, ((n * F + f) * OH + oy) * OW, 1, target, at, OW)
            _set(gy.dtype.type(0), target, at + OW, width - OW)
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


@jit
def _copy_plus(source, start, target, at, count, value):
    start, at = np.uint64(start), np.uint64(at)
    for i in range(np.uint64(count)):
        target[at + i] = source[start + i] + value


@jit
def _add(source, start, target, at, step, count):
    start, at, step = np.uint64(start), np.uint64(at), np.uint64(step)
    if step == 1:
        for i in range(np.uint64(count)):
            target[at + i] += source[start + i]
    else:
        for i in range(np.uint64(count)):
            target[at + i * step] += source[start + i]
