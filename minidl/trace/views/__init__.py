"""Views: a node, a moment or a source of a trace -> a Panel, which a terminal, a page and a notebook draw.

overview(moment)             op, rule, incoming gradient, what goes out, what was saved; every moment has it
ruled(node), checked(node)   the rule alone; what finite differences say of it
jacobian(node, slot)         all of dy/dx, where that is small
special(node)                those of the next three lines that a node has, each at a place where something happens
pixel, pixel_gradient, columns (of a Conv2d); winners (of a max pooling); paths_of_batch_norm; softmax_cross_entropy
residual(node)               an addition's branch and skip, and their shares
broadcast(send)              what was repeated, and its sum
ledger(source)               all that arrived at a node or leaf, with shares
paths(trace, source)         the same by routes from the result
why_zero(trace, source, ...) where the gradient of one number was cut

What a view cannot show (another kind of op, an array of which only a corner was kept, a place that is not there) is a
ValueError in a sentence.
"""
import numpy as np

from minidl.trace.check import check
from minidl.trace.panel import Panel, Table
from minidl.trace.rules import rule
from minidl.trace.views.convolution import columns, pixel, pixel_gradient, window
from minidl.trace.views.loss import softmax_cross_entropy
from minidl.trace.views.moments import gradient_of, ledger, overview
from minidl.trace.views.normalization import paths_of_batch_norm
from minidl.trace.views.pooling import winners
from minidl.trace.views.routes import jacobian, paths, why_zero
from minidl.trace.views.sums import broadcast, residual

__all__ = [
    "broadcast", "checked", "columns", "jacobian", "ledger", "overview", "paths", "paths_of_batch_norm", "pixel",
    "pixel_gradient", "residual", "ruled", "softmax_cross_entropy", "special", "why_zero", "winners",
]


def checked(node) -> Panel:
    """What finite differences say of each gradient that the node sent."""
    rows = [[c.slot, c.verdict, c.backprop, c.numeric, c.error, c.tolerance, c.text] for c in check(node)]
    return Panel(f"check of {node.label}",
                 [Table(["gradient of", "verdict", "backprop", "differences", "error", "tolerance", ""], rows)])


def ruled(node) -> Panel:
    return Panel(f"rule of {node.kind}", [rule(node)])


def special(node) -> list:
    """The Panels that say what is special about a node, at a place where something happens."""
    panels = []
    match node.kind:
        case "Conv2d":
            panels = of_convolution(node)
        case "MaxPool2d" | "AdaptiveMaxPool2d":
            panels = [attempt(winners, node)]
        case "BatchNorm":
            panels = [attempt(paths_of_batch_norm, node)]
        case "CrossEntropy":
            panels = [attempt(softmax_cross_entropy, node)]
        case "Add":
            panels = [attempt(residual, node)]
    panels += [attempt(broadcast, send) for send in node.sends if send.summed]
    return [panel for panel in panels if panel is not None]


def of_convolution(node):
    """Its pixel with the largest gradient (or value), the middle of that one's patch, and both as columns."""
    x, gy = node.slots[0].value, gradient_of(node) or node.value
    if node.value is None or not (x.whole and gy.whole):
        return []
    n, f, i, j = map(int, np.unravel_index(np.argmax(np.abs(gy.numbers)), gy.shape))
    middle = [int(np.clip(at[len(at) // 2], 0, size - 1))
              for at, size in zip(window(node, node.slots[1].value, i, j), x.shape[2:])]
    first = f // (gy.shape[1] // node.op.groups) * node.slots[1].value.shape[1]              # channel that filter f reads
    panels = (pixel, (n, f, i, j)), (pixel_gradient, (n, first, *middle)), (columns, (n, f, i, j))
    return [attempt(view, node, *at) for view, at in panels]


def attempt(view, *about):
    """The Panel, or None where the trace does not have what it needs."""
    try:
        return view(*about)
    except ValueError:
        return None
