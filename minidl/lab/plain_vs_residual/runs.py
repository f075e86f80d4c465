"""Trainings side by side: of each network all seeds, at the best of a few learning rates."""
import statistics
from dataclasses import dataclass

from minidl.lab.plain_vs_residual import verdicts
from minidl.lab.plain_vs_residual.cases import Case
from minidl.lab.plain_vs_residual.profile import first_by_last
from minidl.lab.plain_vs_residual.training import Training


@dataclass
class Runs:
    """What the trainings of one network came to: `found[rate]` has Training's dicts, seed by seed.

    One learning rate is chosen for all seeds: the one with the lowest mean training loss of the last epoch, so that test
    images have no say. A training that diverged counts as an infinite loss.
    """
    case: Case
    kind: str
    found: dict

    @property
    def lr(self):
        """The best of the learning rates."""
        return min(self.found, key=lambda lr: statistics.fmean(map(last_loss, self.found[lr])))

    @property
    def at_the_edge(self):
        """Whether the best of three or more learning rates is the largest or the smallest: another may be better."""
        return len(self.found) > 2 and self.lr in (min(self.found), max(self.found))

    @property
    def best(self):
        """Training's dicts at the best learning rate, seed by seed."""
        return self.found[self.lr]

    @property
    def losses(self):
        """Training losses of the last epoch, by seed."""
        return list(map(last_loss, self.best))

    @property
    def errors(self):
        return [found["error"] for found in self.best]

    @property
    def learned(self):
        return verdicts.learned(self.losses)

    @property
    def diverged(self):
        """How many seeds diverged at every learning rate that was tried."""
        return sum(all(of_rate[i]["diverged"] for of_rate in self.found.values()) for i in range(len(self.best)))

    def trunks(self, moment):
        """Gradient profiles at a moment, of the seeds that came so far."""
        return [found["profiles"][moment]["trunk"] for found in self.best if moment in found["profiles"]]

    def ratios(self, moment):
        """||dL/dx_0|| / ||dL/dx_L|| at a moment, by seed."""
        return [first_by_last(trunk) for trunk in self.trunks(moment)]

    @property
    def lesions(self):
        """The errors with one block left out, of all blocks and seeds."""
        return [error for found in self.best for error in found["lesions"]]


def last_loss(found):
    return float("inf") if found["diverged"] else found["losses"][-1]


def trainings(case, kind, width, rates, seeds, epochs):
    """{rate: [a Training for every seed]}"""
    design = case.design(kind, width)
    return {lr: [Training(design, lr, seed, epochs) for seed in range(seeds)] for lr in rates}
