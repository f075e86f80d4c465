"""Convolution on a GPU: every patch of the image becomes a column, every filter a row, and cuBLAS multiplies them.

The columns of some images lie as (C KH KW, n OH OW), so that a pass is one large product for all of these images, and the
product for gw adds up over images by itself. A filter is applied to many columns, so it is y and gy, the smaller of the
two by KH KW, that are turned from (n, F, OH OW) to (F, n OH OW) or back.

Few or small filters have kernels without columns, and so do filters that read one channel only. Sums are of float32 where x
is: in cuBLAS, which rounds to TF32 only where CUPY_TF32 is set, and in the kernels.
"""
import cupy

from minidl.kernels.gpu.launch import Kernels, takes_float16
from minidl.kernels.reference.convolution import out_size

# Columns are made for as many images as fit in this. A product with 64 filters then keeps a GPU of 60 TFLOP/s busy for 36
# microseconds, about as long as Python takes to launch the four kernels of the next images; with less it would wait for
# Python, and with more it would only need more memory.
CHUNK_BYTES = 2 ** 26
TILE = 64                    # pixels that an image must have to fill one of the tiles which cuBLAS makes a product of
FILTERS, OTHERS, TILE_THREADS = 32, 64, 64               # of convolution.cu

kernels = Kernels("convolution")


@takes_float16
def im2col(x, size, stride, padding, dilation, fill=0.0):
    out = out_sizes(x.shape, size, stride, padding, dilation)
    cols = cupy.empty((*x.shape[:2], *size, *out), x.dtype)
    P = out[0] * out[1]
    write_columns(x, cols, size, stride, padding, dilation, out, fill, x.shape[1] * size[0] * size[1] * P, P)
    return cols


def out_sizes(shape, size, stride, padding, dilation):
    return [out_size(*axis) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True)]


def write_columns(x, cols, size, stride, padding, dilation, out, fill, image_step, row_step):
    (N, C, H, W), (OH, OW) = x.shape, out
    kernels.each("im2col", C * N * OH * OW, cupy.ascontiguousarray(x), cols, N, C, H, W, *size, OH, OW, *stride, *padding,
                 *dilation, image_step, row_step, fill)


@takes_float16
def col2im(cols, shape, stride, padding, dilation):
    x, (C, KH, KW, OH, OW) = cupy.empty(shape, cols.dtype), cols.shape[1:]
    P = OH * OW
    add_columns(cupy.ascontiguousarray(cols), x, (KH, KW), stride, padding, dilation, (OH, OW), C * KH * KW * P, P)
    return x


def add_columns(cols, x, size, stride, padding, dilation, out, image_step, row_step):
    kernels.each("col2im", x.size, cols, x, *x.shape, *size, *out, *stride, *padding, *dilation, image_step,
                 row_step)


