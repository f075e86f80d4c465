"""e^x in vectors: compilers know the instruction for a root, but for e^x they call a function, number by number."""
from math import factorial, log

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

# For float32 and float64: bits of the mantissa; the exponents that are added to its own; where e^x is 0, and where inf;
# ln 2 in two parts, of which the first has so few bits that its multiples are exact; terms of the series.
FORMATS = {4: (23, 127, -104.0, 89.0, 0.693359375, 8), 8: (52, 1023, -746.0, 710.0, 0.693145751953125, 14)}
LN_2_REST = {4: -2.1219444005469057e-4, 8: 1.4286068203094173e-6}


@jit
def exp(x, i, y, j):
    """y[j : j + LANES] = e^x[i : i + LANES]"""
    for n in range(LANES):
        y[j + n] = np.exp(x[i + n])


@vectorized(exp)
def exp(code, x, i, y, j):
    y.store(j, exponential(code, x.load(i), x.itemsize))


@jit
def exp_some(x, i, y, j, count):
    """The same for the first `count`; the others are of no use."""
    for n in range(count):
        y[j + n] = np.exp(x[i + n])


@vectorized(exp_some)
def exp_some(code, x, i, y, j, count):
    y.store(j, exponential(code, x.load_some(i, count), x.itemsize))


def exponential(code, x, itemsize):
    """e^x = 2^n e^r for the whole number n that is nearest to x / ln 2: r is 0.35 at most, and few terms of the series do.

    A whole number that is added to 1.5 2^mantissa is found in the last bits of the sum; n, moved to where a number has
    its exponent, is 2^n. That is done in two halves, as 2^n itself may be no number where e^x still is one.
    """
    mantissa, bias, least, most, ln_2, terms = FORMATS[itemsize]
    x = code.where(code.constant(least) > x, code.constant(least), x)        # NaN is not, and stays
    x = code.where(x > code.constant(most), code.constant(most), x)
    magic = code.constant(1.5 * 2 ** mantissa)
    sum = x * (1 / log(2)) + magic
    n = sum - magic
    r = x - n * ln_2 - n * LN_2_REST[itemsize]
    series = code.constant(1 / factorial(terms - 1))
    for k in reversed(range(terms - 1)):
        series = series * r + 1 / factorial(k)
    n = sum.bits() - magic.bits()
    half = n >> 1
    return series * ((half + bias) << mantissa).number() * ((n - half + bias) << mantissa).number()


@jit(inline=True)
def exp_of_run(x, i, y, j, count):
    """y[j : j + count] = e^x[i : i + count]; y has room for whole vectors."""
    whole = count // LANES * LANES
    for n in range(0, whole, LANES):
        exp(x, i + n, y, j + n)
    if whole < count:
        exp_some(x, i + whole, y, j + whole, count - whole)
