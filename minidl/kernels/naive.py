"""Convolution and pooling as loops over single numbers, in plain Python: what the fast kernels are compared with.

Slow beyond use, except on arrays of a few hundred numbers. Arguments as in `reference`.
"""
from itertools import product

import numpy as np

from minidl.kernels.reference import out_size, pool_size


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    """Any convolution."""
    return True


def conv2d(x, w, b, stride, padding, dilation, groups):
    """y[n, f, oy, ox] = b[f] + the sum over c, i, j of w[f, c, i, j] x[n, c + f's group's first channel, iy, ix],
    with iy = oy SH + i DH - PH and ix = ox SW + j DW - PW, as far as that is inside of x: seven loops."""
    how = stride, padding, dilation, groups
    y = np.zeros((len(x), len(w), *output_shape(x.shape, w.shape, stride, padding, dilation)), x.dtype)
    for n, f, oy, ox, c, i, j, channel, iy, ix in connections(x.shape, w.shape, y.shape, *how):
        y[n, f, oy, ox] += w[f, c, i, j] * x[n, channel, iy, ix]
    return y if b is None else y + b.reshape(-1, 1, 1)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    """Every product of conv2d, w x added to y, sends w gy back to x."""
    gx, how = np.zeros(shape, gy.dtype), (stride, padding, dilation, groups)
    for n, f, oy, ox, c, i, j, channel, iy, ix in connections(shape, w.shape, gy.shape, *how):
        gx[n, channel, iy, ix] += w[f, c, i, j] * gy[n, f, oy, ox]
    return gx


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    """Every product of conv2d, w x added to y, sends x gy back to w."""
    how = stride, padding, dilation, groups
    gw = np.zeros((gy.shape[1], x.shape[1] // groups, *size), x.dtype)
    for n, f, oy, ox, c, i, j, channel, iy, ix in connections(x.shape, gw.shape, gy.shape, *how):
        gw[f, c, i, j] += x[n, channel, iy, ix] * gy[n, f, oy, ox]
    return gw


def output_shape(shape, w_shape, stride, padding, dilation):
    return [out_size(*axis) for axis in zip(shape[2:], w_shape[2:], stride, padding, dilation, strict=True)]


def connections(shape, w_shape, y_shape, stride, padding, dilation, groups):
    """Which output (n, f, oy, ox) reads which input (n, channel, iy, ix) through which weight (f, c, i, j)."""
    (N, _, H, W), (F, channels, KH, KW), (_, _, OH, OW) = shape, w_shape, y_shape
    for n in range(N):
        for f in range(F):
            for oy in range(OH):
                for ox in range(OW):
                    for c in range(channels):
                        for i in range(KH):
                            for j in range(KW):
                                channel = f // (F // groups) * channels + c
                                iy = oy * stride[0] + i * dilation[0] - padding[0]
                                ix = ox * stride[1] + j * dilation[1] - padding[1]
                                if 0 <= iy < H and 0 <= ix < W:
                                    yield n, f, oy, ox, c, i, j, channel, iy, ix


def windows(shape, size, stride, padding, dilation, ceil_mode):
    """For each output cell (n, c, oy, ox): the cells (n, c, iy, ix) of x that it pools, in row-major order, and how
    many cells its window has within the padded x."""
    (N, C, H, W), (KH, KW), (PH, PW) = shape, size, padding
    OH, OW = (pool_size(*axis, ceil_mode) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True))
    for n, c, oy, ox in product(range(N), range(C), range(OH), range(OW)):
        rows = [oy * stride[0] + i * dilation[0] - PH for i in range(KH)]
        columns = [ox * stride[1] + j * dilation[1] - PW for j in range(KW)]
        cells = [(n, c, iy, ix) for iy in rows for ix in columns if 0 <= iy < H and 0 <= ix < W]
        yield (n, c, oy, ox), cells, sum(iy < H + PH for iy in rows) * sum(ix < W + PW for ix in columns)


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    """y and the winners' places iy * W + ix; of equal values the first wins, and NaN beats every number."""
    found = list(windows(x.shape, size, stride, padding, dilation, ceil_mode))
    y = np.empty(tuple(last + 1 for last in found[-1][0]), x.dtype)
    index = np.empty(y.shape, np.int32)
    for out, cells, _ in found:
        best = cells[0]
        for cell in cells:
            if x[cell] > x[best] or (np.isnan(x[cell]) and not np.isnan(x[best])):
                best = cell
        y[out], index[out] = x[best], best[2] * x.shape[3] + best[3]
    return y, index


def max_pool_gradient(gy, index, shape):
    """gy added at the winners' places."""
    gx = np.zeros(shape, gy.dtype)
    for n, c, oy, ox in np.ndindex(gy.shape):
        gx[n, c, index[n, c, oy, ox] // shape[3], index[n, c, oy, ox] % shape[3]] += gy[n, c, oy, ox]
    return gx


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Each window's sum over its number of cells, those in the padding counted or not."""
    found = list(windows(x.shape, size, stride, padding, (1, 1), ceil_mode))
    y = np.empty(tuple(last + 1 for last in found[-1][0]), x.dtype)
    for out, cells, padded in found:
        y[out] = sum(x[cell] for cell in cells) / (divisor_override or (padded if count_include_pad else len(cells)))
    return y


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Each cell of a window gets an equal share of the window's gradient."""
    gx = np.zeros(shape, gy.dtype)
    for out, cells, padded in windows(shape, size, stride, padding, (1, 1), ceil_mode):
        for cell in cells:
            gx[cell] += gy[out] / (divisor_override or (padded if count_include_pad else len(cells)))
    return gx
