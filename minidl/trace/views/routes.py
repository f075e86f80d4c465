"""Routes of a gradient: how much came which way, and where a gradient that is zero was cut."""
from dataclasses import dataclass

import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.replay import Replay, all_numbers
from minidl.trace.views.moments import gradient_of, label, place

ROUTES = 12                      # that are told apart; what comes by others stays in groups
LARGEST = 64                     # rows and columns of a Jacobian


@dataclass(eq=False)
class Route:
    """What reaches a source by one way: through `sends`, the nearest to the source first.

    gradient : this way's part of the source's gradient
    open     : did it come to the last node of `sends` by several ways, which are not told apart?
    """
    sends: list
    gradient: np.ndarray
    open: bool

    norm = property(lambda self: float(np.linalg.norm(self.gradient)))


def routes(source, most=ROUTES) -> list:
    """All Routes from the result to a node or leaf; they add up to its gradient.

    Where ways part again and again there are too many: then the largest are followed until there are `most`.
    """
    replays: dict = {}
    found = [extended([], send, all_numbers(send.node, "contribution", send.contribution, np.float64))
             for send in source.ledger]
    while len(found) < most:
        undecided = [route for route in found if route.open]
        if not undecided:
            break
        route = max(undecided, key=lambda route: route.norm)
        found[found.index(route):found.index(route) + 1] = parted(route, replays)
    return found


def extended(sends, send, gradient):
    """A Route, one step on towards the result, and further for as long as there is one way only."""
    sends = [*sends, send]
    while len(sends[-1].node.ledger) == 1:
        sends.append(sends[-1].node.ledger[0])
    return Route(sends, gradient, len(sends[-1].node.ledger) > 1)


def parted(route, replays):
    """A route told apart by what its last node's gradient consists of, each part brought down to the source."""
    parts = []
    for entry in route.sends[-1].node.ledger:
        gradient = all_numbers(entry.node, "contribution", entry.contribution, np.float64)
        for send in reversed(route.sends):
            if send.node not in replays:
                replays[send.node] = Replay(send.node, np.float64)
            gradient = replays[send.node].backward(send.slot, gradient)
        parts.append(extended(route.sends, entry, gradient))
    return parts


def paths(trace, source) -> Panel:
    """The share of a node's or leaf's gradient that came along each route: <part, total> / |total|^2."""
    if gradient_of(source) is None:
        return Panel(f"routes to {source.label}", [Text("No gradient came here.")])
    found = routes(source)
    total = all_numbers(source, "gradient", gradient_of(source), np.float64)
    size = float((total * total).sum())
    rows = [[float((route.gradient * total).sum()) / size if size else 0.0, route.norm, way(route)] for route in found]
    said = f"{len(found)} routes lead from {label(trace.result)} to {source.label}"
    return Panel(f"routes to {source.label}", [
        Text(said + ("; those marked ... are groups of several." if any([route.open for route in found]) else ".")),
        Table(["share", "norm", "from here towards the result"], rows)])


def way(route):
    """The nodes along a route; of a long one those where ways parted."""
    nodes = [send.node for send in route.sends]
    if len(nodes) > 6:
        nodes = [send.node for i, send in enumerate(route.sends)
                 if i in (0, len(nodes) - 1) or len(send.target.ledger) > 1]
    return " > ".join([f"{node.kind} #{node.index}" for node in nodes]) + (" > ..." if route.open else "")


# ---- zeros


WHY = {
    "ReLU": "x is not above 0 there, where the slope is 0",
    "LeakyReLU": "the slope is 0 there", "Hardtanh": "x is beyond a bound", "Hardsigmoid": "x is beyond a bound",
    "Hardswish": "x is beyond a bound", "Clamp": "x is beyond a bound",
    "MaxPool2d": "another number won each of its windows", "AdaptiveMaxPool2d": "another number won each of its windows",
    "AMax": "another number is larger", "AMin": "another number is smaller",
    "Maximum": "the other number is larger", "Minimum": "the other number is smaller",
    "Dropout": "the mask dropped it", "Where": "the other side was chosen", "GetItem": "it was not picked",
    "Gather": "it was not picked", "SetItem": "it was overwritten",
    "Sigmoid": "saturated: the slope is smaller than rounding", "Tanh": "saturated: the slope is smaller than rounding",
    "Softmax": "saturated: a probability is 0 or 1", "CrossEntropy": "saturated, or its label is ignored: p − y is 0",
    "Mul": "what it is multiplied with is 0", "MatMul": "what it is multiplied with is 0",
    "Linear": "what it is multiplied with is 0", "Conv2d": "what it is multiplied with is 0",
}


