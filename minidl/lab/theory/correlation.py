"""The gradients of two inputs: how correlated they are at the input of a ReLU network, L layers below the output.

The question is Balduzzi et al. 2017's, "The shattered gradients problem", arXiv 1702.08591; the recursions are derived
from Cho & Saul 2009's kernels (arXiv 1112.3712, section 2), and differ from the 2^-L and (3/4)^L that are often quoted:
those need inputs that stay uncorrelated in every layer, which only batch norm makes them.

A correlation c of the pre-activations becomes kappa1(c) behind the next ReLU and weights; a correlation of gradients is
multiplied by kappa0(c) on its way back: two ReLUs let the same gradient through as often as both are open.
"""
import numpy as np

from minidl.lab.theory.batch_norm import A


def kappa0(c):
    """2 P(u > 0, v > 0) = (pi - arccos c) / pi for u, v normal with correlation c: both open, by one open."""
    return (np.pi - np.arccos(np.clip(c, -1, 1))) / np.pi


def kappa1(c):
    """2 E relu(u) relu(v) = (sqrt(1 - c^2) + c (pi - arccos c)) / pi."""
    c = np.clip(c, -1, 1)
    return (np.sqrt(1 - c ** 2) + c * (np.pi - np.arccos(c))) / np.pi


def plain(layers, c=0.0):
    """No norm, no bias: the product of kappa0(c_l), c_{l+1} = kappa1(c_l), for 0 .. layers ReLUs.

    c goes to 1, so that the product falls only like a power, about 196 / L^3 in the end.
    """
    correlations = [1.0]
    for _ in range(layers):
        correlations.append(correlations[-1] * kappa0(c))
        c = kappa1(c)
    return np.array(correlations)


def plain_batch_norm(layers):
    """With batch norm, which keeps c at about 0 (it takes the common part of all examples away): kappa0(0)^L = 2^-L."""
    return 0.5 ** np.arange(layers + 1)


def residual(blocks, c=0.0):
    """x + W relu(x), no norm: the product of (1 + kappa0(c_l)) / 2, c_{l+1} = (c_l + kappa1(c_l)) / 2.

    Both ways carry the same energy, and the identity leaves a correlation as it is.
    """
    correlations = [1.0]
    for _ in range(blocks):
        correlations.append(correlations[-1] * (1 + kappa0(c)) / 2)
        c = (c + kappa1(c)) / 2
    return np.array(correlations)


def residual_batch_norm(blocks, k=1, v0=1.0):
    """With batch norm, branches of k units: the product of (1 + r_l / 2^k) / (1 + r_l), r_l = A^(k-1) / Var x_l.

    Var x_l = v0 + l / A, so that it falls like l^(-(1 - 2^-k) A^k): exponent 0.733 for k = 1, where a 1/sqrt(L) is often
    quoted, and 1.61 for k = 2. Blocks are counted from the input, and of the network with L blocks it is the product over
    all of them: entry L, for L = 0 .. blocks.
    """
    r = A ** (k - 1) / (v0 + np.arange(blocks) / A)
    return np.append(1.0, np.cumprod((1 + r / 2 ** k) / (1 + r)))
