"""Convolution by im2col and matrix products, block by block, so that the columns stay in a core's cache.

A block is some rows of the output, numbered through all images: row r is row r % OH of image r // OH. Each
thread makes a block's columns, multiplies, and puts the result where it belongs, on its own.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit, prange
from minidl.kernels.cpu.threads import one_blas_thread, thread_count
from minidl.kernels.reference.convolution import out_size

CACHE = 2 ** 19              # bytes of columns that stay in a core's second-level cache
PRODUCT = 256                # columns below which a matrix product is slow


def im2col(x, size, stride, padding, dilation, fill=0.0):
    N, C, H, W = x.shape
    (KH, KW), out = size, output_shape(x.shape, size, stride, padding, dilation)
    cols = np.empty((N, C, KH, KW, *out), x.dtype)
    _im2col(np.ascontiguousarray(x), size, stride, padding, dilation, x.dtype.type(fill),
            cols.reshape(N, C * KH * KW, out[0] * out[1]), out)
    return cols


@jit(parallel=True)
def _im2col(x, size, stride, padding, dilation, fill, cols, out):
    OH = out[0]
    for n in prange(len(x)):
        m = np.int64(n)
        _fill(x, size, stride, padding, dilation, fill, cols[m], out, m * OH, (m + 1) * OH)


def col2im(cols, shape, stride, padding, dilation):
    N, C, KH, KW, OH, OW = cols.shape
    x = np.zeros(shape, cols.dtype)
    cols = np.ascontiguousarray(cols).reshape(N, C * KH * KW, OH * OW)
    _col2im(cols, (KH, KW), stride, padding, dilation, x, (OH, OW))
    return x


@jit(parallel=True)
def _col2im(cols, size, stride, padding, dilation, x, out):
    OH = out[0]
    for n in prange(len(x)):
        m = np.int64(n)
        _spill(cols[m], size, stride, padding, dilation, x, out, m * OH, (m + 1) * OH)


def conv2d(x, w, b, stride, padding, dilation, groups):
    N, F, size = len(x), len(w), w.shape[2:]
    out = output_shape(x.shape, size, stride, padding, dilation)
    y = np.empty((N, F, *out), x.dtype)
    b = np.zeros(F, x.dtype) if b is None else np.ascontiguousarray(b)
    rows = block_rows(N * out[0], x.shape[1] * size[0] * size[1] * out[1] * x.itemsize, out[1])
    with one_blas_thread():
        _conv2d(np.ascontiguousarray(x), matrices(w, groups), b, size, stride, padding, dilation, y, rows,
                thread_count())
    return y


@jit(parallel=True)
def _conv2d(x, w, b, size, stride, padding, dilation, y, rows, threads):
    G, FG, KG = w.shape                                              # FG filters and KG numbers each, in a group
    N, F, OH, OW = y.shape
    for t in prange(threads):
        room = np.empty((G * KG + F) * rows * OW, x.dtype)
        for first in range(np.int64(t) * rows, N * OH, threads * rows):
            last = min(first + rows, N * OH)
            P = (last - first) * OW
            cols = room[:G * KG * P].reshape(G * KG, P)
            block = room[G * KG * P:(G * KG + F) * P].reshape(F, P)
            _fill(x, size, stride, padding, dilation, x.dtype.type(0), cols, (OH, OW), first, last)
            for g in range(G):
                np.dot(w[g], cols[g * KG:(g + 1) * KG], block[g * FG:(g + 1) * FG])
            _put(block, b, y, first, last)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    size, out = w.shape[2:], gy.shape[2:]
    gx = np.zeros(shape, gy.dtype)
    rows = block_rows(len(gy) * out[0], shape[1] * size[0] * size[1] * out[1] * gy.itemsize, out[1])
    with one_blas_thread():
        _conv2d_gradient_x(np.ascontiguousarray(gy), matrices(w, groups), size, stride, padding, dilation, gx, rows,
                           thread_count())
    return gx


@jit(parallel=True)
def _conv2d_gradient_x(gy, w, size, stride, padding, dilation, gx, rows, threads):
    G, FG, KG = w.shape
    N, F, OH, OW = gy.shape
    for t in prange(threads):                                        # each thread adds to images of its own
        room = np.empty((G * KG + F) * rows * OW, gy.dtype)
        stop = (np.int64(t) + 1) * N // threads * OH
        for first in range(np.int64(t) * N // threads * OH, stop, rows):
            last = min(first + rows, stop)
            P = (last - first) * OW
            cols = room[:G * KG * P].reshape(G * KG, P)
            block = room[G * KG * P:(G * KG + F) * P].reshape(F, P)
            _take(gy, block, first, last)
            for g in range(G):
                np.dot(w[g].T, block[g * FG:(g + 1) * FG], cols[g * KG:(g + 1) * KG])
            _spill(cols, size, stride, padding, dilation, gx, (OH, OW), first, last)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    F, out, (KH, KW) = gy.shape[1], gy.shape[2:], size
    C = x.shape[1]
    gw = np.zeros((thread_count(), groups, F // groups, C // groups * KH * KW), x.dtype)
    rows = block_rows(len(gy) * out[0], C * KH * KW * out[1] * x.itemsize, out[1])
    with one_blas_thread():
        _conv2d_gradient_w(np.ascontiguousarray(gy), np.ascontiguousarray(x), size, stride, padding, dilation, gw,
                           rows)
    return gw.sum(0).reshape(F, C // groups, KH, KW)


@jit(parallel=True)
def _conv2d_gradient_w(gy, x, size, stride, padding, dilation, gw, rows):
    threads, G, FG, KG = gw.shape
    N, F, OH, OW = gy.shape
    for t in prange(threads):                                        # each thread has a sum of its own
        room = np.empty((G * KG + F) * rows * OW, x.dtype)
        product = np.empty((FG, KG), x.dtype)
        for first in range(np.int64(t) * rows, N * OH, threads * rows):
            last = min(first + rows, N * OH)
            P = (last - first) * OW
            cols = room[:G * KG * P].reshape(G * KG, P)
            block = room[G * KG * P:(G * KG + F) * P].reshape(F, P)
            _fill(x, size, stride, padding, dilation, x.dtype.type(0), cols, (OH, OW), first, last)
            _take(gy, block, first, last)
            for g in range(G):
                np.dot(block[g * FG:(g + 1) * FG], cols[g * KG:(g + 1) * KG].T, product)
                gw[t, g] += product


def output_shape(shape, size, stride, padding, dilation):
    OH, OW = (out_size(*axis) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True))
    return OH, OW


def matrices(w, groups):
    """w (F, C/groups, KH, KW) -> (G, F/G, C/G KH KW)"""
    return np.ascontiguousarray(w).reshape(groups, len(w) // groups, w[0].size)


def block_rows(rows, bytes_per_row, row_length):
    """How many rows of the output make a block: what fits in the cache, but enough for a matrix product, and no
    more than a thread's share."""
    wanted = max(CACHE // max(1, bytes_per_row), -(-PRODUCT // max(1, row_length)))
    return max(1, min(wanted, -(-rows // thread_count())))


@jit
def _fill(x, size, stride, padding, dilation, fill, cols, out, first, last):
    """cols (C KH KW, P) = the patches of the output's rows `first` to `last`."""
    C, H, W = x.shape[1:]
    (KH, KW), (SH, SW), (PH, PW), (DH, DW), (OH, OW) = size, stride, padding, dilation, out
    source, target, at = x.reshape(-1), cols.reshape(-1), 0
    for c in range(C):
        for i in range(KH):
            for j in range(KW):
                left, inside, start = _inside(W, j * DW - PW, SW, OW)
                n, oy = first // OH, first % OH
                for _ in range(first, last):
                    iy = oy * SH + i * DH - PH
                    if 0 <= iy < H:
                        _set(fill, target, at, left)
                        _copy(source, ((n * C + c) * H + iy) * W + start, SW, target, at + left, inside)
                        _set(fill, target, at + left + inside, OW - left - inside)
                    else:
                        _set(fill, target, at, OW)
                    at += OW
                    oy += 1
                    if oy == OH:
                        n, oy = n + 1, 0


@jit
def _spill(cols, size, stride, padding, dilation, x, out, first, last):
    """The transpose of _fill: what a column's cell was copied from, it is added to."""
    C, H, W = x.shape[1:]
    (KH, KW), (SH, SW), (PH, PW), (DH, DW), (OH, OW) = size, stride, padding, dilation, out
    source, target, at = cols.reshape(-1), x.reshape(-1), 0
    for c in range(C):
        for i in range(KH):
            for j in range(KW):
                left, inside, start = _inside(W, j * DW - PW, SW, OW)
                n, oy = first // OH, first % OH
                for _ in range(first, last):
                    iy = oy * SH + i * DH - PH
                    if 0 <= iy < H:
                        _add(source, at + left, target, ((n * C + c) * H + iy) * W + start, SW, inside)
                    at += OW
                    oy += 1
                    if oy == OH:
                        n, oy = n + 1, 0


@jit
def _inside(W, shift, stride, OW):
    """Of the cells ox * stride + shift for ox in range(OW): how many are left of the image, how many are inside,
    and where the first of these is."""
    left = min(OW, max(0, -(shift // stride)))
    inside = min(OW, max(0, (W - 1 - shift) // stride + 1)) - left
    return left, max(0, inside), left * stride + shift


@jit
def _put(block, b, y, first, last):
    """y's rows `first` to `last` = block (F, P) + b (F,)"""
    F, OH, OW = y.shape[1:]
    source, target = block.reshape(-1), y.reshape(-1)
    for f in range(F):
        r, at = first, f * (last - first) * OW
        while r < last:
            run = min(last, (r // OH + 1) * OH) - r                  # to the end of the block or of the image
            _copy_plus(source, at, target, ((r // OH * F + f) * OH + r % OH) * OW, run * OW, b[f])
            r, at = r + run, at + run * OW


@jit
def _take(gy, block, first, last):
    """block (F, P) = gy's rows `first` to `last`"""
    F, OH, OW = gy.shape[1:]
    source, target = gy.reshape(-1), block.reshape(-1)
    for f in range(F):
        r, at = first, f * (last - first) * OW
        while r < last:
            run = min(last, (r // OH + 1) * OH) - r
            _copy(source, ((r // OH * F + f) * OH + r % OH) * OW, 1, target, at, run * OW)
            r, at = r + run, at + run * OW


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
