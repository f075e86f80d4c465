"""Normalization: channel by channel, row by row or image by image, with sums in float64."""
import math

import numpy as np

from minidl.kernels.cpu.jit import SUMS, jit
from minidl.kernels.cpu.threads import in_parts
from minidl.kernels.reference import normalization as reference

SHORT = 16                   # pixels below which walking along a channel is slower than NumPy


def batch_norm(x, w, b, eps):
    N, C, H, W = x.shape
    if H * W < SHORT:
        return reference.batch_norm(x, w, b, eps)
    x, y, number = channels(x), np.empty(x.shape, x.dtype), x.dtype.type
    mean, var, inv_std = np.empty((3, C), x.dtype)
    w = np.ones(C, x.dtype) if w is None else np.ascontiguousarray(w)
    b = np.zeros(C, x.dtype) if b is None else np.ascontiguousarray(b)
    in_parts(lambda first, last: _batch_norm(x, w, b, number(eps), channels(y), mean, var, inv_std, first, last),
             C, x.size)
    return y, mean, var, inv_std


@jit(fastmath=SUMS)
def _batch_norm(x, w, b, eps, y, mean, var, inv_std, first, last):
    N, C, P = x.shape
    M = max(1, N * P)
    for c in range(first, last):
        total = 0.0
        for n in range(N):
            for p in range(P):
                total += x[n, c, p]
        m, total = total / M, 0.0
        for n in range(N):
            for p in range(P):
                total += (x[n, c, p] - m) ** 2
        mean[c], var[c] = m, total / M
        inv_std[c] = 1 / np.sqrt(var[c] + eps)
        scale, shift = inv_std[c] * w[c], b[c]
        for n in range(N):
            for p in range(P):
                y[n, c, p] = (x[n, c, p] - mean[c]) * scale + shift


def batch_norm_gradient(gy, x, w, mean, inv_std):
    N, C, H, W = x.shape
    if H * W < SHORT:
        return reference.batch_norm_gradient(gy, x, w, mean, inv_std)
    gx, gw, gb = np.empty(x.shape, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
    gy, x, scale = channels(gy), channels(x), inv_std if w is None else w * inv_std
    in_parts(lambda first, last: _batch_norm_gradient(gy, x, mean, inv_std, scale, channels(gx), gw, gb, first, last),
             C, x.size)
    return (gx, None, None) if w is None else (gx, gw, gb)


@jit(fastmath=SUMS)
def _batch_norm_gradient(gy, x, mean, inv_std, scale, gx, gw, gb, first, last):
    N, C, P = x.shape
    M = x.dtype.type(max(1, N * P))
    for c in range(first, last):
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
    x, y, inv_std = np.ascontiguousarray(x), np.empty(x.shape, x.dtype), np.empty((len(x), 1), x.dtype)
    in_parts(lambda first, last: _standardize(x, eps, y, inv_std, first, last), len(x), x.size)
    return y, inv_std


@jit(fastmath=SUMS)
def _standardize(x, eps, y, inv_std, first, last):
    D = x.shape[1]
    for r in range(first, last):
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
    gx, gy, y = np.empty(y.shape, y.dtype), np.ascontiguousarray(gy), np.ascontiguousarray(y)
    in_parts(lambda first, last: _standardize_gradient(gy, y, inv_std, gx, first, last), len(y), y.size)
    return gx


@jit(fastmath=SUMS)
def _standardize_gradient(gy, y, inv_std, gx, first, last):
    D = y.shape[1]
    for r in range(first, last):
        total, along = 0.0, 0.0
        for d in range(D):
            total += gy[r, d]
            along += gy[r, d] * y[r, d]
        mean, slope, scale = y.dtype.type(total / D), y.dtype.type(along / D), inv_std[r, 0]
        for d in range(D):
            gx[r, d] = scale * (gy[r, d] - mean - y[r, d] * slope)


def local_response_norm(x, size, alpha, beta, k):
    y, scale, number = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype), x.dtype.type
    x, numbers = channels(x), (number(alpha / size), number(beta), number(k))
    in_parts(lambda first, last: _local_response_norm(x, size, *numbers, channels(y), channels(scale), first, last),
             len(x), x.size)
    return y, scale


@jit
def _local_response_norm(x, size, alpha, beta, k, y, scale, first, last):
    N, C, P = x.shape
    for n in range(first, last):
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
    gx, number = np.empty(x.shape, x.dtype), x.dtype.type
    gy, x, scale = channels(gy), channels(x), channels(scale)
    numbers = number(2 * alpha * beta / size), number(beta)
    in_parts(lambda first, last: _local_response_norm_gradient(gy, x, scale, size, *numbers, channels(gx), first, last),
             len(x), x.size)
    return gx


@jit
def _local_response_norm_gradient(gy, x, scale, size, factor, beta, gx, first, last):
    N, C, P = x.shape
    ratio, reach = np.empty((C, P), x.dtype), np.empty(P, x.dtype)
    for n in range(first, last):
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
    return np.ascontiguousarray(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))
