"""What a law is: a sentence with a source, the number it predicts, how networks are measured, and how far off is wrong."""
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minidl.lab.nets import Design


class Tolerance(NamedTuple):
    """How far a measurement may be from the prediction.

    amount   : for one network; for the mean of several, divided by the root of their number, but at most by 2, since the
               theory is for endless layers and the networks are not
    relative : as a part of the prediction, or as it is
    why      : where the amount is from
    """
    amount: float
    relative: bool
    why: str

    def of_mean(self, networks):
        """For the mean of so many networks."""
        return self.amount / math.sqrt(min(networks, 4))


class Exact(Tolerance):
    """Of what is true for every single network: nothing is averaged."""

    def of_mean(self, networks):
        return self.amount


def sd(amount, measured, relative=True):
    """A tolerance for one network that is about four standard deviations, which were measured over 20 networks."""
    return Tolerance(amount, relative, f"4 standard deviations of one network: {measured} over 20")


EQUAL = Exact(0.0, False, "equality, to the last bit")
ROUNDING = Exact(1e-10, False, "exact, but for rounding in float64")


class Sample(NamedTuple):
    """What one network showed: the number that is compared, and one y for each x of the picture."""
    value: float
    y: np.ndarray


class Picture(NamedTuple):
    """x, the theory's y (None where there is only a value), what they are, and whether an axis is logarithmic."""
    x: np.ndarray
    theory: np.ndarray
    x_is: str
    y_is: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Law:
    """
    name      : as `minidl lab laws NAME` takes it
    source    : the paper, or "derived"
    says      : the law in a sentence
    value_is  : what is compared, in a few words
    predicted : the number that theory gives
    design    : the networks
    batch     : examples in a batch, from N(0, 1)
    measure   : measure(design, batch, seed) -> Sample, of the network with the first weights and the batch of this seed
    picture   : what theory draws
    tolerance : or None: then there is no verdict
    """
    name: str
    source: str
    says: str
    value_is: str
    predicted: float
    design: Design
    batch: int
    measure: Callable[[Design, int, int], Sample]
    picture: Picture
    tolerance: Tolerance | None = None

    def setup(self):
        """The networks and the batch in a line, for pictures and tables."""
        d = self.design
        layers = f"{d.blocks} {d.order}-activation blocks of {d.branch} layers" if d.residual else f"{d.depth + 1} layers"
        weights = d.init if isinstance(d.init, str) else f"sigma_w² = {d.init:.4g}"
        norm = {"none": "no norm", "batch": "batch norm"}[d.norm]
        biases = f", sigma_b² = {d.bias_variance:g}" if d.bias_variance else ""
        return (f"{d.kind}, {layers}, width {d.width}, {d.activation}, {norm}, {weights}{biases}"
                f"{', ' + d.padding_mode + ' padding' if d.kind == 'cnn' else ''}, batch {self.batch}")
