"""Winograd's transforms: tiles of an image, of a filter and of products, as a few additions of vectors.

Lavin & Gray 2015, "Fast algorithms for convolutional neural networks", arXiv 1509.09308, section 4.1. F(m x m, 3 x 3)
makes m x m outputs of a tile of n x n inputs, n = m + 2,

    Y = A^T [ (G g G^T) * (B^T d B) ] A,

where the matrices follow from the n - 1 points 0, 1, -1 (and 2, -2 where m is 4) and infinity. Here they stand
as formulas, which share what their even and odd terms have in common, as the points come in pairs. They are applied
to the columns of a tile, then to the rows, LANES channels at a time.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

# ---- F(2 x 2, 3 x 3): section 4.1, the points 0, 1, -1


def bt_2(a, b, c, d):
    return a - c, b + c, c - b, b - d


def at_2(a, b, c, d):
    return a + b + c, b - c - d


def a_2(a, b):
    return a, a + b, a - b, -1 * b


def g_2(a, b, c):
    even, odd = 0.5 * (a + c), 0.5 * b
    return a, even + odd, even - odd, c


def gt_2(a, b, c, d):
    even, odd = 0.5 * (b + c), 0.5 * (b - c)
    return a + even, odd, even + d


# ---- F(4 x 4, 3 x 3): section 4.2, the points 0, 1, -1, 2, -2


def bt_4(a, b, c, d, e, f):
    even, odd = e - 4 * c, d - 4 * b
    even_2, odd_2 = e - c, 2 * (d - b)
    return 4 * a - 5 * c + e, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, 4 * b - 5 * d + f


def at_4(a, b, c, d, e, f):
    even, odd, even_2, odd_2 = b + c, b - c, d + e, d - e
    return a + even + even_2, odd + 2 * odd_2, even + 4 * even_2, odd + 8 * odd_2 + f


def a_4(a, b, c, d):
    even, odd, even_2, odd_2 = a + c, b + d, a + 4 * c, 2 * b + 8 * d
    return a, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, d


def g_4(a, b, c):
    even, odd = -1 / 6 * (a + c), -1 / 6 * b
    even_2, odd_2 = 1 / 24 * a + 1 / 6 * c, 1 / 12 * b
    return 1 / 4 * a, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, c


def gt_4(a, b, c, d, e, f):
    even, odd, even_2, odd_2 = -1 / 6 * (b + c), -1 / 6 * (b - c), d + e, d - e
    return 1 / 4 * a + even + 1 / 24 * even_2, odd + 1 / 12 * odd_2, even + 1 / 6 * even_2 + f


# ---- along columns, then along rows


def transform(formula):
    """The kernel `apply`: y = T x T^T for tiles of vectors, T being the matrix of the formula."""
    inputs = formula.__code__.co_argcount
    T = np.array(formula(*np.eye(inputs)))
    outputs = len(T)

    @jit
    def apply(x, i, x_row, x_column, y, j, y_row, y_column):
        """The vector (p, q) of x lies at i + p x_row + q x_column, that of y at j + p y_row + q y_column."""
        for lane in range(LANES):
            for p in range(outputs):
                for q in range(outputs):
                    total = 0 * x[i]
                    for r in range(inputs):
                        for s in range(inputs):
                            total += T[p, r] * x[i + r * x_row + s * x_column + lane] * T[q, s]
                    y[j + p * y_row + q * y_column + lane] = total

    @vectorized(apply)
    def apply(code, x, i, x_row, x_column, y, j, y_row, y_column):
        columns = [formula(*[x.load(i + r * x_row + s * x_column) for r in range(inputs)]) for s in range(inputs)]
        for p, row in enumerate(zip(*columns)):
            for q, vector in enumerate(formula(*row)):
                y.store(j + p * y_row + q * y_column, vector)

    return apply
