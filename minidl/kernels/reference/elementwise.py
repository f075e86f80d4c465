"""Array functions that act number by number, most of them NumPy's own; float32 stays float32."""
from numpy import (                                      # noqa: F401, for the kernel set
    abs, add, all, amax, amin, any, arange, arccos, arcsin, arctan, argmax, argmin, argpartition, argsort,
    array, array_equal, asarray, ascontiguousarray, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, bool_,
    broadcast_shapes, broadcast_to, ceil, clip, concatenate, copy, copyto, cos, cosh, count_nonzero, cumprod,
    cumsum, diagonal, divide, dot, einsum, empty, empty_like, equal, errstate, exp, exp2, expand_dims, expm1,
    eye, finfo, flip, float32, float64, floor, floor_divide, full, full_like, greater, greater_equal, inf,
    int32, int64, isfinite, isinf, isnan, less, less_equal, linspace, log, log10, log1p, log2, logical_and,
    logical_not, logical_or, logical_xor, matmul, maximum, may_share_memory, mean, minimum, moveaxis,
    multiply, nan, negative, nonzero, not_equal, ones, ones_like, outer, pad, power, prod, put_along_axis,
    ravel, reciprocal, remainder, repeat, reshape, result_type, roll, round, sign, sin, sinh, sort, sqrt,
    square, squeeze, stack, subtract, sum, swapaxes, take, take_along_axis, tan, tanh, tensordot, tile,
    transpose, tril, triu, trunc, var, where, zeros, zeros_like)


def in_one_pass(expression, arrays):
    """None: here every operation goes through the arrays by itself."""


def rsqrt(x):
    """1 / sqrt(x)"""
    return 1 / sqrt(x)


def erf(x):
    """The error function, 2 / sqrt(pi) * integral of e^(-t^2) from 0 to x."""
    from scipy import special                            # loaded by the first call, not by `import minidl`
    return special.erf(x)


def sigmoid(x):
    """1 / (1 + e^-x), written with e^-|x|, which cannot overflow."""
    e = exp(-abs(x))
    return where(x >= 0, 1, e) / (1 + e)


def softplus(x):
    """log(1 + e^x), written with e^-|x|, which cannot overflow."""
    return maximum(x, 0) + log1p(exp(-abs(x)))


def logsumexp(x, axes, keepdims=False):
    """log of the sum of e^x over `axes`: -inf where every x is -inf (or there is none), inf where one is inf."""
    top = amax(x, axes, keepdims=True, initial=-inf)
    top = where(isfinite(top), top, 0)                   # inf - inf would be NaN
    with errstate(divide="ignore", over="ignore"):       # log(0) is the -inf that is meant
        y = log(sum(exp(x - top), axes, keepdims=True)) + top
    return y if keepdims else squeeze(y, axes)
