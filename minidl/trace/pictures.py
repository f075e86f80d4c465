"""Pictures of a trace, for people who would rather look: its graph, sizes of numbers, feature maps, moving gradients."""
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidl.drawing.layout import layout
from minidl.drawing.render import svg
from minidl.op import Elementwise
from minidl.summary import times
from minidl.trace.tape import Leaf, Node
from minidl.utils.data.files import replacing

MAPS = "PuOr_r"                  # diverging, and as clear to those who cannot tell red from green
DECADES = 12                     # of magnitudes, below the largest, that histograms show
CHANNELS = 16                    # of feature maps in a grid


def write_pictures(trace, folder):
    """graph.svg, activations.png, gradients.png, filters.png, feature_maps.png and backward.gif; the paths written.

    Those for which the trace has no numbers (a network without convolutions, a pass that stopped) are left out.
    """
    folder = Path(folder)
    parts = {"graph.svg": lambda: graph(trace), "activations.png": lambda: histograms(trace, "activations"),
             "gradients.png": lambda: histograms(trace, "gradients"), "filters.png": lambda: filters(trace),
             "feature_maps.png": lambda: feature_maps(trace), "backward.gif": lambda: animation(trace)}
    written = []
    for name, draw in parts.items():
        drawn = draw()
        if drawn is None:
            continue
        with replacing(folder / name) as file:
            if isinstance(drawn, str):
                file.write(drawn.encode())
            elif isinstance(drawn, Animation):
                drawn.write(file)
            else:
                drawn.savefig(file, format="png", dpi=110)
        written.append(folder / name)
    return written


# ---- the graph


@dataclass
class Ops:
    """The ops of a trace, and the inputs, as a graph that can be laid out; parameters are not boxes."""
    trace: object

    def __post_init__(self):
        leaves = [Box(leaf, "end") for leaf in self.trace.leaves if leaf.kind == "input"]
        self.nodes = leaves + [Box(node, kind_of(node)) for node in self.trace.nodes]
        self.places = {box.source: box for box in self.nodes}

    def makers(self, box):
        slots = box.source.slots if isinstance(box.source, Node) else []
        return list(dict.fromkeys([self.places[slot.source] for slot in slots if slot.source in self.places]))


@dataclass(frozen=True)
class Box:
    """A node or leaf, and the kind of box that `drawing` draws for it."""
    source: Node | Leaf
    kind: str


def graph(trace):
    """The ops, and where their results go, as an SVG document; None if nothing was recorded."""
    if not trace.nodes:
        return None
    return svg(layout(Ops(trace), lines_of), trace.title)


def lines_of(box):
    source = box.source
    if isinstance(source, Leaf):
        return ((source.name, ""),)
    shape = "failed" if source.value is None else times(source.value.shape)
    return ((f"{source.kind} #{source.index}  ", shape), *([(source.module, "")] if source.module else []))


def has_weights(node, ndim):
    """Does an op read a parameter of so many dimensions or more?"""
    return any([isinstance(slot.source, Leaf) and slot.source.kind == "parameter" and len(slot.value.shape) >= ndim
                for slot in node.slots])


def kind_of(node):
    """Of which colour a box is."""
    if has_weights(node, 1):
        return "weights"
    if "Pool" in node.kind:
        return "pool"
    if len([slot for slot in node.slots if isinstance(slot.source, Node)]) > 1:
        return "join"
    return "point" if isinstance(node.op, Elementwise) else "other"


# ---- distributions


