"""diff: where do two traces part, and by how much?"""
from difflib import SequenceMatcher

import numpy as np

from minidl.trace.panel import Panel, Table, Text
from minidl.trace.tape import Snapshot

MOST = 30                        # rows; what follows from a difference is as long as the network


def diff(a, b):
    """A Panel of the differences between two Traces: ops that only one has; then values, gradients, and leaves.

    Ops are matched by their class and module, in order. A difference is given as a part of the first one's norm.
    """
    first, second = [[(node.kind, node.module) for node in trace.nodes] for trace in (a, b)]
    pairs, rows = [], []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(a.nodes[i:i_end], b.nodes[j:j_end])
        else:
            rows += [[node.label, node.module, "only in the first", ""] for node in a.nodes[i:i_end]]
            rows += [[node.label, node.module, "only in the second", ""] for node in b.nodes[j:j_end]]
    rows += [[x.label, x.module, "settings", f"{x.text} / {y.text}"] for x, y in pairs if x.text != y.text]
    leaves = {leaf.name: leaf for leaf in b.leaves}
    both = [(leaf, leaves[leaf.name]) for leaf in a.leaves if leaf.name in leaves]
    rows += compared(both, "value", lambda leaf: leaf.value)
    rows += compared(pairs, "value", lambda node: node.value)
    rows += compared(reversed(pairs), "gradient", lambda node: node.enter and node.enter.gradient)
    rows += compared(both, "gradient", lambda leaf: leaf.arrive and leaf.arrive.gradient)
    if not rows:
        return Panel("no difference", [Text("the same ops, values and gradients, bit for bit")])
    more = [Text(f"and {len(rows) - MOST} more")] if len(rows) > MOST else []
    return Panel(f"{len(rows)} differences", [Table(["where", "module", "what", "difference"], rows[:MOST]), *more])


def compared(pairs, what, of):
    """A row for each pair of which the arrays differ."""
    for x, y in pairs:
        one, other = of(x), of(y)
        if isinstance(one, Snapshot) != isinstance(other, Snapshot):
            yield [x.label, getattr(x, "module", ""), what, f"only in the {'first' if other is None else 'second'}"]
        elif isinstance(one, Snapshot) and one.digest != other.digest:
            yield [x.label, getattr(x, "module", ""), what, distance(one, other)]


def distance(one, other):
    if one.shape != other.shape:
        return f"shape {one.shape} / {other.shape}"
    if not (one.whole and other.whole):
        return f"norm {one.norm:.6g} / {other.norm:.6g}"
    off = np.linalg.norm(np.ravel(one.numbers.astype(np.float64) - other.numbers))
    return float(off / one.norm) if one.norm else float(off)
