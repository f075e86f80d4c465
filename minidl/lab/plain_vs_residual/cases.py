"""The grid: which networks are looked at, and what theory says about each."""
import math
from dataclasses import dataclass

import numpy as np

from minidl.lab.nets import Design
from minidl.lab.theory import batch_norm, finite, plain, residual

# What is called a gain: the activation, and how weights start.
GAINS = {"He": ("relu", "he"), "Xavier": ("relu", "xavier"), "PyTorch default": ("relu", "pytorch"),
         "sigmoid": ("sigmoid", "xavier"), "orthogonal": ("relu", "orthogonal"), "Fixup": ("relu", "fixup"),
         "zero-gamma": ("relu", "zero_gamma")}
SHAPES = {"plain": {}, "residual": {"residual": True, "order": "pre"},
          "residual, post": {"residual": True, "order": "post"}}
NORMS = {"none": "no norm", "batch": "batch norm"}
SIGMA_W2 = {"he": 2, "xavier": 1, "pytorch": 1 / 3, "orthogonal": 2, "fixup": 2, "zero_gamma": 2}
IMAGE = 8                                        # pixels on a side, of what a cnn is given
LAYERS = (8, 20, 32, 44, 56)                     # 6 n + 2, as He et al. 2015 count: first and last included


@dataclass(frozen=True)
class Case:
    """A network of the grid; `layers` counts all of its weight layers, as the names of ResNets do."""
    shape: str
    norm: str
    gain: str
    layers: int

    @property
    def exists(self):
        """Fixup is for residual nets without norm, zero-gamma for those whose branches end with one."""
        if self.gain == "Fixup":
            return self.shape == "residual" and self.norm == "none"
        return self.gain != "zero-gamma" or self.shape == "residual, post" and self.norm == "batch"

    @property
    def layers_per_block(self):
        return 1 if self.shape == "plain" else 2

    @property
    def name(self):
        return f"{self.shape}-{self.layers}" if self.shape != "residual, post" else f"residual-{self.layers} (post)"

    def design(self, kind, width):
        activation, init = GAINS[self.gain]
        return Design(kind, depth_of(self.layers), width, norm=self.norm, activation=activation, init=init,
                      **SHAPES[self.shape])

    def theory(self, design, batch, variance=1.0):
        """||dL/dx_l|| by ||dL/dx_L|| for the block boundaries l = 0 .. L; None where no law is known to the lab.

        variance : of an input over the batch
        """
        rates = self.rates(design, batch, variance)
        return None if rates is None else [*np.sqrt(np.cumprod(rates[::-1]))[::-1].tolist(), 1.0]

    def rates(self, design, batch, variance):
        """By what E|dL/dx|^2 grows from the end of each block to its beginning, first block first."""
        L, phi, relu = design.blocks, design.activation, design.activation == "relu"
        cnn, sigma_w2 = design.kind == "cnn", SIGMA_W2[design.init]
        if self.gain in ("Fixup", "zero-gamma"):                           # the branches start at 0
            cut = 0.5 if self.shape == "residual, post" else 1             # by the last ReLU: x is 0 in half of all places
            return np.append(np.ones(L - 1), cut)
        if self.shape == "plain" and self.norm == "batch":
            return np.full(L, batch_norm.rate(phi, math.inf if cnn else batch))
        if self.shape == "plain":
            qs = plain.lengths(L + 1, phi, sigma_w2, q=sigma_w2 * variance)[1:]
            return np.array([plain.chi(q, phi, sigma_w2) for q in qs]) * (finite.zero_padding(IMAGE) if cnn else 1)
        if self.shape == "residual" and self.norm == "none" and relu and not cnn:
            # A branch with other weights is He's branch, scaled: ReLU is homogeneous.
            return np.full(L, residual.growth((sigma_w2 / 2) ** (design.branch / 2)))
        if self.shape == "residual" and self.norm == "batch" and relu:
            # Weights that are larger enlarge x_0 and what branches add alike, so that they count as He's.
            spread = min(1, design.in_features / design.width) if design.init == "orthogonal" and not cnn else 1
            return residual.rates(L, design.branch, 2 * variance * spread)
        return None


def depth_of(layers):
    """The layers between the first and the last, as a Design counts."""
    if layers < 4 or layers % 2:
        raise ValueError(f"lab: a network of {layers} layers is none to compare: depths are even, because a residual branch "
                         "has two layers, and at least 4, first and last included")
    return layers - 2


def grid(layers=LAYERS):
    """All cases that exist."""
    cases = [Case(shape, norm, gain, n) for norm in NORMS for shape in SHAPES for gain in GAINS for n in layers]
    return [case for case in cases if case.exists]
