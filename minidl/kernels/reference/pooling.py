"""Pooling: the largest value, or the mean, of each window; sizes, ties and edges as in PyTorch."""
import numpy as np

from minidl.kernels.reference.convolution import col2im, patches


def pool_size(size, kernel, stride, padding, dilation, ceil_mode):
    """How many windows there are along one axis, ints. With `ceil_mode` the last window may stick out at the
    far end, but it must start inside the input or its near padding."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out


def pool_sizes(shape, size, stride, padding, dilation, ceil_mode):
    return [pool_size(*axis, ceil_mode) for axis in zip(shape[2:], size, stride, padding, dilation, strict=True)]


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    """x (N, C, H, W) -> y (N, C, OH, OW) and the winners' places iy * W + ix, int32, of the same shape.

    Of equal values the first in row-major order wins; a NaN beats every number. The padding never wins: a
    window with no cell inside x (which dilation can make) is -inf, at place -1.
    """
    N, C, H, W = x.shape
    out = pool_sizes(x.shape, size, stride, padding, dilation, ceil_mode)
    flat = (N, C, size[0] * size[1], *out)
    cols = patches(x, size, stride, padding, dilation, out, -np.inf).reshape(flat)
    place = np.arange(H * W).reshape(1, 1, H, W)
    place = patches(place, size, stride, padding, dilation, out, -1).reshape(1, 1, *flat[2:])
    y = cols.max(2)
    best = (place >= 0) & ((cols == y[:, :, None]) | np.isnan(cols))
    winner = best.argmax(2)[:, :, None]                                            # the first True
    index = np.take_along_axis(np.broadcast_to(place, flat), winner, 2)[:, :, 0]
    return y, np.where(best.any(2), index, -1).astype(np.int32)


def max_pool_gradient(gy, index, shape):
    """gx of `shape` (N, C, H, W): gy (N, C, OH, OW) added at the winners' places; windows may share a winner."""
    N, C, H, W = shape
    gx = np.zeros((N * C, H * W), gy.dtype)
    plane = np.arange(N * C).reshape(N, C, 1, 1)
    np.add.at(gx, (plane, index), np.where(index >= 0, gy, 0))
    return gx.reshape(shape)


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """x (N, C, H, W) -> y (N, C, OH, OW), each window's sum over its number of cells (see `divisors`)."""
    out = pool_sizes(x.shape, size, stride, padding, (1, 1), ceil_mode)
    total = patches(x, size, stride, padding, (1, 1), out, 0).sum((2, 3))
    return total / divisors(x.shape, out, size, stride, padding, count_include_pad, divisor_override, x.dtype)


def avg_pool_gradient(gy, shape, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """gy (N, C, OH, OW) -> gx of `shape` (N, C, H, W): every cell of a window gets an equal share."""
    out = gy.shape[2:]
    share = gy / divisors(shape, out, size, stride, padding, count_include_pad, divisor_override, gy.dtype)
    cols = np.broadcast_to(share[:, :, None, None], (*gy.shape[:2], *size, *out))
    return col2im(cols, shape, stride, padding, (1, 1))


def divisors(shape, out, size, stride, padding, count_include_pad, divisor_override, dtype):
    """(OH, OW): the cells of each window, those in the padding counted or not; or `divisor_override` itself."""
    if divisor_override is not None:
        return np.full(out, divisor_override, dtype)
    rows, columns = (window_lengths(*axis, count_include_pad)
                     for axis in zip(shape[2:], out, size, stride, padding, strict=True))
    return np.outer(rows, columns).astype(dtype)


def window_lengths(size, out, kernel, stride, padding, count_include_pad):
    """(out,): each window's cells along one axis. What sticks out past the padding (ceil_mode) never counts."""
    start = np.arange(out) * stride - padding
    end = np.minimum(start + kernel, size + padding)
    return end - start if count_include_pad else np.minimum(end, size) - np.maximum(start, 0)


def adaptive_windows(size, out):
    """The (start, end) of `out` windows along an axis: from floor(i size / out) to ceil((i + 1) size / out)."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def adaptive_avg_pool(x, out):
    """x (N, C, H, W) -> y (N, C, OH, OW), `out` = (OH, OW): means of windows that cover x evenly."""
    y = np.empty((*x.shape[:2], *out), x.dtype)
    for oy, (top, bottom) in enumerate(adaptive_windows(x.shape[2], out[0])):
        for ox, (left, right) in enumerate(adaptive_windows(x.shape[3], out[1])):
            y[:, :, oy, ox] = x[:, :, top:bottom, left:right].mean((2, 3))
    return y


def adaptive_avg_pool_gradient(gy, shape):
    """gy (N, C, OH, OW) -> gx of `shape` (N, C, H, W): every cell of a window gets an equal share."""
    gx = np.zeros(shape, gy.dtype)
    for oy, (top, bottom) in enumerate(adaptive_windows(shape[2], gy.shape[2])):
        for ox, (left, right) in enumerate(adaptive_windows(shape[3], gy.shape[3])):
            cells = (bottom - top) * (right - left)
            gx[:, :, top:bottom, left:right] += gy[:, :, oy, ox, None, None] / cells
    return gx


def adaptive_max_pool(x, out):
    """x (N, C, H, W) -> y and the winners' places, both (N, C, OH, OW), as max_pool; so is the gradient."""
    N, C, H, W = x.shape
    y, index = np.empty((N, C, *out), x.dtype), np.empty((N, C, *out), np.int32)
    for oy, (top, bottom) in enumerate(adaptive_windows(H, out[0])):
        for ox, (left, right) in enumerate(adaptive_windows(W, out[1])):
            window = x[:, :, top:bottom, left:right].reshape(N, C, (bottom - top) * (right - left))
            winner = window.argmax(2)
            y[:, :, oy, ox] = np.take_along_axis(window, winner[:, :, None], 2)[:, :, 0]
            index[:, :, oy, ox] = (top + winner // (right - left)) * W + left + winner % (right - left)
    return y, index
