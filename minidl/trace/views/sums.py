"""Where gradients are sums: a broadcast undone, and a residual addition."""
import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.tape import Node
from minidl.trace.views.moments import gradient_of, needs, shares, story


def broadcast(send) -> Panel:
    """A value that was repeated to fit another, and its gradient: the sum over all copies."""
    slot = send.node.slots[send.slot]
    if not send.summed:
        raise ValueError(f"{send.node.label}: {slot.name} of shape {send.contribution.shape} was not broadcast")
    raw, total = send.raw, send.contribution
    times = int(np.prod([raw.shape[d] for d in send.summed]))
    blocks: list = [Text(f"Forward, {slot.name} of shape {total.shape} was repeated {times} times, to {raw.shape}."),
              Text(f"Backward, {story(send)}: each of its numbers went into {times} results, and gets the sum of their "
                   "gradients.")]
    if raw.whole and total.whole:
        copies = np.moveaxis(raw.numbers, send.summed, range(len(send.summed))).reshape(times, -1)
        blocks += [Matrix("what the rule gave: a row for each copy", copies),
                   Matrix("their sum, the contribution", total.numbers.reshape(1, -1))]
    return Panel(f"{send.node.label}: {slot.name} was broadcast", blocks)


class Fork:
    """A residual addition: its branch and its skip, which start from one source.

    branch, skip : slots of the addition      entries : name -> those Sends to the source that came that way
    """

    def __init__(self, node):
        needs(node, "Add")
        self.node = node
        behind = [behind_of(slot.source) for slot in node.slots]
        common = [x for x in behind[0] if x in behind[1] and x.kind != "parameter" and gradient_of(x) is not None]
        if not common or node.slots[0].source is node.slots[1].source:
            raise ValueError(f"{node.label} is no residual addition: its inputs come from nothing in common")
        self.source = max(common, key=lambda x: x.index if isinstance(x, Node) else -1)
        before = set(behind_of(self.source)) - {self.source}
        ways = [[x for x in way if x not in before and x is not self.source] for way in behind]
        self.branch = int(len(ways[1]) > len(ways[0]))
        self.skip = 1 - self.branch
        self.entries = {"branch": [], "skip": [], "elsewhere": []}
        for send in self.source.ledger:
            self.entries[self.way_of(send, ways)].append(send)

    def way_of(self, send, ways):
        if send.node is self.node:
            return "skip" if send.slot == self.skip else "branch"
        return next((name for name in ("branch", "skip") if send.node in ways[getattr(self, name)]), "elsewhere")


def behind_of(source):
    """A node or leaf, and all that it was computed from."""
    found, stack = {}, [source]
    while stack:
        x = stack.pop()
        if x is not None and x not in found:
            found[x] = True
            stack += [slot.source for slot in x.slots] if isinstance(x, Node) else []
    return found


def residual(node) -> Panel:
    """A residual addition y = branch + skip: their shares of y, and of the gradient where they part.

    The addition hands its gradient to both unchanged; what the branch makes of its copy meets the other at the source.
    """
    fork = Fork(node)
    values = {name: node.slots[getattr(fork, name)].value for name in ("branch", "skip")}
    rows = [[name, x.norm, share] for (name, x), share in zip(values.items(), shares(list(values.values()), node.value))]
    branch, skip = [node.slots[i].source.label for i in (fork.branch, fork.skip)]
    blocks = [Text(f"y = branch ({branch}) + skip ({skip}); both start from {fork.source.label}."),
              Table(["forward", "norm", "share of y"], [*rows, ["y", node.value.norm, 1.0]])]
    total = gradient_of(fork.source)
    entries = [(name, send) for name, sends in fork.entries.items() for send in sends]
    rows = [[name, send.node.label, send.contribution.norm, share]
            for (name, send), share in zip(entries, shares([send.contribution for _, send in entries], total))]
    line = " + ".join([f"{number(send.contribution.norm)} ({name})" for name, send in entries])
    blocks += [Text(f"Backward, both get the same gradient, of norm {number(gradient_of(node).norm)}. At "
                    f"{fork.source.label} they meet: {line} = {number(total.norm)}."),
               Table(["backward", "from", "norm", "share"], [*rows, ["in all", "", total.norm, 1.0]])]
    return Panel(f"{node.label}: residual addition", blocks)
