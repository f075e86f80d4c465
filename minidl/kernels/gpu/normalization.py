"""Normalization: batch norm, group norm (of which layer and instance norm are cases), and LRN.

Sums are taken in x's own precision by a thread and by a block, in double precision over blocks, and always in one order.
Where a number is infinite, the mean is NaN.
"""
import math

import cupy

from minidl.kernels.gpu.launch import THREADS, Kernels, takes_float16, threads_of_row

kernels = Kernels("normalization")

PART = 4096                  # numbers of a channel that a block has
ROWS = 256                   # rows of x (N, C) that a block has: both as in normalization.cu


@takes_float16
def batch_norm(x, w, b, eps):
    x, w, b = contiguous(x, w, b)
    N, C, P = in_one(x.shape)
    count, parts = N * P, -(-N * P // PART)
    y, statistics, of_parts = cupy.empty(x.shape, x.dtype), cupy.empty((3, C), x.dtype), cupy.empty((3, C, parts), x.dtype)
    mean, var, inv_std = statistics
    kernels.blocks("part_statistics", C * parts, THREADS, x, *of_parts, C, P, count, parts)
    kernels.blocks("merge_statistics", C, 32, *of_parts, mean, var, inv_std, count, parts, eps)
    kernels.blocks("batch_norm", C * parts, THREADS, x, w, b, mean, inv_std, y, C, P, count)
    return y, mean, var, inv_std


@takes_float16
def batch_norm_gradient(gy, x, w, mean, inv_std):
    gy, x, w, mean, inv_std = contiguous(gy, x, w, mean, inv_std)
    N, C, P = in_one(x.shape)
    gx = cupy.empty(x.shape, x.dtype)
    gw, gb = sums(gy, x, mean, inv_std, 0)
    kernels.blocks("batch_norm_gradient", C * -(-N * P // PART), THREADS, gy, x, w, mean, inv_std, gw, gb, gx, C, P, N * P)
    return gx, gw, gb


@takes_float16
def group_norm(x, w, b, groups, eps):
    x, w, b = contiguous(x, w, b)
    N, C, P = x.shape
    length = C // groups * P
    y, (mean, inv_std) = cupy.empty(x.shape, x.dtype), cupy.empty((2, N, groups), x.dtype)
    kernels.blocks("group_norm", N * groups, threads_of_row(length), x, w, b, y, mean, inv_std, groups, C // groups,
                   max(1, P), length, eps)
    return y, mean, inv_std


@takes_float16
def group_norm_gradient(gy, x, w, mean, inv_std):
    gy, x, w, mean, inv_std = contiguous(gy, x, w, mean, inv_std)
    N, C, P = x.shape
    groups = mean.shape[1]
    length = C // groups * P
    gx = cupy.empty(x.shape, x.dtype)
    kernels.blocks("group_norm_gradient", N * groups, threads_of_row(length), gy, x, w, mean, inv_std, gx, groups,
                   C // groups, max(1, P), length)
    return gx, *sums(gy, x, mean, inv_std, groups)


def sums(gy, x, mean, inv_std, groups):
    """gw and gb (C,): the sums of gy x_hat and gy. An image has `groups` means; 0: all images have the channels' means."""
    N, C, P = in_one(x.shape)
    channels = C // groups if groups else 1
    parts = -(-N * P // (ROWS if P == 1 else PART))
    gw, gb, of_parts = cupy.empty(C, x.dtype), cupy.empty(C, x.dtype), cupy.empty((2, C, parts), x.dtype)
    arrays = gy, x, mean, inv_std, *of_parts
    if P == 1:
        kernels.blocks("part_sums_of_columns", -(-C // 32) * parts, (32, 8), *arrays, groups, channels, C, N, parts)
    else:
        kernels.blocks("part_sums", C * parts, THREADS, *arrays, groups, channels, C, P, N * P, parts)
    kernels.blocks("merge_sums", C, 32, *of_parts, gw, gb, parts)
    return gw, gb


@takes_float16
def local_response_norm(x, size, alpha, beta, k):
    x, = contiguous(x)
    N, C, P = in_one(x.shape)
    y, scale = cupy.empty(x.shape, x.dtype), cupy.empty(x.shape, x.dtype)
    kernels.each("local_response_norm", N * P, x, y, scale, C, P, N * P, size // 2, (size - 1) // 2,
                 alpha / size, beta, k)
    return y, scale


@takes_float16
def local_response_norm_gradient(gy, x, scale, size, alpha, beta):
    gy, x, scale = contiguous(gy, x, scale)
    N, C, P = in_one(x.shape)
    gx, share = cupy.empty(x.shape, x.dtype), cupy.empty(x.shape, x.dtype)
    kernels.each("local_response_norm_gradient", N * P, gy, x, scale, share, gx, C, P, N * P, (size - 1) // 2,
                 size // 2, 2 * alpha / size * beta, beta)
    return gx


def in_one(shape):
    """(N, C, ...) -> N, C and how many pixels a channel of an image has."""
    return *shape[:2], math.prod(shape[2:])


def contiguous(*arrays):
    """The arrays as they are read, number after number; None stays None."""
    return [None if x is None else cupy.ascontiguousarray(x) for x in arrays]
