"""Convolution by im2col and matrix products, block by block, so that the columns stay in a core's cache.

A block is some rows of the output, numbered through all images: row r is row r % OH of image r // OH. Each
thread takes its share of the rows, and of each block makes the columns, multiplies, and puts the result where
it belongs.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.threads import in_parts, one_blas_thread, scratch
from minidl.kernels.reference.convolution import out_size

CACHE = 2 ** 19              # bytes of columns that stay in a core's second-level cache
PRODUCT = 256                # columns below which a matrix product is slow


def im2col(x, size, stride, padding, dilation, fill=0.0):
    N, C, H, W = x.shape
    OH, OW = output_shape(x.shape, size, stride, padding, dilation)
    cols = np.empty((N, C, *size, OH, OW), x.dtype)
    x, fill = np.ascontiguousarray(x), x.dtype.type(fill)

    def part(first, last):
        for n in range(first, last):
            _fill(x, size, stride, padding, dilation, fill, cols[n].reshape(-1, OH * OW), (OH, OW), n * OH, n * OH + OH)

    in_parts(part, N, cols.size)
    return cols


def col2im(cols, shape, stride, padding, dilation):
    N, C, KH, KW, OH, OW = cols.shape
    x, cols = np.zeros(shape, cols.dtype), np.ascontiguousarray(cols)

    def part(first, last):
        for n in range(first, last):
            _spill(cols[n].reshape(-1, OH * OW), (KH, KW), stride, padding, dilation, x, (OH, OW), n * OH, n * OH + OH)

    in_parts(part, N, cols.size)
    return x


def conv2d(x, w, b, stride, padding, dilation, groups):
    N, F, size = len(x), len(w), w.shape[2:]
    OH, OW = output_shape(x.shape, size, stride, padding, dilation)
    x, w = np.ascontiguousarray(x), w.reshape(groups, F // groups, -1)              # w (G, F/G, C/G KH KW)
    b = np.zeros(F, x.dtype) if b is None else np.ascontiguousarray(b)
    y = np.empty((N, F, OH, OW), x.dtype)

    def part(start, stop):
        for first, last, cols, block in blocks(start, stop, OW, w, x.dtype):
            _fill(x, size, stride, padding, dilation, x.dtype.type(0), matrix(cols), (OH, OW), first, last)
            np.matmul(w, cols, out=block)
            _put(matrix(block), b, y, first, last)

    with one_blas_thread():
        in_parts(part, N * OH, y.size * w.shape[2])
    return y


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    N, F, OH, OW = gy.shape
    size, w = w.shape[2:], w.reshape(groups, F // groups, -1)
    gy, gx = np.ascontiguousarray(gy), np.zeros(shape, gy.dtype)

    def part(start, stop):                                                          # whole images, as patches overlap
        for first, last, cols, block in blocks(start * OH, stop * OH, OW, w, gy.dtype):
            _take(gy, matrix(block), first, last)
            np.matmul(w.swapaxes(1, 2), block, out=cols)
            _spill(matrix(cols), size, stride, padding, dilation, gx, (OH, OW), first, last)

    with one_blas_thread():
        in_parts(part, N, gy.size * w.shape[2])
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    (N, F, OH, OW), C = gy.shape, x.shape[1]
    gy, x = np.ascontiguousarray(gy), np.ascontiguousarray(x)
    shape = (groups, F // groups, C // groups * size[0] * size[1])

    def part(start, stop):
        gw, product = np.zeros(shape, x.dtype), np.empty(shape, x.dtype)
        for first, last, cols, block in blocks(start, stop, OW, gw, x.dtype):
            _fill(x, size, stride, padding, dilation, x.dtype.type(0), matrix(cols), (OH, OW), first, last)
            _take(gy, matrix(block), first, last)
            gw += np.matmul(block, cols.swapaxes(1, 2), out=product)
        return gw

    with one_blas_thread():
        return sum(in_parts(part, N * OH, gy.size * shape[2])).reshape(F, C // groups, *size)


def blocks(start, stop, OW, w, dtype):
    """The blocks that rows `start` to `stop` fall into: first and last row, memory for the columns (G, C/G KH KW, P)
    and for the output (G, F/G, P), whose next block overwrites them. w is (G, F/G, C/G KH KW)."""
    G, FG, KG = w.shape
    rows = max(CACHE // max(1, G * KG * OW * np.dtype(dtype).itemsize), -(-PRODUCT // max(1, OW)), 1)
    rows = min(rows, stop - start)
    room = scratch(G * (KG + FG) * rows * OW, dtype)
    for first in range(start, stop, max(1, rows)):
        last = min(first + rows, stop)
        P = (last - first) * OW
        cols, block = room[:G * KG * P], room[G * KG * P:G * (KG + FG) * P]
        yield first, last, cols.reshape(G, KG, P), block.reshape(G, FG, P)


def matrix(block):
    """(G, R, P) -> (G R, P)"""
    return block.reshape(-1, block.shape[2])


def output_shape(shape, size, stride, padding, dilation):
    return tuple(out_size(*axis) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True))


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
