"""Which kernels the GPU's set launches for a call: their operations, and the bytes that they read and write.

LAUNCHES_OF says it of the functions of kernels/gpu that launch several, or that are more than one pass over memory; the
others are one launch, which reads all arrays and writes the results. Bytes are those that go to memory and back, if what
a kernel reads again is still in a cache. What is left of a few numbers of each block is not counted.
"""
import math
from dataclasses import dataclass

import numpy as np

from minidl.footprint import owner
from minidl.kernels.meta import MetaArray

PRODUCTS, COLUMNS, NORMS, POOLING, OTHERS, UPDATE = KINDS = (
    "products", "columns", "norms", "pooling", "number by number", "update")
CHUNK_BYTES, TILE = 2 ** 26, 64          # of kernels/gpu/convolution.py, which needs CuPy to be imported


@dataclass(frozen=True)
class Launch:
    """A kernel that is launched once: its kind, its operations, and the bytes it reads and writes."""
    kind: str
    flops: float
    bytes: float


def launches(name, args, y):
    """The Launches of the function of this name, given its arguments and its result, in which arrays are MetaArrays."""
    number_by_number = isinstance(getattr(np, name, None), np.ufunc)
    return LAUNCHES_OF.get(name, written if number_by_number else one_pass)(args, y)


def arrays(x):
    """The arrays in lists and tuples in each other, each once."""
    parts = [part for one in x for part in arrays(one)] if isinstance(x, (tuple, list)) else [x]
    return list({id(part): part for part in parts if isinstance(part, MetaArray)}.values())


def size(*xs):
    """Bytes of some arrays, each counted once; an array that is broadcast is as large as what it shows."""
    return sum([min(x.nbytes, owner(x).nbytes) for x in arrays(list(xs))])


# ---- number by number


def one_pass(args, y, kind=OTHERS):
    """All arrays are read and the results written; nothing is launched where these are arguments, or show their memory."""
    read, results = arrays(list(args)), [x for x in arrays([y]) if x.base is None]
    new = [x for x in results if not any(x is other for other in read)]
    return [Launch(kind, 0, size(*read, *new))] if new else []


def written(args, y):
    """y is written, be it one of the arguments."""
    return [Launch(OTHERS, 0, size(*args) + y.nbytes)]


def filled(args, y):
    return [Launch(OTHERS, 0, size(y))]


def nothing(args, y):
    return []


def in_place(*changed):
    """An update of the arguments with these numbers, where they are arrays."""
    return lambda args, y: [Launch(UPDATE, 0, size(*args) + size(*[args[i] for i in changed]))]


# ---- products


def matmul(args, y):
    a, b = args
    return [Launch(PRODUCTS, 2 * y.size * a.shape[-1], size(a, b, y))]


