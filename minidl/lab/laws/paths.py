"""How long the paths are that a gradient takes, found exactly: the gradient in bins, one for each number of branches."""
import numpy as np

import minidl
from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.nets import Design, Residual
from minidl.lab.theory import paths

VEIT = "Veit et al. 2016, 1605.06431"
BLOCKS = 24


def spectrum(design, batch, seed):
    """The mean path length of the gradient's energy; the share of each length.

    Behind block l there is one gradient for each number k of branches passed so far. Going down, d[k] = lambda d[k] +
    alpha J' d[k - 1]: the identity leaves a bin where it is, the branch moves it up by one. L^2 / 2 backward passes of a
    branch. The bins' sum is the gradient.
    """
    net = measure.body(design, seed)
    x = minidl.tensor(measure.inputs(design, batch, seed))
    walked = []
    with minidl.no_grad():
        for module in net.children():
            walked.append((module, x))
            x = module(x)
    bins = [np.random.default_rng([seed, 2]).standard_normal(x.shape)]
    for block, x in reversed([(module, x) for module, x in walked if isinstance(module, Residual)]):
        x = x.detach().requires_grad_()
        y = block.branch(x)
        through = [minidl.autograd.grad(y, x, minidl.tensor(d), retain_graph=True)[0].numpy() for d in bins]
        zero = np.zeros_like(bins[0])
        bins = [block.shortcut_scale * stay + block.branch_scale * moved
                for stay, moved in zip([*bins, zero], [zero, *through])]
    energy = np.array([(d ** 2).sum() for d in bins])
    share = energy / energy.sum()
    return Sample(paths.mean_length(share), share)


def of(name, source, says, design, batch, theory, tolerance):
    return Law(name, source, says, "mean number of branches", paths.mean_length(theory), design, batch, spectrum,
               Picture(np.arange(BLOCKS + 1), theory, "branches on a path", "share of the gradient's energy"), tolerance)


def residual(k, **settings):
    return Design(depth=BLOCKS * k, width=128, in_features=128, residual=True, order="pre", branch=k, **settings)


LAWS = [
    of("paths-1", VEIT + ", section 4.3", "without norm, the gradient's energy has path lengths Binomial(L, 1/2), as the "
       "paths have", residual(1), 8, paths.without_norm(BLOCKS), sd(0.06, "1.5 %")),
    of("paths-half", "derived", "a branch scaled by alpha is taken with probability alpha² / (1 + alpha²)",
       residual(1, branch_scale=0.5), 8, paths.without_norm(BLOCKS, 0.5), sd(0.10, "2.5 %")),
    of("bn-paths-1", "derived", "with batch norm block l is taken with probability 1 / (1 + Var x_l): the gradient's paths "
       "are short, and grow like ln L", residual(1, norm="batch"), 64, paths.with_batch_norm(BLOCKS, 1, 2.0),
       sd(0.12, "3 %")),
    of("bn-paths-2", "derived", "and with two layers in a branch with A / (A + Var x_l)", residual(2, norm="batch"), 64,
       paths.with_batch_norm(BLOCKS, 2, 2.0), sd(0.12, "3 %")),
]
