"""One look at one network: its gradient profile, theory's beside it, and what both say in words."""
import math
from dataclasses import dataclass
from time import perf_counter

import numpy as np

import minidl
from minidl import nn
from minidl.lab.explore.knobs import Knobs
from minidl.lab.explore.predicted import law, predicted
from minidl.lab.nets import build
from minidl.lab.observe import observe


@dataclass(frozen=True)
class Look:
    """What was seen of a network; norms are those of a whole batch's gradient.

    places, trunk         : layers that lie before, and ||dL/dx_l||: where the first block begins, and where each ends
    theory                : the same as predicted, from what it is at the last block on; or None
    weight_places, weights: the number of each block's weight layers, from 1, and ||dL/dW||
    zeros                 : the share of the numbers in dL/dx_0 that are exactly 0
    """
    knobs: Knobs
    places: list
    trunk: list
    theory: list | None
    weight_places: list
    weights: list
    zeros: float
    seconds: float

    @property
    def law(self):
        return law(self.theory) if self.theory else "exponential"

    def as_dict(self):
        """Numbers and words for a page; what is not finite is None there."""
        finite = lambda numbers: numbers and [x if math.isfinite(x) else None for x in numbers]
        return {"state": str(self.knobs), "places": self.places, "trunk": finite(self.trunk), "theory": finite(self.theory),
                "weight_places": self.weight_places, "weights": finite(self.weights), "law": self.law,
                "sentences": sentences(self), "seconds": self.seconds}


def look(knobs):
    """Build the network from the seed, and look at it: inputs and the gradient at the last block are N(0, 1).

    One forward and one backward pass. The default generator is left where it was.
    """
    start, before = perf_counter(), minidl.get_rng_state()
    minidl.manual_seed(knobs.seed)
    try:
        net = build(knobs.design)
    finally:
        minidl.set_rng_state(before)
    parts = dict(net.named_children())
    last = list(parts).index(f"block{knobs.design.blocks}")
    body = nn.Sequential(dict(list(parts.items())[:last + 1]))
    x = np.random.default_rng([knobs.seed, 1]).standard_normal((knobs.batch, knobs.width))
    seen = observe(body, x, seed=knobs.seed, dtype=getattr(minidl, knobs.precision))
    ends = trunk(seen)
    layers = [layer for layer in seen.layers if layer.w is not None and layer.name.startswith("block")]
    per_block = knobs.depth // knobs.design.blocks
    norms, theory = [norm(layer.gy) for layer in ends], predicted(knobs.design, knobs.batch)
    return Look(knobs, [per_block * l for l in range(len(ends))], norms,
                None if theory is None else (norms[-1] * theory).tolist(), list(range(1, len(layers) + 1)),
                [norm(layer.gw) for layer in layers], float(np.mean(ends[0].gy == 0)), perf_counter() - start)


def trunk(seen):
    """The last Layer before block 1, and the last of every block."""
    ends = {}
    for layer in seen.layers:
        block = layer.name.split(".")[0]
        ends[block if block.startswith("block") else "start"] = layer
    return list(ends.values())


def norm(array):
    """Squares are summed in float64, in which 1e-30 has one."""
    return float(np.linalg.norm(array.astype(np.float64).ravel()))


# ---- words


def sentences(seen):
    """What happens on the way down, what theory says of it on the same blocks, and what there is to know besides."""
    knobs, inner = seen.knobs, middle(len(seen.trunk))
    measured, theory = (slope(seen, norms, inner) for norms in (seen.trunk, seen.theory))
    said = []
    if math.isnan(measured):
        said.append("The gradient does not reach the input: " + ("it underflows." if 0 in seen.trunk else "it overflows."))
    elif seen.law == "power":
        said.append(f"Toward the input the gradient {goes(-measured)} as a power of the block: ‖dL/dx‖ ~ l^{measured:.2f}; "
                    f"theory l^{theory:.2f} on the same blocks.")
    else:
        said.append(f"Toward the input the gradient {goes(math.exp(-measured))} by a factor of {factor(measured)} per layer; "
                    + ("there is no law here for this network." if seen.theory is None else
                       f"theory {factor(theory)}."))
    if seen.zeros:
        said.append(f"{seen.zeros:.0%} of dL/dx at the first block is exactly 0 in {knobs.precision}.")
    if all(x > 0 and math.isfinite(x) for x in (seen.trunk[0], seen.trunk[-1])):
        said.append(f"From the last block to the first that makes a factor of {brief(seen.trunk[0] / seen.trunk[-1])}"
                    + ("." if seen.theory is None else f"; theory {brief(seen.theory[0] / seen.theory[-1])}."))
    return said
