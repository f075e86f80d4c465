"""How many branches the paths go through that a gradient takes in a residual network.

Veit, Wilber & Belongie 2016, "Residual networks behave like ensembles of relatively shallow networks", arXiv 1605.06431.
A network of L blocks has 2^L paths, C(L, k) of them through k branches. Of the gradient's energy, block l sends
p_l = r_l / (1 + r_l) through its branch, r_l being the rate of the branch alone, and the rest along the identity; energies
add, because what has passed different random weights is uncorrelated.
"""
import math

import numpy as np
from scipy.stats import binom

from minidl.lab.theory import residual


def share_of_paths(blocks, low, high):
    """The share of the 2^blocks paths whose length is between low and high, both included: Binomial(blocks, 1/2)."""
    return float(binom.cdf(high, blocks, 0.5) - binom.cdf(low - 1, blocks, 0.5))


def lengths(p):
    """The distribution of the number of successes in independent trials: Poisson-binomial, (len(p) + 1,).

    One trial after the other: P'(k) = (1 - p) P(k) + p P(k - 1). Cost L^2.
    """
    distribution = np.ones(1)
    for each in p:
        distribution = np.append((1 - each) * distribution, 0) + np.append(0, each * distribution)
    return distribution


def without_norm(blocks, branch_scale=1.0):
    """The gradient's energy by path length, no norm, He: Binomial(blocks, alpha^2 / (1 + alpha^2))."""
    return lengths(np.full(blocks, branch_scale ** 2 / (1 + branch_scale ** 2)))


def with_batch_norm(blocks, k=2, v0=1.0):
    """The same with batch norm: p_l = r_l / (1 + r_l), r_l = A^(k-1) / Var x_l.

    The mean grows like A^k ln blocks: a network of 1000 blocks of one layer is 9 blocks deep to its gradient.
    """
    branch = residual.rates(blocks, k, v0) - 1
    return lengths(branch / (1 + branch))


def mean_length(distribution):
    return float(np.arange(len(distribution)) @ distribution)


def mean_length_for_many(blocks, k=2):
    """The leading term for many blocks, A^k ln(blocks)."""
    return residual.A ** k * math.log(blocks)
