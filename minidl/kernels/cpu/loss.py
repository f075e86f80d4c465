"""Cross-entropy, row by row: the scores of one example stay in the first-level cache until they are done with."""
import numpy as np

from minidl.kernels.cpu.exponential import exp_of_run
from minidl.kernels.cpu.jit import SUMS, jit, prange
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.reduction import sum_of_run
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.reference import loss as reference


def cross_entropy(x, labels, weight, ignore_index, label_smoothing):
    if x.dtype not in (np.float32, np.float64) or x.size == 0:
        return reference.cross_entropy(x, labels, weight, ignore_index, label_smoothing)
    scores = rows(x)
    loss, logp = np.empty(labels.shape, x.dtype), empty(scores.shape, x.dtype)
    _cross_entropy(scores, flat(labels, np.int64), weights(weight, x), ignore_index, *shares(x, label_smoothing),
                   loss.reshape(-1), logp, workspace(x.shape[1] + 2 * LANES, x.dtype))
    return loss, images(logp, x.shape)


@jit(parallel=True)
def _cross_entropy(x, labels, weight, ignore_index, share, smoothing, loss, logp, work):
    for t in prange(len(work)):
        for r in range(len(x) * np.int64(t) // len(work), len(x) * (np.int64(t) + 1) // len(work)):
            _log_softmax(x[r], logp[r], work[t])
            loss[r] = 0 if labels[r] == ignore_index else _loss(logp[r], labels[r], weight, share, smoothing)


@jit
def _log_softmax(x, y, room):
    top = _largest(x, room)
    _subtract(x, top, y)
    exp_of_run(y, room)
    _subtract(y, np.log(sum_of_run(room[:len(x)])), y)


@jit
def _largest(x, room):
    """NaN does not count, unless nothing else is there."""
    room[:LANES] = -np.inf
    _largest_of_lanes(x, len(x), room)
    top = room[0]
    for n in range(1, LANES):
        top = room[n] if room[n] > top else top
    return top


@jit
def _largest_of_lanes(x, count, y):
    """y[i % LANES] becomes x[i], wherever that is larger."""
    for n in range(count):
        y[n % LANES] = x[n] if x[n] > y[n % LANES] else y[n % LANES]


@vectorized(_largest_of_lanes)
def _largest_of_lanes(code, x, count, y):
    whole, top = count // LANES, code.variable(y.load(0))
    with code.loop(whole) as i:
        found = x.load(i * LANES)
        top.set(code.where(found > top.get(), found, top.get()))
    rest = count - whole * LANES
    found = x.load_some(whole * LANES, rest)
    y.store(0, code.where(code.first(rest) & (found > top.get()), found, top.get()))


@jit
def _subtract(x, number, y):
    for c in range(len(x)):
        y[c] = x[c] - number


@jit
def _loss(logp, label, weight, share, smoothing):
    """-sum of t[c] logp[c], without those whose t[c] is 0: 0 log 0 is 0."""
    total = logp.dtype.type(0)
    if smoothing != 0:
        total = smoothing * _sum_of_products(weight, logp)
    if 0 <= label < len(logp) and share * weight[label] != 0:
        total += share * weight[label] * logp[label]
    return -total


@jit(fastmath=SUMS)
def _sum_of_products(weight, x):
    total = x.dtype.type(0)
    for c in range(len(x)):
        total += weight[c] * x[c] if weight[c] != 0 else x.dtype.type(0)
    return total


def cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing):
    if logp.dtype not in (np.float32, np.float64) or logp.size == 0:
        return reference.cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing)
    logs = rows(logp)
    gx, w = empty(logs.shape, logp.dtype), weights(weight, logp)
    _cross_entropy_gradient(flat(g, logp.dtype), logs, flat(labels, np.int64), w, w.sum(), ignore_index,
                            *shares(logp, label_smoothing), gx, workspace(logp.shape[1] + LANES, logp.dtype))
    return images(gx, logp.shape)


@jit(parallel=True)
def _cross_entropy_gradient(g, logp, labels, weight, total, ignore_index, share, smoothing, gx, work):
    for t in prange(len(work)):
        for r in range(len(gx) * np.int64(t) // len(work), len(gx) * (np.int64(t) + 1) // len(work)):
            _row_gradient(0 * g[r] if labels[r] == ignore_index else g[r], logp[r], labels[r], weight, total, share,
                          smoothing, gx[r], work[t])


@jit
def _row_gradient(g, logp, label, weight, total, share, smoothing, gx, room):
    at_label = share * weight[label] if 0 <= label < len(gx) else 0 * share
    exp_of_run(logp, room)
    _combine(g * (smoothing * total + at_label), room, g * smoothing, weight, gx)
    if 0 <= label < len(gx):
        gx[label] -= g * at_label


@jit
def _combine(a, x, b, y, z):
    for c in range(len(z)):
        z[c] = a * x[c] - b * y[c]


# ---- arrays as the kernels want them


def rows(x):
    """(N, C, D) -> (N D, C), contiguous"""
    N, C, D = x.shape
    return np.ascontiguousarray(x.swapaxes(1, 2)).reshape(N * D, C)


def images(rows, shape):
    """(N D, C) -> shape (N, C, D), contiguous"""
    N, C, D = shape
    return np.ascontiguousarray(rows.reshape(N, D, C).swapaxes(1, 2))


def flat(x, dtype):
    return np.ascontiguousarray(x, dtype).reshape(-1)


def weights(weight, x):
    return np.ones(x.shape[1], x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)


def shares(x, label_smoothing):
    """What of a target is the label's alone, and what every class has of it."""
    return x.dtype.type(1 - label_smoothing), x.dtype.type(label_smoothing / x.shape[1])
