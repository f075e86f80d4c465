"""How much does each residual branch add to what the shortcut carries?"""
from typing import NamedTuple

from minidl.lab.additions import Additions
from minidl.lab.probes.activations import per_unit


class Branch(NamedTuple):
    """Variances over the batch (and the pixels) of each unit, the mean over units; share = branch / sum."""
    block: str
    branch: float
    shortcut: float
    sum: float
    share: float


def branch_shares(model, x, dtype=None):
    """A Branch for each residual addition of the model, in order.

    S. De, S. Smith. Batch normalization biases residual blocks towards the identity function in deep networks. 2020, arXiv
    2002.10444, section 3: with batch norm in the branch, each adds the same variance, so that its share in block l is about
    1 / (l + 1); without, about 1/2 in all. Costs a forward pass and copies of what is added.
    """
    additions = Additions(model, x, dtype, keep=True)
    additions.needed_by("branch_shares", model)
    rows = []
    for name, op, branch in additions.residual:
        a, b, total = [float(per_unit(z).astype("float64").var(1).mean()) for z in additions.arrays[op]]
        added, carried = (b, a) if branch else (a, b)
        rows.append(Branch(name, added, carried, total, added / total if total else float("nan")))
    return rows
