"""What all laws look at: a network of a design, its signals, and the gradients that come down from a random cotangent."""
from contextlib import contextmanager

import numpy as np

import minidl
from minidl import nn
from minidl.lab.nets import build
from minidl.lab.observe import observe
from minidl.lab.seeded import seeded
from minidl.nn.normalization import _BatchNorm


@contextmanager
def float64(seed):
    """New tensors are of float64, and random numbers those of `seed`; afterwards both are as before."""
    dtype = minidl.get_default_dtype()
    minidl.set_default_dtype(minidl.float64)
    try:
        with seeded(seed):
            yield
    finally:
        minidl.set_default_dtype(dtype)


def body(design, seed):
    """The network without what comes after its last block: the laws are about layers that are all alike."""
    with float64(seed):
        named = dict(build(design).named_children())
    last = max(i for i, name in enumerate(named) if name.startswith("block"))
    return nn.Sequential(dict(list(named.items())[:last + 1]))


def inputs(design, batch, seed, size=8):
    """A batch from N(0, 1): rows for an mlp, images of size x size for a cnn."""
    shape = (batch, design.in_features) if design.kind == "mlp" else (batch, design.in_channels, size, size)
    return np.random.default_rng([seed, 1]).standard_normal(shape)


def seen(design, batch, seed, size=8, shared=False):
    """The body of a network of this seed, looked at forward and backward; shared: one cotangent for all examples."""
    return observe(body(design, seed), inputs(design, batch, seed, size), shared=shared, seed=seed)


def frozen(net, x):
    """The network with batch norms that go by the mean and variance of this batch, but as constants; in eval mode."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0                                # so that running statistics are the batch's
    with minidl.no_grad():
        net(minidl.tensor(x))
    return net.eval()


def pre_activations(observation):
    """The weight layers from the first to the last: their y is z_l, their gy is delta_l."""
    return [layer for layer in observation.layers if layer.weight]


def trunk(observation):
    """What runs along the shortcuts, x_0 to x_L, as layers whose y it is: what goes into block 1, and each block's end."""
    layers = observation.layers
    ends = [i for i, layer in enumerate(layers) if layer.kind == "Add"]
    if layers[ends[0] + 1:] and layers[ends[0] + 1].name.endswith(".act"):            # order post: the ReLU after it
        ends = [i + 1 for i in ends]
    start = next(i for i, layer in enumerate(layers) if layer.name.startswith("block"))
    return [layers[start - 1], *[layers[i] for i in ends]]


def energy(gradient):
    """Its squared norm, per example."""
    return float((gradient ** 2).sum() / len(gradient))


def energies(layers):
    """Of the gradients in the outputs of layers."""
    return np.array([energy(layer.gy) for layer in layers])


def middle(n):
    """The layers that a rate is fitted to: without the first quarter, where signals settle, and the last tenth."""
    return slice(n // 4, n - n // 10)


def fitted_rate(energies, part=None):
    """The factor per layer down, by least squares of the logarithm over layers: one number less noisy than the ends."""
    part = middle(len(energies)) if part is None else part
    layers = np.arange(len(energies))[part]
    return float(np.exp(-np.polyfit(layers, np.log(energies[part]), 1)[0]))
