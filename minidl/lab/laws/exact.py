"""What is true for every single network, to the last digit or bit."""
import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import EQUAL, ROUNDING, Law, Picture, Sample
from minidl.lab.nets import Design, build
from minidl.lab.observe import observe
from minidl.nn.normalization import _BatchNorm

LAYERS = 31


def homogeneity(design, batch, seed):
    """The largest |<W, df/dW> / f - 1|; <W, df/dW> / f of all layers."""
    seen = measure.seen(design, batch, seed)
    ratios = np.array([(layer.w * layer.gw).sum() for layer in measure.pre_activations(seen)]) / seen.loss
    return Sample(np.abs(ratios - 1).max(), ratios)


def scale_invariance(design, batch, seed):
    """The largest cosine of W and df/dW, with batch norm's eps at 0; of all layers."""
    net = measure.body(design, seed)
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.eps = 0.0
    layers = measure.pre_activations(observe(net, measure.inputs(design, batch, seed), seed=seed))
    cosines = np.array([(layer.w * layer.gw).sum() / np.linalg.norm(layer.w) / np.linalg.norm(layer.gw) for layer in layers])
    return Sample(np.abs(cosines).max(), cosines)


def trunk_gradients(design, batch, seed):
    """How far gradients at the blocks' ends are from the shortcut's powers of the last one; their norms by the last one's.

    Below the last ReLU, where blocks end with one: what is 0 there stays 0.
    """
    gys = [layer.gy for layer in measure.trunk(measure.seen(design, batch, seed))]
    last = len(gys) - (2 if design.order == "post" else 1)
    expected = [gys[last] * design.shortcut_scale ** (last - i) for i in range(last)]
    apart = max([np.abs(gy - e).max() / np.abs(e).max() for gy, e in zip(gys, expected)])
    return Sample(apart, np.array([np.linalg.norm(gy) / np.linalg.norm(gys[last]) for gy in gys[:last + 1]]))


def linearity(design, batch, seed):
    """How far the gradients of different examples are apart, by their size; the gradients' norms by layer, by the last one.

    The whole network: its last layer reads a CReLU, too.
    """
    with measure.float64(seed):
        net = build(design)
    seen = observe(net, measure.inputs(design, batch, seed), shared=True, seed=seed)
    norms = np.array([np.linalg.norm(g) for g in [seen.gx, *[layer.gy for layer in measure.pre_activations(seen)]]])
    apart = np.abs(seen.gx - seen.gx[0]).max() / np.abs(seen.gx).max()
    return Sample(max(apart, np.abs(norms / norms[-1] - 1).max()), norms / norms[-1])


def isometry(design, batch, seed):
    """The largest change of a norm, by layer, of gradients and signals."""
    layers = measure.pre_activations(measure.seen(design, batch, seed))
    gradients, signals = [np.array([np.linalg.norm(a) for a in arrays])
                          for arrays in ([layer.gy for layer in layers], [layer.y for layer in layers])]
    return Sample(max(np.abs(gradients / gradients[-1] - 1).max(), np.abs(signals / signals[0] - 1).max()),
                  gradients / gradients[-1])


def of(name, source, says, value_is, design, batch, look, theory, x_is, y_is, tolerance, first=1, log_y=False):
    """A law whose value is a largest deviation, predicted 0."""
    return Law(name, source, says, value_is, 0.0, design, batch, look,
               Picture(np.arange(first, first + len(theory)), theory, x_is, y_is, log_y=log_y), tolerance)


def plain(**settings):
    return Design(depth=LAYERS - 1, width=64, **settings)


def euler(name, says, init):
    return of(name, "Euler's theorem on homogeneous functions", says, "largest |<W, df/dW> / f - 1|", plain(init=init), 8,
              homogeneity, np.ones(LAYERS), "layer", "<W, df/dW> / f", ROUNDING)


def residual(**settings):
    return Design(depth=54, width=32, in_features=32, residual=True, **settings)


FIXUP = "Zhang et al. 2019, 1901.09321"
LAWS = [
    euler("euler-he", "in a ReLU network without biases <W, df/dW> = f for every layer", "he"),
    euler("euler-third", "also where gradients vanish: that is why weight gradients look flat when those of z do not", 1 / 3),
    of("scale-invariance", "Ioffe & Szegedy 2015, 1502.03167, section 3.3", "before a batch norm <W, df/dW> = 0: the length "
       "of W does not matter", "largest cosine of W, df/dW", plain(norm="batch"), 16, scale_invariance, np.zeros(LAYERS),
       "layer", "cosine of W and df/dW", ROUNDING),
    of("zero-init", FIXUP, "branches that end with zeros: the gradient is the same behind all blocks, bit for bit",
       "largest difference", residual(order="pre", init="fixup"), 8, trunk_gradients, np.ones(28), "block",
       "norm of dL/dx by that of the last block", EQUAL, 0),
    of("zero-gamma", "Goyal et al. 2017, 1706.02677, section 5.1", "so do branches whose last norm starts at 0, below the "
       "last ReLU", "largest difference", residual(norm="batch", init="zero_gamma"), 8, trunk_gradients, np.ones(27), "block",
       "norm of dL/dx by that of the last block but one", EQUAL, 0),
    of("shortcut-half", "He et al. 2016, 1603.05027, equation 4", "a shortcut scaled by 1/2 leaves 2^-54 of the gradient "
       "after 54 blocks: the identity's part", "largest difference, relative",
       Design(depth=108, width=32, in_features=32, residual=True, order="pre", init="fixup", shortcut_scale=0.5), 8,
       trunk_gradients, 0.5 ** np.arange(54, -1.0, -1), "block", "norm of dL/dx by that of the last block", EQUAL, 0, True),
    of("looks-linear", "Balduzzi et al. 2017, 1702.08591, section 5", "a CReLU network that looks linear gives all inputs "
       "the same gradient, and keeps its norm", "largest deviation",
       Design(depth=49, width=32, in_features=32, classes=32, activation="crelu", init="looks_linear"), 8, linearity,
       np.ones(52), "layer", "norm of the gradient by that of the output", ROUNDING, 0),
    of("delta-orthogonal", "Xiao et al. 2018, 1806.05393", "delta-orthogonal convolutions keep all norms, with zero padding, "
       "too", "largest change of a norm",
       Design("cnn", depth=49, width=16, in_channels=16, activation="linear", init="orthogonal"), 2, isometry, np.ones(50),
       "layer", "norm of delta by that of the last layer", ROUNDING),
]
