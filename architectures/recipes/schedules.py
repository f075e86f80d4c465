"""Schedules: the share of a recipe's learning rate that there is at a time in epochs, where 1.5 is the middle of the second.

`share(epoch, epochs)` is for a training of so many epochs, and `words(lr)` says what happens to the rate lr.
"""
import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Constant:
    def share(self, epoch, epochs):
        return 1.0

    def words(self, lr):
        return "constant"


@dataclass(frozen=True)
class Cosine:
    """Down to 0 at the end, along half a cosine: Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5."""

    def share(self, epoch, epochs):
        return (1 + math.cos(math.pi * epoch / epochs)) / 2

    def words(self, lr):
        return "cosine, down to 0"


@dataclass(frozen=True)
class Polynomial:
    """Down to 0 at the end, as (1 - epoch / epochs)^power."""
    power: float

    def share(self, epoch, epochs):
        return max(0.0, 1 - epoch / epochs) ** self.power

    def words(self, lr):
        return "linear, down to 0" if self.power == 1 else f"down to 0 as (1 - time)^{self.power:g}"


@dataclass(frozen=True)
class Stages:
    """One rate after the other: pairs (epochs, rate). The highest is the recipe's lr, and the last one stays."""
    stages: tuple

    def share(self, epoch, epochs):
        ends = list(accumulate([length for length, _ in self.stages]))
        _, rate = self.stages[min(bisect_right(ends, epoch), len(ends) - 1)]
        return rate / self.highest

    @property
    def highest(self):
        return max([rate for _, rate in self.stages])

    def words(self, lr):
        (first, *others) = [(f"{length:.4g}", f"{rate / self.highest * lr:g}") for length, rate in self.stages]
        return f"{first[1]} for {first[0]} epochs" + "".join([f", {rate} for {length}" for length, rate in others])


@dataclass(frozen=True)
class Decay:
    """Times gamma every so many epochs, at once."""
    gamma: float
    every: float = 1

    def share(self, epoch, epochs):
        return self.gamma ** math.floor(epoch / self.every)

    def words(self, lr):
        return f"times {self.gamma:g} every " + ("epoch" if self.every == 1 else f"{self.every:g} epochs")


@dataclass(frozen=True)
class WarmUp:
    """Up from 0 in a straight line for `length` epochs; then as another schedule, whose time began at 0, too."""
    length: float
    then: object

    def share(self, epoch, epochs):
        return epoch / self.length if epoch < self.length else self.then.share(epoch, epochs)

    def words(self, lr):
        return f"up from 0 for {self.length:g} epochs, then {self.then.words(lr)}"