@takes_float16
def conv2d(x, w, b, stride, padding, dilation, groups):
    (N, C), (F, channels, *size), G = x.shape[:2], w.shape, groups
    OH, OW = out = out_sizes(x.shape, size, stride, padding, dilation)
    y = cupy.empty((N, F, OH, OW), x.dtype)
    if is_depthwise(channels, G):
        depthwise(x, w, b, y, stride, padding, dilation)
        return y
    if is_pointwise(size, stride, padding, G, OH * OW):
        cupy.matmul(w.reshape(F, C), x.reshape(N, C, OH * OW), out=y.reshape(N, F, OH * OW))
        if b is not None:
            y += b.reshape(F, 1, 1)                                                # one more pass
        return y
    if are_few(F // G, channels * size[0] * size[1], N * OH * OW):
        direct(x, w, b, y, stride, padding, dilation, G)
        return y
    rows = w.reshape(G, F // G, channels * size[0] * size[1])
    for some in chunks(N, rows.shape[2] * G * OH * OW * x.itemsize):
        cols = columns(x[some], size, stride, padding, dilation, out, G)
        rows_of_y = product(rows, cols).reshape(F, -1, OH, OW).swapaxes(0, 1)
        cupy.add(rows_of_y, 0 if b is None else b.reshape(F, 1, 1), out=y[some])   # turned and biased in one pass
    return y


@takes_float16
def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    (N, C, H, W), (F, channels, *size), G = shape, w.shape, groups
    OH, OW = out = gy.shape[2:]
    gx = cupy.empty(shape, gy.dtype)
    if is_pointwise(size, stride, padding, G, OH * OW) and out == (H, W):
        cupy.matmul(w.reshape(F, C).T, gy.reshape(N, F, OH * OW), out=gx.reshape(N, C, OH * OW))
        return gx
    if is_depthwise(channels, G):
        depthwise_gradient_x(gy, w, gx, stride, padding, dilation)
        return gx
    if stride == (1, 1) and are_few(channels, F // G * size[0] * size[1], N * H * W):
        w, padding = turned_around(w, padding, dilation, G)
        direct(gy, w, None, gx, stride, padding, dilation, G)
        return gx
    rows = w.reshape(G, F // G, channels * size[0] * size[1])
    for some in chunks(N, rows.shape[2] * G * OH * OW * gy.itemsize):
        gcols = product(rows.swapaxes(1, 2), turned(gy[some], G))
        add_columns(gcols, gx[some], size, stride, padding, dilation, out, OH * OW, gcols.shape[2])
    return gx


@takes_float16
def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    (N, F, OH, OW), C, G = gy.shape, x.shape[1], groups
    channels, (KH, KW) = C // G, size
    if is_depthwise(channels, G):
        return depthwise_gradient_w(gy, x, size, stride, padding, dilation)
    if are_few(F // G, channels * KH * KW, N * OH * OW):
        return direct_gradient_w(gy, x, size, stride, padding, dilation, G)
    gw = cupy.zeros((G, channels * KH * KW, F // G), x.dtype)
    for some in chunks(N, C * KH * KW * OH * OW * x.itemsize):
        cols = columns(x[some], size, stride, padding, dilation, (OH, OW), G)
        gw += product(cols, turned(gy[some], G).swapaxes(1, 2))
    return cupy.ascontiguousarray(gw.swapaxes(1, 2)).reshape(F, channels, KH, KW)


# ---- columns, and their products


def chunks(N, bytes_per_image):
    """Slices that cover N images, each with as many as CHUNK_BYTES allow, and at least one."""
    step = max(1, CHUNK_BYTES // max(1, bytes_per_image))
    return [slice(start, min(start + step, N)) for start in range(0, N, step)]


def columns(x, size, stride, padding, dilation, out, G):
    """The patches of x (n, C, H, W) as (G, C/G KH KW, n OH OW)."""
    (n, C), P = x.shape[:2], out[0] * out[1]
    cols = cupy.empty((G, C // G * size[0] * size[1], n * P), x.dtype)
    write_columns(x, cols, size, stride, padding, dilation, out, 0.0, P, n * P)
    return cols


def turned(gy, G):
    """gy (n, F, OH, OW) as (G, F/G, n OH OW): pixels stay beside each other, so reads and writes are of neighbours."""
    n, F, OH, OW = gy.shape
    return cupy.ascontiguousarray(gy.swapaxes(0, 1)).reshape(G, F // G, n * OH * OW)


def product(a, b):
    """a (G, I, J) times b (G, J, K). cuBLAS reads a transposed matrix as it lies, but of a stack CuPy makes a copy first."""
    return cupy.matmul(a[0], b[0])[None] if len(a) == 1 else cupy.matmul(a, b)


def is_pointwise(size, stride, padding, G, pixels):
    """Are the images their own columns? Then each is multiplied as it lies, unless it is small."""
    return (*size, *stride, *padding, G) == (1, 1, 1, 1, 0, 0, 1) and pixels >= TILE


def turned_around(w, padding, dilation, G):
    """The filters (C, F/G, KH, KW), and the padding, with which a convolution of gy is gx, where the stride is 1."""
    F, channels, *size = w.shape
    w = w[..., ::-1, ::-1].reshape(G, F // G, channels, *size).swapaxes(1, 2).reshape(G * channels, F // G, *size)
    return w, [d * (n - 1) - p for n, p, d in zip(size, padding, dilation, strict=True)]


# ---- few filters, or small ones


def are_few(filters, taps, pixels):
    """Is a product of filters with so many taps too small to be worth columns?

    With columns there are 2 filters taps operations for a pixel, and 8 (taps + 1.5 filters) bytes that are only moved: to
    write columns and read them, and to turn y. An H100 does 20 operations while it moves a byte. If `direct` does 0.4 and
    cuBLAS 0.8 of the operations that are possible, which are estimates, `direct` is sooner done where
    64 / filters + 96 / taps > 1. The limits keep away from where the estimates decide.

    And there must be pixels enough for a block on each of the GPU's processors.
    """
    return (filters <= 32 or taps <= 64) and pixels >= 128 * OTHERS


def direct(x, w, b, y, stride, padding, dilation, G):
    """y (N, F, OH, OW) from x (N, C, H, W), w (F, C/G, KH, KW), b (F,) or None, read as they lie."""
    (N, C, H, W), (_, F, OH, OW), size = x.shape, y.shape, w.shape[2:]
    grid = -(-N * OH * OW // OTHERS), -(-F // G // FILTERS) * G
    kernels.blocks("direct", grid, TILE_THREADS, *map(contiguous, (x, w, b)), y, N, C // G, F // G, G, H, W, *size, OH, OW,
                   *stride, *padding, *dilation)


def direct_gradient_w(gy, x, size, stride, padding, dilation, G):
    (N, F, OH, OW), (_, C, H, W) = gy.shape, x.shape
    grid = -(-C // G * size[0] * size[1] // OTHERS), -(-F // G // FILTERS) * G
    parts = max(1, min(N * OH * OW // 512, 1024 // (grid[0] * grid[1])))     # blocks for all of a GPU, of 16 steps at least
    gw = cupy.empty((parts, F, C // G, *size), x.dtype)
    kernels.blocks("direct_gradient_w", (*grid, parts), TILE_THREADS, *map(contiguous, (gy, x)), gw, N, C // G, F // G, G,
                   H, W, *size, OH, OW, *stride, *padding, *dilation, parts)
    return gw.sum(0)


# ---- filters that read one channel


def is_depthwise(channels, G):
    return channels == 1 < G


def depthwise(x, w, b, y, stride, padding, dilation):
    """y (N, C M, OH, OW) from x (N, C, H, W), w (C M, 1, KH, KW), b (C M,) or None."""
    (N, C, H, W), (_, F, OH, OW), size = x.shape, y.shape, w.shape[2:]
    kernels.each("depthwise", y.size, *map(contiguous, (x, w, b)), y, N, C, F // C, H, W, *size, OH, OW, *stride, *padding,
                 *dilation)


def depthwise_gradient_x(gy, w, gx, stride, padding, dilation):
    (N, F, OH, OW), (_, C, H, W), size = gy.shape, gx.shape, w.shape[2:]
    if stride == (1, 1) and F == C:
        w, padding = turned_around(w, padding, dilation, C)
        depthwise(gy, w, None, gx, stride, padding, dilation)
    else:
        kernels.each("depthwise_gradient_x", gx.size, *map(contiguous, (gy, w)), gx, N, C, F // C, H, W, *size, OH, OW,
                     *stride, *padding, *dilation)


def depthwise_gradient_w(gy, x, size, stride, padding, dilation):
    (N, F, OH, OW), (_, C, H, W) = gy.shape, x.shape
    threads = max(32, min(256, -(-N * OH * OW // 32) * 32))
    blocks = F * -(-size[0] // 3) * -(-size[1] // 3)
    parts = max(1, min(N * OH * OW // (16 * 256), 1024 // blocks))    # blocks for all of a GPU, with 16 pixels a thread
    gw = cupy.empty((parts, F, 1, *size), x.dtype)
    kernels.blocks("depthwise_gradient_w", blocks * parts, threads, *map(contiguous, (gy, x)),
                   gw, N, C, F // C, H, W, *size, OH, OW, *stride, *padding, *dilation, parts)
    return gw.sum(0)


def contiguous(x):
    return x if x is None else cupy.ascontiguousarray(x)
