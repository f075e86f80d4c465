"""Max pooling: which number of each window won, which others were equal, and where the gradient goes."""
import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text
from minidl.trace.replay import all_numbers
from minidl.trace.views.moments import gradient_of, needs, place

LISTED = 32


def winners(node, n=0, c=0) -> Panel:
    """The windows of one plane x[n, c]: the largest number, where it stands, and how many others are as large (ties).

    Of equals the first in row-major order wins, and all of the gradient goes to it.
    """
    needs(node, "MaxPool2d", "AdaptiveMaxPool2d")
    x, y = all_numbers(node, "x", node.slots[0].value), all_numbers(node, "y", node.value)
    n, c = place("x", x.shape, n, c)
    gy = None if gradient_of(node) is None else all_numbers(node, "gy", gradient_of(node))
    rows, lit, into = [], set(), np.zeros(x.shape[2:])
    for i, j in np.ndindex(y.shape[2:]):
        cells = window(node, x.shape[2:], y.shape[2:], i, j)
        equal = [cell for cell in cells if x[n, c][cell] == y[n, c, i, j]]
        g = "" if gy is None else float(gy[n, c, i, j])
        rows.append([f"[{i},{j}]", float(y[n, c, i, j]), text(equal[0]) if equal else "none",
                     len(equal) - 1 if equal else 0, " ".join([text(cell) for cell in equal[1:4]]), g])
        if equal:
            lit.add(equal[0])
            into[equal[0]] += 0 if gy is None else gy[n, c, i, j]
    ties = [row for row in rows if row[3]]
    blocks = [Text(f"{len(ties)} of {len(rows)} windows have a tie: there the slopes on both sides differ, and the first "
                   "wins." if ties else f"No window of {len(rows)} has a tie."),
              Table(["window", "largest", "winner", "ties", "as large", "gy"],
                    [*ties, *[row for row in rows if not row[3]]][:LISTED]),
              Matrix(f"x[{n}, {c}], winners marked", x[n, c], sorted(lit))]
    if gy is not None:
        blocks.append(Matrix(f"gx[{n}, {c}]: gy at the winners, added where one won several windows, 0 elsewhere", into,
                             sorted(lit)))
    return Panel(f"{node.label}: winners of plane [{n},{c}]", blocks)


def window(node, size, out, i, j):
    """The (row, column) of all cells of x that window (i, j) covers, row by row."""
    if node.kind == "AdaptiveMaxPool2d":
        spans = [range(at * n // m, -(-(at + 1) * n // m)) for at, n, m in zip((i, j), size, out)]
    else:
        op = node.op
        spans = [[at * s - p + d * k for k in range(m)]
                 for at, s, p, d, m in zip((i, j), op.stride, op.padding, op.dilation, op.size)]
        spans = [[at for at in span if 0 <= at < n] for span, n in zip(spans, size)]
    return [(r, q) for r in spans[0] for q in spans[1]]


def text(cell):
    return f"[{cell[0]},{cell[1]}]"
