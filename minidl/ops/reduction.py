"""Sums, means, products and extremes along dimensions: many numbers in, few out."""
import builtins
from dataclasses import dataclass
from math import prod as product
from typing import NamedTuple

from minidl.dtypes import category
from minidl.fused import Fused
from minidl.op import Elementwise, Op
from minidl.ops.arithmetic import abs, cast, exp, pow, sqrt, square, where
from minidl.ops.comparison import Untracked, isfinite, ne
from minidl.ops.indexing import gather
from minidl.ops.shape import Expand, dimension, dimensions, flip, narrow, pad, reshape
from minidl.tensor import Tensor, of

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cumprod", "cumsum", "logsumexp", "max", "mean", "min",
    "norm", "normalize", "prod", "sort", "std", "sum", "topk", "var", "var_mean",
]


@dataclass(eq=False)
class Sum(Op):
    """y = sum of x over dims: each x has the gradient of the y it went into."""
    dims: tuple
    keepdim: bool = False

    def forward(self, k, x):
        return k.sum(x, self.dims, keepdims=self.keepdim)

    def backward(self, gy, y, x):
        gy = gy if gy.ndim == 0 else reshape(gy, kept(x.shape, self.dims))       # one number fits everywhere
        return Expand(x.shape)(gy)


@dataclass(eq=False)
class Extreme(Op):
    """The largest (or smallest) x over dims; equals share the gradient."""
    dims: tuple
    keepdim: bool = False
    reads = "x y"

    def forward(self, k, x):
        return getattr(k, self.kernel)(x, self.dims, keepdims=self.keepdim)

    def backward(self, gy, y, x):
        y, gy = reshape(y, kept(x.shape, self.dims)), reshape(gy, kept(x.shape, self.dims))
        winners = cast(x == y, gy.dtype)
        return gy / sum(winners, self.dims, True) * winners


class AMax(Extreme):
    kernel = "amax"


class AMin(Extreme):
    kernel = "amin"


@dataclass(eq=False)
class LogSumExp(Elementwise):
    """y = log sum e^x over dims,  dy/dx = e^(x - y): the softmax."""
    dims: tuple
    keepdim: bool = False
    reads, to_float, number_by_number = "x y", True, False

    def forward(self, k, x):
        return k.logsumexp(x, self.dims, self.keepdim)

    def backward(self, gy, y, x):
        y, gy = reshape(y, kept(x.shape, self.dims)), reshape(gy, kept(x.shape, self.dims))
        return gy * exp(x - where(isfinite(y), y, 0.0))


@dataclass(eq=False)
class Norm(Op):
    """y = sqrt(sum of x^2 over dims),  dy/dx = x / y, and 0 where y is 0."""
    dims: tuple
    keepdim: bool = False
    reads = "x y"

    def forward(self, k, x):
        return k.sqrt(k.sum(k.square(x), self.dims, keepdims=self.keepdim))

    def backward(self, gy, y, x):
        y, gy = reshape(y, kept(x.shape, self.dims)), reshape(gy, kept(x.shape, self.dims))
        return x * where(y == 0, 0.0, gy / where(y == 0, 1.0, y))


@dataclass(eq=False)
class CumSum(Op):
    """y_i = x_1 + ... + x_i: the gradient is summed from the other end."""
    dim: int

    def forward(self, k, x):
        return k.cumsum(x, self.dim)

    def backward(self, gy, y, x):
        return flip(cumsum(flip(gy, self.dim), self.dim), self.dim)


@dataclass(eq=False)
class CumProd(Fused):
    """y_i = x_1 ... x_i. No rule divides by x, so that zeros among the factors do no harm."""
    dim: int

    def forward(self, k, x):
        return k.cumprod(x, self.dim)

    def gradient(self, k, gy, x):
        return k.cumprod_gradient(gy, x, self.dim)

    def definition(self, x):
        """Hillis & Steele 1986: y_i <- y_i y_(i-d) for d = 1, 2, 4, ..., with y = 1 before the start."""
        d, n = 1, x.shape[self.dim]
        while d < n:
            before = pad(narrow(x, self.dim, 0, n - d), (0, 0) * (x.ndim - 1 - self.dim) + (d, 0), value=1.0)
            x, d = x * before, 2 * d
        return x


