"""What a recording consists of: arrays as they were, the nodes of the forward pass, the events of the backward pass.

    Trace.leaves    what nothing was computed from: parameters, inputs, constants
    Trace.nodes     the ops, in the order in which they ran
    Trace.moments   everything that happened, in order: a Forward for each node, then Seed, Enter, Send and Arrive
"""
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from minidl.trace.faults import faults

CAP = 2 ** 22                    # numbers; of larger arrays a corner is kept, and what all their numbers come to


class Statistics(NamedTuple):
    """Of all numbers of an array; least, greatest, mean and std are those of its finite ones.

    norm  : the root of the sum of squares       zeros, nans, infs : how many there are
    """
    least: float
    greatest: float
    mean: float
    std: float
    norm: float
    zeros: int
    nans: int
    infs: int


def statistics_of(array):
    numbers = np.asarray(array, np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    nans = int(np.isnan(numbers).sum())
    ends = [float(f(finite)) if finite.size else float("nan") for f in (np.min, np.max, np.mean, np.std)]
    return Statistics(*ends, float(np.sqrt(numbers @ numbers)), int((numbers == 0).sum()), nans,
                      numbers.size - finite.size - nans)


def digest(array):
    """A name for the numbers of an array, its shape and its dtype: equal only if all three are."""
    content = hashlib.blake2b(f"{tuple(array.shape)} {array.dtype.str}".encode(), digest_size=8)
    content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


@dataclass(eq=False)
class Snapshot:
    """An array as it was at a moment.

    numbers    : all of them; a corner of the array, where it is larger than the cap; None, where the graph kept none
    statistics : of the whole array, also where only a corner is kept; None without numbers
    digest     : of the whole array
    """
    shape: tuple
    dtype: np.dtype
    numbers: np.ndarray | None
    digest: str | None
    _statistics: Statistics | None = None

    @classmethod
    def of(cls, array, cap=CAP):
        """A copy, for the array may be changed later."""
        kept = np.array(array[corner(array.shape, cap)] if cap is not None else array)
        whole = kept.size == array.size
        return cls(tuple(array.shape), array.dtype, kept, digest(array), None if whole else statistics_of(array))

    @classmethod
    def without_numbers(cls, outline):
        return cls(tuple(outline.shape), outline.dtype, None, None)

    @property
    def whole(self):
        return self.numbers is not None and self.numbers.shape == self.shape

    @cached_property
    def statistics(self):
        return self._statistics if self._statistics is not None or self.numbers is None else statistics_of(self.numbers)

    @property
    def norm(self):
        return self.statistics.norm

    def all(self):
        """The numbers of the whole array; an error that says so where they were not kept."""
        if not self.whole:
            kept = "none" if self.numbers is None else f"only a corner of shape {self.numbers.shape}"
            raise ValueError(f"of the array of shape {self.shape}, {kept} was kept; record with a larger cap, or a smaller "
                             "batch")
        return self.numbers

    def __repr__(self):
        return f"Snapshot{self.shape}"


def corner(shape, cap):
    """Slices for at most `cap` numbers: fewer along the first dimension, and, where that is not enough, the next."""
    kept = list(shape)
    for dim in range(len(kept)):
        rest = int(np.prod(kept)) // max(kept[dim], 1)
        if rest * kept[dim] > cap:
            kept[dim] = max(cap // max(rest, 1), 1)
    return tuple([slice(n) for n in kept])


# ---- forward


@dataclass(eq=False)
class Leaf:
    """What nothing was computed from.

    kind : "parameter", "input" or "constant" (such as a mask or labels); only the first two receive gradients
    """
    index: int
    name: str
    kind: str
    value: Snapshot
    ledger: list = field(default_factory=list, repr=False)       # the Sends that came here, in order
    arrive: "Arrive | None" = field(default=None, repr=False)

    label = property(lambda self: self.name)

    def __repr__(self):
        return f"Leaf({self.name!r}, {self.kind}, {self.value.shape})"


@dataclass(eq=False)
class Slot:
    """One input of a node. A tensor in two slots of an op has two, and each makes its own contribution.

    name   : what the op calls it, such as w
    source : the Node or Leaf it is the value of; None for a number
    value  : the Snapshot of what the op was given; the number itself, or None
    wanted : does a gradient flow back through it?
    """
    name: str
    source: "Node | Leaf | None"
    value: object
    wanted: bool = False


@dataclass(eq=False)
class Node:
    """One call of an op.

    op      : a copy of the op with its settings only, which can be run again; None in a trace from a file whose op
              cannot be made from what is written there
    kind    : the name of the op's class, as Conv2d
    text    : the op with its settings, as Conv2d(stride=(1, 1), ...)
    module  : the path of the module that called it, as layer1.0.conv1; "" outside of all modules
    where   : "file:line" of the user's code that led here
    slots   : the inputs, in order
    value   : Snapshot of the result; None for the op that failed
    """
    index: int
    op: object
    kind: str
    text: str
    module: str
    where: str
    slots: list
    value: Snapshot | None = None
    ledger: list = field(default_factory=list, repr=False)       # the Sends that came here, in order
    enter: "Enter | None" = field(default=None, repr=False)
    sends: list = field(default_factory=list, repr=False)        # those that this node made

    @property
    def label(self):
        return f"{self.kind} #{self.index}"

    def __repr__(self):
        return f"Node({self.index}, {self.text})"


# ---- what happens, in order


@dataclass(eq=False)
class Forward:
    """A node computes its value."""
    node: Node
    kind = "forward"


@dataclass(eq=False)
class Seed:
    """The gradient that the backward pass starts from arrives at the result."""
    node: "Node | Leaf"
    gradient: Snapshot
    kind = "seed"


@dataclass(eq=False)
class Enter:
    """A node is given the full gradient of its value; all that used the value should have sent their part.

    gradient : what the engine gives it
    mismatch : the norm of the difference from what the ledger adds up to, as a part of the norms of its entries
    hooked   : does the node have tensor hooks, which may change the gradient?
    changed  : names of what the rule was given, of which the numbers are not those of the forward pass: slots, or "y"
    """
    node: Node
    gradient: Snapshot
    mismatch: float
    hooked: bool
    changed: list
    kind = "enter"


@dataclass(eq=False)
class Send:
    """A node sends its contribution through one slot.

    raw          : what the rule gave
    summed       : dimensions of `raw` that were summed to undo a broadcast
    contribution : of the shape of the slot's value
    total        : what has arrived at the slot's source by now, this included
    late         : had the source been entered before?
    """
    node: Node
    slot: int
    raw: Snapshot
    summed: tuple
    contribution: Snapshot
    total: Snapshot
    late: bool = False
    kind = "send"

    target = property(lambda self: self.node.slots[self.slot].source)


@dataclass(eq=False)
class Arrive:
    """A leaf has its full gradient. As `Enter`, which is the same for a node."""
    node: Leaf
    gradient: Snapshot
    mismatch: float
    hooked: bool = False
    kind = "leaf"


@dataclass(eq=False)
class Trace:
    """One forward and one backward pass, as they were.

    result : the Node (or Leaf) that the backward pass starts from; None if there is no such thing
    error  : what stopped the recording, in one sentence; "" if nothing did
    title  : what was recorded, in a word
    """
    leaves: list
    nodes: list
    moments: list
    result: "Node | Leaf | None" = None
    error: str = ""
    title: str = ""

    @cached_property
    def faults(self):
        """The Faults that the three invariants find."""
        return faults(self)

    def save(self, path):
        """Write it to `path`, which ends in .json, and its arrays to a file in .npz beside it; `trace.load` reads both."""
        from minidl.trace.saving import save
        save(self, path)

    def __getitem__(self, index):
        """A node by its number, or the first whose op or module has this name: trace[3], trace["conv1"], trace["Conv2d"]."""
        if isinstance(index, int):
            return self.nodes[index]
        for node in self.nodes:
            if index.lower() in (node.kind.lower(), node.module.lower()):
                return node
        for leaf in self.leaves:
            if leaf.name == index:
                return leaf
        raise KeyError(f"no op, module or leaf is called {index!r}; there are "
                       f"{', '.join(sorted({node.kind for node in self.nodes}))}")

    def __len__(self):
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def readers(self, source):
        """(Node, slot) of everything that was computed from a node or leaf, in order."""
        return self._readers.get(source, [])

    @cached_property
    def _readers(self):
        readers = {}
        for node in self.nodes:
            for i, slot in enumerate(node.slots):
                if slot.source is not None:
                    readers.setdefault(slot.source, []).append((node, i))
        return readers

    def _repr_html_(self):
        from minidl.trace.page import frame
        return frame(self)

    def __repr__(self):
        end = f", stopped: {self.error}" if self.error else ""
        return f"Trace of {self.title}: {len(self.nodes)} nodes, {len(self.moments)} moments{end}"
