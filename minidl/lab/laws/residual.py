"""x + F(x): twice the energy per block without norm, a power law with batch norm, and the sliders between."""
import math

import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.nets import Design
from minidl.lab.theory import residual
from minidl.lab.theory.batch_norm import A

ENERGY = "E|dL/dx|² by that of the last block"
FORWARD = "the signal's |x|² by that of block 0"


def design(blocks, width, k=2, **settings):
    return Design(depth=blocks * k, width=width, in_features=width, residual=True, order="pre", branch=k, **settings)


def profile(design, batch, seed):
    """The rate per block; the energies of dL/dx_l by the last one's."""
    energies = measure.energies(measure.trunk(measure.seen(design, batch, seed)))
    return Sample(measure.fitted_rate(energies, slice(None)), energies / energies[-1])


def total(design, batch, seed):
    """The energy of dL/dx_0 by that of dL/dx_L."""
    y = profile(design, batch, seed).y
    return Sample(y[0], y)


def growth(name, says, branch_scale, tolerance, blocks=20, of_total=False):
    """No norm: 1 + alpha^2 per block."""
    theory = residual.growth(branch_scale)
    return Law(name, "Zhang et al. 2019, 1901.09321, section 2", says,
               "first by last block" if of_total else "rate per block", theory ** blocks if of_total else theory,
               design(blocks, 256, branch_scale=branch_scale), 8, total if of_total else profile,
               Picture(np.arange(blocks + 1), theory ** np.arange(blocks, -1.0, -1), "block", ENERGY, log_y=True), tolerance)


def forward(design, batch, seed):
    """The rate of the signal, up."""
    energies = np.array([measure.energy(layer.y) for layer in measure.trunk(measure.seen(design, batch, seed))])
    return Sample(1 / measure.fitted_rate(energies, slice(None)), energies / energies[0])


# ---- with batch norm

V0 = 2.0                                          # Var x_0: the first layer has sigma_w^2 = 2, its inputs variance 1


def exponent(design, batch, seed):
    """The slope of log energy over log depth, where a product of 1 + A^k / (l + A v0) is a power to second order."""
    energies = measure.energies(measure.trunk(measure.seen(design, batch, seed)))
    return Sample(float(np.polyfit(np.log(places(design)), np.log(energies), 1)[0]), energies / energies[-1])


def places(design):
    return np.arange(design.blocks + 1) + A * V0 + (A ** design.branch - 1) / 2


def power_law(k, blocks, tolerance):
    d = design(blocks, 192, k, norm="batch")
    return Law(f"bn-residual-{k}", "derived", f"with batch norm and {k} layer{'s' * (k > 1)} in a branch, gradients explode "
               f"only like a power of the depth: l^-{A ** k:.3f}", "exponent", residual.exponent(k), d, 128, exponent,
               Picture(places(d), residual.energies(blocks, k, V0), "block, from where the power law counts", ENERGY, True,
                       True), tolerance)


def variances(design, batch, seed):
    """Var x_l of the units over the batch, and by how much it grows per block."""
    v = np.array([layer.y.var(0).mean() for layer in measure.trunk(measure.seen(design, batch, seed))])
    return Sample(float(np.polyfit(np.arange(len(v)), v, 1)[0]), v)


def shares(design, batch, seed):
    """The part of Var x_(l+1) that the last branch brought; of all branches."""
    layers = measure.trunk(measure.seen(design, batch, seed))
    share = np.array([(after.y - before.y).var(0).mean() / after.y.var(0).mean()
                      for before, after in zip(layers, layers[1:])])
    return Sample(share[-1], share)


def of_branch(name, source, says, value_is, predicted, look, theory, x, y_is, tolerance, log=False):
    return Law(name, source, says, value_is, predicted, design(50, 192, 1, norm="batch"), 128, look,
               Picture(x, theory, "block", y_is, log, log), tolerance)


def slider(shortcut_scale, k, tolerance):
    blocks, theory = 24, residual.slider(shortcut_scale, k)
    return Law(f"slider-{shortcut_scale:g}", "derived; for lambda see He et al. 2016, 1603.05027, section 3.1",
               "between plain (lambda = 0) and residual (1): lambda² + (1 - lambda²) A^k", "rate per block", theory,
               design(blocks, 192, k, norm="batch", shortcut_scale=shortcut_scale,
                      branch_scale=math.sqrt(1 - shortcut_scale ** 2)), 64, settled,
               Picture(np.arange(blocks + 1), theory ** np.arange(blocks, -1.0, -1), "block", ENERGY, log_y=True), tolerance)


def settled(design, batch, seed):
    """The rate where Var x has settled, and the batch's finite size is not yet felt."""
    energies = measure.energies(measure.trunk(measure.seen(design, batch, seed)))
    return Sample(measure.fitted_rate(energies), energies / energies[-1])


# ---- tanh


def log_total(design, batch, seed):
    y = profile(design, batch, seed).y
    return Sample(math.log(y[0]), y)


def tanh(sigma_w2, tolerance, blocks=100):
    theory = residual.tanh_energies(blocks, sigma_w2, sigma_w2)
    return Law(f"tanh-residual-{math.sqrt(sigma_w2):g}", "Yang & Schoenholz 2017, 1712.08969; the constant is derived",
               "x + W tanh(x) grows with the root of the depth under the exponent: 1.064 sigma_w sqrt(L), and so much that the "
               "first blocks add", "ln of first by last", math.log(theory[0]),
               design(blocks, 256, 1, activation="tanh", init=sigma_w2), 8, log_total,
               Picture(np.arange(blocks + 1), theory, "block", ENERGY, log_y=True), tolerance)


LAWS = [
    growth("residual-1", "without norm gradients double in every block", 1.0, sd(0.04, 0.025)),
    growth("residual-half", "a branch scaled by alpha adds alpha²", 0.5, sd(0.04, 0.012)),
    Law("residual-forward", "Zhang et al. 2019, 1901.09321, section 2", "and so does the signal, on its way up",
        "growth per block", 2.0, design(20, 256), 8, forward,
        Picture(np.arange(21), 2.0 ** np.arange(21), "block", FORWARD, log_y=True), sd(0.06, 0.025)),
    growth("residual-root", "alpha = 1 / sqrt(L) keeps the whole below e", 20 ** -0.5, sd(0.12, 0.104), of_total=True),
    growth("residual-inverse", "alpha = 1 / L leaves next to nothing", 1 / 20, sd(0.02, 0.005), of_total=True),
    power_law(1, 100, sd(0.13, 0.032, relative=False)),
    power_law(2, 60, sd(0.13, 0.041, relative=False)),
    of_branch("bn-variance", "derived", "every branch adds (pi - 1) / pi to the variance", "growth per block", 1 / A,
              variances, residual.variances(50, V0), np.arange(51), "Var x over the batch", sd(0.03, 0.0025)),
    of_branch("bn-share", "De & Smith 2020, 2002.10444, section 3; the constant is derived",
              "deep branches bring less and less: 1 / (l + 1 + A v0) of the variance", "share of the last branch",
              residual.share(49, V0), shares, residual.share(np.arange(50), V0), np.arange(1, 51),
              "Var F by Var x", sd(0.08, "2 %"), log=True),
    slider(0.5, 2, sd(0.06, 0.025)), slider(0.8, 2, sd(0.06, 0.015)), slider(0.9, 2, sd(0.06, 0.015)),
    tanh(1.0, sd(0.10, "2.5 %")), tanh(0.25, sd(0.10, "2.5 %")),
]
