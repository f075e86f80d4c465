"""ReLU after the addition: how many numbers are 0, and how many identity paths survive."""
from functools import partial

import numpy as np

from minidl.lab.laws import measure
from minidl.lab.laws.law import Law, Picture, Sample, sd
from minidl.lab.nets import Design
from minidl.lab.theory import reflected

SOURCE = "derived from Sparre Andersen's theorem; for the networks see He et al. 2015, 1512.03385"
BLOCKS = 54


def alive(design, batch, seed, size=8):
    """Which numbers of x_0 .. x_L are not 0: (L + 1, batch, ...)."""
    return np.array([layer.y > 0 for layer in measure.trunk(measure.seen(design, batch, seed, size))])


def zeros(design, batch, seed, size=8):
    """The share of zeros behind the last block; behind all."""
    share = 1 - alive(design, batch, seed, size).reshape(design.blocks + 1, -1).mean(1)
    return Sample(share[-1], share)


def survival(design, batch, seed):
    """The share of (unit, example) that no ReLU cuts from x_0 to x_L; from all x_l."""
    states = alive(design, batch, seed)
    share = np.array([states[start + 1:].all(0).mean() for start in range(len(states))])
    return Sample(share[0], share)


def of(name, says, value_is, design, batch, look, theory, y_is, tolerance):
    return Law(name, SOURCE, says, value_is, theory[-1] if look is not survival else theory[0], design, batch, look,
               Picture(np.arange(design.blocks + 1), theory, "block", y_is, log_y=True), tolerance)


mlp = Design(depth=2 * BLOCKS, width=128, in_features=128, residual=True, norm="batch")
cnn = Design("cnn", depth=18, width=16, in_channels=3, residual=True, norm="batch")
LAWS = [
    of("zeros-mlp", "behind block b a share C(2m, m) / 4^m of x is 0, m = b + 1, whatever the width and the branch",
       "zeros behind block 54", mlp, 64, zeros, reflected.zero_fraction(np.arange(BLOCKS + 1)), "share of zeros",
       sd(0.25, "6 %")),
    of("zeros-cnn", "and so it is in convolutions", "zeros behind block 9", cnn, 8, partial(zeros, size=16),
       reflected.zero_fraction(np.arange(10)), "share of zeros", sd(0.25, "6 %")),
    of("survival", "of the identity paths through 54 blocks 11 % are not cut by a ReLU: the discrete arcsine law",
       "uncut from x_0 to x_54", mlp, 64, survival, np.array([reflected.survival(s, BLOCKS) for s in range(BLOCKS + 1)]),
       "share of identity paths left to x_54", sd(0.25, "6 %")),
]