class Prod(Fused):
    """y (M,) = the products of the rows of x (M, N); no rule divides by x."""

    def forward(self, k, x):
        return k.prod(x, 1)

    def gradient(self, k, gy, x):
        return k.prod_gradient(gy, x)

    def definition(self, x):
        """Neighbours multiply until one is left."""
        while x.shape[1] > 1:
            if x.shape[1] % 2:
                x = pad(x, (0, 1), value=1.0)
            x = x[:, ::2] * x[:, 1::2]
        return reshape(x, x.shape[:1]) if x.shape[1] else of(x.array.prod(1))


def kept(shape, dims):
    """`shape` with size 1 where it is reduced."""
    return tuple([1 if i in dims else n for i, n in enumerate(shape)])


# ---- functions


def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over `dim` (a number, a tuple, or all). Integers and bools add up to int64."""
    dims = dimensions(dim, input, "sum")
    if dtype is not None:
        input = cast(input, dtype)
    return Sum(dims, keepdim)(input)


def mean(input, dim=None, keepdim=False):
    """The mean over `dim` (a number, a tuple, or all); NaN of nothing."""
    floating("mean", input)
    dims = dimensions(dim, input, "mean")
    count = product([input.shape[d] for d in dims])
    total = Sum(dims, keepdim)(input)
    return total * (1 / count) if count else total / 0.0


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The variance over `dim`: squares of deviations, divided by N - correction (1 unless `unbiased` is False)."""
    return var_mean(input, dim, unbiased, keepdim, correction=correction)[0]


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """The square root of `var`."""
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=1):
    """Variance and mean over `dim`."""
    floating("var", input)
    if isinstance(dim, bool):                # PyTorch's x.var(False)
        dim, unbiased = None, dim
    correction = correction if unbiased is None else int(unbiased)
    dims = dimensions(dim, input, "var")
    count = product([input.shape[d] for d in dims])
    center = mean(input, dims or None, True)
    squares = Sum(dims, keepdim)(square(input - center))
    variance = squares / builtins.max(0, count - correction) if count > correction else squares / 0.0 * 0.0
    return variance, center if keepdim else reshape(center, variance.shape)


def prod(input, dim=None, keepdim=False):
    """The product over one dimension, or over all."""
    if dim is None:
        return reshape(Prod()(reshape(input, (1, product(input.shape)))), ())
    dim = dimension(dim, input, "prod")
    if input.ndim == 0:
        return input
    order = [i for i in range(input.ndim) if i != dim] + [dim]
    rows = input.transpose(order) if not isinstance(input, Tensor) else input.permute(order)
    y = Prod()(reshape(rows, (product(rows.shape[:-1]), rows.shape[-1])))
    return reshape(y, kept(input.shape, (dim,)) if keepdim else rows.shape[:-1])


class Extremes(NamedTuple):
    """What max, min, sort and topk along one dimension give: the values, and where they stood."""
    values: Tensor
    indices: Tensor


def max(input, dim=None, keepdim=False):
    """max(x): the largest, its gradient shared among equals. max(x, dim): (values, indices), the first of
    equals wins. max(x, y), y a tensor: `maximum`."""
    if isinstance(dim, Tensor):
        return input.maximum(dim)
    return amax(input) if dim is None else winner(input, dim, keepdim, argmax)


def min(input, dim=None, keepdim=False):
    """As `max`, for the smallest."""
    if isinstance(dim, Tensor):
        return input.minimum(dim)
    return amin(input) if dim is None else winner(input, dim, keepdim, argmin)


def winner(input, dim, keepdim, which):
    dim = dimension(dim, input, which.__name__)
    indices = which(input, dim, True)
    values = gather(input, dim, indices)
    if not keepdim and input.ndim:
        shape = tuple([n for i, n in enumerate(input.shape) if i != dim])
        values, indices = reshape(values, shape), reshape(indices, shape)
    return Extremes(values, indices)


def amax(input, dim=(), keepdim=False):
    """The largest over `dim` (a number, a tuple, or all); equals share the gradient."""
    return AMax(occupied("amax", input, dim), keepdim)(input)


def amin(input, dim=(), keepdim=False):
    """The smallest over `dim` (a number, a tuple, or all); equals share the gradient."""
    return AMin(occupied("amin", input, dim), keepdim)(input)


@dataclass(eq=False)
class _Index(Untracked):
    """argmax, argmin, argsort, all, any: results are integers or truth values."""
    settings: dict

    def forward(self, k, x):
        return getattr(k, self.kernel)(x, **self.settings)


