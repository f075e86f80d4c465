"""Expectations over a standard normal Z, and the activations that they are taken of."""
import math

import numpy as np
from scipy.special import expit, ndtr

REACH, NODES = 13.0, 160                 # the normal density is below 1e-37 beyond; half the interval at a time
_x, _w = np.polynomial.legendre.leggauss(NODES)
Z = REACH * np.concatenate([(_x - 1) / 2, (_x + 1) / 2])
WEIGHT = REACH / 2 * np.tile(_w, 2) * np.exp(-Z ** 2 / 2) / math.sqrt(2 * math.pi)


def mean(f):
    """E f(Z), Z ~ N(0, 1), for f that is smooth but for a bend or a step at 0: to about 1e-13.

    By Gauss and Legendre on both sides of 0 apart. Gauss-Hermite quadrature, usual for smooth f, converges only like
    1 / nodes where f bends, as a ReLU does.
    """
    return float(WEIGHT @ f(Z))


def _density(x):
    return np.exp(-x ** 2 / 2) / math.sqrt(2 * math.pi)


def _elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu_slope(x, alpha=1.0):
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


SELU = 1.0507009873554805, 1.6732632423543772        # scale and alpha: Klambauer et al. 2017, arXiv 1706.02515
# name: (phi, its derivative)
ACTIVATIONS = {
    "linear": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1.0, 0.01)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (expit, lambda x: expit(x) * expit(-x)),
    "gelu": (lambda x: x * ndtr(x), lambda x: ndtr(x) + x * _density(x)),
    "silu": (lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x))),
    "elu": (_elu, _elu_slope),
    "selu": (lambda x: SELU[0] * _elu(x, SELU[1]), lambda x: SELU[0] * _elu_slope(x, SELU[1])),
    "abs": (np.abs, np.sign),
}


def activation(phi):
    """(phi, its derivative) by name, or as they are given: a pair of functions of arrays."""
    if not isinstance(phi, str):
        return phi
    if phi not in ACTIVATIONS:
        raise ValueError(f"theory: no activation {phi!r}; there are {', '.join(ACTIVATIONS)}, or give (phi, derivative)")
    return ACTIVATIONS[phi]
