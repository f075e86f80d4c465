"""Normalization: a channel, row or image per thread, its sums in float64, in as few passes as the formulas allow."""
import numpy as np

from minidl.kernels.cpu.jit import SUMS, jit, prange
from minidl.kernels.reference import normalization as reference

SHORT = 16                   # pixels below which walking along a channel is slower than NumPy


def batch_norm(x, w, b, eps):
    N, C, H, W = x.shape
    if H * W < SHORT:
        return reference.batch_norm(x, w, b, eps)
    y = np.empty(x.shape, x.dtype)
    mean, var = np.empty(C, x.dtype), np.empty(C, x.dtype)
    _channel_statistics(channels(x), mean, var)
    inv_std = 1 / np.sqrt(var + eps)
    scale = inv_std if w is None else w * inv_std
    _scale_channels(channels(x), mean, scale, np.zeros_like(mean) if b is None else np.ascontiguousarray(b),
                    channels(y))
    return y, mean, var, inv_std


@jit(parallel=True, fastmath=SUMS)
def _channel_statistics(x, mean, var):
    N, C, P = x.shape
    M = max(1, N * P)
    for c in prange(C):
        total = 0.0
        for n in range(N):
            for p in range(P):
                total += x[n, c, p]
        m, total = total / M, 0.0
        for n in range(N):
            for p in range(P):
                total += (x[n, c, p] - m) ** 2
        mean[c], var[c] = m, total / M


@jit(parallel=True)
def _scale_channels(x, mean, scale, shift, y):
    N, C, P = x.shape
    for c in prange(C):
        for n in range(N):
            for p in range(P):
                y[n, c, p] = (x[n, c, p] - mean[c]) * scale[c] + shift[c]


def batch_norm_gradient(gy, x, w, mean, inv_std):
    N, C, H, W = x.shape
    if H * W < SHORT:
        return reference.batch_norm_gradient(gy, x, w, mean, inv_std)
    gx = np.empty(x.shape, x.dtype)
    gw, gb = np.empty(C, x.dtype), np.empty(C, x.dtype)
    scale = inv_std if w is None else w * inv_std
    _batch_norm_gradient(channels(gy), channels(x), mean, inv_std, scale, channels(gx), gw, gb)
    return (gx, None, None) if w is None else (gx, gw, gb)


@jit(parallel=True, fastmath=SUMS)
def _batch_norm_gradient(gy, x, mean, inv_std, scale, gx, gw, gb):
    N, C, P = x.shape
    M = max(1, N * P)
    for c in prange(C):
        sum_g, sum_gx = 0.0, 0.0
        for n in range(N):
            for p in range(P):
                sum_g += gy[n, c, p]
                sum_gx += gy[n, c, p] * (x[n, c, p] - mean[c])
        gb[c], gw[c] = sum_g, sum_gx * inv_std[c]
        mean_g, slope = gb[c] / M, gw[c] / M * inv_std[c]
        for n in range(N):
            for p in range(P):
                gx[n, c, p] = scale[c] * (gy[n, c, p] - mean_g - (x[n, c, p] - mean[c]) * slope)


def standardize(x, eps):
    y, inv_std = np.empty(x.shape, x.dtype), np.empty((len(x), 1), x.dtype)
    _standardize(np.ascontiguousarray(x), eps, y, inv_std)
    return y, inv_std


@jit(parallel=True, fastmath=SUMS)
def _standardize(x, eps, y, inv_std):
    R, D = x.shape
    for r in prange(R):
        total = 0.0
        for d in range(D):
            total += x[r, d]
        mean, total = total / D, 0.0
        for d in range(D):
            total += (x[r, d] - mean) ** 2
        inv_std[r, 0] = 1 / np.sqrt(total / D + eps)
        m, scale = x.dtype.type(mean), inv_std[r, 0]
        for d in range(D):
            y[r, d] = (x[r, d] - m) * scale


def standardize_gradient(gy, y, inv_std):
    gx = np.empty(y.shape, y.dtype)
    _standardize_gradient(np.ascontiguousarray(gy), np.ascontiguousarray(y), inv_std, gx)
    return gx


@jit(parallel=True, fastmath=SUMS)
def _standardize_gradient(gy, y, inv_std, gx):
    R, D = y.shape
    for r in prange(R):
        total, along = 0.0, 0.0
        for d in range(D):
            total += gy[r, d]
            along += gy[r, d] * y[r, d]
        mean, slope, scale = y.dtype.type(total / D), y.dtype.type(along / D), inv_std[r, 0]
        for d in range(D):
            gx[r, d] = scale * (gy[r, d] - mean - y[r, d] * slope)


def local_response_norm(x, size, alpha, beta, k):
    y, scale = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
    number = x.dtype.type
    _local_response_norm(channels(x), size, number(alpha / size), number(beta), number(k), channels(y),
                         channels(scale))
    return y, scale


@jit(parallel=True)
def _local_response_norm(x, size, alpha, beta, k, y, scale):
    N, C, P = x.shape
    for n in prange(N):
        for c in range(C):
            for p in range(P):
                scale[n, c, p] = k
            for d in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
                for p in range(P):
                    scale[n, c, p] += alpha * x[n, d, p] * x[n, d, p]
            _power(scale[n, c], -beta, y[n, c])
            for p in range(P):
                y[n, c, p] *= x[n, c, p]


def local_response_norm_gradient(gy, x, scale, size, alpha, beta):
    gx = np.empty(x.shape, x.dtype)
    number = x.dtype.type
    _local_response_norm_gradient(channels(gy), channels(x), channels(scale), size, number(2 * alpha * beta / size),
                                  number(beta), channels(gx))
    return gx


@jit(parallel=True)
def _local_response_norm_gradient(gy, x, scale, size, factor, beta, gx):
    N, C, P = x.shape
    for n in prange(N):
        ratio, reach = np.empty((C, P), x.dtype), np.empty(P, x.dtype)
        for c in range(C):
            _power(scale[n, c], -beta, gx[n, c])
            for p in range(P):
                gx[n, c, p] *= gy[n, c, p]
                ratio[c, p] = gx[n, c, p] * x[n, c, p] / scale[n, c, p]
        for c in range(C):
            reach[:] = 0
            for d in range(max(0, c - (size - 1) // 2), min(C, c + size // 2 + 1)):
                for p in range(P):
                    reach[p] += ratio[d, p]
            for p in range(P):
                gx[n, c, p] -= factor * x[n, c, p] * reach[p]


@jit
def _power(x, exponent, y):
    """y = x^exponent; the exponent of the paper, -3/4, by square roots, which vectorize."""
    if exponent == -0.75:
        for p in range(len(x)):
            root = np.sqrt(x[p])
            y[p] = 1 / (root * np.sqrt(root))
    else:
        for p in range(len(x)):
            y[p] = x[p] ** exponent


def channels(x):
    """(N, C, ...) -> (N, C, P), C-contiguous"""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], -1) if x.size else np.empty((*x.shape[:2], 0), x.dtype)
