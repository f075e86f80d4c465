"""Layers in a row with batch norm: gradients explode toward the input, by a rate that no gain changes."""
import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.laws.plain import ENERGY, profile
from minidl.lab.nets import Design
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
    convolutions(),
]
