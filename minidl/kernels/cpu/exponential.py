"""e^x and what is made of it, in vectors: compilers know the instruction for a root, but for these they call a function,
number by number.

A number is 2^n m, and its bits hold n beside m. So e^x and ln x are taken apart into a power of 2, which costs next to
nothing, and a rest near 1, for which few terms of a series do. The results are within two units of the last digit.
"""
from math import factorial, log as ln, pi, sqrt

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

# For float32 and float64: bits of the mantissa; what is added to the exponent; where e^x is 0, and where inf; ln 2 in two
# parts, of which the first has so few bits that its multiples are exact; terms of the series of e^x, and of ln x.
FORMATS = {4: (23, 127, -104.0, 89.0, 0.693359375, -2.1219444005469057e-4, 8, 5),
           8: (52, 1023, -746.0, 710.0, 0.693145751953125, 1.4286068203094173e-6, 14, 11)}


def exp(x):
    """e^x = 2^n e^r"""
    power, series = taken_apart(x)
    return power(1 + series)


def expm1(x):
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1), exact also near 0; for large x that is e^x."""
    power, series = taken_apart(x)
    mantissa = FORMATS[x.itemsize][0]
    return x.code.where(x > mantissa, power(1 + series), power(series) + (power(x.code.constant(1)) - 1))


def taken_apart(x):
    """e^x as 2^n e^r, for the whole number n that is nearest to x / ln 2: r is 0.35 at most.

    The answers are a function that multiplies with 2^n, and e^r - 1.

    A whole number that is added to 1.5 2^mantissa is found in the last bits of the sum; n, moved to where a number has
    its exponent, is 2^n. That is done in two halves, as 2^n itself may be no number where e^x still is one.
    """
    mantissa, bias, least, most, ln_2, ln_2_rest, terms, _ = FORMATS[x.itemsize]
    code = x.code
    x = code.where(x < least, code.constant(least), x)                       # NaN is not, and stays
    x = code.where(x > most, code.constant(most), x)
    magic = code.constant(1.5 * 2 ** mantissa)
    sum = x * (1 / ln(2)) + magic
    n = sum - magic
    r = x - n * ln_2 - n * ln_2_rest
    series = code.constant(1 / factorial(terms - 1))
    for k in reversed(range(1, terms - 1)):
        series = series * r + 1 / factorial(k)
    n = sum.bits() - magic.bits()
    half = n >> 1
    first, second = (((part + bias) << mantissa).number() for part in (half, n - half))
    return lambda factor: factor * first * second, series * r


def log(x):
    """ln x = n ln 2 + ln m, with m from 0.7 to 1.4, and ln m = 2 (s + s^3/3 + s^5/5 + ...) for s = (m - 1) / (m + 1)."""
    mantissa, bias, _, _, ln_2, ln_2_rest, _, terms = FORMATS[x.itemsize]
    code, least = x.code, 2.0 ** (1 - bias)                                  # below, numbers have no bits to spare
    tiny = x < least
    bits = code.where(tiny, x * 2.0 ** mantissa, x).bits()
    n = (bits - code.constant(sqrt(0.5)).bits()) >> mantissa
    m = (bits - (n << mantissa)).number()
    n = n.converted() - code.where(tiny, code.constant(mantissa), code.zero())
    s = (m - 1) / (m + 1)
    series = code.constant(1 / (2 * terms - 1))
    for k in reversed(range(terms - 1)):
        series = series * (s * s) + 1 / (2 * k + 1)
    y = n * ln_2 + (n * ln_2_rest + 2 * s * series)
    y = code.where((x > 0) & (x < float("inf")), y, x)                       # inf and NaN are their own
    y = code.where(x == 0, code.constant(float("-inf")), y)
    return code.where(x < 0, code.constant(float("nan")), y)


def log1p(x):
    """ln(1 + x), exact also near 0: 1 + x is rounded, to 1 + d, and ln(1 + x) / x is nearly ln(1 + d) / d. W. Kahan's."""
    y = 1 + x
    d = y - 1
    y = x.code.where(d == 0, x, log(y) * (x / d))
    return x.code.where(x < float("inf"), y, x)


def tanh(x):
    """t / (t + 2) for t = e^2|x| - 1, with x's sign."""
    code = x.code
    size = code.where(x < 0, -x, x)
    power, series = taken_apart(2 * code.where(size > 20, code.constant(20), size))      # from where on it is 1
    t = power(series) + (power(code.constant(1)) - 1)                        # as in expm1; no part of it can be inf
    y = t / (t + 2)
    return code.where(x < 0, -y, y)


def erf(x):
    """The error function, float32: below 1 its Taylor series, above Abramowitz & Stegun's 7.1.26, within 1.5e-7."""
    if x.itemsize != 4:
        raise TypeError("erf: in vectors there is float32 only")
    code = x.code
    size = code.where(x < 0, -x, x)
    series = code.zero()
    for n in reversed(range(11)):
        series = series * (x * x) + (-1) ** n / (factorial(n) * (2 * n + 1))
    t = 1 / (1 + 0.3275911 * size)
    tail = code.zero()
    for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail = (tail + a) * t
    far = 1 - tail * exp(-size * size)
    return code.where(size < 1, 2 / sqrt(pi) * x * series, code.where(x < 0, -far, far))


# ---- for kernels


@jit
def _exp(x, i, y, j):
    """y[j : j + LANES] = e^x[i : i + LANES]"""
    for n in range(LANES):
        y[j + n] = np.exp(x[i + n])


@vectorized(_exp)
def _exp(code, x, i, y, j):
    y.store(j, exp(x.load(i)))


@jit
def _exp_some(x, i, y, j, count):
    """The same for the first `count`; the others are of no use."""
    for n in range(count):
        y[j + n] = np.exp(x[i + n])


@vectorized(_exp_some)
def _exp_some(code, x, i, y, j, count):
    y.store(j, exp(x.load_some(i, count)))


@jit(inline=True)
def exp_of_run(x, i, y, j, count):
    """y[j : j + count] = e^x[i : i + count]; y has room for whole vectors."""
    whole = count // LANES * LANES
    for n in range(0, whole, LANES):
        _exp(x, i + n, y, j + n)
    if whole < count:
        _exp_some(x, i + whole, y, j + whole, count - whole)
