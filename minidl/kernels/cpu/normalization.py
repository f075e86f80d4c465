"""Normalization: channel by channel, group by group or image by image.

All are bound by memory: a channel, or a group, comes from memory once and stays in a core's second-level cache while
its mean and variance are taken and its result is written. As many channels are taken together as stay there: in an
image they lie side by side, and the processor, which looks ahead in long runs, has the next one when it is its turn.
Numbers are summed up in vectors, in their own precision, and the sums of many runs of numbers in float64.
"""
import math

import numpy as np

from minidl.kernels.cpu.jit import SUMS, jit, portion
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import BLOCK, stream, worth_streaming
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.reference import normalization as reference

SHORT = 128                  # pixels below which the channels of an image are handled side by side
CACHE = 2 ** 19              # bytes of x that stay in a core's second-level cache
TOGETHER = 64                # images whose sums are added up in x's own precision, before they go to a sum in float64


# ---- batch norm of (N, C, P): a channel is N runs of P numbers, one in each image


def batch_norm(x, w, b, eps):
    N, C, P = *x.shape[:2], math.prod(x.shape[2:])
    y, number = empty(x.shape, x.dtype), x.dtype.type
    mean, var, inv_std = np.empty((3, C), x.dtype)
    w = np.ones(C, x.dtype) if w is None else np.ascontiguousarray(w)
    b = np.zeros(C, x.dtype) if b is None else np.ascontiguousarray(b)
    arrays = flat(x), N, P, w, b, number(eps), flat(y), mean, var, inv_std
    if P < SHORT:
        group = group_size(N, C, P, x.itemsize)
        _batch_norm_of_short_runs(*arrays, group, workspace(4 * group * P, x.dtype))
    else:
        _batch_norm(*arrays, P % LANES == 0 and worth_streaming(y), group_size(N, C, P, x.itemsize),
                    workspace(BLOCK, x.dtype))
    return y, mean, var, inv_std


@jit(each="rooms")
def _batch_norm(t, x, N, P, w, b, eps, y, mean, var, inv_std, streaming, group, rooms):
    for first in range(t * group, len(w), len(rooms) * group):
        _batch_norm_channels(x, N, P, w, b, eps, y, mean, var, inv_std, streaming, first, min(first + group, len(w)),
                             rooms[t])


@jit(inline=True)
def _batch_norm_channels(x, N, P, w, b, eps, y, mean, var, inv_std, streaming, first, last, room):
    """One pass gives mean and variance: Var x = E (x - m)^2 - (E x - m)^2 for every m. That loses digits where m is
    far from E x, measured in standard deviations; the mean of the first of N runs is at most sqrt(N) away."""
    count, C, sums = max(1, N * P), len(w), np.zeros((last - first, 2))
    mean[first:last] = 0
    for n in range(N):
        for c in range(first, last):
            run = x[(n * C + c) * P:(n * C + c + 1) * P]
            if n == 0:
                mean[c] = _sums(run, x.dtype.type(0))[0] / P
            total, squares = _sums(run, mean[c])
            sums[c - first, 0] += total
            sums[c - first, 1] += squares
    for c in range(first, last):
        total, squares = sums[c - first]
        mean[c] += total / count
        var[c] = max(0.0, squares - total / count * total) / count
        inv_std[c] = 1 / np.sqrt(var[c] + eps)
    for n in range(N):
        for c in range(first, last):
            i = (n * C + c) * P
            if streaming:
                for j in range(i, i + P, BLOCK):
                    k = min(j + BLOCK, i + P)
                    _affine(x[j:k], mean[c], inv_std[c] * w[c], b[c], room)
                    stream(room[:k - j], y, j)
            else:
                _affine(x[i:i + P], mean[c], inv_std[c] * w[c], b[c], y[i:i + P])


@jit(fastmath=SUMS)
def _sums(x, near):
    """The sums of x - near and of its square."""
    total, squares = x.dtype.type(0), x.dtype.type(0)
    for n in range(len(x)):
        d = x[n] - near
        total += d
        squares += d * d
    return total, squares


@jit
def _affine(x, mean, scale, shift, y):
    for n in range(len(x)):
        y[n] = (x[n] - mean) * scale + shift