@dataclass
class Convolution:
    """x (N, C, H, W), w (F, C/groups, KH, KW), y (N, F, OH, OW) as shapes."""
    x: tuple
    w: tuple
    y: tuple
    stride: tuple
    padding: tuple
    groups: int
    itemsize: int

    @property
    def is_depthwise(self):
        return self.w[1] == 1 < self.groups

    @property
    def is_pointwise(self):
        """Are its images their own columns, and large enough to be multiplied one by one?"""
        return ((*self.w[2:], *self.stride, *self.padding, self.groups) == (1, 1, 1, 1, 0, 0, 1)
                and math.prod(self.y[2:]) >= TILE)

    def is_direct(self, filters, taps, pixels):
        """Are a group's filters, to be applied at so many pixels of an image, too few or too small to be worth columns?"""
        return (filters <= 32 or taps <= 64) and self.x[0] * math.prod(pixels) >= 2 ** 13

    def parts(self):
        """Into how many parts the pixels are cut, each with a sum of its own for gw, to have blocks for all of a GPU."""
        (F, channels, KH, KW), pixels = self.w, self.y[0] * math.prod(self.y[2:])
        if self.is_depthwise:
            return max(1, min(pixels // 4096, 1024 // (F * -(-KH // 3) * -(-KW // 3))))
        return max(1, min(pixels // 512, 1024 // (-(-channels * KH * KW // 64) * -(-F // self.groups // 32) * self.groups)))

    def chunks(self):
        """How many images are computed at a time, again and again."""
        N, image = self.x[0], self.columns(1) * self.itemsize
        step = max(1, CHUNK_BYTES // max(1, image))
        return [min(step, N - start) for start in range(0, N, step)]

    def columns(self, n):
        """Numbers in the columns of n images."""
        return n * self.x[1] * math.prod(self.w[2:]) * math.prod(self.y[2:])

    def image(self, n):
        return n * math.prod(self.x[1:])

    def result(self, n):
        return n * math.prod(self.y[1:])

    def moved(self, *counts, kind=COLUMNS):
        """A launch that reads and writes so many numbers."""
        return Launch(kind, 0, self.itemsize * sum(counts))

    def product(self, n, *counts):
        """A product for n images, in which each number of the result is a sum over one filter."""
        return Launch(PRODUCTS, 2 * self.result(n) * math.prod(self.w[1:]), self.itemsize * sum(counts))

    def turned(self, n):
        """gy as (F, n OH OW); of one image, it is that already."""
        return [self.moved(2 * self.result(n))] if n > 1 else []

    def stacked(self, count):
        """Of a stack of transposed matrices CuPy makes a copy."""
        return [self.moved(2 * count)] if self.groups > 1 else []


def conv2d(args, y):
    x, w, b, stride, padding, _, groups = args
    how, filters, bias = Convolution(x.shape, w.shape, y.shape, stride, padding, groups, x.itemsize), w.size, size(b)
    if how.is_depthwise:
        return [how.product(len(x), x.size, filters, y.size, bias // x.itemsize)]
    if how.is_pointwise:
        return [how.product(len(x), x.size, filters, y.size), *([] if b is None else written((y, b), y))]
    if how.is_direct(len(w) // groups, w[0].size, y.shape[2:]):
        return [how.product(len(x), x.size, filters, y.size, bias // x.itemsize)]
    found = []
    for n in how.chunks():
        image, columns, result = how.image(n), how.columns(n), how.result(n)
        found += [how.moved(image, columns), how.product(n, filters, columns, result), how.moved(2 * result)]
    return found


def conv2d_gradient_x(args, gx):
    gy, w, shape, stride, padding, _, groups = args
    how, filters = Convolution(shape, w.shape, gy.shape, stride, padding, groups, gy.itemsize), w.size
    one = how.product(len(gy), gy.size, filters, gx.size)
    if how.is_pointwise and gy.shape[2:] == tuple(shape[2:]):
        return [one]
    if tuple(stride) == (1, 1) and (len(w) == shape[1] if how.is_depthwise else how.is_direct(
            w.shape[1], filters // shape[1], shape[2:])):
        return [how.moved(2 * filters), one]             # a convolution of gy, with the filters turned around
    if how.is_depthwise:
        return [one]
    found = []
    for n in how.chunks():
        image, columns, result = how.image(n), how.columns(n), how.result(n)
        found += [*how.turned(n), *how.stacked(filters), how.product(n, filters, result, columns), how.moved(columns, image)]
    return found


def conv2d_gradient_w(args, gw):
    gy, x, _, stride, padding, _, groups = args
    how, filters = Convolution(x.shape, gw.shape, gy.shape, stride, padding, groups, x.itemsize), gw.size
    if how.is_depthwise or how.is_direct(gy.shape[1] // groups, filters // gy.shape[1], gy.shape[2:]):
        parts = how.parts()
        return [how.product(len(x), x.size, gy.size, parts * filters), how.moved((parts + 1) * filters)]
    found = [how.moved(filters)]                         # zeros, to which each product is added
    for n in how.chunks():
        image, columns, result = how.image(n), how.columns(n), how.result(n)
        found += [how.moved(image, columns), *how.turned(n), *how.stacked(result),
                  how.product(n, columns, result, filters), how.moved(3 * filters)]
    return [*found, how.moved(2 * filters)]              # transposed


# ---- norms


def batch_norm(args, y):
    """Statistics of parts of x; those of channels; y."""
    x, w, b, *_ = args
    return [Launch(NORMS, 0, size(x)), Launch(NORMS, 0, 0), Launch(NORMS, 0, size(x, w, b, *y))]


def batch_norm_gradient(args, y):
    """The sums for gw and gb of parts; of channels; gx."""
    gy, x, *vectors = args
    return [Launch(NORMS, 0, size(gy, x)), Launch(NORMS, 0, 0), Launch(NORMS, 0, size(gy, x, *vectors, *y))]


def group_norm_gradient(args, y):
    gy, x, *_ = args
    return [*one_pass(args, y[0], NORMS), Launch(NORMS, 0, size(gy, x)), Launch(NORMS, 0, size(*y[1:]))]


def local_response_norm_gradient(args, gx):
    """What the channels of a window share is written, and read again."""
    return [Launch(NORMS, 0, size(*args, gx) + 2 * gx.nbytes)]


def of_kind(kind):
    return lambda args, y: one_pass(args, y, kind)


LAUNCHES_OF = {
    "matmul": matmul, "conv2d": conv2d, "conv2d_gradient_x": conv2d_gradient_x, "conv2d_gradient_w": conv2d_gradient_w,
    "batch_norm": batch_norm, "batch_norm_gradient": batch_norm_gradient,
    "group_norm": of_kind(NORMS), "group_norm_gradient": group_norm_gradient,
    "local_response_norm": of_kind(NORMS), "local_response_norm_gradient": local_response_norm_gradient,
    **dict.fromkeys(["max_pool", "max_pool_gradient", "avg_pool", "avg_pool_gradient", "adaptive_avg_pool",
                     "adaptive_avg_pool_gradient", "adaptive_max_pool"], of_kind(POOLING)),
    "sgd_step": in_place(0, 2), "adam_step": in_place(0, 2, 3, 4), "rmsprop_step": in_place(0, 2, 3, 4),
    "rmsprop_tf_step": in_place(0, 2, 3), "adagrad_step": in_place(0, 2), "running_average": in_place(0), "setitem": written,
    **dict.fromkeys(["zeros", "ones", "full", "zeros_like", "ones_like", "full_like"], filled),
    **dict.fromkeys(["empty", "empty_like"], nothing),
}
