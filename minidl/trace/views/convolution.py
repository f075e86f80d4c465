"""A convolution, pixel by pixel: what an output is made of, what an input's gradient is made of, and both as columns."""
from dataclasses import dataclass

import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.replay import all_numbers
from minidl.trace.views.moments import needs, place

SHOWN = 2                        # channels of which the pictures are drawn: those that matter most
LISTED = 16                      # rows of a table


@dataclass
class Patch:
    """What one output pixel of a convolution is made of: y = sum of x * w, + b.

    x, w : (C/groups, KH, KW), x being 0 outside of the image      channels : of x, that the filter reads
    rows, columns : where the patch lies in x, (KH,) and (KW,)     b, y : numbers; b is 0 without a bias
    """
    x: np.ndarray
    w: np.ndarray
    b: float
    y: float
    channels: range
    rows: np.ndarray
    columns: np.ndarray

    products = property(lambda self: self.x * self.w)


def patch_of(node, n, f, i, j) -> Patch:
    """The Patch of y[n, f, i, j]."""
    x, w, b = arrays_of(node)
    n, f, i, j = place("y", node.value.shape, n, f, i, j)
    rows, columns = window(node, w, i, j)
    channels = channels_of(w, node.op.groups, f)
    inside_rows, inside_columns = (rows >= 0) & (rows < x.shape[2]), (columns >= 0) & (columns < x.shape[3])
    near_rows, near_columns = np.clip(rows, 0, x.shape[2] - 1), np.clip(columns, 0, x.shape[3] - 1)
    cells = x[n, channels.start:channels.stop][:, near_rows][:, :, near_columns]
    cells = np.where(inside_rows[:, None] & inside_columns, cells, 0)
    return Patch(cells, w[f], 0.0 if b is None else float(b[f]), float(all_numbers(node, "y", node.value)[n, f, i, j]),
                 channels, rows, columns)


def pixel(node, n=0, f=0, i=0, j=0) -> Panel:
    """One output pixel y[n, f, i, j] of a Conv2d: patch times kernel, number by number; and where its gradient goes."""
    p = patch_of(node, n, f, i, j)
    x, gy = arrays_of(node)[0], incoming(node)
    sums = p.products.sum((1, 2))
    blocks: list = [Text(f"y[{n},{f},{i},{j}] = {number(sums.sum())} (patch times kernel) + {number(p.b)} (bias) = "
                         f"{number(sums.sum() + p.b)}; forward computed {number(p.y)}")]
    if len(sums) > 1:
        blocks.append(by_channel("sum of its products", p.channels, sums))
    lit = [(int(r), int(c)) for r in p.rows for c in p.columns if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]]
    for m in most(sums):
        c = p.channels[m]
        blocks += [Matrix(f"x[{n}, {c}], the patch in it", x[n, c], lit), Matrix(f"patch of channel {c}", p.x[m]),
                   Matrix(f"times kernel w[{f}, {m}]", p.w[m]), Matrix("products", p.products[m])]
    if gy is not None:
        g = gy[n, f, i, j]
        blocks.append(Text(f"Backward, its gradient gy = {number(g)} goes to the same {len(lit)} cells of gx in each of "
                           f"{len(sums)} channels, times the kernel; and to gw, times the patch."))
        blocks += [Matrix(f"gy times w[{f}, {m}], into gx[{n}, {p.channels[m]}]", g * p.w[m]) for m in most(sums)]
    return Panel(f"{node.label}: output pixel [{n},{f},{i},{j}]", blocks)


@dataclass
class Touched:
    """What the gradient of one input pixel of a convolution is made of: gx = sum of gy * w.

    outputs : (T, 2), the (i, j) of all windows that read the pixel     cells : (T, 2), where in the kernel it stood
    gy, w : (F/groups, T)                                               filters : that read its channel
    gx : what was recorded; None where no gradient of x was wanted
    """
    outputs: np.ndarray
    cells: np.ndarray
    gy: np.ndarray
    w: np.ndarray
    filters: range
    gx: float | None

    products = property(lambda self: self.gy * self.w)


