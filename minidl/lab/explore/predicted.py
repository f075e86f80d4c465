"""What theory says about the gradient at every block of a network, put together from the laws of `minidl.lab.theory`."""
import math

import numpy as np

from minidl.lab.theory import batch_norm, plain
from minidl.lab.theory.gaussian import ACTIVATIONS, activation, mean

VARIANCES = {"he": 2.0, "xavier": 1.0, "pytorch": 1 / 3, "fixup": 2.0}                  # sigma_w^2 by name


def predicted(design, batch):
    """||dL/dx_l|| / ||dL/dx_L|| for l = 0 .. L, x_l being what block l puts out and x_0 what the first reads, or None.

    The inputs are N(0, 1). There is no law here for activations that `minidl.lab.theory` does not know, nor for those after
    an addition (order "post"), but for ReLU with branches that start at 0.
    """
    if design.activation not in ACTIVATIONS or design.norm == "batch" and batch <= 3:   # there the mean is infinite
        return None
    if design.residual and design.order == "post":
        if (design.init, design.activation) != ("zero_gamma", "relu"):
            return None
        rates = np.full(design.blocks, design.shortcut_scale ** 2)
        rates[-1] /= 2                           # all ReLUs are shut in the same places, half of all
    else:
        rates = residual(design, batch) if design.residual else in_a_row(design, batch)
    return np.sqrt(np.append(np.cumprod(rates[::-1])[::-1], 1.0))


def variance_of(design):
    """sigma_w^2. Of orthogonal weights it is the square of their gain: energies are those of normal ones."""
    if design.init == "orthogonal":
        from minidl.nn.init import calculate_gain
        return calculate_gain(design.activation) ** 2 if design.activation in ("relu", "leaky_relu") else 1.0
    return VARIANCES.get(design.init, design.init)


def bias_variance_of(design):
    """sigma_b^2; PyTorch's own biases are uniform in ±1 / sqrt(fan_in)."""
    return 1 / (3 * design.width) if design.init == "pytorch" else design.bias_variance


def in_a_row(design, batch):
    """The rate of each layer. Block l is phi(W x_l-1), whose z has the variance q_l; with norm it is always 1."""
    if design.norm == "batch":
        return np.full(design.depth, batch_norm.rate(design.activation, batch))
    sigma_w2, sigma_b2 = variance_of(design), bias_variance_of(design)
    qs = plain.lengths(design.depth + 1, design.activation, sigma_w2, sigma_b2, sigma_w2 + sigma_b2)[1:]
    return np.array([plain.chi(q, design.activation, sigma_w2) for q in qs])


def residual(design, batch):
    """The rate of each block x' = lambda x + alpha F(x): lambda^2 + alpha^2 (rate of F), v' = lambda^2 v + alpha^2 E F^2.

    F has k units, each norm, phi, W, of which the last is 0 with Fixup. F(x) is uncorrelated with x, since its last weights
    have mean 0 and are its own, and so energies add.

    none   : unit by unit q -> length(q), and a rate chi(q) each
    batch  : inside the branch z has variance sigma_w^2 Var phi, and a unit the rate of a plain layer with norm, A for ReLU;
             but the first norm divides by v: its unit has the rate A sigma_w^2 Var phi / v. With He and ReLU this is
             residual.rates, where Var phi sigma_w^2 = 1 / A.
    """
    sigma_w2, sigma_b2, phi = variance_of(design), bias_variance_of(design), design.activation
    keep, add = design.shortcut_scale ** 2, design.branch_scale ** 2 * (design.init != "fixup")
    v, rates = sigma_w2 + sigma_b2, []
    if design.norm == "batch":
        unit, of_norm = batch_norm.rate(phi, batch), sigma_w2 * spread(phi)
    for _ in range(design.blocks):
        if design.norm == "batch":
            made, branch = of_norm, unit ** design.branch * of_norm / v
        else:
            made, branch = v, 1.0
            for _ in range(design.branch):
                branch *= plain.chi(made, phi, sigma_w2)
                made = plain.length(made, phi, sigma_w2, sigma_b2)
        rates.append(keep + add * branch)
        v = keep * v + add * made
    return np.array(rates)


def spread(phi):
    """Var phi(Z)."""
    f, _ = activation(phi)
    return mean(lambda z: f(z) ** 2) - mean(f) ** 2


def law(profile):
    """Is a predicted profile straighter against log(l + 1), a "power", or against l, "exponential"?"""
    l, logs = np.arange(len(profile)), np.log(profile)
    misfit = {name: np.polyfit(x, logs, 1, full=True)[1].sum() for name, x in (("exponential", l), ("power", np.log(l + 1)))}
    return min(misfit, key=misfit.get) if max(misfit.values()) > 1e-9 * math.log(10) else "exponential"
