"""What narrow layers and borders of zeros change."""
from functools import partial

import numpy as np

import minidl
from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.laws.plain import ENERGY
from minidl.lab.nets import Design
from minidl.lab.theory import finite

DRAWS, WIDTH, LAYERS = 150, 50, 30
HANIN = "Hanin & Rolnick 2018, 1803.01719; the constant is derived"


def fluctuations(design, batch, seed, moment):
    """Mean or variance, over networks, of the logarithm of |delta_1|^2 by |delta_L|^2; by layers, from the last one down."""
    logs = np.array([of_one(design, DRAWS * seed + i) for i in range(DRAWS)])
    by_layer = moment(logs, axis=0)[::-1]
    return Sample(by_layer[-1], by_layer)


def of_one(design, seed):
    """ln |delta_l|^2 by |delta_L|^2 of one network and one example, z_1 to z_L. Thousands are drawn: only what it takes."""
    net, zs = measure.body(design, seed), []
    for module in net.modules():
        if isinstance(module, minidl.nn.Linear):
            module.register_forward_hook(lambda module, args, z: zs.append(z))
    y = net(minidl.tensor(measure.inputs(design, 1, seed)))
    cotangent = minidl.tensor(np.random.default_rng([seed, 2]).standard_normal(y.shape))
    logs = np.log([measure.energy(gz.numpy()) for gz in minidl.autograd.grad(y, zs, cotangent)])
    return logs - logs[-1]


def of_width(name, says, value_is, moment, theory, tolerance):
    return Law(name, HANIN, says, value_is, theory[-1],
               Design(depth=LAYERS - 1, width=WIDTH, in_features=WIDTH), 1, partial(fluctuations, moment=moment),
               Picture(np.arange(LAYERS), theory, "layers above", value_is), tolerance)


def border(design, batch, seed, size):
    """The rate in convolutions on maps of size x size, once the energy has found its shape."""
    energies = measure.energies(measure.pre_activations(measure.seen(design, batch, seed, size)))
    n = len(energies)
    return Sample(measure.fitted_rate(energies, slice(1, n - 2)), energies / energies[-1])


def of_border(name, says, size, padding_mode, theory, tolerance, layers=20):
    return Law(name, "derived", says, "rate per layer", theory,
               Design("cnn", depth=layers - 1, width=48, in_channels=48, padding_mode=padding_mode), 8,
               partial(border, size=size),
               Picture(np.arange(1, layers + 1), theory ** np.arange(layers - 1.0, -1, -1), "layer", ENERGY, log_y=True),
               tolerance)


STEPS = np.arange(LAYERS)
LAWS = [
    of_width("width-mean", "narrow networks have smaller gradients than wide ones, most of them: E ln is -5L / (2n)",
             f"mean of ln of first by last, {DRAWS} networks", np.mean, finite.log_mean(STEPS, WIDTH),
             sd(0.6, 0.15, relative=False)),
    of_width("width-variance", "and they differ, by 5L / n in the variance of ln",
             f"variance of ln of first by last, {DRAWS} networks", np.var, finite.log_variance(STEPS, WIDTH),
             sd(0.5, "12 %")),
    of_border("padding-4", "zero padding takes energy at every layer, on maps of 4 x 4 a quarter", 4, "zeros",
              finite.zero_padding(4), sd(0.06, "1.5 %")),
    of_border("padding-8", "on maps of 8 x 8 it takes 8 %", 8, "zeros", finite.zero_padding(8), sd(0.06, "1.5 %")),
    of_border("padding-circular", "circular padding takes none", 8, "circular", 1.0, sd(0.06, "1.5 %")),
]
