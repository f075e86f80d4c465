"""Residual networks x' = lambda x + alpha F(x): without norm an exponential, with batch norm a power law.

The branch F has k units, each a norm, an activation and weights ("pre" order, He et al. 2016, arXiv 1603.05027).
F(x) is uncorrelated with x over random weights, so energies add: those of the signal, and those of the gradient.
"""
import math

import numpy as np

from minidl.lab.theory import plain
from minidl.lab.theory.batch_norm import A


def growth(branch_scale=1.0):
    """Without norm, F by He: signal and gradient energies grow by 1 + alpha^2 per block.

    Zhang et al. 2019, arXiv 1901.09321, section 2 (alpha = 1: 2 per block). Proof: E|F(x)|^2 = |x|^2 and
    E|J' delta|^2 = |delta|^2, that is He's initialisation; x and F(x) are uncorrelated, as are delta and J' delta.
    """
    return 1 + branch_scale ** 2


def total_growth(blocks, branch_scale):
    """(1 + alpha^2)^blocks: at most e for alpha = 1 / sqrt(blocks), about 1 + 1 / blocks for alpha = 1 / blocks."""
    return growth(branch_scale) ** blocks


# ---- with batch norm


def variances(blocks, v0=1.0):
    """Var x_l over the batch for l = 0 .. blocks: v0 + l / A, ReLU and He.

    Proof: a branch ends with W relu(u), u of variance 1, and adds 2 Var relu(Z) = (pi - 1) / pi = 1 / A whatever it reads.
    """
    return v0 + np.arange(blocks + 1) / A


def rates(blocks, k=2, v0=1.0):
    """The rate of block l, from x_{l+1} down to x_l, for l = 0 .. blocks - 1: 1 + A^k / (l + A v0).

    Proof: the branch's first norm divides by Var x_l = v0 + l / A; its first ReLU and weights are worth 2 E relu'^2 = 1,
    each further unit A, as in a plain network (batch_norm.py): A^(k-1) / Var x_l, which is added to the identity's 1.
    """
    return 1 + A ** k / (np.arange(blocks) + A * v0)


def energies(blocks, k=2, v0=1.0):
    """E|dL/dx_l|^2 by E|dL/dx_blocks|^2 for l = 0 .. blocks."""
    return np.append(np.cumprod(rates(blocks, k, v0)[::-1])[::-1], 1.0)


def exponent(k=2):
    """E|dL/dx_l|^2 ~ l^(-A^k), as the product of 1 + A^k / l: -1.467 for one layer in a branch, -2.152 for two.

    The same A is the rate of the plain network: there it stands under the exponent, here it is the exponent.
    """
    return -A ** k


def share(block, v0=1.0):
    """The part of Var x_{l+1} that branch l brought: 1 / (l + 1 + A v0), l from 0.

    De & Smith 2020, arXiv 2002.10444, section 3, say 1 / (l + 1), the branch being as large as the input; here Var F = 1/A.
    """
    return 1 / (block + 1 + A * v0)


def slider(shortcut_scale, k=2):
    """The rate of a block lambda x + sqrt(1 - lambda^2) F(x), with batch norm: lambda^2 + (1 - lambda^2) A^k.

    From the plain network (lambda = 0: A^k, of k layers) to the residual one (1: then the power law). Proof: Var x settles
    at 1 / A, so that the branch's A^(k-1) / Var x is A^k.
    """
    return shortcut_scale ** 2 + (1 - shortcut_scale ** 2) * A ** k


# ---- tanh, without norm


def tanh_lengths(blocks, sigma_w2=1.0, q=1.0):
    """q_l of x + W tanh(x): q' = q + sigma_w^2 E tanh(sqrt(q) Z)^2, for l = 0 .. blocks."""
    qs = [q]
    for _ in range(blocks):
        qs.append(qs[-1] + plain.length(qs[-1], "tanh", sigma_w2))
    return np.array(qs)


def tanh_energies(blocks, sigma_w2=1.0, q=1.0):
    """E|dL/dx_l|^2 by E|dL/dx_blocks|^2: the product of 1 + sigma_w^2 E tanh'(sqrt(q) Z)^2, for l = 0 .. blocks."""
    rates = [1 + plain.chi(each, "tanh", sigma_w2) for each in tanh_lengths(blocks, sigma_w2, q)[:-1]]
    return np.append(np.cumprod(rates[::-1])[::-1], 1.0)


def tanh_log_growth(blocks, sigma_w2=1.0):
    """Its logarithm for many blocks: (8 / (3 sqrt(2 pi))) sigma_w sqrt(blocks) = 1.064 sigma_w sqrt(blocks).

    Yang & Schoenholz 2017, arXiv 1712.08969: subexponential. Proof: tanh saturates, so q ~ sigma_w^2 l, and
    E sech(sqrt(q) Z)^4 ~ (4/3) / sqrt(2 pi q), the integral of sech^4 times the density at 0; summed over l.
    """
    return 8 / (3 * math.sqrt(2 * math.pi)) * math.sqrt(sigma_w2 * blocks)
