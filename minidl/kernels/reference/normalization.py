"""Normalization: batch norm, group norm (of which layer and instance norm are cases), and LRN.

Variances are biased (divided by the count) and taken in a second pass, around the mean: E x^2 - (E x)^2 loses
all its digits in float32 where the mean is large. Sums are taken in float64.
"""
import numpy as np


def batch_norm(x, w, b, eps):
    """x (N, C, H, W), w and b (C,) or None -> y, and the batch's mean, biased variance, 1 / sqrt(var + eps) (C,).

    Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1.
    """
    axes, M = (0, 2, 3), max(1, x.size // max(1, x.shape[1]))
    mean = (x.sum(axes, np.float64) / M).astype(x.dtype)
    deviation = x - column(mean)
    var = (np.square(deviation).sum(axes, np.float64) / M).astype(x.dtype)
    inv_std = 1 / np.sqrt(var + eps)
    y = deviation * column(inv_std)
    if w is not None:
        y = y * column(w)
    if b is not None:
        y = y + column(b)
    return y, mean, var, inv_std


def batch_norm_gradient(gy, x, w, mean, inv_std):
    """gy, x (N, C, H, W) -> gx (N, C, H, W), gw, gb (C,), those that there would be if w is None. Section 3 of the paper."""
    axes, M = (0, 2, 3), max(1, x.size // max(1, x.shape[1]))
    x_hat = (x - column(mean)) * column(inv_std)
    gb = gy.sum(axes, np.float64).astype(x.dtype)
    gw = (gy * x_hat).sum(axes, np.float64).astype(x.dtype)
    scale = inv_std if w is None else w * inv_std
    gx = column(scale) * (gy - column(gb / M) - x_hat * column(gw / M))
    return gx, gw, gb


def column(v):
    """(C,) -> (C, 1, 1), so that it meets the channels of (N, C, H, W)."""
    return v.reshape(-1, 1, 1)


def group_norm(x, w, b, groups, eps):
    """x (N, C, P), w and b (C,) or None -> y, and for each group of channels mean and 1 / sqrt(var + eps) (N, groups).

    Wu & He 2018, arXiv 1803.08494, section 3.
    """
    rows = in_groups(x, groups)
    count = max(1, rows.shape[2])
    mean = (rows.sum(2, np.float64) / count).astype(x.dtype)
    deviation = rows - mean[:, :, None]
    inv_std = 1 / np.sqrt((np.square(deviation).sum(2, np.float64) / count).astype(x.dtype) + eps)
    y = (deviation * inv_std[:, :, None]).reshape(x.shape)
    if w is not None:
        y = y * w[:, None]
    if b is not None:
        y = y + b[:, None]
    return y, mean, inv_std


def group_norm_gradient(gy, x, w, mean, inv_std):
    """gy, x (N, C, P), mean and inv_std (N, groups) -> gx (N, C, P), gw, gb (C,), those that there would be if w is None.

    gx is g = w gy without its parts along 1 and along x_hat, scaled back.
    """
    groups = mean.shape[1]
    x_hat = (in_groups(x, groups) - mean[:, :, None]) * inv_std[:, :, None]
    g = in_groups(gy if w is None else gy * w[:, None], groups)
    count = max(1, g.shape[2])
    along_1 = (g.sum(2, np.float64, keepdims=True) / count).astype(x.dtype)
    along_x = ((g * x_hat).sum(2, np.float64, keepdims=True) / count).astype(x.dtype)
    gx = inv_std[:, :, None] * (g - along_1 - x_hat * along_x)
    gw = (gy * x_hat.reshape(x.shape)).sum((0, 2), np.float64).astype(x.dtype)
    return gx.reshape(x.shape), gw, gy.sum((0, 2), np.float64).astype(x.dtype)


def in_groups(x, groups):
    """(N, C, P) -> (N, groups, C / groups P)"""
    N, C, P = x.shape
    return x.reshape(N, groups, C // groups * P)


def local_response_norm(x, size, alpha, beta, k):
    """x (N, C, ...) -> y = x / scale^beta, and scale = k + alpha / size * (sum of x^2 over `size` channels around).

    Krizhevsky, Sutskever & Hinton 2012, section 3.3, but with alpha divided by size, as in PyTorch and Caffe.
    """
    scale = k + alpha / size * window_sum(x * x, size // 2, (size - 1) // 2)
    return x * scale ** -beta, scale


def local_response_norm_gradient(gy, x, scale, size, alpha, beta):
    """gx of x's shape. Channel c reaches the outputs whose windows hold it: the window mirrored."""
    power = scale ** -beta
    reach = window_sum(gy * x * power / scale, (size - 1) // 2, size // 2)
    return gy * power - 2 * alpha / size * beta * x * reach


def window_sum(x, before, after):
    """Sums over channels c - before ... c + after of x (N, C, ...), as far as there are such channels."""
    C = x.shape[1]
    y = np.zeros_like(x)
    for shift in range(-before, after + 1):                          # y[c] += x[c + shift]
        y[:, max(0, -shift):max(0, C - shift)] += x[:, max(0, shift):max(0, C + shift)]
    return y
