"""e^x and what is made of it, in vectors: compilers know the instruction for a root, but for these they call a function,
number by number.

A number is 2^n m, and its bits hold n beside m. So e^x and ln x are taken apart into a power of 2, which costs next to
nothing, and a rest near 1, for which few terms of a series do. The results are within two units of the last digit.
"""
from math import factorial, log as ln, sqrt

import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

# For float32 and float64: bits of the mantissa; what is added to the exponent; where e^x is 0, and where inf; ln 2 in two
# parts, of which the first has so few bits that its multiples are exact; terms of the series of e^x, and of ln x.
FORMATS = {4: (23, 127, -104.0, 89.0, 0.693359375, -2.1219444005469057e-4, 8, 5),
           8: (52, 1023, -746.0, 710.0, 0.693145751953125, 1.4286068203094173e-6, 14, 11)}

# erf x = x p(x^2) / q(x^2) for float32 up to 3.84, beyond which it is 1; of all such fractions this one's largest relative
# error is the smallest, 1.4e-8. The coefficients, that of 1 first, were found by Lawson's iteration of least squares.
ERF = ((1.1283791065, 0.18756056, 0.052444655, 3.6618095e-3, 2.8582636e-4, 2.1167430e-6),
       (1, 0.4995541, 0.11299822, 0.014760617, 1.1433265e-3, 3.8826664e-5))

# For float64: W. J. Cody, Rational Chebyshev approximations for the error function, Mathematics of Computation 23, 1969.
# erf x = x p(x^2) / q(x^2) up to 0.46875, and from there 1 - e^(-x^2) p(x) / q(x), to 1e-18 each up to 4.
ERF_NEAR_0 = ((3.20937758913846947e3, 3.77485237685302021e2, 1.13864154151050156e2, 3.16112374387056560,
               1.85777706184603153e-1),
              (2.84423683343917062e3, 1.28261652607737228e3, 2.44024637934444173e2, 2.36012909523441209e1, 1))
ERF_BEYOND = ((1.23033935479799725e3, 2.05107837782607147e3, 1.71204761263407058e3, 8.81952221241769090e2,
               2.98635138197400131e2, 6.61191906371416295e1, 8.88314979438837594, 5.64188496988670089e-1,
               2.15311535474403846e-8),
              (1.23033935480374942e3, 3.43936767414372164e3, 4.36261909014324716e3, 3.29079923573345963e3,
               1.62138957456669019e3, 5.37181101862009858e2, 1.17693950891312499e2, 1.57449261107098347e1, 1))


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
    """e^x as 2^n e^r: a function that multiplies with 2^n, and e^r - 1.

    2^n is two factors, as it may be no number where e^x still is one: n is the sum of h, nearest to x / (2 ln 2), and n - h.
    """
    mantissa, bias, least, most, *_ = FORMATS[x.itemsize]
    code = x.code
    x = code.where(x < least, code.constant(least), x)                       # NaN is not, and stays
    x = code.where(x > most, code.constant(most), x)
    n, n_bits = nearest(x * (1 / ln(2)), 2 * bias)
    _, h_bits = nearest(x * (0.5 / ln(2)), bias)
    first, second = ((bits << mantissa).number() for bits in (h_bits, n_bits - h_bits))
    return lambda factor: factor * first * second, series(x, n)


def nearest(x, plus):
    """The whole number nearest to x, and bits that end in its sum with `plus`.

    A whole number that is added to 1.5 2^mantissa is found in the last bits of the sum. With `plus`, the bias, added to it
    and moved to where a number has its exponent, it is a power of 2.
    """
    mantissa, *_ = FORMATS[x.itemsize]
    magic = x.code.constant(1.5 * 2 ** mantissa + plus)
    sum = x + magic
    return sum - magic, sum.bits()


def series(x, n):
    """e^r - 1 for r = x - n ln 2, which is 0.35 at most where n is nearest to x / ln 2."""
    _, _, _, _, ln_2, ln_2_rest, terms, _ = FORMATS[x.itemsize]
    r = x - n * ln_2 - n * ln_2_rest
    return polynomial([1 / factorial(k) for k in range(1, terms)], r) * r


def polynomial(coefficients, x):
    """The first plus the second times x, plus the third times x^2, ..."""
    y = x.code.constant(coefficients[-1])
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y


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
    y = n * ln_2 + (n * ln_2_rest + 2 * s * polynomial([1 / (2 * k + 1) for k in range(terms)], s * s))
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
    mantissa, bias, *_ = FORMATS[x.itemsize]
    code, size = x.code, x.code.abs(x)
    double = 2 * code.where(size > 20, code.constant(20), size)              # where it is 1, long before t is inf
    n, bits = nearest(double * (1 / ln(2)), bias)
    power = (bits << mantissa).number()
    t = power * series(double, n) + (power - 1)
    return code.with_sign(t / (t + 2), x)


def erf(x):
    """The error function: relative errors are below 4e-7 for float32 and 1e-15 for float64."""
    code, size = x.code, x.code.abs(x)
    end = 3.84 if x.itemsize == 4 else 6                                     # from where it is 1
    size = code.where(size > end, code.constant(end), size)
    square = size * size
    if x.itemsize == 4:
        y = size * fraction(ERF, square)
        y = code.where(y > 1, code.constant(1), y)
    else:
        y = code.where(size < 0.46875, size * fraction(ERF_NEAR_0, square), 1 - exp(-square) * fraction(ERF_BEYOND, size))
    return code.with_sign(y, x)


def fraction(polynomials, x):
    p, q = polynomials
    return polynomial(p, x) / polynomial(q, x)


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
