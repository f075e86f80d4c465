"""The gradients of two inputs: correlated at the output, and how much of that is left at the input."""
import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.nets import Design
from minidl.lab.observe import observe
from minidl.lab.theory import correlation

SOURCE = "the question is Balduzzi et al. 2017's, 1702.08591; derived from Cho & Saul's kernels"
WIDTH = 256


def correlations(design, batch, seed):
    """At the input; at all layers or block ends, from the first on.

    All examples start from the same cotangent. Batch norms are frozen: what a gradient of one example sends to the others
    by way of their statistics is O(1 / batch), and would be summed up here.
    """
    x = measure.inputs(design, batch, seed)
    seen = observe(measure.frozen(measure.body(design, seed), x), x, shared=True, seed=seed)
    layers = measure.trunk(seen) if design.residual else measure.pre_activations(seen)
    rho = np.array([between_examples(layer.gy) for layer in layers])
    return Sample(rho[0], rho)


def between_examples(gy):
    """The mean of <g_a, g_b> over all pairs, by the mean of <g_a, g_a>."""
    n = len(gy)
    own, summed = (gy ** 2).sum(), (gy.sum(0) ** 2).sum()
    return float((summed - own) / (n - 1) / own)


def of(name, says, design, batch, from_the_input, tolerance):
    """from_the_input[L]: the correlation at the input of a network with L layers or blocks that multiply it.

    The curve is that of one network: at layer l, what the layers above have left, from_the_input[-1] / from_the_input[l].
    """
    curve = from_the_input[-1] / from_the_input[:-1] if not design.residual else from_the_input[-1] / from_the_input
    return Law(name, SOURCE, says, "correlation at the input", curve[0], design, batch, correlations,
               Picture(np.arange(len(curve)), curve, "block" if design.residual else "layer",
                       "correlation of gradients", log_y=True), tolerance)


def residual(blocks, k, **settings):
    return Design(depth=blocks * k, width=WIDTH, in_features=WIDTH, residual=True, order="pre", branch=k, **settings)


LAWS = [
    of("shattering-plain", "without norm, inputs become alike and their gradients stay correlated: a power of the depth, "
       "not 2^-L", Design(depth=9, width=WIDTH, in_features=WIDTH), 64, correlation.plain(10), sd(0.40, "10 %")),
    of("shattering-bn", "with batch norm every ReLU halves the correlation: 2^-L",
       Design(depth=4, width=WIDTH, in_features=WIDTH, norm="batch"), 128, correlation.plain_batch_norm(5), sd(0.20, "5 %")),
    of("shattering-residual", "residual without norm: the product of (1 + kappa0) / 2, more than (3/4)^L",
       residual(10, 1), 64, correlation.residual(10), sd(0.16, "4 %")),
    of("shattering-bn-residual-1", "residual with batch norm: a power of the depth, with exponent A/2 = 0.733",
       residual(20, 1, norm="batch"), 128, correlation.residual_batch_norm(20, 1, 2.0), sd(0.16, "4 %")),
    of("shattering-bn-residual-2", "and 3A²/4 = 1.61 with two layers in a branch",
       residual(20, 2, norm="batch"), 128, correlation.residual_batch_norm(20, 2, 2.0), sd(0.24, "6 %")),
]
