"""Kernels for arrays without numbers: which shape and dtype would come out? Summaries then cost no memory.

NumPy asks a foreign array what its functions shall mean (`__array_ufunc__`, `__array_function__`), and a
MetaArray answers with shapes. So the reference kernels, as far as they are written in functions of whole
arrays, run on it as they are. Those that fill memory of their own stand below, as the shape of it.

MetaArrays also count the bytes that they would take, so that a run on shapes says how much memory a run on numbers
will need. So what the kernels of a CPU do in one go stands below, too: the reference makes more arrays on the way.
"""
import math
import sys

import numpy as np

from minidl.kernels.reference import *  # noqa: F403, all that runs on shapes as it is
from minidl.kernels.reference import out_size, pool_size

device = "meta"


class MetaArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A shape and a dtype, to compute with as with an array that has them.

    base : the array in whose memory the numbers would be; None where they would have memory of their own
    """
    alive = most = 0             # bytes of all the arrays that there are; the most there were since `most` was last set
    watch = None                 # is told of every operation: watch(name, arguments, result)
    counted = 0

    def __init__(self, shape, dtype, base=None):
        self.shape, self.dtype = tuple([int(n) for n in shape]), np.dtype(dtype)
        self.base = base if base is None or base.base is None else base.base
        if base is None:
            self.counted = self.nbytes
            MetaArray.alive += self.counted
            MetaArray.most = max(MetaArray.most, MetaArray.alive)

    def __del__(self):
        MetaArray.alive -= self.counted

    def __reduce__(self):                                # a copy is one more array
        return MetaArray, (self.shape, self.dtype)

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.size * self.itemsize)
    flags = property(lambda self: skeleton(self).flags)
    T = property(lambda self: np.transpose(self))

    def astype(self, dtype, copy=True): return watched("astype", (self,), MetaArray(self.shape, dtype))
    def copy(self): return watched("copy", (self,), MetaArray(self.shape, self.dtype))
    def reshape(self, *shape): return np.reshape(self, unpacked(shape))
    def transpose(self, *dims): return np.transpose(self, unpacked(dims) if dims else None)
    def __len__(self): return self.shape[0]
    def __repr__(self): return f"MetaArray({self.shape}, {self.dtype})"

    def __getattr__(self, name):                         # x.sum(0) is np.sum(x, 0), and so on
        if name not in METHODS:
            raise AttributeError(f"a meta array has a shape and a dtype, but no {name!r}")
        return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)

    def __getitem__(self, index):
        x = skeleton(self)
        return like_part(x[as_index(index)], self.dtype, self, x)

    def __setitem__(self, index, value):
        """There is no place to write to."""
        watched("setitem", (value,), self[index])

    def no_numbers(self, *_, **__):
        raise TypeError(f"{self!r} has no numbers, only a shape and a dtype")

    __array__ = __bool__ = __float__ = __int__ = __index__ = item = tolist = no_numbers

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, where=True, dtype=None):
        if method != "__call__":
            return NotImplemented
        shape = (matmul_shape if ufunc is np.matmul else broadcast_shape)(*inputs)
        y = out[0] if out else MetaArray(shape, dtype or ufunc(*map(smallest, inputs)).dtype)
        return watched(ufunc.__name__, inputs, y)

    def __array_function__(self, func, types, args, kwargs):
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
        return watched(func.__name__, args, RULES[func](func, *args, **kwargs)) if func in RULES else NotImplemented


def watched(name, arguments, y):
    """y, of which MetaArray.watch is told first."""
    if MetaArray.watch is not None:
        MetaArray.watch(name, arguments, y)
    return y


# ---- which shape comes out


def unpacked(args):
    """x.reshape(2, 3) and x.reshape((2, 3)) alike."""
    return args[0] if len(args) == 1 else args


def skeleton(x):
    """x without its numbers, whose dtype takes no bytes: what moves numbers about finds the shape with it."""
    if isinstance(x, (tuple, list)):
        return [skeleton(part) for part in x]
    return np.empty(x.shape, np.dtype([]))


def smallest(x):
    """An array as small as x's dimensions allow, to ask NumPy for the dtype of a result."""
    return np.ones((1,) * x.ndim, x.dtype) if isinstance(x, (MetaArray, np.ndarray)) else x


def as_index(index):
    """Positions that are not known may all be 0; how many a mask selects cannot be known."""
    if isinstance(index, tuple):
        return tuple([as_index(part) for part in index])
    if isinstance(index, MetaArray):
        return np.broadcast_to(index.dtype.type(0), index.shape) if index.dtype.kind in "iu" else index.item()
    return index


def broadcast_shape(*xs):
    return np.broadcast_shapes(*[getattr(x, "shape", ()) for x in xs])


def matmul_shape(a, b):
    """(..., m, k) and (..., k, n) make (..., m, n); one dimension less for a vector."""
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not match")
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *a.shape[-2:-1], *b.shape[-1:] * (b.ndim > 1))


def moved(func, x, *args, **kwargs):
    """A function that moves numbers about and looks at none."""
    parts, bare = x if isinstance(x, (tuple, list)) else [x], skeleton(x)
    y = func(bare, *map(as_index, args), **kwargs)
    return like_part(y, np.result_type(*[part.dtype for part in parts]), x, bare)


def like_part(y, dtype, x, bare):
    """The MetaArray of y's shape, which was taken from `bare`, the skeleton of x: in x's memory, if y is a view."""
    return MetaArray(y.shape, dtype, base=x if y is bare or y.base is bare else None)


def elementwise(func, *xs, **kwargs):
    return MetaArray(broadcast_shape(*xs), func(*map(smallest, xs), **kwargs).dtype)


