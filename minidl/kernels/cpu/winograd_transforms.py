"""Winograd's transforms: tiles of an image, of a filter and of products, as a few additions of vectors.

Lavin & Gray 2015, "Fast algorithms for convolutional neural networks", arXiv 1509.09308, section 4: F(m x m, 3 x 3)
makes m x m outputs Y of a tile d of (m + 2) x (m + 2) inputs and a filter g,

    Y = A^T [ (G g G^T) * (B^T d B) ] A.

The matrices follow from points, at which polynomials are evaluated: 0, 1, -1 and infinity for m = 2 (section 4.1), and
2 and -2 for m = 4 (section 4.2). Here they stand as formulas: points come in pairs, and those of a pair share their
even and their odd terms. A formula is applied to the columns of a tile, then to its rows, LANES channels at a time.
"""
import numpy as np

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized


class F2:
    """F(2 x 2, 3 x 3)"""

    def bt(a, b, c, d):
        return a - c, b + c, c - b, b - d

    def at(a, b, c, d):
        return a + b + c, b - c - d

    def a(a, b):
        return a, a + b, a - b, -b

    def g(a, b, c):
        even, odd = 1 / 2 * (a + c), 1 / 2 * b
        return a, even + odd, even - odd, c

    def gt(a, b, c, d):
        even, odd = 1 / 2 * (b + c), 1 / 2 * (b - c)
        return a + even, odd, even + d


class F4:
    """F(4 x 4, 3 x 3)"""

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


TILES = {2: F2, 4: F4}                       # the formulas for tiles of m x m outputs


# ---- along columns, then along rows


def transform(name):
    """The kernel `apply`: y = T x T^T for tiles of vectors, T being the matrix of the formula of this name for m."""
    formulas = {m: getattr(tile, name) for m, tile in TILES.items()}
    matrices, shapes = np.zeros((max(TILES) + 1, 6, 6)), np.zeros((max(TILES) + 1, 2), int)
    for m, formula in formulas.items():
        T = matrix(formula)
        shapes[m], matrices[m, :T.shape[0], :T.shape[1]] = T.shape, T

    @jit
    def apply(m, x, i, x_row, x_column, y, j, y_row, y_column):
        """The vector (p, q) of x lies at i + p x_row + q x_column, that of y at j + p y_row + q y_column."""
        outputs, inputs = shapes[m]
        for lane in range(LANES):
            for p in range(outputs):
                for q in range(outputs):
                    total = x.dtype.type(0)
                    for r in range(inputs):
                        for s in range(inputs):
                            total += matrices[m, p, r] * x[i + r * x_row + s * x_column + lane] * matrices[m, q, s]
                    y[j + p * y_row + q * y_column + lane] = total

    @vectorized(apply)
    def apply(code, m, x, i, x_row, x_column, y, j, y_row, y_column):
        for size, formula in formulas.items():
            inputs = range(formula.__code__.co_argcount)
            with code.when(m.equals(size)):
                columns = [formula(*[x.load(i + r * x_row + s * x_column) for r in inputs]) for s in inputs]
                for p, row in enumerate(zip(*columns)):
                    for q, vector in enumerate(formula(*row)):
                        y.store(j + p * y_row + q * y_column, vector)

    return apply


def matrix(formula):
    return np.array(formula(*np.eye(formula.__code__.co_argcount)))
