"""Gradients of products, in which no factor is divided by: zeros do no harm."""
import numpy as np


def prod_gradient(gy, x):
    """y (M,) = products of the rows of x (M, N) -> gx (M, N): each factor receives the product of the others."""
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[:, :-1], 1, out=before[:, 1:])
    np.cumprod(x[:, :0:-1], 1, out=after[:, -2::-1])
    return gy[:, None] * before * after


def cumprod_gradient(gy, x, axis):
    """y_i = x_1 ... x_i -> gx_i = (x_1 ... x_(i-1)) r_i,  with  r_i = gy_i + x_(i+1) r_(i+1)  from the last on."""
    gy, x = np.moveaxis(gy, axis, 0), np.moveaxis(x, axis, 0)
    before = np.ones_like(x)
    np.cumprod(x[:-1], 0, out=before[1:])
    r = gy.copy()
    for i in range(len(x) - 2, -1, -1):
        r[i] += x[i + 1] * r[i + 1]
    return np.moveaxis(before * r, 0, axis)