def reduced(func, x, axis=None, *args, keepdims=False, **kwargs):
    axes = range(x.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return MetaArray(shape, func(smallest(x), axis, *args, **kwargs).dtype)


def scanned(func, x, *args, **kwargs):
    return MetaArray(x.shape, func(smallest(x), *args, **kwargs).dtype)


def like(func, x, *args, dtype=None, **kwargs):
    return MetaArray(x.shape, dtype or x.dtype)


def einsum_shape(func, equation, *xs, **_):
    inputs, _, output = equation.partition("->")
    sizes = {}
    for letters, x in zip(inputs.split(","), xs, strict=True):
        for c, n in zip(letters, x.shape, strict=True):
            sizes[c] = max(n, sizes.get(c, 1)) if n else 0
    return MetaArray([sizes[c] for c in output], np.result_type(*[x.dtype for x in xs]))


RULES = {
    **dict.fromkeys([np.reshape, np.transpose, np.concatenate, np.stack, np.broadcast_to, np.squeeze,
                     np.expand_dims, np.flip, np.moveaxis, np.swapaxes, np.ravel, np.repeat, np.tile, np.roll,
                     np.take, np.take_along_axis, np.pad, np.diagonal, np.copy], moved),
    **dict.fromkeys([np.where, np.clip, np.round], elementwise),
    **dict.fromkeys([np.sum, np.mean, np.prod, np.var, np.amax, np.amin, np.max, np.min, np.all, np.any,
                     np.argmax, np.argmin, np.count_nonzero], reduced),
    **dict.fromkeys([np.cumsum, np.cumprod, np.sort, np.argsort, np.tril, np.triu], scanned),
    **dict.fromkeys([np.zeros_like, np.ones_like, np.empty_like, np.full_like], like),
    np.einsum: einsum_shape,
    np.may_share_memory: lambda *_: True,
}
METHODS = {"sum", "mean", "prod", "var", "max", "min", "all", "any", "argmax", "argmin", "cumsum", "cumprod",
           "argsort", "squeeze", "swapaxes", "ravel", "repeat", "take", "clip", "round"}


# ---- kernels that fill memory: what shape it has


def zeros(shape, dtype=float): return MetaArray(shape, dtype)
def ones(shape, dtype=float): return MetaArray(shape, dtype)
def empty(shape, dtype=float): return MetaArray(shape, dtype)
def full(shape, value, dtype=None): return MetaArray(shape, dtype or np.asarray(value).dtype)
def philox(key, size): return MetaArray((size,), np.uint32)
def uniform(key, shape, dtype): return MetaArray(shape, dtype)
def dropout_mask(key, shape, p, dtype): return MetaArray(shape, dtype)


def in_one_pass(expression, arrays):
    """The answers alone are in memory; what is made on the way to them never leaves the registers."""
    most = MetaArray.most
    try:
        return expression(sys.modules[__name__], *arrays)
    except Exception:                                    # it is not number by number
        return None
    finally:
        MetaArray.most = max(most, MetaArray.alive)


def im2col(x, size, stride, padding, dilation, fill=0.0):
    out = [out_size(*axis) for axis in zip(x.shape[2:], size, stride, padding, dilation, strict=True)]
    return MetaArray((*x.shape[:2], *size, *out), x.dtype)


def conv2d(x, w, b, stride, padding, dilation, groups):
    out = [out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)]
    return MetaArray((x.shape[0], w.shape[0], *out), x.dtype)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    return MetaArray(shape, gy.dtype)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    return MetaArray((gy.shape[1], x.shape[1] // groups, *size), x.dtype)


def max_pool(x, size, stride, padding, dilation, ceil_mode):
    axes = zip(x.shape[2:], size, stride, padding, dilation, strict=True)
    y = MetaArray((*x.shape[:2], *[pool_size(*axis, ceil_mode) for axis in axes]), x.dtype)
    return y, MetaArray(y.shape, np.int32)


def avg_pool(x, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    return max_pool(x, size, stride, padding, (1, 1), ceil_mode)[0]


def adaptive_avg_pool(x, out):
    return MetaArray((*x.shape[:2], *out), x.dtype)


def adaptive_max_pool(x, out):
    return adaptive_avg_pool(x, out), MetaArray((*x.shape[:2], *out), np.int64)


def shape_given(gy, shape, *_):
    """Gradients that go back into an array whose shape is told."""
    return MetaArray(shape, gy.dtype)


col2im = avg_pool_gradient = adaptive_avg_pool_gradient = getitem_gradient = shape_given


def max_pool_gradient(gy, index, shape, *_):
    return MetaArray(shape, gy.dtype)


scatter_add = max_pool_gradient


# ---- kernels that a CPU does in one go: what they leave behind


def relu(x): return MetaArray(x.shape, x.dtype)
def relu_gradient(gy, y): return MetaArray(y.shape, y.dtype)
def local_response_norm(x, *_): return MetaArray(x.shape, x.dtype), MetaArray(x.shape, x.dtype)
def local_response_norm_gradient(gy, x, *_): return MetaArray(x.shape, x.dtype)


def batch_norm(x, w, b, eps):
    return MetaArray(x.shape, x.dtype), *[MetaArray(x.shape[1:2], x.dtype) for _ in range(3)]


def batch_norm_gradient(gy, x, w, mean, inv_std):
    return batch_norm(x, w, w, 0)[:3]


def group_norm(x, w, b, groups, eps):
    return MetaArray(x.shape, x.dtype), *[MetaArray((len(x), groups), x.dtype) for _ in range(2)]


def group_norm_gradient(gy, x, w, mean, inv_std):
    return MetaArray(x.shape, x.dtype), *[MetaArray(x.shape[1:2], x.dtype) for _ in range(2)]
