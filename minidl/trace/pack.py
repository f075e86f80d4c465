"""What a viewer is given: a trace with as many of its numbers as a page has room for, packed into letters.

    pack(trace)  ->  base64 of zlib of: the length of a JSON text in 4 bytes, the text, the numbers
"""
import base64
import json
import re
import zlib
from itertools import zip_longest
from math import isqrt, prod

import numpy as np

from minidl.trace.map import number_of, svg
from minidl.trace.panel import Formula, Table, Text, cut, number
from minidl.trace.rules import rule
from minidl.trace.tape import Snapshot
from minidl.trace.views import special

ROOM = 740_000                   # bytes for numbers: with these and all else, a page is smaller than 1 MB
MOST = 2 ** 14                   # numbers of one array; if that leaves room for all arrays, they are shown exactly
EXACT = 512                      # arrays of which no more is shown are always shown exactly
FEW = 400                        # ops; with more, what is special about each is left out
KERNEL = 5 * 5                   # what is not larger than this is a kernel, and larger a map


def pack(trace):
    return base64.b64encode(zlib.compress(b"".join(parts(trace)), 9)).decode()


def parts(trace):
    packer = Packer(trace)
    text = json.dumps(packer.content(), separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return [len(text).to_bytes(4, "little"), text, *packer.numbers]


class Packer:
    """Numbers every Snapshot of a trace, once for each content, and collects what is shown of them."""

    def __init__(self, trace):
        self.trace = trace
        self.snapshots, self.index = [], {}
        self.numbers, self.bytes = [], 0
        for snapshot in snapshots_of(trace):
            key = key_of(snapshot)
            if key not in self.index:
                self.index[key] = len(self.snapshots)
                self.snapshots.append(snapshot)
        self.convolutions = [node for node in trace.nodes if can_be_looked_into(node)]
        self.most = MOST
        while self.most and self.size() > ROOM:
            self.most = self.most * 3 // 4

    def size(self):
        """How many bytes the numbers take."""
        pictures = [prod(kept(x.numbers.shape, self.most)) for x in self.snapshots if x.numbers is not None]
        pixels = [Window(node, self.most).size for node in self.convolutions]
        return sum([n * self.bytes_each(n) for n in pictures]) + 4 * sum([n for n in pixels if n <= self.most])

    def bytes_each(self, n):
        return 4 if n <= EXACT or self.most == MOST else 1

    def content(self):
        trace = self.trace
        return {
            "title": trace.title, "error": trace.error, "most": self.most, "result": self.source(trace.result),
            "faults": [[fault.rule, self.source(fault.node), fault.slot, fault.text] for fault in trace.faults],
            "snapshots": [self.shown(x) for x in self.snapshots],
            "leaves": [[leaf.name, leaf.kind, self.of(leaf.value)] for leaf in trace.leaves],
            "nodes": [self.node(node) for node in trace.nodes],
            "moments": [self.moment(moment) for moment in trace.moments],
            "windows": {node.index: self.window(Window(node, self.most)) for node in self.convolutions},
            "rules": {node.kind: lines_of(rule(node)) for node in trace.nodes},
            "panels": {node.index: [packed(panel) for panel in special(node)] for node in trace.nodes
                       if node.kind != "Conv2d"} if len(trace) <= FEW else {},
            "map": svg(trace), "note": self.note(),
        }

    def note(self):
        """What a reader has to know of the numbers that are not there."""
        parts, most = [], f"{self.most:,}"
        if self.most == 0:
            parts += ["There are too many arrays for a page to show numbers of them. Statistics are of all numbers."]
        elif any([x.numbers is not None and x.numbers.size > self.most for x in self.snapshots]):
            parts += [f"Of an array of more than {most} numbers a part is shown, such as [0, :2], the first two channels of "
                      "the first image. Statistics are of all numbers."]
        if self.most < MOST:
            parts += ["≈ marks numbers rounded to two digits."]
        if any([Window(node, self.most).size > self.most for node in self.convolutions]):
            parts += [f"Convolutions of which a pixel comes from more than about {most} numbers cannot be looked into here."]
        return " ".join(parts)

    def of(self, snapshot):
        return self.index[key_of(snapshot)] if isinstance(snapshot, Snapshot) else None

    def source(self, source):
        return None if source is None else number_of(source)

    def node(self, node):
        slots = [[slot.name, self.source(slot.source), self.of(slot.value), text_of(slot.value), int(slot.wanted)]
                 for slot in node.slots]
        return [node.kind, node.text, node.module, node.where, slots, self.of(node.value)]

    def moment(self, moment):
        """[kind, node, ...]; a leaf's number is ~number."""
        about = [moment.kind, number_of(moment.node)]
        match moment.kind:
            case "forward":
                about += [self.of(moment.node.value)]
            case "send":
                about += [moment.slot, self.of(moment.raw), moment.summed, self.of(moment.contribution),
                          self.of(moment.total), int(moment.late)]
            case _:
                about += [self.of(moment.gradient)]
        return about

    # ---- numbers

    def shown(self, snapshot):
        """[shape, norm, NaNs, Infs, statistics in words, and of the part that is shown: first index and size in each
        dimension, where its numbers begin, what 127 stands for, or 0 if they are float32, and its name in Python, if it is
        not all]
        """
        if snapshot.numbers is None:
            return [snapshot.shape]
        s = snapshot.statistics
        about = [snapshot.shape, finite(s.norm), s.nans, s.infs, in_words(s, prod(snapshot.shape))]
        sizes = kept(snapshot.numbers.shape, self.most)
        if prod(sizes) == 0:
            return about
        starts = [(n - size) // 2 if is_map(snapshot.shape, i) else 0
                  for i, (n, size) in enumerate(zip(snapshot.numbers.shape, sizes))]
        part = snapshot.numbers[tuple([slice(start, start + size) for start, size in zip(starts, sizes)])]
        part = np.asarray(part, np.float32)
        scale = 0.0
        if self.bytes_each(part.size) == 1 and np.isfinite(part).all():
            scale = float(abs(part).max())
            part = np.rint(127 * np.sign(part) * np.sqrt(abs(part) / (scale or 1))).astype(np.int8)    # finer near 0
        return [*about, starts, sizes, self.add(part), scale, name_of_part(snapshot.shape, starts, sizes)]

    def add(self, array):
        """Append an array, and say where it begins."""
        data = np.ascontiguousarray(array).tobytes()
        data += bytes(-len(data) % 4)
        self.numbers.append(data)
        self.bytes += len(data)
        return self.bytes - len(data)

    def window(self, window):
        """What is exact of a convolution; None where it is more than there is room for."""
        if window.size > self.most:
            return None
        arrays = [None if array is None else [self.add(np.asarray(array, np.float32)), array.shape]
                  for array in window.arrays()]
        return [window.filters, window.per_group, window.rows, window.columns, window.read_rows, window.read_columns,
                window.how, arrays]


def snapshots_of(trace):
    """Every Snapshot, some of them more than once."""
    for source in [*trace.leaves, *trace.nodes]:
        found = [source.value, *[slot.value for slot in getattr(source, "slots", ())]]
        yield from [x for x in found if isinstance(x, Snapshot)]
    for moment in trace.moments:
        if moment.kind == "send":
            yield from (moment.raw, moment.contribution, moment.total)
        elif moment.kind != "forward":
            yield moment.gradient


def key_of(snapshot):
    return (snapshot.digest, snapshot.shape) if snapshot.digest else id(snapshot)


def kept(shape, most):
    """How much is shown along each dimension, with at most so many numbers in all.

    Of images (N, C, H, W): one image of the batch, then fewer channels, then the middle of a map. Of the kernels of a
    convolution: as many filters as channels. Of a matrix: as many rows as columns.
    """
    if prod(shape) <= most or not shape:
        return list(shape)
    if len(shape) == 1:
        return [most]
    if len(shape) == 2:
        return balanced(*shape, most)
    *outer, C, H, W = shape
    if H * W <= KERNEL:
        sizes = balanced(outer[-1] if outer else 1, C, most // (H * W))
        return [*[1 for _ in outer[:-1]], *sizes[-2 if outer else -1:], H, W]
    C = min(C, most // (H * W))
    if C == 0:
        C, (H, W) = min(most, 1), balanced(H, W, most)
    return [*[1 for _ in outer], C, H, W]


def balanced(a, b, most):
    """The sizes of a part of a matrix: about as high as wide, where it is large enough for that."""
    b = min(b, max(isqrt(most), most // max(a, 1)))
    return [min(a, most // b) if b else 0, b]


def name_of_part(shape, starts, sizes):
    """[0, :4] for a part of a larger array; "" for all of it."""
    slices = [":" if size == n else str(start) if size == 1 else f"{start or ''}:{start + size}"
              for n, start, size in zip(shape, starts, sizes)]
    while slices and slices[-1] == ":":
        slices.pop()
    return f"[{', '.join(slices)}]" if slices else ""


def in_words(s, count):
    """Statistics of so many numbers in one line."""
    parts = [f"norm {number(s.norm)}"]
    if count > 1:
        parts += [f"{s.least:.2g} … {s.greatest:.2g}", f"mean {s.mean:.2g} ± {s.std:.2g}"]
        parts += ["all 0"] if s.zeros == count else [f"{100 * s.zeros / count:.0f} % zeros"] if s.zeros else []
    parts += [f"{n} {name}" for n, name in ((s.nans, "NaN"), (s.infs, "Inf")) if n]
    return "  ·  ".join(parts).replace("-", "−")


def is_map(shape, dim):
    return dim >= len(shape) - 2 and len(shape) > 2 and shape[-1] * shape[-2] > KERNEL


def finite(x):
    """A number as JSON can say it."""
    return int(x) if isinstance(x, (int, np.integer)) else float(f"{x:.5g}") if np.isfinite(x) else str(x)


def text_of(value):
    """What stands in a slot that holds no array."""
    return None if value is None or isinstance(value, Snapshot) else \
        number(value) if isinstance(value, (bool, int, float)) else str(value)


# ---- panels


def packed(panel):
    return [panel.title, [block_of(block) for block in panel.blocks]]


def block_of(block):
    match block:
        case Text():
            return ["text", block.text]
        case Formula():
            return ["formula", lines_of(block)]
        case Table():
            return ["table", block.headings, [[cell if isinstance(cell, str) else finite(cell) for cell in row]
                                              for row in block.rows]]
    numbers, rows, columns = cut(block.numbers)
    lit = [(rows.index(i), columns.index(j)) for i, j in block.lit if i in rows and j in columns]
    return ["matrix", block.caption, [[finite(float(x)) for x in row] for row in numbers], lit]


def lines_of(formula):
    """Lines of [text, MathML]; the second is empty where there is none."""
    mathml = re.findall("<math.*?</math>", formula.mathml, re.DOTALL)
    return list(zip_longest(formula.text.split("\n"), mathml, fillvalue=""))


# ---- a convolution


def can_be_looked_into(node):
    """Is it a convolution of which all that a pixel is made of was recorded?"""
    if node.kind != "Conv2d" or node.op is None or node.value is None:
        return False
    arrays = [slot.value for slot in node.slots[:2]] + [node.value] + ([node.enter.gradient] if node.enter else [])
    return all([isinstance(x, Snapshot) and x.numbers is not None and x.numbers.shape[1:] == x.shape[1:] for x in arrays])


class Window:
    """The pixels in the middle of the first image of which a page shows what they are computed from.

    filters   : how many, from the first on
    per_group : the filters that read the same channels
    rows, columns           : [first, end) of the pixels in the result
    read_rows, read_columns : of the pixels that they read; those outside of the image are 0
    how       : stride, padding, dilation
    size      : the numbers that are needed for it
    """

    def __init__(self, node, most):
        x, w, b = [slot.value.numbers if isinstance(slot.value, Snapshot) else None for slot in node.slots]
        self.x, self.w, self.b, self.y = x[0], w, b, node.value.numbers[0]
        self.gy = node.enter.gradient.numbers[0] if node.enter else None
        op = node.op
        self.how, self.per_group = [op.stride, op.padding, op.dilation], len(w) // op.groups
        self.filters = self.side = 1
        self.grow("filters", min(len(w), 4), most)
        self.grow("side", max(self.y.shape[1:]), most)
        self.grow("filters", len(w), most)
        self.measure()

    def grow(self, what, end, most):
        """Make `filters` or `side` as large as there is room for."""
        now = getattr(self, what)
        while now < end:
            setattr(self, what, now + 1)
            if self.measure() > most:
                setattr(self, what, now)
                return
            now += 1

    def measure(self):
        """Set where the window is; and `size`, which it returns."""
        ends = [((n - min(n, self.side)) // 2, (n + min(n, self.side)) // 2) for n in self.y.shape[1:]]
        (self.rows, self.columns), reads = ends, []
        for (first, end), stride, padding, dilation, n, K in zip(ends, *self.how, self.x.shape[1:], self.w.shape[2:]):
            start = first * stride - padding
            reads.append((max(start, 0), min((end - 1) * stride - padding + (K - 1) * dilation + 1, n)))
        self.read_rows, self.read_columns = reads
        self.channels = -(-self.filters // self.per_group) * self.w.shape[1]
        pixels = prod([end - first for first, end in ends])
        read = self.channels * prod([max(end - first, 0) for first, end in reads])
        self.size = read + self.filters * (prod(self.w.shape[1:]) + 1 + 2 * pixels)
        return self.size

    def arrays(self):
        """x (C, h, w), w (F, C, KH, KW), b (F,) or None, y (F, rows, columns), and its gradient or None."""
        here = (slice(self.filters), slice(*self.rows), slice(*self.columns))
        return (self.x[:self.channels, slice(*self.read_rows), slice(*self.read_columns)], self.w[:self.filters],
                None if self.b is None else self.b[:self.filters], self.y[here], None if self.gy is None else self.gy[here])
