"""The search space: cells as data, and the decisions that a cell is made of.

A cell is written as in NASNet (Zoph et al. 2017, arXiv 1707.07012, section 3), only smaller. It begins with two states:
0 is what the last cell put out, and 1 what the one before it did. Each pair makes the next state, the sum of what two
operations make of two states:

    ((("conv 3x3", 0), ("identity", 1)), (("max 3x3", 2), ("conv 1x1", 0)))

has the states 0 to 3. A cell puts out the states that no pair reads.
"""
import math
from dataclasses import dataclass

INPUTS = 2                                                 # states that a cell begins with
OPERATIONS = ("identity", "max 3x3", "avg 3x3", "conv 1x1", "conv 3x3")


@dataclass(frozen=True)
class Space:
    """All cells of so many pairs, with these operations.

    A cell is drawn as a row of decisions, four for a pair: a state, what is done with it, another state, and what is
    done with that one.
    """
    pairs: int = 3
    operations: tuple = OPERATIONS

    def __post_init__(self):
        if self.pairs < 1 or not self.operations:
            raise ValueError(f"Space: cells of {self.pairs} pairs and {len(self.operations)} operations; "
                             "at least one of each is wanted")

    @property
    def decisions(self):
        """(kind, number of options) of every decision; kinds are "state" and "operation"."""
        return [decision for pair in range(self.pairs) for _ in range(2)
                for decision in (("state", INPUTS + pair), ("operation", len(self.operations)))]

    def __len__(self):
        """Rows of decisions; most cells are written by several."""
        return math.prod([options for _, options in self.decisions])

    def cell(self, row):
        """The cell that a row of decisions makes. A pair is a sum, so its sides are sorted: both orders are one cell."""
        sides = [(self.operations[operation], state) for state, operation in zip(row[::2], row[1::2])]
        return tuple(tuple(sorted(pair)) for pair in zip(sides[::2], sides[1::2]))


def loose_ends(cell):
    """The states that no pair reads, which are what the cell puts out."""
    read = {state for pair in cell for _, state in pair}
    return [state for state in range(INPUTS, INPUTS + len(cell)) if state not in read]


def words(cell):
    """The cell in one line: 2 = conv 3x3(0) + identity(1), 3 = ..."""
    return ", ".join(f"{state} = " + " + ".join(f"{name}({read})" for name, read in pair)
                     for state, pair in enumerate(cell, INPUTS))
