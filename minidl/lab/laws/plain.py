"""Layers in a row without norm: vanishing, healthy and exploding gradients, by the gain of the weights."""
import math

import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.nets import Design
from minidl.lab.theory import plain

LAYERS, WIDTH, BATCH = 30, 256, 8
ENERGY = "E|delta|² by that of the last layer"


def profile(design, batch, seed):
    """The rate, fitted; the energies of all delta_l by the last one's."""
    energies = measure.energies(measure.pre_activations(measure.seen(design, batch, seed)))
    return Sample(measure.fitted_rate(energies), energies / energies[-1])


def of_rate(name, source, says, activation, init, tolerance, bias_variance=0.0, layers=LAYERS):
    """The law that the rate is chi."""
    sigma_w2 = {"he": 2.0, "xavier": 1.0, "pytorch": 1 / 3}.get(init, init)
    theory = plain.energies(layers, activation, sigma_w2, bias_variance, q=sigma_w2 + bias_variance)
    return Law(name, source, says, "rate per layer", measure.fitted_rate(theory),
               Design(depth=layers - 1, width=WIDTH, in_features=WIDTH, activation=activation, init=init,
                      bias_variance=bias_variance),
               BATCH, profile, Picture(np.arange(1, layers + 1), theory, "layer", ENERGY, log_y=True), tolerance)


def total(design, batch, seed):
    """log10 of the first layer's energy by the last one's; the energies by the number of layers above."""
    y = profile(design, batch, seed).y
    return Sample(math.log10(y[0]), y[-2::-1])


def length(design, batch, seed):
    """The mean square of z in the last layer; of all layers."""
    q = np.array([(layer.y ** 2).mean() for layer in measure.pre_activations(measure.seen(design, batch, seed))])
    return Sample(q[-1], q)


def tanh_polynomial():
    depth = 40
    theory = plain.energies(depth, "tanh", 1.0)
    return Law("tanh-xavier", "derived from Schoenholz et al. 2016, 1611.01232",
               "tanh by Xavier vanishes like 1/L, not exponentially: q goes to 0 like 1/(2l), and chi is 1 - 1/l",
               "log10 of first by last", math.log10(theory[0]),
               Design(depth=depth - 1, width=WIDTH, in_features=WIDTH, activation="tanh", init="xavier"), BATCH, total,
               Picture(np.arange(1, depth), theory[-2::-1], "layers above", ENERGY, log_x=True, log_y=True),
               sd(0.35, 0.11, relative=False))


def tanh_length():
    theory = plain.lengths(LAYERS, "tanh", 2.5, 0.05, q=2.55)
    return Law("tanh-length", "Poole et al. 2016, 1606.05340, equation 3",
               "the variance of pre-activations goes to a fixed point q*, wherever it starts",
               "q of the last layer", plain.fixed_point("tanh", 2.5, 0.05),
               Design(depth=LAYERS - 1, width=WIDTH, in_features=WIDTH, activation="tanh", init=2.5, bias_variance=0.05),
               BATCH, length, Picture(np.arange(1, LAYERS + 1), theory, "layer", "mean z²"), sd(0.10, "2.5 %"))


HE, SCHOENHOLZ = "He et al. 2015, 1502.01852", "Schoenholz et al. 2016, 1611.01232"
LAWS = [
    of_rate("linear-xavier", "Glorot & Bengio 2010, equation 12",
            "linear units with sigma_w² = 1 keep the energy of gradients", "linear", "xavier", sd(0.06, "1.5 %")),
    of_rate("relu-he", HE, "ReLU with sigma_w² = 2 keeps it", "relu", "he", sd(0.06, 0.019)),
    of_rate("relu-xavier", HE, "ReLU with sigma_w² = 1 halves it in every layer", "relu", "xavier", sd(0.06, 0.009)),
    of_rate("relu-third", HE, "ReLU with the variance of PyTorch's default, sigma_w² = 1/3, leaves a sixth per layer",
            "relu", 1 / 3, sd(0.06, 0.003)),
    of_rate("relu-pytorch", HE, "PyTorch's own first values, uniform and with biases, leave a sixth per layer, too",
            "relu", "pytorch", sd(0.06, 0.003)),
    of_rate("tanh-ordered", SCHOENHOLZ, "below the critical line gradients vanish exponentially", "tanh", 1.3,
            sd(0.04, 0.011), 0.05),
    of_rate("tanh-critical", SCHOENHOLZ, "on the critical line, chi = 1, they neither vanish nor explode", "tanh",
            plain.critical_sigma_w2(0.05), sd(0.05, 0.012), 0.05),
    of_rate("tanh-chaotic", SCHOENHOLZ, "above it they explode", "tanh", 2.5, sd(0.04, 0.014), 0.05),
    of_rate("tanh-far", SCHOENHOLZ, "far above it they explode faster", "tanh", 4.0, sd(0.06, 0.02), 0.05),
    of_rate("sigmoid-xavier", SCHOENHOLZ, "a sigmoid by Xavier leaves 5.6 % of the energy per layer", "sigmoid", "xavier",
            sd(0.03, 0.0005)),
    of_rate("sigmoid-16", SCHOENHOLZ, "a gain of 4 cannot rescue it", "sigmoid", 16.0, sd(0.06, 0.006)),
    tanh_polynomial(), tanh_length(),
]
