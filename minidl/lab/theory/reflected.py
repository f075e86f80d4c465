"""ReLU after the addition, He et al. 2015's order: every unit is a random walk with a floor at 0.

Derived for minidl from two classical theorems: W. Feller, An introduction to probability theory and its applications,
volume 2, chapter XII: Sparre Andersen's theorem (section 7), and the arcsine law for the place of the minimum (section 8).

x_{b+1} = max(0, x_b + F_b) with F_b symmetric around 0 given the past, whatever its size: that of a unit's random weights.
The walk S without the floor takes the same steps, from S_0 = 0: x_b = S_{b+1} - min(S_0 .. S_{b+1}), x_0 = relu(z) being
the first step. So x_b = 0 where the walk is at a new minimum, and these probabilities do not depend on the steps' sizes:
not on width, batch, or what is inside the branches.
"""
import numpy as np
from scipy.special import gammaln


def central(m):
    """C(2 m, m) / 4^m, about 1 / sqrt(pi m): the probability that a symmetric walk of m steps never falls below 0."""
    m = np.asarray(m, float)
    return np.exp(gammaln(2 * m + 1) - 2 * gammaln(m + 1) - 2 * m * np.log(2))


def zero_fraction(block):
    """The share of exact zeros in x after `block` blocks: C(2m, m) / 4^m, m = block + 1; 1/2, 3/8, 5/16, ...

    Proof: read backwards, S_{b+1} is a minimum where the walk of m = b + 1 steps never falls below 0 (Sparre Andersen).
    """
    return central(np.asarray(block) + 1)


def survival(start, blocks):
    """The share of (unit, example) whose identity path from x_start to x_blocks no ReLU cuts.

    sum over k <= start + 1 of u_k u_(n-k), n = blocks + 1, u_j = C(2j, j) / 4^j. Proof: none of x_(start+1) .. x_blocks is 0
    where the walk's first minimum is at most at step start + 1, and it is at step k with probability u_k u_(n-k): the
    discrete arcsine law.
    """
    n, k = blocks + 1, np.arange(start + 2)
    return float(np.sum(central(k[k <= n]) * central(n - k[k <= n])))