def touched_by(node, n, c, u, v) -> Touched:
    """All outputs that x[n, c, u, v] went into."""
    x, w, _ = arrays_of(node)
    n, c, u, v = place("x", x.shape, n, c, u, v)
    gy = incoming(node)
    if gy is None:
        raise ValueError(f"{node.label}: no gradient came here, so none goes to its pixels")
    per_group, F = w.shape[1], w.shape[0] // node.op.groups
    filters = range(c // per_group * F, (c // per_group + 1) * F)
    found = [(i, j, k, l) for i, k in readers(node, 0, u, w.shape[2], gy.shape[2])
             for j, l in readers(node, 1, v, w.shape[3], gy.shape[3])]
    i, j, k, l = np.array(found, int).reshape(-1, 4).T
    group = slice(filters.start, filters.stop)
    sent = next((all_numbers(node, "gx", send.raw) for send in node.sends if send.slot == 0), None)
    return Touched(np.stack([i, j], 1), np.stack([k, l], 1), gy[n, group][:, i, j], w[group, c % per_group][:, k, l],
                   filters, None if sent is None else float(sent[n, c, u, v]))


def pixel_gradient(node, n=0, c=0, i=0, j=0) -> Panel:
    """The gradient of one input pixel x[n, c, i, j] of a Conv2d: which outputs it went into, and with what weight."""
    t = touched_by(node, n, c, i, j)
    total = float(t.products.sum())
    said = "no gradient of x was wanted" if t.gx is None else f"backward computed {number(t.gx)}"
    sums = t.products.sum(0)
    blocks: list = [Text(f"gx[{n},{c},{i},{j}] = {number(total)}, from {len(t.outputs)} windows in each of {len(t.filters)} "
                         f"filters; {said}"),
                    Table(["output", "kernel cell", "sum over filters of gy w"],
                          [[f"[{n},:,{a},{b}]", f"[{k},{l}]", s]
                           for (a, b), (k, l), s in zip(t.outputs, t.cells, sums)][:LISTED])]
    gy, lit = incoming(node), [tuple(map(int, at)) for at in t.outputs]
    for m in most(t.products.sum(1)):
        f = t.filters[m]
        blocks.append(Matrix(f"gy[{n}, {f}], the windows that read the pixel", gy[n, f], lit))
        blocks.append(Table(["output", "gy", "w", "product"],
                            [[f"[{n},{f},{a},{b}]", t.gy[m, s], t.w[m, s], t.products[m, s]]
                             for s, (a, b) in enumerate(t.outputs)][:LISTED]))
    return Panel(f"{node.label}: gradient of input pixel [{n},{c},{i},{j}]", blocks)


def columns(node, n=0, f=0, i=0, j=0) -> Panel:
    """The same output pixel in the matrix product that the convolution is: row f of the filters, one column of im2col."""
    p = patch_of(node, n, f, i, j)
    x, w, _ = arrays_of(node)
    OH, OW = node.value.shape[2:]
    K, at = p.w.size, i % OH * OW + j % OW
    patches = [patch_of(node, n, f, *divmod(q, OW)).x.ravel() for q in around(at, OH * OW)]
    near = around(at, OH * OW)
    C, KH, KW = p.w.shape
    rows = [[r, f"[{p.channels[r // (KH * KW)]},{r // KW % KH},{r % KW}]", p.w.ravel()[r], p.x.ravel()[r],
             p.products.ravel()[r]] for r in range(K)]
    return Panel(f"{node.label}: row {f} times column {at}", [
        Text(f"The filters as rows are ({w.shape[0]}, {K}), {K} = {C} x {KH} x {KW}; the patches of image {n} as columns "
             f"are ({K}, {OH * OW}), {OH * OW} = {OH} x {OW}. Output pixel [{i},{j}] is column {i % OH} x {OW} + {j % OW} = "
             f"{at}; row times column, + {number(p.b)}, is {number(p.products.sum() + p.b)}."),
        Table(["row", "[c,k,l]", "w", "x", "product"], rows[:LISTED]
              + ([["...", "", "", "", float(p.products.ravel()[LISTED:].sum())]] if K > LISTED else [])),
        Matrix(f"columns {near[0]} to {near[-1]} of the patches", np.stack(patches, 1),
               [(r, near.index(at)) for r in range(K)]),
        Matrix(f"filter {f} as a row", p.w.reshape(1, -1))])


# ---- where things are


def arrays_of(node):
    needs(node, "Conv2d")
    return [all_numbers(node, slot.name, slot.value) for slot in node.slots]


def incoming(node):
    return None if node.enter is None else all_numbers(node, "gy", node.enter.gradient)


def window(node, w, i, j):
    """The rows and the columns of x (or of the padding around it) that output pixel (i, j) reads."""
    op = node.op
    return [at * s - p + d * np.arange(size)
            for at, s, p, d, size in zip((i, j), op.stride, op.padding, op.dilation, w.shape[2:])]


def readers(node, axis, at, size, out):
    """(output, kernel cell) along one axis, for all windows that read row or column `at` of x."""
    s, p, d = node.op.stride[axis], node.op.padding[axis], node.op.dilation[axis]
    found = [(at + p - d * k, k) for k in range(size)]
    return sorted([(start // s, k) for start, k in found if start % s == 0 and 0 <= start // s < out])


def channels_of(w, groups, f):
    first = f // (w.shape[0] // groups) * w.shape[1]
    return range(first, first + w.shape[1])


def most(sums):
    """The places of the largest numbers, in order."""
    return sorted(np.argsort(-np.abs(sums), kind="stable")[:SHOWN].tolist())


def by_channel(what, channels, sums):
    order = np.argsort(-np.abs(sums), kind="stable")
    rows = [[channels[m], float(sums[m])] for m in order[:LISTED]]
    rest = sums[order[LISTED:]]
    return Table(["channel", what], rows + ([[f"{len(rest)} others", float(rest.sum())]] if len(rest) else []))


def around(at, n, most=8):
    """Places next to one another, `at` among them."""
    start = max(0, min(at - most // 2, n - most))
    return list(range(start, min(n, start + most)))
