"""Winograd's transforms: tiles of an image, of a filter and of products, as a few additions of vectors.

Lavin & Gray 2015, "Fast algorithms for convolutional neural networks", arXiv 1509.09308, section 4.2: F(4 x 4, 3 x 3)
makes 4 x 4 outputs Y of a tile d of 6 x 6 inputs and a filter g,

    Y = A^T [ (G g G^T) * (B^T d B) ] A.

The matrices follow from the points 0, 1, -1, 2, -2 and infinity. Here they stand as formulas: points come in pairs, and
those of a pair share their even and their odd terms. A formula is applied to the columns of a tile, then to its rows,
LANES channels at a time.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

def bt(a, b, c, d, e, f):
    even, odd = e - 4 * c, d - 4 * b
    even_2, odd_2 = e - c, 2 * (d - b)
    return 4 * a - 5 * c + e, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, 4 * b - 5 * d + f


def at(a, b, c, d, e, f):
    even, odd, even_2, odd_2 = b + c, b - c, d + e, d - e
    return a + even + even_2, odd + 2 * odd_2, even + 4 * even_2, odd + 8 * odd_2 + f


def a(a, b, c, d):
    even, odd, even_2, odd_2 = a + c, b + d, a + 4 * c, 2 * b + 8 * d
    return a, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, d


def g(a, b, c):
    even, odd = -1 / 6 * (a + c), -1 / 6 * b
    even_2, odd_2 = 1 / 24 * a + 1 / 6 * c, 1 / 12 * b
    return 1 / 4 * a, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, c


def gt(a, b, c, d, e, f):
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
                    total = x.dtype.type(0)
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
