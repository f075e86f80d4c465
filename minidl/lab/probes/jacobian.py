"""Singular values of the input-output Jacobian: is the network near an isometry?"""
import numpy as np

import minidl
from minidl.lab.linearized import Linearized

DENSE = 2000                     # rows or columns, of which a matrix is still written down


def singular_values(model, x, k=None, *, seed=0, dtype=minidl.float64):
    """The singular values of J = dy/dx at x, the largest first: all of them, or the k largest.

    model, x : give a single example, (1, ...), for the Jacobian of the literature. Of a batch it is the Jacobian of the
               whole batch, which is what a model with batch norm in training mode has
    k        : None writes J down, a product with it for each row or column, whichever are fewer: that many backward passes,
               then O(rows columns min(rows, columns)). A number finds so many by Lanczos's method (scipy.sparse.linalg.svds
               on products J v and u J, Golub & Kahan 1965): 20 to 60 passes for a few, and no matrix

    Saxe, McClelland & Ganguli 2014, arXiv 1312.6120; Pennington, Schoenholz & Ganguli 2017, arXiv 1711.04735.
    """
    J = Linearized(model, x, dtype)
    rows, columns = J.y.numel(), J.x.numel()
    if k is None:
        return np.linalg.svd(dense(J, rows, columns), compute_uv=False)
    if not 1 <= k < min(rows, columns):
        raise ValueError(f"singular_values: of a Jacobian of {rows} x {columns}, Lanczos's method finds 1 to "
                         f"{min(rows, columns) - 1} singular values, not {k}; k=None finds all")
    from scipy.sparse.linalg import LinearOperator, svds
    product = LinearOperator((rows, columns), lambda v: J.jvp(v).ravel(), lambda u: J.vjp(u).ravel(), dtype=J.y.dtype)
    start = np.random.default_rng(seed).standard_normal(min(rows, columns))
    return np.sort(svds(product, k, v0=start, return_singular_vectors=False))[::-1]


def dense(J, rows, columns):
    """J as a matrix, by rows or by columns."""
    if min(rows, columns) > DENSE:
        raise ValueError(f"singular_values: the Jacobian has {rows:,} x {columns:,} numbers; say how many of its singular "
                         "values to find: k=10")
    if rows <= columns:
        return np.stack([J.vjp(one(rows, i)).ravel() for i in range(rows)])
    return np.stack([J.jvp(one(columns, i)).ravel() for i in range(columns)], 1)


def one(n, i):
    return np.eye(1, n, i)[0]


def spread(singular_values):
    """The variance of the eigenvalues of J J^T by the square of their mean; 0 for an isometry.

    Pennington, Schoenholz & Ganguli 2017, section 3: for L layers as wide as the input, L for Gaussian weights without an
    activation, 0 for orthogonal ones; with ReLUs 2L and L.
    """
    eigenvalues = np.asarray(singular_values) ** 2
    return float(eigenvalues.var() / eigenvalues.mean() ** 2)
