"""Gradients by trying: what the gradient kernels are compared with where there is no simpler program."""
import numpy as np


def numerical_gradient(f, x, gy, step=1e-5):
    """The gradient in x of sum(gy f(x)), one central difference per number of x, float64."""
    gx = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        before = x[i]
        x[i] = before + step
        above = (gy * f(x)).sum()
        x[i] = before - step
        below = (gy * f(x)).sum()
        x[i] = before
        gx[i] = (above - below) / (2 * step)
    return gx