def argmax(input, dim=None, keepdim=False):
    """Where the largest stands along `dim` (in the flattened tensor, if None); the first of equals."""
    return argextreme("argmax", input, dim, keepdim)


def argmin(input, dim=None, keepdim=False):
    """Where the smallest stands along `dim` (in the flattened tensor, if None); the first of equals."""
    return argextreme("argmin", input, dim, keepdim)


def argextreme(name, input, dim, keepdim):
    dims = occupied(name, input, dim)
    axis = None if dim is None or input.ndim == 0 else dims[0]
    return _Index(name, {"axis": axis, "keepdims": keepdim})(input)


def all(input, dim=None, keepdim=False):
    """Is every number true (not 0) along `dim`, or altogether?"""
    return _Index("all", {"axis": dimensions(dim, input, "all"), "keepdims": keepdim})(input)


def any(input, dim=None, keepdim=False):
    """Is any number true (not 0) along `dim`, or altogether?"""
    return _Index("any", {"axis": dimensions(dim, input, "any"), "keepdims": keepdim})(input)


def logsumexp(input, dim, keepdim=False):
    """log of the sum of e^x over `dim` (a number or a tuple), without overflow."""
    return LogSumExp(dimensions(dim, input, "logsumexp"), keepdim)(input)


def cumsum(input, dim):
    """Running sums along `dim`."""
    dim = dimension(dim, input, "cumsum")
    return CumSum(dim)(input) if input.ndim else input


def cumprod(input, dim):
    """Running products along `dim`."""
    dim = dimension(dim, input, "cumprod")
    return CumProd(dim)(input) if input.ndim else input


def norm(input, p=2, dim=None, keepdim=False):
    """(sum of |x|^p over dim)^(1/p): p = 2 or "fro" (the default), inf, -inf, 0 (counts non-zeros), or a number."""
    floating("norm", input)
    dims = dimensions(dim, input, "norm")
    if p in (2, "fro"):
        return Norm(dims, keepdim)(input)
    if p == float("inf"):
        return AMax(dims, keepdim)(abs(input))
    if p == -float("inf"):
        return AMin(dims, keepdim)(abs(input))
    if p == 0:
        return Sum(dims, keepdim)(cast(ne(input, 0), input.dtype))
    if p == 1:
        return Sum(dims, keepdim)(abs(input))
    return pow(Sum(dims, keepdim)(pow(abs(input), p)), 1 / p)


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """x / |x|, the norm taken along `dim` and no less than eps."""
    return input / norm(input, p, dim, True).clamp(min=eps)


def sort(input, dim=-1, descending=False, *, stable=False):
    """(values, indices) in order along `dim`; equals keep their order (always, whatever `stable` says)."""
    if input.ndim == 0:
        return Extremes(input, argmax(input))
    indices = argsort(input, dim, descending)
    return Extremes(gather(input, dimension(dim, input, "sort"), indices), indices)


def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that sort `input` along `dim`; equals keep their order (always)."""
    dim = dimension(dim, input, "argsort")
    if input.ndim == 0:
        return argmax(input)
    if not descending:
        return _Index("argsort", {"axis": dim, "kind": "stable"})(input)
    n = input.shape[dim]                     # turned round twice, so that equals keep their order, too
    return n - 1 - flip(_Index("argsort", {"axis": dim, "kind": "stable"})(flip(input, dim)), dim)


def topk(input, k, dim=-1, largest=True, sorted=True):
    """(values, indices) of the k largest (or smallest) along `dim`, in order."""
    dim = dimension(dim, input, "topk")
    if not 0 <= k <= (input.shape[dim] if input.ndim else 1):
        raise ValueError(f"topk: k = {k} of the {input.shape[dim]} numbers along dimension {dim} of shape {input.shape}")
    values, indices = sort(input, dim, descending=largest)
    return Extremes(narrow(values, dim, 0, k), narrow(indices, dim, 0, k)) if input.ndim else Extremes(values, indices)


def floating(who, x):
    if category(x.dtype) < 2:
        raise TypeError(f"{who}: needs floating-point numbers, not {x.dtype} (shape {x.shape}); cast with .float() first")


def occupied(who, x, dim):
    """The dimensions of an extreme, which needs something to choose from."""
    dims = dimensions(dim, x, who)
    if product([x.shape[d] for d in dims]) == 0:
        raise ValueError(f"{who}: shape {x.shape} has nothing in dimensions {dims} to choose from")
    return dims
