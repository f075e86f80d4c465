"""Array functions that act number by number, most of them CuPy's own; float32 stays float32."""
import contextlib
import math

from cupy import (                                       # noqa: F401, for the kernel set
    abs, add, all, amax, amin, any, arange, arccos, arcsin, arctan, argmax, argmin, argpartition, argsort,
    array, array_equal, asarray, ascontiguousarray, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, bool_,
    broadcast_shapes, broadcast_to, ceil, clip, concatenate, copy, copyto, cos, cosh, count_nonzero, cumprod,
    cumsum, diagonal, divide, dot, einsum, empty, empty_like, equal, exp, exp2, expand_dims, expm1,
    eye, finfo, flip, float32, float64, floor, floor_divide, full, full_like, greater, greater_equal, inf,
    int32, int64, isfinite, isinf, isnan, less, less_equal, linspace, log, log10, log1p, log2, logical_and,
    logical_not, logical_or, logical_xor, maximum, may_share_memory, mean, minimum, moveaxis,
    multiply, nan, negative, nonzero, not_equal, ones, ones_like, outer, pad, power, prod, put_along_axis,
    ravel, reciprocal, remainder, repeat, reshape, result_type, roll, round, sign, sin, sinh, sort, sqrt,
    square, squeeze, stack, subtract, swapaxes, take, take_along_axis, tan, tanh, tensordot, tile,
    transpose, tril, triu, trunc, var, where, zeros, zeros_like)

from minidl.kernels.gpu.launch import takes_float16
from minidl.kernels.gpu.one_pass import in_one_pass
from minidl.kernels.gpu.reduction import sum

# What CuPy would do in several passes is an expression, and one kernel:


def rsqrt(x): return in_one_pass(the_rsqrt, [floating(x)])
def erf(x): return in_one_pass(the_erf, [floating(x)])
def sigmoid(x): return in_one_pass(the_sigmoid, [floating(x)])
def softplus(x): return in_one_pass(the_softplus, [floating(x)])


def the_rsqrt(k, x): return k.rsqrt(x)
def the_erf(k, x): return k.erf(x)
def the_sigmoid(k, x): return k.sigmoid(x)
def the_softplus(k, x): return k.softplus(x)
def exp_of_difference(k, a, b): return k.exp(a - b)


def floating(x):
    return x if x.dtype.kind == "f" else x.astype(float64)


@takes_float16
def logsumexp(x, axes, keepdims=False):
    axes = (axes,) if isinstance(axes, int) else axes
    if math.prod([x.shape[d] for d in axes]) == 0:       # of nothing there is no largest
        y = full([1 if d in axes else n for d, n in enumerate(x.shape)], -inf, x.dtype)
    else:
        top = amax(x, axes, keepdims=True)
        top = where(isfinite(top), top, x.dtype.type(0))             # inf - inf would be NaN
        y = log(sum(in_one_pass(exp_of_difference, [x, top]), axes, keepdims=True)) + top
    return y if keepdims else squeeze(y, axes)


def errstate(**_):
    """A GPU reports no overflow and no division by zero."""
    return contextlib.nullcontext()
