"""Array functions that act number by number, most of them CuPy's own; float32 stays float32."""
import contextlib

from cupy import (                                       # noqa: F401, for the kernel set
    abs, add, all, amax, amin, any, arange, arccos, arcsin, arctan, argmax, argmin, argpartition, argsort,
    array, array_equal, asarray, ascontiguousarray, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, bool_,
    broadcast_shapes, broadcast_to, ceil, clip, concatenate, copy, copyto, cos, cosh, count_nonzero, cumprod,
    cumsum, diagonal, divide, dot, einsum, empty, empty_like, equal, exp, exp2, expand_dims, expm1,
    eye, finfo, flip, float32, float64, floor, floor_divide, full, full_like, greater, greater_equal, inf,
    int32, int64, isfinite, isinf, isnan, less, less_equal, linspace, log, log10, log1p, log2, logical_and,
    logical_not, logical_or, logical_xor, matmul, maximum, may_share_memory, mean, minimum, moveaxis,
    multiply, nan, negative, nonzero, not_equal, ones, ones_like, outer, pad, power, prod, put_along_axis,
    ravel, reciprocal, remainder, repeat, reshape, result_type, roll, round, sign, sin, sinh, sort, sqrt,
    square, squeeze, stack, subtract, sum, swapaxes, take, take_along_axis, tan, tanh, tensordot, tile,
    transpose, tril, triu, trunc, var, where, zeros, zeros_like)


def errstate(**_):
    """A GPU reports no overflow and no division by zero."""
    return contextlib.nullcontext()


def in_one_pass(expression, arrays):
    """None: here every operation goes through the arrays by itself."""


from minidl.kernels.reference.elementwise import erf, logsumexp, rsqrt, sigmoid, softplus    # noqa: E402, F401
