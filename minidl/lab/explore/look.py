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
from minidl.lab.plain_vs_residual.profile import profile
from minidl.lab.seeded import seeded

FAR = 100                                        # first by last: more than that explodes, and less than 1 / FAR vanishes


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

    @property
    def axis(self):
        """Where the numbers of the trunk belong, and what that is; a power law is straight where both are logarithms."""
        if self.law == "power":
            return list(range(1, len(self.trunk) + 1)), "block + 1, from the input (logarithmic)"
        return self.places, "layers from the input"

    def as_dict(self):
        """Numbers and words for a page; what is not finite is None there."""
        finite = lambda numbers: numbers and [x if math.isfinite(x) else None for x in numbers]
        places, axis = self.axis
        return {"state": str(self.knobs), "places": places, "axis": axis, "trunk": finite(self.trunk),
                "theory": finite(self.theory), "weight_places": self.weight_places, "weights": finite(self.weights),
                "law": self.law, "sentences": list(sentences(self)), "seconds": self.seconds}


def look(knobs):
    """Build the network from the seed, and look at it: inputs and the gradient at the last block are N(0, 1).

    One forward and one backward pass. The default generator is left where it was.
    """
    start = perf_counter()
    with seeded(knobs.seed):
        net = build(knobs.design())
    parts = dict(net.named_children())
    last = list(parts).index(f"block{knobs.design().blocks}")
    body = nn.Sequential(dict(list(parts.items())[:last + 1]))
    x = np.random.default_rng([knobs.seed, 1]).standard_normal((knobs.batch, knobs.width))
    seen = profile(body, x, knobs.seed, getattr(minidl, knobs.precision))
    norms, theory = seen["trunk"], predicted(knobs.design(), knobs.batch)
    per_block, weights = knobs.depth // knobs.design().blocks, seen["weights"][1:]            # without the first layer's
    return Look(knobs, [per_block * l for l in range(len(norms))], norms,
                None if theory is None else (norms[-1] * theory).tolist(), list(range(1, len(weights) + 1)), weights,
                seen["zeros"], perf_counter() - start)


# ---- what the numbers come to


def slope(seen, norms):
    """d log(norm) by d l, l counting blocks from the input, by least squares; of a power law by d log(l + 1).

    In the middle of the network, without an eighth at either end, and only where float32 still has all digits; nan where
    fewer than two blocks are left.
    """
    norms, end = np.array(norms), len(norms) // 8
    per_number = norms / math.sqrt(seen.knobs.batch * seen.knobs.width)
    usable = (per_number > 100 * np.finfo(seen.knobs.precision).tiny) & np.isfinite(norms)
    usable[:end] = usable[len(norms) - end:] = False
    l = np.flatnonzero(usable)
    if len(l) < 2:
        return math.nan
    return float(np.polyfit(np.log(l + 1) if seen.law == "power" else l, np.log(norms[l]), 1)[0])


def sentences(seen):
    """How the gradient changes on its way down, what theory says of the same blocks, and the ends beside each other."""
    block = "block" if seen.knobs.design().residual else "layer"
    measured = slope(seen, seen.trunk)
    theory = None if seen.theory is None else slope(seen, seen.theory)
    first, last = seen.trunk[0], seen.trunk[-1]
    if not math.isfinite(first):
        yield "The gradient overflows: at the first block it is no finite number."
    elif seen.law == "power":
        yield (f"The gradient {verdict(first / last)} toward the input: it changes as a power of the block's number, "
               f"(l + 1)^{measured:.2f}; theory (l + 1)^{theory:.2f} on the same blocks.")
    else:
        by_theory = "there is no law here for this network" if theory is None else f"in theory {factor(theory)}"
        yield f"The gradient {verdict(first / last)} toward the input: {factor(measured)} per {block}; {by_theory}."
    if seen.zeros > 0.01:
        yield f"In {seen.knobs.precision}, {seen.zeros:.0%} of dL/dx at the first block is exactly 0."
    if 0 < first < math.inf:
        by_theory = "" if theory is None else f"; theory {brief(seen.theory[0] / seen.theory[-1])}"
        yield f"From the last {block} to the first ‖dL/dx‖ changes by a factor of {brief(first / last)}{by_theory}."
    if 0 < min(seen.weights[0], seen.weights[-1]) < math.inf:
        yield f"‖dL/dW‖ changes by a factor of {brief(seen.weights[0] / seen.weights[-1])}."


def verdict(total):
    """Of ‖dL/dx‖ at the first block by that at the last."""
    return "explodes" if total > FAR else "vanishes" if total < 1 / FAR else "neither explodes nor vanishes"


def factor(slope):
    """The factor of the norm from a block to the one below."""
    return "no factor can be fitted" if math.isnan(slope) else f"a factor of {math.exp(-slope):.3f}"


def brief(x):
    return f"{x:.3g}" if 0.01 <= x < 100 else f"{x:,.0f}" if 100 <= x < 1e5 else f"{x:.1e}"
