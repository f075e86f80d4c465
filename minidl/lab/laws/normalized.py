"""Layers in a row with batch norm: gradients explode toward the input, by a rate that no gain changes."""
import math

import numpy as np

import minidl
from minidl import nn
from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.laws.plain import ENERGY, profile
from minidl.lab.nets import Design, build
from minidl.lab.observe import observe
from minidl.lab.theory import batch_norm

LAYERS, WIDTH = 20, 256
YANG = "Yang et al. 2019, 1902.08129, theorem 8"


def of_rate(name, source, says, activation, batch, tolerance, init="he"):
    theory = batch_norm.rate(activation, batch)
    return Law(name, source, says, "rate per layer", theory,
               Design(depth=LAYERS - 1, width=WIDTH, in_features=WIDTH, activation=activation, norm="batch", init=init),
               batch, profile, Picture(np.arange(1, LAYERS + 1), theory ** np.arange(LAYERS - 1.0, -1, -1), "layer", ENERGY,
                                       log_y=True), tolerance)


def in_images(design, batch, seed):
    """The rate in convolutions, where each channel's norm is taken over all pixels of the batch."""
    energies = measure.energies(measure.pre_activations(measure.seen(design, batch, seed, size=16)))
    return Sample(measure.fitted_rate(energies), energies / energies[-1])


def convolutions():
    layers = 20
    return Law("bn-cnn", YANG, "in convolutions the batch is all pixels of all images, so that the limit holds",
               "rate per layer", batch_norm.A,
               Design("cnn", depth=layers - 1, width=16, in_channels=16, norm="batch", padding_mode="circular"), 4, in_images,
               Picture(np.arange(1, layers + 1), batch_norm.A ** np.arange(layers - 1.0, -1, -1), "layer", ENERGY,
                       log_y=True), sd(0.12, 0.04))


def nonlinearity(design, batch, seed):
    """The growth per layer of the nonlinearity coefficient; the coefficients of the first 1, 2, ... layers.

    sqrt(E tr(J Cov_x J') / tr Cov_f), with Cov_x = I: tr(J J') is the energy of what a cotangent from N(0, 1) becomes at x.
    """
    x = measure.inputs(design, batch, seed)
    net, found = measure.frozen(measure.body(design, seed), x), []
    for i, module in enumerate(net):
        if isinstance(module, (nn.ReLU, nn.Sequential)):                                  # a layer ends here
            seen = observe(net[:i + 1], x, seed=seed)
            found.append(math.sqrt(measure.energy(seen.gx) / seen.ys[0].var(0).sum()))
    return Sample(1 / measure.fitted_rate(np.array(found), slice(None)), np.array(found))


def coefficient():
    layers = 12
    return Law("bn-nonlinearity", "Philipp & Carbonell 2018, 1806.00179; the number is derived",
               "the nonlinearity coefficient of a plain network with batch norm grows as gradients do in norm, by sqrt(A)",
               "growth per layer", batch_norm.nonlinearity(1),
               Design(depth=layers - 1, width=WIDTH, in_features=WIDTH, norm="batch"), 256, nonlinearity,
               Picture(np.arange(1, layers + 1), np.array([batch_norm.nonlinearity(m) for m in range(1, layers + 1)]), "layers",
                       "nonlinearity coefficient", log_y=True), sd(0.03, "0.7 %"))


def after_a_step(design, batch, seed):
    """The rate after one step of gradient descent on random labels; the energies by the last one's."""
    with measure.float64(seed):
        net = build(design)
        x = minidl.tensor(measure.inputs(design, batch, seed))
        labels = minidl.randint(0, design.classes, (batch,))
    nn.functional.cross_entropy(net(x), labels).backward()
    minidl.optim.SGD(net.parameters(), lr=1.0).step()
    energies = measure.energies(measure.pre_activations(observe(net, x, seed=seed))[:-1])
    return Sample(measure.fitted_rate(energies), energies / energies[-1])


def equilibrium():
    return Law("bn-equilibrium", "Yang et al. 2019, 1902.08129, section 5", "after a single step of gradient descent (here "
               "with rate 1) gradients even out: large ones lengthen their weights most, and batch norm divides by that",
               "rate per layer", 1.0, Design(depth=LAYERS - 1, width=WIDTH, in_features=WIDTH, norm="batch"), 64, after_a_step,
               Picture(np.arange(1, LAYERS + 1), np.ones(LAYERS), "layer", ENERGY, log_y=True))


LAWS = [
    of_rate("bn-relu", YANG, "with batch norm ReLU networks explode by pi / (pi - 1) per layer, and a little more in "
            "batches of 64", "relu", 64, sd(0.025, 0.0101)),
    of_rate("bn-relu-small", YANG, "in batches of 16 they explode faster", "relu", 16, sd(0.06, 0.02)),
    of_rate("bn-linear", YANG, "even linear networks explode with batch norm, by (B - 2) / (B - 3)", "linear", 16,
            sd(0.025, 0.009)),
    of_rate("bn-gain", "derived: batch norm divides by the gain", "the gain of the weights does not matter: sigma_w² = 1/3 "
            "explodes as He does", "relu", 64, sd(0.025, 0.0101), 1 / 3),
    of_rate("bn-tanh", "derived for any activation and batch", "E tanh'² / Var tanh, in batches of 64", "tanh", 64,
            sd(0.03, 0.008)),
    of_rate("bn-gelu", "derived for any activation and batch", "E gelu'² / Var gelu, in batches of 64", "gelu", 64,
            sd(0.03, 0.008)),
    of_rate("bn-sigmoid", "derived for any activation and batch", "with batch norm a sigmoid does not vanish: it explodes",
            "sigmoid", 64, sd(0.03, 0.008)),
    convolutions(), coefficient(), equilibrium(),
]
