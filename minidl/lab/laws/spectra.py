"""Singular values of Jacobians: how unequally directions are stretched."""
import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import ROUNDING, Law, Picture, Sample, sd
from minidl.lab.nets import Design
from minidl.lab.observe import observe
from minidl.lab.theory import spectra

WIDTH = 256
GLOROT, PENNINGTON = "Glorot & Bengio 2010, section 4.2.1", "Pennington et al. 2017, 1711.04735"


def jacobians(design, seed, scale=1.0):
    """Of the last 1, 2, ... layers, each weights and activation, at one input: matrices (outputs, inputs).

    The input as often as there are outputs, and the unit matrix as cotangents: one backward pass. What comes out at the
    input of a layer is then the Jacobian of all from there on.
    """
    x = np.repeat(scale * measure.inputs(design, 1, seed), design.width, 0)
    seen = observe(measure.body(design, seed), x, cotangent=np.eye(design.width))
    behind = [before.gy for before, layer in zip(seen.layers, seen.layers[1:]) if layer.weight]
    return [*behind[::-1], seen.gx]


def spread(design, batch, seed):
    """Variance by squared mean of the eigenvalues of J J', for all layers; for the last 1, 2, ..."""
    values = np.array([relative_variance(J) for J in jacobians(design, seed)])
    return Sample(values[-1], values)


def relative_variance(J):
    """Of the squares of its singular values."""
    eigenvalues = np.linalg.svd(J, compute_uv=False) ** 2
    return eigenvalues.var() / eigenvalues.mean() ** 2


def mean_singular_value(design, batch, seed):
    """Of one layer, for signals so small that tanh is linear: their mean; all of them, in order."""
    values = np.linalg.svd(jacobians(design, seed, scale=0.01)[0], compute_uv=False)
    return Sample(values.mean(), values)


def quarter_circle(n, sigma_w):
    """The singular values of a square matrix in order: the quantiles of the density sqrt(4 - s^2) / pi, times sigma_w."""
    s = np.linspace(0, 2, 2001)
    below = (s * np.sqrt(4 - s ** 2) / 2 + 2 * np.arcsin(s / 2)) / np.pi
    return sigma_w * np.interp((np.arange(n)[::-1] + 0.5) / n, below, s)


def of_mean(name, says, init, sigma_w2, tolerance):
    return Law(name, GLOROT, says, "mean singular value", spectra.mean_singular_value(sigma_w2),
               Design(depth=2, width=WIDTH, in_features=WIDTH, activation="tanh", init=init), 1, mean_singular_value,
               Picture(np.arange(1, WIDTH + 1), quarter_circle(WIDTH, sigma_w2 ** 0.5), "which of them, in order",
                       "singular values of a layer"), tolerance)


def of_spread(name, says, activation, init, tolerance):
    layers, weights = 6, "orthogonal" if init == "orthogonal" else "gaussian"
    theory = np.array([spectra.spread(m, activation, weights) for m in range(1, layers + 1)])
    return Law(name, PENNINGTON, says, f"variance by mean² of {layers} layers", theory[-1],
               Design(depth=layers - 1, width=WIDTH, in_features=WIDTH, activation=activation, init=init), 1, spread,
               Picture(np.arange(1, layers + 1), theory, "layers", "variance by mean² of the eigenvalues of J J'"), tolerance)


LAWS = [
    of_mean("glorot-standard", "the weights of 1986, uniform in ±1/sqrt(n), shrink gradients by half per layer", "pytorch",
            1 / 3, sd(0.02, "0.3 %")),
    of_mean("glorot-normalised", "normalised ones nearly keep them", "xavier", 1.0, sd(0.02, "0.3 %")),
    of_spread("isometry-linear", "normal weights stretch directions ever more unequally: the spread of the eigenvalues of "
              "J J' is L", "linear", "xavier", sd(0.16, "4 %")),
    of_spread("isometry-orthogonal", "orthogonal weights stretch all alike", "linear", "orthogonal", ROUNDING),
    of_spread("isometry-relu", "with ReLU it is 2 L", "relu", "he", sd(0.24, "6 %")),
    of_spread("isometry-relu-orthogonal", "and L with orthogonal weights", "relu", "orthogonal", sd(0.24, "6 %")),
]
