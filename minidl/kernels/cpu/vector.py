"""The kernel interface for vectors of instructions (instructions.py), as far as it acts number by number.

An expression that is called with such vectors in the place of arrays is written down as instructions; one_pass.py
compiles them. An expression that asks for what is not here is computed by NumPy.
"""
import contextlib

from minidl.kernels.cpu.exponential import erf, exp, expm1, log, log1p, tanh         # noqa: F401, for the kernel set
from minidl.kernels.cpu.instructions import Vector


def add(a, b): return a + b
def subtract(a, b): return a - b
def multiply(a, b): return a * b
def divide(a, b): return a / b
def square(x): return x * x
def sqrt(x): return x.code.root(x)
def rsqrt(x): return 1 / sqrt(x)
def abs(x): return x.code.abs(x)
def sign(x): return where(x > 0, 1, where(x < 0, -1, x))
def equal(a, b): return a == b
def not_equal(a, b): return a != b
def greater(a, b): return a > b
def greater_equal(a, b): return a >= b
def less(a, b): return a < b
def less_equal(a, b): return a <= b
def isnan(x): return x.is_nan()
def logical_and(a, b): return a & b
def logical_or(a, b): return a | b
def logical_not(a): return ~a


def where(condition, a, b):
    a, b = (x if isinstance(x, Vector) else condition.code.constant(x) for x in (a, b))
    return condition.code.where(condition, a, b)


def maximum(a, b):
    """The larger one; NaN wins."""
    a, b = (b, a) if isinstance(b, Vector) and not isinstance(a, Vector) else (a, b)
    return where((a > b) | a.is_nan(), a, b)


def minimum(a, b):
    a, b = (b, a) if isinstance(b, Vector) and not isinstance(a, Vector) else (a, b)
    return where((a < b) | a.is_nan(), a, b)


def clip(x, least, most):
    """x between the two, of which None is no bound; NaN stays."""
    x = x if least is None else where(x < least, least, x)
    return x if most is None else where(x > most, most, x)


def sigmoid(x):
    """1 / (1 + e^-x): where e^-x is inf, that is 0"""
    return 1 / (1 + exp(-x))


def softplus(x):
    """ln(1 + e^x), with e^-|x|, which cannot overflow"""
    return maximum(x, 0) + log1p(exp(-abs(x)))


def relu(x):
    return where(x < 0, 0, x)                            # NaN is not < 0, and stays


def relu_gradient(gy, y):
    return where(y > 0, gy, 0)


def errstate(**_):
    """Nothing is reported from here."""
    return contextlib.nullcontext()
