"""Cross-entropy, row by row: the scores of one example stay in the first-level cache until they are done with."""
import numpy as np

from minidl.kernels.cpu.exponential import exp_of_run
from minidl.kernels.cpu.jit import SUMS, jit, prange
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.reference import loss as reference


def cross_entropy(x, labels, weight, ignore_index, label_smoothing):
    if x.dtype not in (np.float32, np.float64) or x.size == 0:
        return reference.cross_entropy(x, labels, weight, ignore_index, label_smoothing)
    loss, logp = np.empty(labels.size, x.dtype), empty((x.size,), x.dtype)
    _cross_entropy(rows(x), flat(labels, np.int64), weights(weight, x), ignore_index, *shares(x, label_smoothing),
                   loss, logp, workspace(x.shape[1] + LANES, x.dtype))
    return loss.reshape(labels.shape), images(logp, x.shape)


@jit(parallel=True)
def _cross_entropy(x, labels, weight, ignore_index, share, smoothing, loss, logp, work):
    for t in prange(len(work)):
        first, end = len(loss) * np.int64(t) // len(work), len(loss) * (np.int64(t) + 1) // len(work)
        _rows(x, labels, weight, ignore_index, share, smoothing, loss, logp, work[t], first, end)


@jit
def _rows(x, labels, weight, ignore_index, share, smoothing, loss, logp, room, first, end):
    C = len(weight)
    for r in range(first, end):
        _log_softmax(x, r * C, C, logp, room)
        loss[r] = 0 if labels[r] == ignore_index else -_sum_of_targets(logp, r * C, labels[r], weight, share, smoothing)


@jit
def _log_softmax(x, i, C, y, room):
    """y[i : i + C] = log softmax(x[i : i + C])"""
    _subtract(x, i, _largest(x, i, C, room), y, C)
    exp_of_run(y, i, room, 0, C)
    _subtract(y, i, np.log(_sum(room, C)), y, C)


@jit
def _largest(x, i, C, room):
    """NaN does not count, unless nothing else is there."""
    for n in range(LANES):
        room[n] = -np.inf
    _largest_of_lanes(x, i, C, room)
    top = room[0]
    for n in range(1, LANES):
        top = room[n] if room[n] > top else top
    return top


@jit
def _largest_of_lanes(x, i, count, y):
    """y[n % LANES] becomes x[i + n], wherever that is larger."""
    for n in range(count):
        y[n % LANES] = x[i + n] if x[i + n] > y[n % LANES] else y[n % LANES]


@vectorized(_largest_of_lanes)
def _largest_of_lanes(code, x, i, count, y):
    whole, top = count // LANES, code.variable(y.load(0))
    with code.loop(whole) as n:
        found = x.load(i + n * LANES)
        top.set(code.where(found > top.get(), found, top.get()))
    rest = count - whole * LANES
    found = x.load_some(i + whole * LANES, rest)
    y.store(0, code.where(code.first(rest) & (found > top.get()), found, top.get()))


@jit
def _subtract(x, i, number, y, C):
    i = np.uint64(i)
    for c in range(np.uint64(C)):
        y[i + c] = x[i + c] - number


@jit(fastmath=SUMS)
def _sum(x, C):
    total = x.dtype.type(0)
    for c in range(C):
        total += x[c]
    return total


@jit
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
    _cross_entropy_gradient(flat(g, logp.dtype), rows(logp), flat(labels, np.int64), w, w.sum(), ignore_index,
                            *shares(logp, label_smoothing), gx, workspace(logp.shape[1] + LANES, logp.dtype))
    return images(gx, logp.shape)


@jit(parallel=True)
def _cross_entropy_gradient(g, logp, labels, weight, total, ignore_index, share, smoothing, gx, work):
    for t in prange(len(work)):
        first, end = len(g) * np.int64(t) // len(work), len(g) * (np.int64(t) + 1) // len(work)
        _gradient_of_rows(g, logp, labels, weight, total, ignore_index, share, smoothing, gx, work[t], first, end)


@jit
def _gradient_of_rows(g, logp, labels, weight, total, ignore_index, share, smoothing, gx, room, first, end):
    C = len(weight)
    for r in range(first, end):
        i, label = r * C, labels[r]
        counts = 0 if label == ignore_index else g[r]
        at_label = share * weight[label] if 0 <= label < C else 0 * share
        exp_of_run(logp, i, room, 0, C)
        _combine(counts * (smoothing * total + at_label), room, counts * smoothing, weight, gx, i)
        if 0 <= label < C:
            gx[i + label] -= counts * at_label


@jit
def _combine(a, x, b, y, z, i):
    """z[i : i + len(y)] = a x - b y"""
    i = np.uint64(i)
    for c in range(np.uint64(len(y))):
        z[i + c] = a * x[c] - b * y[c]


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
    return np.ones(x.shape[1], x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)


def shares(x, label_smoothing):
    """What of a target is the label's alone, and what every class has of it."""
    return x.dtype.type(1 - label_smoothing), x.dtype.type(label_smoothing / x.shape[1])
