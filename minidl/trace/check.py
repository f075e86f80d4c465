"""check: is the rule of this one node right, for these numbers? Finite differences say."""
from typing import NamedTuple

import numpy as np

from minidl.gradcheck.line import PROVEN, SLACK, Line, norm
from minidl.trace.replay import Replay, all_numbers

ROUNDINGS = 256              # float32 numbers come of sums, and of sums of sums: what they may be off by, in their eps

APART = "; numbers that are equal to others were not moved, for some are at a kink"
SAYS = {
    "pass": "finite differences say the same",
    "zero": "finite differences say so, too: the result does not move, or the incoming gradient does not see it",
    "wrong": "finite differences say otherwise: this rule is wrong, or it was given something else than forward saw",
    "kink": "the slopes to the left and to the right differ (a tie, or a bound): there is no gradient to compare with",
    "noise": "rounding drowns the slope, so nothing is proven",
}


class Check(NamedTuple):
    """A gradient that a node sent through a slot, beside finite differences along one direction u.

    verdict  : pass, zero, wrong, kink, noise; or open, where the trace does not have all the numbers
    backprop : <gradient, u>        numeric : <incoming gradient, df>
    text     : the verdict in a sentence
    """
    slot: str
    verdict: str
    backprop: float
    numeric: float
    error: float
    tolerance: float
    text: str

    proven = property(lambda self: self.verdict in PROVEN)


def check(node, seed=0):
    """One Check for each slot through which a gradient is to flow; none for a node that the backward pass never came to.

    The node alone is run again, in float64, on its recorded inputs; its incoming gradient is taken as it is. So a rule is
    found where it is wrong, and nowhere else. Half of the direction is random, half is where the gradient points: it
    would be hard to see from a random one in a space of many dimensions.
    """
    if node.enter is None:
        return []
    rng = np.random.default_rng(seed)
    sent = {send.slot: send.contribution for send in node.sends}
    return [checked(node, i, sent.get(i), rng) for i, slot in enumerate(node.slots) if slot.wanted]


def checked(node, i, contribution, rng):
    name = node.slots[i].name
    try:
        line, but = line_of(node, i, contribution, rng), ""
        verdict, m = line.judge()
        if verdict in ("kink", "noise"):
            elsewhere, other = line_of(node, i, contribution, rng, without_ties=True).judge()
            if elsewhere in ("pass", "wrong"):
                verdict, m, but = elsewhere, other, APART
    except ValueError as error:
        return Check(name, "open", *[float("nan")] * 4, str(error))
    if verdict == "blind":                       # the incoming gradient sees no movement, and the rule may well say so
        verdict = "zero" if line.claim <= m.tolerance else "noise"
    return Check(name, verdict, m.backprop, m.numeric, m.error, m.tolerance, SAYS[verdict] + but)


def line_of(node, i, contribution, rng, without_ties=False):
    """The node's result along a direction through its i-th input.

    without_ties : numbers that come more than once stay as they are, such as the zeros of a ReLU in a max pooling
    """
    replay = Replay(node, np.float64)
    x, y, g = replay.xs[i], replay.forward(), all_numbers(node, "incoming gradient", node.enter.gradient, np.float64)
    gx = np.zeros(x.shape) if contribution is None else all_numbers(node, "gradient sent", contribution, np.float64)
    slack = SLACK if node.value.dtype == np.float64 else ROUNDINGS * float(np.finfo(node.value.dtype).eps)
    u = rng.standard_normal(x.shape)
    u = u / max(norm(u.ravel()), 1e-300) + gx / max(norm(gx.ravel()), 1e-300)
    if without_ties:
        _, which, counts = np.unique(x.ravel(), return_inverse=True, return_counts=True)
        u = u * (counts[which] == 1).reshape(x.shape)
    u = u / max(norm(u.ravel()), 1e-300)
    seen = g != 0                                # a kink in what the incoming gradient does not see is none of the rule's
    return Line(lambda t: replay.forward(i, x + t * u)[seen], y[seen], g[seen], float((gx * u).sum()), norm(gx.ravel()),
                max(1.0, norm(x.ravel())), slack)
