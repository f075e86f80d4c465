"""One direction through one point: does f rise along it as backprop says? Finite differences, with their doubts."""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(np.float64).eps)
STEP = 6e-6                  # the cube root of EPS: there rounding and curvature spoil a central difference equally
SLACK = 1e-7                 # of |g| |df|, the largest that <g, df> can be: what a gradient may be off by
SHARP = 5e-4                 # of the slope: an error of 0.1 % must stand out, or nothing was proven
RETRIES = 1 / 16, 1 / 256, 1 / 65536, 16

PROVEN = "pass", "zero"      # every other verdict is a failure


class Measurement(NamedTuple):
    """What a step of length h says: <g, df> by finite differences beside <vjp, u> by backprop."""
    step: float
    backprop: float
    numeric: float
    tolerance: float
    noise: float             # the part of the tolerance that is there for rounding
    reach: float             # |g| |df|: how far f moves, whether or not g sees it
    jump: float              # |g| |right-hand slope - left-hand slope|
    claim: float             # the largest slope that backprop claims in any direction

    error = property(lambda self: abs(self.numeric - self.backprop))
    agrees = property(lambda self: self.error <= self.tolerance)
    is_zero = property(lambda self: self.reach <= self.noise and self.claim <= 1e-2 * self.noise)
    is_sharp = property(lambda self: min(self.tolerance, self.error + self.noise)
                        <= SHARP * max(abs(self.numeric), abs(self.backprop)))
    is_bent = property(lambda self: self.jump > max(1e-3 * self.reach, 2 * self.noise))


@dataclass
class Line:
    """f along x + t u, u of length 1, where backprop claims the slope <vjp, u> = `backprop` for <g, f>.

    at : t -> f(x + t u) as one flat vector
    claim : |vjp|, or for u along one axis that entry of it: what must vanish for a slope to count as zero
    slack : of |g| |df|, what a gradient may be off by; more than SLACK where backprop computed in less than float64
    """
    at: object
    y: np.ndarray
    g: np.ndarray
    backprop: float
    claim: float
    scale: float             # max(1, |x|): steps are as long as x is large
    slack: float = SLACK

    def __post_init__(self):
        self.size_of_g = norm(self.g)
        self.rounding = EPS * norm(self.y)

    def measure(self, factor=1.0):
        """<g, df> from a central difference, and what the one-sided differences make of it."""
        h = factor * STEP * self.scale
        ahead, behind = self.at(h), self.at(-h)
        df = (ahead - behind) / (2 * h)
        reach, noise = self.size_of_g * norm(df), 4 / h * self.size_of_g * self.rounding
        jump = self.size_of_g * norm(ahead - 2 * self.y + behind) / h
        tolerance = self.slack * reach + noise
        return Measurement(h, self.backprop, float(self.g @ df), tolerance, noise, reach, jump, self.claim)

    def judge(self):
        """The verdict, one word, and the measurement that it rests on.

        pass   backprop is right                       zero   it is right, and f does not move at all
        wrong  it is not                               kink   the left and right slopes differ: there is no gradient
        noise  rounding, or a step, drowns the slope   blind  f moves, but the cotangent g does not see it
        All but the first two leave the gradient unproven, and only `wrong` says that it is at fault.
        """
        m = self.measure()
        if m.agrees and not m.is_bent and (m.is_sharp or m.is_zero):
            return ("zero" if m.is_zero else "pass"), m
        self.measure_rounding()
        tried = first, fine, finest, _, coarse = [self.measure(factor) for factor in (1, *RETRIES)]
        doubtful = first.is_bent or not first.agrees
        if doubtful and has_kink(first, finest) and finest.error <= finest.jump + finest.tolerance:
            return ("noise" if finest.jump > 8 * first.jump else "kink"), finest
        for a, b in (first, fine), (fine, finest), (coarse, first):          # they agree, but not with backprop
            if not a.agrees and b.error > b.jump and abs(a.numeric - b.numeric) < 0.1 * min(a.error, b.error):
                return "wrong", a
        for verdict, m in [*[("pass", m) for m in tried], ("zero", coarse)]:
            if m.agrees and (m.is_sharp if verdict == "pass" else m.is_zero):
                return verdict, m
        return ("blind" if first.agrees and first.noise <= SHARP * first.reach else "noise"), first

    def measure_rounding(self):
        """What is left of f's curvature over steps so short that it should be nothing: that is rounding."""
        steps = [STEP * self.scale * 2.0 ** -i for i in (13, 14, 15, 16)]
        moved = max([norm(self.at(h) - 2 * self.y + self.at(-h)) for h in steps])
        limit = SHARP * STEP / 4 * norm(self.y)                              # beyond it no slope could be seen
        self.rounding = max(self.rounding, min(moved, limit))


def has_kink(first, finest):
    """Curvature's jump shrinks with the step, a kink's (or a break's) stays as it is."""
    return finest.jump > max(first.jump / 4, 2 * finest.noise)


def norm(x):
    return float(np.sqrt(x @ x))
