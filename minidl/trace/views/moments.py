"""What a moment is about: the op, its rule, the gradient that came in, what goes out, what was saved."""
import linecache

import numpy as np

from minidl.op import reads_of
from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.rules import rule
from minidl.trace.tape import Node, Snapshot


def overview(moment) -> Panel:
    """The Panel of any moment of a trace."""
    node = moment.node
    match moment.kind:
        case "forward":
            return Panel(f"forward: {node.label}", [*head(node), *inputs_and_result(node)])
        case "seed":
            return Panel(f"the backward pass starts at {node.label}",
                         [Text(f"from a gradient of shape {moment.gradient.shape} and norm {number(moment.gradient.norm)}"),
                          picture("gradient", moment.gradient)])
        case "enter":
            return Panel(f"backward: {node.label}", [*head(node), *came_in(node), *goes_out(node), saved(node)])
        case "send":
            return Panel(f"{node.label} sends to {moment.target.label}", [*head(node), *sent(moment)])
        case _:
            return Panel(f"gradient of {node.label}", [Text(f"{node.kind} of shape {node.value.shape}"), *came_in(node)])


def head(node):
    place = ", ".join(filter(None, [node.module and f"in {node.module}", node.where]))
    return [Text("\n".join(filter(None, [node.text, place, source_line(node.where)]))), rule(node)]


def source_line(where):
    """The line of code at "file:line", if the file is there."""
    file, _, line = where.rpartition(":")
    return linecache.getline(file, int(line)).strip() if line.isdigit() else ""


def inputs_and_result(node):
    rows = [[slot.name, label(slot.source), *of_numbers(slot.value)] for slot in node.slots]
    rows += [["y", "", *of_numbers(node.value)]] if node.value else []
    yield Table(["", "from", *NUMBERS], rows)
    if node.value is None:
        yield Text("it failed: there is no result")
    elif node.value.numbers is not None:
        yield picture("y", node.value)


def came_in(node):
    """The incoming gradient of a node or leaf: its ledger and its numbers."""
    yield from ledger(node).blocks
    if gradient_of(node) is not None:
        yield picture("gy" if isinstance(node, Node) else "gradient", gradient_of(node))


def goes_out(node):
    if not node.sends:
        yield Text("Nothing goes out.")
        return
    yield Table(["goes out", "to", "how", "norm"],
                [[f"g{node.slots[s.slot].name}", s.target.label, story(s), s.contribution.norm] for s in node.sends])


def sent(send):
    yield Text(f"g{send.node.slots[send.slot].name}: {story(send)}")
    rows = [["what the rule gave", *of_numbers(send.raw)]] if send.summed else []
    yield Table(["", *NUMBERS], [*rows, ["contribution", *of_numbers(send.contribution)],
                                 ["in all, by now", *of_numbers(send.total)]])
    yield picture(f"g{send.node.slots[send.slot].name}", send.contribution)


def story(send):
    """What becomes of a rule's answer on its way: "(32, 10) summed over dimension 0 -> (10,)"."""
    raw, fitted = send.raw, send.contribution
    if not send.summed:
        return f"{fitted.shape}" + (f" cast from {raw.dtype} to {fitted.dtype}" if raw.dtype != fitted.dtype else "")
    dims = " and ".join(map(str, send.summed))
    return f"{raw.shape} summed over dimension{'s' * (len(send.summed) > 1)} {dims} -> {fitted.shape}"


def saved(node):
    """What the rule reads, and whether it still was what forward saw."""
    cls, slots = type(node.op), node.slots
    reads_y, reads = reads_of(cls, tuple([slot.wanted for slot in slots])) if node.op else (True, (True,) * len(slots))
    read = [(slot.name, slot.value) for slot, yes in zip(slots, reads) if yes and slot.value is not None]
    read += [("y", node.value)] if reads_y else []
    if not read:
        return Text("The rule reads nothing of the forward pass.")
    changed = node.enter.changed if node.enter else []
    return Table(["the rule reads", *NUMBERS, ""],
                 [[name, *of_numbers(x), "changed since!" if name in changed else ""] for name, x in read])


def ledger(source) -> Panel:
    """All that arrived at a node or leaf, entry by entry, and what it comes to.

    The share of an entry is <entry, total> / |total|^2: shares add up to 1, and one below 0 works against the others.
    """
    total = gradient_of(source)
    title = f"ledger of {source.label}"
    if total is None:
        return Panel(title, [Text("No gradient came here.")])
    if not source.ledger:
        return Panel(title, [Text(f"The backward pass starts here, from a gradient of norm {number(total.norm)}.")])
    names = [f"{s.node.label}{f' {s.node.module}' if s.node.module else ''}" for s in source.ledger]
    line = " + ".join([f"{number(s.contribution.norm)} ({name})" for s, name in zip(source.ledger, names)])
    blocks: list = [Text(f"{line} = {number(total.norm)}" + ("" if len(names) == 1 else "   (norms; directions differ)"))]
    if len(names) > 1:
        parts = shares([s.contribution for s in source.ledger], total)
        blocks.append(Table(["entry", "through", "shape", "norm", "share"],
                            [[name, s.node.slots[s.slot].name, str(s.contribution.shape), s.contribution.norm, share]
                             for name, s, share in zip(names, source.ledger, parts)]))
    return Panel(title, blocks)


def shares(parts, total):
    """<part, total> / |total|^2 for Snapshots, or a dash where their numbers were not kept."""
    if not all([x.whole for x in (*parts, total)]):
        return ["–"] * len(parts)
    whole = total.numbers.astype(np.float64)
    size = float((whole * whole).sum())
    return [float((part.numbers * whole).sum()) / size if size else 0.0 for part in parts]


# ---- words and pictures


NUMBERS = "shape", "norm", "least", "greatest", "mean"


def of_numbers(x):
    """The columns NUMBERS of a table."""
    if not isinstance(x, Snapshot):
        return ["none" if x is None else number(x), "", "", "", ""]
    if x.numbers is None:
        return [str(x.shape), "not kept", "", "", ""]
    s = x.statistics
    bad = [f"{n} {name}" for n, name in ((s.nans, "NaN"), (s.infs, "Inf")) if n]
    return [" ".join([str(x.shape), *bad]), s.norm, s.least, s.greatest, s.mean]


def picture(caption, x, at=None, lit=()):
    """A Snapshot or an array as a Matrix: of more than two dimensions the last two, those before them being `at`."""
    array = x.numbers if isinstance(x, Snapshot) else x
    if array is None:
        return Text(f"{caption}: its numbers were not kept")
    at = (0,) * max(array.ndim - 2, 0) if at is None else tuple(at)
    where = f"[{', '.join(map(str, at))}]" if at else ""
    return Matrix(f"{caption}{where}", np.atleast_2d(array[at]), list(lit))


def label(source):
    return "" if source is None else source.label


def gradient_of(source):
    """The full gradient of a node or leaf, a Snapshot; None where none came."""
    moment = source.enter if isinstance(source, Node) else source.arrive
    return None if moment is None else moment.gradient


def needs(node, *kinds):
    """An error for a view of these kinds of op, and no others."""
    if node.kind not in kinds:
        raise ValueError(f"{node.label} is no {' or '.join(kinds)}, which this view is about")


def place(name, shape, *index):
    """Indices, checked against a shape; negative ones count from the end."""
    if any([not -n <= i < n for i, n in zip(index, shape)]):
        raise ValueError(f"there is no {name}[{', '.join(map(str, index))}] in shape {tuple(shape)}")
    return [i % n for i, n in zip(index, shape)]
