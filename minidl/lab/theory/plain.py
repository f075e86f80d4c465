"""Layers in a row without normalisation: how long the signal is, and by how much gradients change per layer.

Poole et al. 2016, arXiv 1606.05340; Schoenholz et al. 2016, arXiv 1611.01232. For ReLU: He et al. 2015, arXiv
1502.01852; for the linear regime: Glorot & Bengio 2010.

The units of a wide layer are independent and normal, of one variance q: z = W phi(z') + b sums many terms. Backward, the
energy of a gradient passes W^T, which multiplies it by sigma_w^2, and phi', which multiplies it by E phi'^2.
"""
import math

import numpy as np
from scipy.optimize import brentq

from minidl.lab.theory.gaussian import activation, mean


def length(q, phi, sigma_w2, sigma_b2=0.0):
    """The q of the next layer: q' = sigma_w^2 E phi(sqrt(q) Z)^2 + sigma_b^2 (Poole, equation 3)."""
    f, _ = activation(phi)
    return sigma_w2 * mean(lambda z: f(math.sqrt(q) * z) ** 2) + sigma_b2


def chi(q, phi, sigma_w2):
    """The rate of a layer whose z have variance q: chi = sigma_w^2 E phi'(sqrt(q) Z)^2 (Schoenholz, equation 6)."""
    _, slope = activation(phi)
    return sigma_w2 * mean(lambda z: slope(math.sqrt(q) * z) ** 2)


def lengths(depth, phi, sigma_w2, sigma_b2=0.0, q=1.0):
    """[q_1, ..., q_depth], from q_1 = q on."""
    qs = [q]
    while len(qs) < depth:
        qs.append(length(qs[-1], phi, sigma_w2, sigma_b2))
    return np.array(qs)


def energies(depth, phi, sigma_w2, sigma_b2=0.0, q=1.0):
    """E|delta_l|^2 by E|delta_depth|^2 for l = 1 .. depth: the product of the chi of the layers from l on."""
    chis = [chi(each, phi, sigma_w2) for each in lengths(depth, phi, sigma_w2, sigma_b2, q)[:-1]]
    return np.append(np.cumprod(chis[::-1])[::-1], 1.0)


def fixed_point(phi, sigma_w2, sigma_b2=0.0, q=1.0):
    """q*, to which the lengths go from q: q* = sigma_w^2 E phi(sqrt(q*) Z)^2 + sigma_b^2.

    inf where they grow without end. They are followed, so that of several fixed points it is the one that is reached;
    where they creep (tanh at sigma_w^2 = 1 goes to 0 like 1 / 2l) it stops at 10,000 layers.
    """
    for _ in range(10_000):
        q, before = length(q, phi, sigma_w2, sigma_b2), q
        if q > 1e12:
            return math.inf
        if abs(q - before) <= 1e-14 * q:
            break
    return q


def rate(phi, sigma_w2, sigma_b2=0.0):
    """chi at the fixed point: what a deep network's gradient is multiplied by, layer for layer."""
    return chi(min(fixed_point(phi, sigma_w2, sigma_b2), 1e12), phi, sigma_w2)


def depth_scale(chi):
    """Layers until the energy of a gradient has changed by a factor e: 1 / |ln chi| (Schoenholz, section 4)."""
    return 1 / abs(math.log(chi))


def critical_sigma_w2(sigma_b2, phi="tanh"):
    """The sigma_w^2 at which gradients neither vanish nor explode: chi = 1 at the fixed point that belongs to sigma_b^2.

    For each q, sigma_w^2 = 1 / E phi'(sqrt(q) Z)^2 makes chi = 1, and sigma_b^2 = q - sigma_w^2 E phi(sqrt(q) Z)^2 makes
    q the fixed point: one equation in q.
    """
    if sigma_b2 <= 0:
        raise ValueError(f"critical_sigma_w2: sigma_b^2 should be above 0, not {sigma_b2}")
    critical = lambda q: 1 / chi(q, phi, 1.0)
    q = brentq(lambda q: q - length(q, phi, critical(q)) - sigma_b2, 1e-9, 100.0, xtol=1e-14)
    return critical(q)