def why_zero(trace, source, *index) -> Panel:
    """Where the gradient of one number of a node or leaf was cut, if it is 0: a walk from there towards the result.

    At each node that used it: is the slope 0, whatever comes in (then it was cut there)? Or is the incoming gradient 0
    at all results that it went into? Then the walk goes on at these.
    """
    index = tuple(index[0]) if len(index) == 1 and isinstance(index[0], (tuple, list)) else index
    title = f"why is the gradient of {source.label}[{', '.join(map(str, index))}] zero?"
    if len(index) != len(source.value.shape):
        raise ValueError(f"{source.label} has shape {source.value.shape}: a place in it has {len(source.value.shape)} "
                         f"indices, not {len(index)}")
    at = tuple(place(source.label, source.value.shape, *index))
    gradient = gradient_of(source)
    if gradient is not None:
        value = all_numbers(source, "gradient", gradient)[at]
        if value != 0:
            return Panel(title, [Text(f"It is not: it is {number(value)}.")])
    rows = list(cuts(trace, source, at))
    causes = [f"{row[0]} ({row[3]})" for row in rows if row[2]]
    text = "It was cut by " + "; ".join(causes) + "." if causes else "Nothing cut it on the way."
    return Panel(title, [Text(text), Table(["at", "numbers", "cut", ""], rows)])


def cuts(trace, source, at):
    """Rows [node, how many of its input's numbers are looked at, how many of them are cut here, why], on the way."""
    start = np.zeros(source.value.shape, bool)
    start[at] = True
    pending, rng = {source: start}, np.random.default_rng(0)
    while pending:
        x = min(pending, key=lambda x: (x.index if hasattr(x, "slots") else -1))
        mask = pending.pop(x)
        count = int(mask.sum())
        if x is trace.result:
            yield [x.label, count, 0, "the backward pass starts here, with a gradient of 0"]
        readers = trace.readers(x)
        if not readers and x is not trace.result:
            yield [x.label, count, count, "nothing uses it"]
        nonzero = [send for send in x.ledger if np.any(all_numbers(x, "contribution", send.contribution)[mask])]
        if nonzero:
            yield [x.label, count, 0, f"what {' and '.join([send.node.label for send in nonzero])} send cancels out"]
            continue
        for node, slot in readers:
            if not node.slots[slot].wanted:
                yield [node.label, count, count, "for it this is a constant: detached, or computed under no_grad"]
                continue
            replay = Replay(node)
            slope = replay.backward(slot, rng.standard_normal(node.value.shape))
            cut = mask & (slope == 0)
            if cut.any():
                yield [node.label, count, int(cut.sum()), WHY.get(node.kind, "its rule gives 0 there, whatever comes in")]
            if (mask & ~cut).any():
                went_to = results_of(node, slot, mask & ~cut, rng)
                results = "a result" if went_to.sum() == 1 else f"{int(went_to.sum())} results"
                if gradient_of(node) is not None and np.any(all_numbers(node, "gy", gradient_of(node))[went_to]):
                    yield [node.label, count, 0, f"it went into {results}; the gradients there cancel out"]
                    continue
                if not cut.any():
                    yield [node.label, count, 0, f"it went into {results}; the gradient there is 0"]
                pending[node] = pending.get(node, False) | went_to


def results_of(node, slot, mask, rng):
    """Which of a node's results change when the numbers under the mask do?"""
    replay = Replay(node, np.float64)
    x = replay.xs[slot]
    step = 1e-4 * np.maximum(1, np.abs(x)) * mask * rng.uniform(0.5, 1, x.shape)
    change = np.abs(replay.forward(slot, x + step) - replay.forward(slot, x - step))
    return change > 1e-9 * change.max(initial=0)


# ---- the whole derivative of a small node


def jacobian_of(node, slot=0):
    """(results, inputs): row by row what the rule sends through a slot, given a gradient of 1 in one result."""
    replay = Replay(node, np.float64)
    sizes = int(np.prod(node.value.shape)), replay.xs[slot].size
    if max(sizes) > LARGEST:
        raise ValueError(f"{node.label}: the Jacobian of {node.value.shape} in {node.slots[slot].name} of shape "
                         f"{replay.xs[slot].shape} is {sizes[0]} x {sizes[1]}; up to {LARGEST} x {LARGEST} is shown")
    if not node.slots[slot].wanted:
        raise ValueError(f"{node.label}: no gradient flows to its input {node.slots[slot].name}")
    units = np.eye(sizes[0]).reshape(-1, *node.value.shape)
    return np.stack([replay.backward(slot, unit).ravel() for unit in units])


def jacobian(node, slot=0) -> Panel:
    """dy/dx of a small node, and the rule in one line: gx = gy times it."""
    J = jacobian_of(node, slot)
    name = node.slots[slot].name
    blocks = [Text(f"Row: a result, column: a number of {name}, both in row-major order. {int((J != 0).sum())} of {J.size} "
                   "are not 0."), Matrix(f"dy/d{name}", J)]
    if gradient_of(node) is not None:
        gy = all_numbers(node, "gy", gradient_of(node), np.float64).reshape(1, -1)
        blocks += [Matrix("gy", gy), Matrix(f"g{name} = gy times dy/d{name}", gy @ J)]
    return Panel(f"{node.label}: Jacobian in {name}", blocks)

