"""Gradients at initialisation: a profile of every network of the grid, from random inputs and a random cotangent."""
import math
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

import minidl
from minidl import nn
from minidl.lab.nets import Design, build
from minidl.lab.plain_vs_residual import verdicts
from minidl.lab.plain_vs_residual.cases import IMAGE, Case
from minidl.lab.plain_vs_residual.profile import interval, profile, rate, total


@dataclass(frozen=True)
class AtStart:
    """So many networks of one design, each with weights, inputs N(0, 1) and a cotangent N(0, 1) of its own seed.

    The cotangent starts where the last block ends: the last layer, which maps to ten classes, is left out.
    """
    design: Design
    nets: int
    batch: int

    @property
    def cost(self):
        """In arbitrary units."""
        return self.nets * self.design.depth * self.design.width ** 2

    def __str__(self):
        return f"{self.design.depth + 2} layers, norm {self.design.norm}, {self.design.init} at the start"

    def run(self):
        """{"float64": profiles of all nets, "float32": of the first net, where small numbers underflow}."""
        return {"float64": [self.profile(seed, minidl.float64) for seed in range(self.nets)],
                "float32": self.profile(0, minidl.float32)}

    def profile(self, seed, dtype):
        minidl.manual_seed(seed)
        net = build(self.design)
        body = nn.Sequential(dict(takewhile(lambda part: part[0] not in ("pool", "last"), net.named_children())))
        x = np.random.default_rng(seed).standard_normal((self.batch, 1, IMAGE, IMAGE))
        return profile(body, x, seed=seed, dtype=dtype)


@dataclass
class Row:
    """A network of the grid and what was seen of it: `found` is AtStart's dict."""
    case: Case
    task: AtStart
    found: dict

    @property
    def trunks(self):
        """||dL/dx_l|| at block boundaries, net by net."""
        return [profile["trunk"] for profile in self.found["float64"]]

    @property
    def rate(self):
        """By what the gradient grows per layer, going down."""
        return rate(self.trunks, self.case.layers_per_block)

    @property
    def total(self):
        return total(self.trunks)

    @property
    def apart(self):
        """The largest ||dL/dW|| by the smallest, of the layers after the first."""
        nets = [profile["weights"][1:] for profile in self.found["float64"]]
        return interval([math.log(max(norms) / min(norms)) for norms in nets])

    @property
    def zeros(self):
        """The share of dL/dx_0 that is 0 in float32 and not in float64: an identity path may be cut for good."""
        return max(0.0, self.found["float32"]["zeros"] - self.found["float64"][0]["zeros"])

    @property
    def law(self):
        return verdicts.law(self.trunks)

    @property
    def verdict(self):
        return verdicts.gradient(self.total, self.rate, self.law, self.zeros)

    @property
    def theory(self):
        """||dL/dx_l|| / ||dL/dx_L|| for all l, as predicted; None where there is no law."""
        return self.case.theory(self.task.design, self.task.batch)

    @property
    def theory_rate(self):
        return self.theory and rate([self.theory], self.case.layers_per_block).factor
