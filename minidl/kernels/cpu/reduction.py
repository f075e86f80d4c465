"""Sums of many numbers: over all of an array, or for each channel over all pixels, as the gradients of biases are."""
import numpy as np

from minidl.kernels.cpu.elementwise import LARGE
from minidl.kernels.cpu.jit import SUMS, jit, portion
from minidl.kernels.cpu.moves import BLOCK
from minidl.kernels.cpu.threads import thread_count

SHARE = 16 * BLOCK           # numbers that a thread adds up at a time, whatever the number of threads
MANY = 2 ** 13               # numbers; below, NumPy adds up channels before a kernel of ours is called,
SHORT = 16                   # and where an image has fewer pixels than these, as fast


def sum(x, axis=None, keepdims=False, **options):
    """NumPy's; over all axes of large x, or the axes 0, 2, 3 of x (N, C, H, W), on all threads."""
    everything = x.size >= LARGE and (axis is None or axis == tuple(range(x.ndim)))
    channels = axis == (0, 2, 3) and x.ndim == 4 and x.size >= MANY and x.shape[2] * x.shape[3] >= SHORT
    if not (everything or channels) or options or not x.flags.c_contiguous or x.dtype not in (np.float32, np.float64):
        return np.add.reduce(x, axis, keepdims=keepdims, **options)          # np.sum, without its way there
    if everything:
        sums = np.empty(-(-x.size // SHARE))
        _sums_of_shares(x.reshape(-1), SHARE, sums)
        y = np.array(sums.sum(), x.dtype)
        return y.reshape((1,) * x.ndim) if keepdims else y
    y = np.empty(x.shape[1], x.dtype)
    _sum_of_channels(x.reshape(*x.shape[:2], x.shape[2] * x.shape[3]), y, thread_count())
    return y.reshape(1, -1, 1, 1) if keepdims else y


@jit(each="sums")
def _sums_of_shares(s, x, share, sums):
    end = min(len(x), (s + 1) * share)
    sums[s] = 0
    for i in range(s * share, end, BLOCK):
        sums[s] += sum_of_run(x[i:min(i + BLOCK, end)])


@jit(each="threads")
def _sum_of_channels(t, x, y, threads):
    first, end = portion(len(y), t, threads)
    for c in range(first, end):
        total = 0.0
        for n in range(len(x)):
            total += sum_of_run(x[n, c])
        y[c] = total


@jit(fastmath=SUMS)
def sum_of_run(x):
    total = x.dtype.type(0)
    for n in range(len(x)):
        total += x[n]
    return total
