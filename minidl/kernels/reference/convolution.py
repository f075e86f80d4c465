"""Convolution as a matrix product: every patch of the image becomes a column, every filter a row (im2col)."""
import numpy as np

CHUNK_BYTES = 2 ** 25                                    # columns are made for as many images as fit in this


def out_size(size, kernel, stride, padding, dilation):
    """How many windows fit: along one axis, ints. Dumoulin & Visin 2016, arXiv 1603.07285, relationship 15."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def im2col(x, size, stride, padding, dilation, fill=0.0):
    """Every patch of x (N, C, H, W) as a column: cols (N, C, KH, KW, OH, OW); cells outside of x are `fill`."""
    out = [out_size(*axis) for axis in zip(x.shape[2:], size, stride, padding, dilation, strict=True)]
    return patches(x, size, stride, padding, dilation, out, fill)


def patches(x, size, stride, padding, dilation, out, fill):
    """im2col with as many windows (OH, OW) as asked for: cells past the right and lower edge are `fill`, too."""
    N, C, H, W = x.shape
    (KH, KW), (SH, SW), (PH, PW), (DH, DW), (OH, OW) = size, stride, padding, dilation, out
    height = max(H + PH, (OH - 1) * SH + (KH - 1) * DH + 1)          # from the padded top to the last cell read
    width = max(W + PW, (OW - 1) * SW + (KW - 1) * DW + 1)
    padded = np.full((N, C, PH + height, PW + width), fill, x.dtype)
    padded[:, :, PH:PH + H, PW:PW + W] = x
    cols = np.empty((N, C, KH, KW, OH, OW), x.dtype)
    for i in range(KH):
        for j in range(KW):
            top, left = i * DH, j * DW
            cols[:, :, i, j] = padded[:, :, top:top + SH * OH:SH, left:left + SW * OW:SW][:, :, :OH, :OW]
    return cols


def col2im(cols, shape, stride, padding, dilation):
    """The transpose of im2col: cols (N, C, KH, KW, OH, OW) -> x of `shape` (N, C, H, W), overlaps summed."""
    N, C, H, W = shape
    (SH, SW), (PH, PW), (DH, DW) = stride, padding, dilation
    KH, KW, OH, OW = cols.shape[2:]
    height = max(H + PH, (OH - 1) * SH + (KH - 1) * DH + 1)
    width = max(W + PW, (OW - 1) * SW + (KW - 1) * DW + 1)
    padded = np.zeros((N, C, PH + height, PW + width), cols.dtype)
    for i in range(KH):
        for j in range(KW):
            top, left = i * DH, j * DW
            padded[:, :, top:top + SH * OH:SH, left:left + SW * OW:SW][:, :, :OH, :OW] += cols[:, :, i, j]
    return np.ascontiguousarray(padded[:, :, PH:PH + H, PW:PW + W])


def conv2d(x, w, b, stride, padding, dilation, groups):
    """y (N, F, OH, OW) = the cross-correlation of x (N, C, H, W) with w (F, C/groups, KH, KW), plus b (F,) or None.

    im2col: Chellapilla, Puri & Simard 2006, section 3.1.
    """
    N, F, G = x.shape[0], w.shape[0], groups
    size = w.shape[2:]
    OH, OW = (out_size(*axis) for axis in zip(x.shape[2:], size, stride, padding, dilation, strict=True))
    rows = w.reshape(G, F // G, -1)                                                 # (G, F/G, C/G KH KW)
    y = np.empty((N, F, OH, OW), x.dtype)
    for some in chunks(N, w[0].size * G * OH * OW * x.itemsize):
        cols = im2col(x[some], size, stride, padding, dilation)
        cols = cols.reshape(len(cols), G, rows.shape[2], OH * OW)
        y[some] = np.matmul(rows, cols).reshape(-1, F, OH, OW)                      # (n, G, F/G, OH OW)
    return y if b is None else y + b.reshape(F, 1, 1)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    """gy (N, F, OH, OW) -> gx of `shape` (N, C, H, W): the columns' gradients, added up where the patches overlap."""
    N, C, H, W = shape
    F, G = w.shape[0], groups
    KH, KW = w.shape[2:]
    OH, OW = gy.shape[2:]
    rows = w.reshape(G, F // G, -1)
    gx = np.empty(shape, gy.dtype)
    for some in chunks(N, w[0].size * G * OH * OW * gy.itemsize):
        gcols = np.matmul(rows.swapaxes(1, 2), gy[some].reshape(-1, G, F // G, OH * OW))
        gx[some] = col2im(gcols.reshape(-1, C, KH, KW, OH, OW), (len(gcols), C, H, W), stride, padding, dilation)
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    """gy (N, F, OH, OW), x (N, C, H, W) -> gw (F, C/groups, KH, KW). The columns are made again, not kept."""
    (N, F, OH, OW), C, G = gy.shape, x.shape[1], groups
    KH, KW = size
    gw = np.zeros((G, F // G, C // G * KH * KW), x.dtype)
    for some in chunks(N, max(C * KH * KW * OH * OW, gw.size) * x.itemsize):
        cols = im2col(x[some], size, stride, padding, dilation)
        cols = cols.reshape(len(cols), G, C // G * KH * KW, OH * OW)
        gw += np.matmul(gy[some].reshape(-1, G, F // G, OH * OW), cols.swapaxes(2, 3)).sum(0)
    return gw.reshape(F, C // G, KH, KW)


def chunks(N, bytes_per_image):
    """Slices that cover N images, each with as many as CHUNK_BYTES allow, and at least one."""
    step = max(1, CHUNK_BYTES // max(1, bytes_per_image))
    return [slice(start, min(start + step, N)) for start in range(0, N, step)]