def batch_norm_gradient(gy, x, w, mean, inv_std):
    N, C, P = *x.shape[:2], math.prod(x.shape[2:])
    gx, gw, gb = empty(x.shape, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
    scale = inv_std if w is None else w * inv_std
    arrays = flat(gy), flat(x), N, P, mean, inv_std, scale, flat(gx), gw, gb
    if P < SHORT:
        group = group_size(N, C, P, 2 * x.itemsize)
        _gradient_of_short_runs(*arrays, group, workspace(4 * group * P, x.dtype))
    else:
        _batch_norm_gradient(*arrays, P % LANES == 0 and worth_streaming(gx), group_size(N, C, P, 2 * x.itemsize),
                             workspace(BLOCK, x.dtype))
    return gx, gw, gb


@jit(each="rooms")
def _batch_norm_gradient(t, gy, x, N, P, mean, inv_std, scale, gx, gw, gb, streaming, group, rooms):
    for first in range(t * group, len(scale), len(rooms) * group):
        _channels_gradient(gy, x, N, P, mean, inv_std, scale, gx, gw, gb, streaming, first,
                           min(first + group, len(scale)), rooms[t])


@jit(inline=True)
def _channels_gradient(gy, x, N, P, mean, inv_std, scale, gx, gw, gb, streaming, first, last, room):
    count, C, sums = x.dtype.type(max(1, N * P)), len(scale), np.zeros((last - first, 2))
    for n in range(N):
        for c in range(first, last):
            i = (n * C + c) * P
            total, along = _sums_gradient(gy[i:i + P], x[i:i + P], mean[c])
            sums[c - first, 0] += total
            sums[c - first, 1] += along
    for c in range(first, last):
        gb[c], gw[c] = sums[c - first, 0], sums[c - first, 1] * inv_std[c]
    for n in range(N):
        for c in range(first, last):
            i, mean_g, slope = (n * C + c) * P, gb[c] / count, gw[c] / count * inv_std[c]
            if streaming:
                for j in range(i, i + P, BLOCK):
                    k = min(j + BLOCK, i + P)
                    _affine_gradient(gy[j:k], x[j:k], mean[c], mean_g, slope, scale[c], room)
                    stream(room[:k - j], gx, j)
            else:
                _affine_gradient(gy[i:i + P], x[i:i + P], mean[c], mean_g, slope, scale[c], gx[i:i + P])


@jit(fastmath=SUMS)
def _sums_gradient(gy, x, mean):
    """The sums of gy and of gy (x - mean)."""
    total, along = x.dtype.type(0), x.dtype.type(0)
    for n in range(len(x)):
        total += gy[n]
        along += gy[n] * (x[n] - mean)
    return total, along


@jit
def _affine_gradient(gy, x, mean, mean_g, slope, scale, gx):
    for n in range(len(x)):
        gx[n] = scale * (gy[n] - mean_g - (x[n] - mean) * slope)


# ---- the same for short runs. A loop over 49 numbers hardly begins before it ends. So a group of channels is taken
# ---- together, which in each image is one long run of cells; mean and scale are spread over the cells of a channel.


def group_size(N, C, P, itemsize):
    """How many channels: as many as stay in a core's cache, and no more than a thread's share."""
    return max(1, min(CACHE // max(1, N * P * itemsize), -(-C // thread_count())))


@jit(each="rooms")
def _batch_norm_of_short_runs(t, x, N, P, w, b, eps, y, mean, var, inv_std, group, rooms):
    for first in range(t * group, len(w), len(rooms) * group):
        _batch_norm_group(x, N, P, w, b, eps, y, mean, var, inv_std, first, min(first + group, len(w)), rooms[t])


@jit(inline=True)
def _batch_norm_group(x, N, P, w, b, eps, y, mean, var, inv_std, first, last, room):
    width, count, starts = (last - first) * P, max(1, N * P), range(first * P, N * len(w) * P, len(w) * P)
    total, center, scale, shift = room[:width], room[width:2 * width], room[2 * width:3 * width], room[3 * width:4 * width]
    total[:] = 0
    for i in starts:
        _add(x[i:i + width], total)
    for c in range(first, last):
        i, j = (c - first) * P, (c - first + 1) * P
        mean[c] = _total(total[i:j]) / count
        _spread(mean[c], center[i:j])
    total[:] = 0
    for i in starts:
        _add_square(x[i:i + width], center, total)
    for c in range(first, last):
        i, j = (c - first) * P, (c - first + 1) * P
        var[c] = _total(total[i:j]) / count
        inv_std[c] = 1 / np.sqrt(var[c] + eps)
        _spread(inv_std[c] * w[c], scale[i:j])
        _spread(b[c], shift[i:j])
    for i in starts:
        _affine_cells(x[i:i + width], center, scale, shift, y[i:i + width])


@jit(inline=True)
def _add(x, total):
    for n in range(len(x)):
        total[n] += x[n]


@jit(inline=True)
def _add_square(x, center, total):
    for n in range(len(x)):
        d = x[n] - center[n]
        total[n] += d * d


@jit(inline=True)
def _affine_cells(x, center, scale, shift, y):
    for n in range(len(x)):
        y[n] = (x[n] - center[n]) * scale[n] + shift[n]


@jit(fastmath=SUMS)
def _total(x):
    total = 0.0
    for n in range(len(x)):
        total += x[n]
    return total


@jit
def _spread(number, x):
    for n in range(len(x)):
        x[n] = number


@jit(each="rooms")
def _gradient_of_short_runs(t, gy, x, N, P, mean, inv_std, scale, gx, gw, gb, group, rooms):
    for first in range(t * group, len(scale), len(rooms) * group):
        last = min(first + group, len(scale))
        _group_gradient(gy, x, N, P, mean, inv_std, scale, gx, gw, gb, first, last, rooms[t])


@jit(inline=True)
def _group_gradient(gy, x, N, P, mean, inv_std, scale, gx, gw, gb, first, last, room):
    width, count, starts = (last - first) * P, max(1, N * P), range(first * P, N * len(scale) * P, len(scale) * P)
    center, total, along, scales = room[:width], room[width:2 * width], room[2 * width:3 * width], room[3 * width:4 * width]
    for c in range(first, last):
        i = (c - first) * P
        _spread(mean[c], center[i:i + P])
        _spread(scale[c], scales[i:i + P])
    total[:] = 0
    along[:] = 0
    for i in starts:
        _add_sums_gradient(gy[i:i + width], x[i:i + width], center, total, along)
    for c in range(first, last):
        i, j = (c - first) * P, (c - first + 1) * P
        gb[c], gw[c] = _total(total[i:j]), _total(along[i:j]) * inv_std[c]
        _spread(gb[c] / count, total[i:j])                           # now the means
        _spread(gw[c] / count * inv_std[c], along[i:j])              # and the slopes
    for i in starts:
        _cells_gradient(gy[i:i + width], x[i:i + width], center, total, along, scales, gx[i:i + width])


@jit(inline=True)
def _add_sums_gradient(gy, x, center, total, along):
    for n in range(len(x)):
        total[n] += gy[n]
        along[n] += gy[n] * (x[n] - center[n])


@jit(inline=True)
def _cells_gradient(gy, x, center, mean_g, slope, scale, gx):
    for n in range(len(x)):
        gx[n] = scale[n] * (gy[n] - mean_g[n] - (x[n] - center[n]) * slope[n])


# ---- group norm of (N, C, P): a row, which is one image's group of channels, is C / groups runs of P numbers


def group_norm(x, w, b, groups, eps):
    if x.size == 0:
        return reference.group_norm(x, w, b, groups, eps)
    N, C, P = x.shape
    y, (mean, inv_std) = empty(x.shape, x.dtype), np.empty((2, N * groups), x.dtype)
    w = np.ones(C, x.dtype) if w is None else np.ascontiguousarray(w, x.dtype)
    b = np.zeros(C, x.dtype) if b is None else np.ascontiguousarray(b, x.dtype)
    results = x.dtype.type(eps), groups, flat(y), mean, inv_std, thread_count()
    if P < SHORT:
        _group_norm_of_cells(flat(x), np.repeat(w, P), np.repeat(b, P), *results)
    else:
        _group_norm(flat(x), P, w, b, *results)
    return y, mean.reshape(N, groups), inv_std.reshape(N, groups)


@jit(each="threads")
def _group_norm(t, x, P, w, b, eps, groups, y, mean, inv_std, threads):
    channels, (first, end) = len(w) // groups, portion(len(mean), t, threads)
    for r in range(first, end):
        i, c = r * channels * P, r % groups * channels
        mean[r], inv_std[r] = _statistics(x[i:i + channels * P], P, eps)
        for k in range(channels):
            j = i + k * P
            _affine(x[j:j + P], mean[r], inv_std[r] * w[c + k], b[c + k], y[j:j + P])


@jit
def _statistics(x, P, eps):
    """The mean of x and 1 / sqrt(var + eps), taken as in `_batch_norm_channels` around the mean of the first P numbers."""
    total, squares = 0.0, 0.0
    near = x.dtype.type(_sums(x[:P], x.dtype.type(0))[0] / P)
    for i in range(0, len(x), P):
        more, more_squares = _sums(x[i:i + P], near)
        total += more
        squares += more_squares
    return near + total / len(x), 1 / np.sqrt(max(0.0, squares - total / len(x) * total) / len(x) + eps)


def group_norm_gradient(gy, x, w, mean, inv_std):
    if x.size == 0:
        return reference.group_norm_gradient(gy, x, w, mean, inv_std)
    N, C, P = x.shape
    gx, groups, threads = empty(x.shape, x.dtype), mean.shape[1], thread_count()
    w = np.ones(C, x.dtype) if w is None else np.ascontiguousarray(w, x.dtype)
    known = flat(mean), flat(inv_std), groups, flat(gx)
    if P < SHORT:
        sums = np.zeros((threads, 2, C * P))
        _group_norm_of_cells_gradient(flat(gy), flat(x), np.repeat(w, P), *known, sums, workspace(2 * C * P, x.dtype))
        gw, gb = sums.sum(0).reshape(2, C, P).sum(2)
    else:
        sums = np.empty((2, N * C))
        _group_norm_gradient(flat(gy), flat(x), P, w, *known, *sums, threads)
        gw, gb = sums.reshape(2, N, C).sum(1)
    return gx, gw.astype(x.dtype), gb.astype(x.dtype)


@jit(each="threads")
def _group_norm_gradient(t, gy, x, P, w, mean, inv_std, groups, gx, gw, gb, threads):
    """gw, gb (N C,): what each run adds to the gradients of w and b."""
    channels, (first, end) = len(w) // groups, portion(len(mean), t, threads)
    for r in range(first, end):
        total, along, c = 0.0, 0.0, r % groups * channels
        for k in range(channels):
            n = r * channels + k
            gb[n], gw[n] = _sums_gradient(gy[n * P:(n + 1) * P], x[n * P:(n + 1) * P], mean[r])
            gw[n] *= inv_std[r]
            total += w[c + k] * gb[n]
            along += w[c + k] * gw[n]
        shift = x.dtype.type(inv_std[r] * total / (channels * P))
        slope = x.dtype.type(inv_std[r] * inv_std[r] * along / (channels * P))
        for k in range(channels):
            i = (r * channels + k) * P
            _shifted_gradient(gy[i:i + P], x[i:i + P], mean[r], inv_std[r] * w[c + k], shift, slope, gx[i:i + P])


@jit
def _shifted_gradient(gy, x, mean, scale, shift, slope, gx):
    for n in range(len(x)):
        gx[n] = scale * gy[n] - shift - slope * (x[n] - mean)


# ---- the same for short runs, which as in batch norm are cells side by side, each with a weight of its own


@jit(each="threads")
def _group_norm_of_cells(t, x, w, b, eps, groups, y, mean, inv_std, threads):
    D, (first, end) = len(w) // groups, portion(len(mean), t, threads)
    for r in range(first, end):
        i, c = r * D, r % groups * D
        mean[r], inv_std[r] = _statistics(x[i:i + D], D, eps)
        _affine_each(x[i:i + D], mean[r], inv_std[r], w[c:c + D], b[c:c + D], y[i:i + D])


@jit
def _affine_each(x, mean, inv_std, w, b, y):
    for n in range(len(x)):
        y[n] = (x[n] - mean) * inv_std * w[n] + b[n]


@jit(each="sums")
def _group_norm_of_cells_gradient(t, gy, x, w, mean, inv_std, groups, gx, sums, rooms):
    """sums (threads, 2, cells): what the images of each thread add to the gradients of w and b."""
    cells, D, (first, end) = len(w), len(w) // groups, portion(len(x) // len(w), t, len(sums))
    gw, gb = rooms[t, :cells], rooms[t, cells:2 * cells]
    for n in range(first, end, TOGETHER):
        gw[:] = 0
        gb[:] = 0
        for r in range(n * groups, min(n + TOGETHER, end) * groups):
            i, c = r * D, r % groups * D
            total, along = _sums_each(gy[i:i + D], x[i:i + D], mean[r], inv_std[r], w[c:c + D], gw[c:c + D], gb[c:c + D])
            shift = x.dtype.type(inv_std[r] * total / D)                     # a quotient with D would be float64
            slope = x.dtype.type(inv_std[r] * inv_std[r] * along / D)
            _gradient_each(gy[i:i + D], x[i:i + D], mean[r], inv_std[r], w[c:c + D], shift, slope, gx[i:i + D])
        _add(gw, sums[t, 0])
        _add(gb, sums[t, 1])


@jit(fastmath=SUMS)
def _sums_each(gy, x, mean, inv_std, w, gw, gb):
    """The sums of w gy and of w gy x_hat; gw += gy x_hat, gb += gy."""
    total, along = x.dtype.type(0), x.dtype.type(0)
    for n in range(len(x)):
        g, x_hat = gy[n], (x[n] - mean) * inv_std
        gw[n] += g * x_hat
        gb[n] += g
        total += w[n] * g
        along += w[n] * g * x_hat
    return total, along


@jit
def _gradient_each(gy, x, mean, inv_std, w, shift, slope, gx):
    for n in range(len(x)):
        gx[n] = inv_std * w[n] * gy[n] - shift - slope * (x[n] - mean)


# ---- local response norm: image by image, a channel of P numbers at a time


def local_response_norm(x, size, alpha, beta, k):
    y, scale, number = empty(x.shape, x.dtype), empty(x.shape, x.dtype), x.dtype.type
    _local_response_norm(channels(x), size, number(alpha / size), number(beta), number(k), channels(y), channels(scale))
    return y, scale


@jit(each="x")
def _local_response_norm(n, x, size, alpha, beta, k, y, scale):
    x, y, scale, C = x[n], y[n], scale[n], x.shape[1]
    for c in range(C):
        scale[c] = k
        for d in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
            _add_squares(alpha, x[d], scale[c])
        _times_power(x[c], scale[c], -beta, y[c])


@jit(inline=True)
def _add_squares(alpha, x, y):
    for p in range(len(x)):
        y[p] += alpha * x[p] * x[p]


@jit
def _times_power(x, y, exponent, z):
    """z = x y^exponent; the exponent of the paper, -3/4, by square roots, which are done in vectors."""
    if exponent == -0.75:
        for p in range(len(x)):
            root = np.sqrt(y[p])
            z[p] = x[p] / (root * np.sqrt(root))
    else:
        for p in range(len(x)):
            z[p] = x[p] * y[p] ** exponent


def local_response_norm_gradient(gy, x, scale, size, alpha, beta):
    gx, number = empty(x.shape, x.dtype), x.dtype.type
    rooms = workspace(math.prod(x.shape[1:]), x.dtype)
    _local_response_norm_gradient(channels(gy), channels(x), channels(scale), size, number(2 * alpha * beta / size),
                                  number(beta), channels(gx), rooms)
    return gx


@jit(each="rooms")
def _local_response_norm_gradient(t, gy, x, scale, size, factor, beta, gx, rooms):
    N, C, P = x.shape
    ratio = rooms[t, :C * P].reshape(C, P)
    for n in range(t, N, len(rooms)):
        _image_gradient(gy[n], x[n], scale[n], size, factor, beta, gx[n], ratio)


@jit(inline=True)
def _image_gradient(gy, x, scale, size, factor, beta, gx, ratio):
    C = len(x)
    for c in range(C):
        _times_power(gy[c], scale[c], -beta, gx[c])
        _ratio_gradient(gx[c], x[c], scale[c], ratio[c])
    for c in range(C):
        for d in range(max(0, c - (size - 1) // 2), min(C, c + size // 2 + 1)):
            _add_gradient(-factor, x[c], ratio[d], gx[c])


@jit(inline=True)
def _ratio_gradient(g, x, scale, ratio):
    for p in range(len(x)):
        ratio[p] = g[p] * x[p] / scale[p]


@jit(inline=True)
def _add_gradient(factor, x, ratio, gx):
    for p in range(len(x)):
        gx[p] += factor * x[p] * ratio[p]


def channels(x):
    """(N, C, ...) -> (N, C, P), C-contiguous"""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))
