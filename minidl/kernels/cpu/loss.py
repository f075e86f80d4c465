"""Cross-entropy, row by row: the scores of one example stay in the first-level cache until they are done with."""
import functools

import numpy as np

from minidl.kernels.cpu.activation import log_softmax_of_row
from minidl.kernels.cpu.exponential import exp
from minidl.kernels.cpu.jit import SUMS, jit, portion
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count
from minidl.kernels.reference import loss as reference


def cross_entropy(x, labels, weight, ignore_index, label_smoothing):
    if x.dtype not in (np.float32, np.float64) or x.size == 0:
        return reference.cross_entropy(x, labels, weight, ignore_index, label_smoothing)
    loss, logp = np.empty(labels.size, x.dtype), empty((x.size,), x.dtype)
    _cross_entropy(rows(x), flat(labels, np.int64), weights(weight, x), ignore_index, *shares(x, label_smoothing),
                   loss, logp, thread_count())
    return loss.reshape(labels.shape), images(logp, x.shape)


@jit(each="threads")
def _cross_entropy(t, x, labels, weight, ignore_index, share, smoothing, loss, logp, threads):
    C, room, (first, end) = len(weight), np.empty(LANES, x.dtype), portion(len(loss), t, threads)
    share, smoothing = x.dtype.type(share), x.dtype.type(smoothing)
    for r in range(first, end):
        log_softmax_of_row(x, r * C, C, logp, room)
        loss[r] = 0 if labels[r] == ignore_index else -_sum_of_targets(logp, r * C, labels[r], weight, share, smoothing)


@jit(inline=True)
def _sum_of_targets(logp, i, label, weight, share, smoothing):
    """The sum of t[c] logp[i + c], without those whose t[c] is 0: 0 log 0 is 0."""
    total = logp.dtype.type(0)
    if smoothing != 0:
        total = smoothing * _sum_of_products(weight, logp, i)
    if 0 <= label < len(weight) and share * weight[label] != 0:
        total += share * weight[label] * logp[i + label]
    return total


@jit(fastmath=SUMS)
def _sum_of_products(weight, x, i):
    total, i = x.dtype.type(0), np.uint64(i)
    for c in range(np.uint64(len(weight))):
        total += weight[c] * x[i + c] if weight[c] != 0 else x.dtype.type(0)
    return total


def cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing):
    if logp.dtype not in (np.float32, np.float64) or logp.size == 0:
        return reference.cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing)
    gx, w = empty((logp.size,), logp.dtype), weights(weight, logp)
    total = w.sum() if label_smoothing else w.dtype.type(0)                  # of which nothing is needed
    _cross_entropy_gradient(flat(g, logp.dtype), rows(logp), flat(labels, np.int64), w, total, ignore_index,
                            *shares(logp, label_smoothing), gx, thread_count())
    return images(gx, logp.shape)


@jit(each="threads")
def _cross_entropy_gradient(t, g, logp, labels, weight, total, ignore_index, share, smoothing, gx, threads):
    C, factor, (first, end) = len(weight), np.empty(1, gx.dtype), portion(len(g), t, threads)
    share, smoothing = gx.dtype.type(share), gx.dtype.type(smoothing)
    for r in range(first, end):
        i, label = r * C, labels[r]
        counts = 0 if label == ignore_index else g[r]
        at_label = share * weight[label] if 0 <= label < C else 0 * share
        factor[0] = counts * (smoothing * total + at_label)
        _times_exp(factor, logp, i, C, gx)
        if smoothing != 0:
            _add_times(-counts * smoothing, weight, gx, i)
        if 0 <= label < C:
            gx[i + label] -= counts * at_label


@jit
def _times_exp(factor, x, i, count, y):
    """y[i : i + count] = factor[0] e^x[i : i + count]"""
    for n in range(count):
        y[i + n] = factor[0] * np.exp(x[i + n])


@vectorized(_times_exp)
def _times_exp(code, factor, x, i, count, y):
    factor, whole = factor.spread(0), count // LANES
    with code.loop(whole) as n:
        y.store(i + n * LANES, factor * exp(x.load(i + n * LANES)))
    at = whole * LANES
    y.store_some(i + at, factor * exp(x.load_some(i + at, count - at)), count - at)


@jit(inline=True)
def _add_times(factor, x, y, i):
    """y[i : i + len(x)] += factor x"""
    i = np.uint64(i)
    for c in range(np.uint64(len(x))):
        y[i + c] += factor * x[c]


# ---- arrays as the kernels want them


def rows(x):
    """The scores of x (N, C, D), those of one example together."""
    return flat(x if x.shape[2] == 1 else x.swapaxes(1, 2), x.dtype)


def images(rows, shape):
    """What was in `rows`, as x (N, C, D)."""
    N, C, D = shape
    return rows.reshape(shape) if D == 1 else np.ascontiguousarray(rows.reshape(N, D, C).swapaxes(1, 2))


def flat(x, dtype):
    return np.ascontiguousarray(x, dtype).reshape(-1)


def weights(weight, x):
    return ones(x.shape[1], x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)


@functools.lru_cache(16)
def ones(count, dtype):
    """To be read only."""
    return np.ones(count, dtype)


def shares(x, label_smoothing):
    """What of a target is the label's alone, and what every class has of it."""
    return 1 - label_smoothing, label_smoothing / x.shape[1]