def histograms(trace, what):
    """How large the numbers of each convolution and linear layer are, a column per layer: matplotlib's Figure, or None.

    what : "activations", the results of the layers, or "gradients" of the loss in these
    """
    layers = [(node, array_of(node, what)) for node in trace.nodes if has_weights(node, 2)]
    layers = [(node, np.abs(array[np.isfinite(array)], dtype=np.float64)) for node, array in layers if array is not None]
    largest = max([sizes.max(initial=0) for _, sizes in layers], default=0)
    if not largest:
        return None
    from matplotlib.figure import Figure
    top = math.ceil(math.log10(largest))
    edges = np.linspace(top - DECADES, top, 6 * DECADES + 1)
    columns, medians, zeros = [], [], []
    for _, sizes in layers:
        logs = np.log10(sizes[sizes > 0])
        counts, _ = np.histogram(logs.clip(edges[0], edges[-1]), edges)
        columns.append(counts / max(counts.max(), 1))
        medians.append(np.median(logs) if logs.size else np.nan)
        zeros.append(1 - logs.size / max(sizes.size, 1))
    figure = Figure((max(6.5, min(0.16 * len(layers) + 2, 16)), 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.imshow(np.array(columns).T, origin="lower", aspect="auto", cmap="Purples", interpolation="nearest",
                 extent=(-0.5, len(layers) - 0.5, edges[0], edges[-1]))
    above.plot(medians, color="black", marker=".", linewidth=1, label="median")
    above.set_yticks(range(top - DECADES, top + 1, 2), [f"$10^{{{n}}}$" for n in range(top - DECADES, top + 1, 2)])
    above.set_ylabel("size of a number")
    above.legend(loc="lower left")
    figure.suptitle(f"{trace.title}: how large {what} are, layer by layer", fontsize=11, wrap=True)
    below.bar(range(len(zeros)), zeros, color="#8a8a8a")
    below.set_ylim(0, 1)
    below.set_yticks([0, 1], ["0", "all"])
    below.set_ylabel("are 0")
    some = range(0, len(layers), max(1, math.ceil(len(layers) / 24)))
    below.set_xticks(some, [layers[i][0].module or layers[i][0].label for i in some], rotation=90, fontsize=8)
    return figure


def array_of(node, what):
    snapshot = node.value if what == "activations" else node.enter and node.enter.gradient
    return None if snapshot is None or snapshot.numbers is None else snapshot.numbers


# ---- image grids


def filters(trace, most=64):
    """The filters of the first convolution: in colour if they read three channels. A Figure; None without a convolution."""
    convolution = next((node for node in trace.nodes if node.kind == "Conv2d"), None)
    if convolution is None or convolution.slots[1].value.numbers is None:
        return None
    w = convolution.slots[1].value.numbers[:most].astype(np.float64)
    if w.shape[1] == 3:
        tiles = [0.5 + filter.transpose(1, 2, 0) / (2 * max(np.abs(filter).max(), 1e-30)) for filter in w]
    else:
        tiles = [filter[0] for filter in w]
    return grid(tiles, f"{trace.title}: the {len(tiles)} filters of {convolution.module or convolution.label}")


def feature_maps(trace, layers=6):
    """What the first image becomes: some channels of some convolutions, and below each the gradient of the loss in it."""
    convolutions = [node for node in trace.nodes if node.kind == "Conv2d" and array_of(node, "activations") is not None]
    convolutions = spread(convolutions, layers)
    if not convolutions:
        return None
    from matplotlib.figure import Figure
    figure = Figure((1.9 * len(convolutions) + 0.6, 4.6), layout="constrained")
    figure.suptitle(f"{trace.title}: feature maps of the first image, and the gradient of the loss in them\n"
                    "orange is positive, purple negative, each channel on a scale of its own", fontsize=9)
    axes = figure.subplots(2, len(convolutions), squeeze=False)
    for column, node in zip(axes.T, convolutions):
        for axis, what in zip(column, ("activations", "gradients")):
            array = array_of(node, what)
            axis.set_axis_off()
            if array is not None:
                show(axis, mosaic(array[0, :CHANNELS]))
        column[0].set_title(f"{node.module or node.label}\n{times(node.value.shape[1:])}", fontsize=8)
    return figure


def grid(tiles, title):
    """Tiles, each on a scale of its own, about as many in a row as in a column: a Figure."""
    from matplotlib.figure import Figure
    across = math.ceil(math.sqrt(len(tiles)))
    down = math.ceil(len(tiles) / across)
    figure = Figure((0.62 * across + 0.4, 0.62 * down + 0.7), layout="constrained")
    figure.suptitle(title, fontsize=9, wrap=True)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, tile in zip(axes, tiles):
        show(axis, tile)
    return figure


def show(axis, tile):
    """Colours as they are; numbers on a scale on which 0 is white."""
    largest = np.abs(tile).max(initial=0, where=np.isfinite(tile)) or 1
    scale = {} if tile.ndim == 3 else {"cmap": MAPS, "vmin": -largest, "vmax": largest}
    axis.imshow(tile, interpolation="nearest", **scale)


def mosaic(planes):
    """Channels (C, H, W) side by side in about a square, a line apart; each on a scale of its own, from -1 to 1."""
    C, H, W = planes.shape
    across = math.ceil(math.sqrt(C))
    page = np.full((math.ceil(C / across) * (H + 1), across * (W + 1)), np.nan)
    for c, plane in enumerate(planes):
        y, x = c // across * (H + 1), c % across * (W + 1)
        page[y:y + H, x:x + W] = plane / (np.abs(plane).max(initial=0) or 1)
    return page


def spread(things, n):
    """At most n of them, from the first to the last."""
    return [things[round(i * (len(things) - 1) / (n - 1))] for i in range(n)] if len(things) > n > 1 else things


# ---- gradients on the move


def animation(trace, layers=8):
    """Of some convolutions, pools and sums; None if there is none."""
    nodes = [node for node in trace.nodes if node.value is not None and node.value.numbers is not None
             and node.value.numbers.ndim == 4 and kind_of(node) in ("weights", "pool", "join")]
    return Animation(trace, spread(nodes, layers)) if nodes else None


@dataclass
class Animation:
    """Forward, layer after layer appears; then, from the last to the first, the gradient below it, and how large it is."""
    trace: object
    nodes: list

    def write(self, file):
        """As GIF, two frames in a second."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image
        figure = Figure((1.5 * len(self.nodes) + 0.4, 4), dpi=80, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        frames = []
        moments = [(node, "activations") for node in self.nodes]
        moments += [(node, "gradients") for node in reversed(self.nodes) if node.enter]
        for at in range(1, len(moments) + 1):
            self.draw(figure, moments[:at])
            canvas.draw()
            frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("P", palette=Image.ADAPTIVE))
        frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], loop=0,
                       duration=[500] * (len(frames) - 1) + [3000])

    def draw(self, figure, moments):
        figure.clear()
        figure.suptitle(f"{self.trace.title}: forward, then back", fontsize=10)
        axes = figure.subplots(2, len(self.nodes), squeeze=False)
        for column, node in zip(axes.T, self.nodes):
            column[0].set_title(f"{node.kind}\n{node.module or '#' + str(node.index)}", fontsize=7)
            for axis, what in zip(column, ("activations", "gradients")):
                axis.set_xticks([])
                axis.set_yticks([])
                axis.set_frame_on((node, what) == moments[-1])
                if (node, what) in moments:
                    array = array_of(node, what)
                    show(axis, mosaic(array[0, :CHANNELS // 4]))
                    axis.set_xlabel(f"|{'y' if what == 'activations' else 'gy'}| = {np.linalg.norm(array):.3g}", fontsize=7)
                else:
                    axis.imshow(np.zeros((1, 1)), cmap=MAPS, vmin=-1, vmax=1, alpha=0)
