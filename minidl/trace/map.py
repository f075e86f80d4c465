"""The map of a trace: where its ops go on paper, and which way results take from one to the next."""
from dataclasses import dataclass
from html import escape

from minidl.drawing.layout import placed
from minidl.summary import times
from minidl.trace.tape import Leaf, Node

CHIP = 4                         # letters for a parameter beside the op that reads it


@dataclass
class Graph:
    """What is placed: the inputs, leaves that are read more than once, and the ops."""
    trace: object

    def __post_init__(self):
        own = [leaf for leaf in self.trace.leaves
               if leaf.kind == "input" or leaf.kind == "parameter" and len(self.trace.readers(leaf)) > 1]
        self.nodes = [*own, *self.trace.nodes]
        self.has_place = set(self.nodes)
        self.blocks = blocks_of(self.trace)

    def makers(self, node):
        return [node.slots[i].source for i in self.wired(node)]

    def wired(self, node):
        """The slots of a node to which a wire leads."""
        return [i for i, slot in enumerate(slots_of(node)) if slot.source in self.has_place]

    def chips(self, node):
        """The slots of a node whose leaf is drawn beside it, as nothing else reads it."""
        return [i for i, slot in enumerate(slots_of(node))
                if isinstance(slot.source, Leaf) and slot.source not in self.has_place]


def slots_of(node):
    return node.slots if isinstance(node, Node) else []


def map_of(trace):
    """What a viewer draws, in letters across and layers down; nodes are numbers, leaves ~number.

    boxes  : [id, layer, x of the middle, width, slots with a chip]
    wires  : [from, to, slot, [x in each layer from one to the other]]; two slots with one source have two
    groups : [module path, x left, first layer, x right, last layer] of the ops that a block called
    """
    graph = Graph(trace)
    if not graph.nodes:
        return {"boxes": [], "wires": [], "groups": []}
    chips = {node: graph.chips(node) for node in graph.nodes}
    layers = placed(graph, lambda node: says(node, len(chips[node]), graph.blocks))
    places = [place for layer in layers for place in layer if place.node]
    left = min([place.x - place.width / 2 for place in places])
    boxes, wires = [], []
    for place in places:
        place.x = round(place.x - left, 1)
        boxes.append([number_of(place.node), place.layer, place.x, place.width - 2 * CHIP * len(chips[place.node]),
                      chips[place.node]])
    for place in places:
        for slot, above in zip(graph.wired(place.node), place.above):
            xs = []
            while above.node is None:
                xs.append(round(above.x - left, 1))
                above, = above.above
            wires.append([number_of(above.node), number_of(place.node), slot, xs[::-1]])
    return {"boxes": boxes, "wires": wires, "groups": groups(places, graph.blocks)}


def number_of(source):
    return source.index if isinstance(source, Node) else ~source.index


def says(node, chips, blocks):
    """What a box has room for, in two lines; chips on its right, and as much on its left, so that wires run straight."""
    (kind, number), (module, shape) = words(node, blocks)
    return tuple([(f"{left}  {right}", " " * 2 * CHIP * chips) for left, right in ((kind, number), (module, shape))])


def words(node, blocks):
    """What stands in the corners of a box: kind and number, module and shape."""
    if isinstance(node, Leaf):
        return (node.name, ""), (node.kind, shape_of(node))
    return (node.kind, f"#{node.index}"), ("" if node.module in blocks else node.module.rpartition(".")[2], shape_of(node))


def shape_of(node):
    return "failed" if node.value is None else times(node.value.shape) or "a number"


def groups(places, blocks):
    """Around the ops of every module that calls others."""
    found = {}
    for place in places:
        if isinstance(place.node, Node):
            path = place.node.module if place.node.module in blocks else place.node.module.rpartition(".")[0]
            found.setdefault(path, []).append(place)
    return [[path, round(min([p.x - p.width / 2 for p in inside]), 1), min([p.layer for p in inside]),
             round(max([p.x + p.width / 2 for p in inside]), 1), max([p.layer for p in inside])]
            for path, inside in found.items() if path and len(inside) > 1]


def blocks_of(trace):
    """The paths of the modules that call others: a.b and a, if there is a.b.c."""
    return {node.module[:i] for node in trace.nodes for i, letter in enumerate(node.module) if letter == "."}


# ---- as SVG

PITCH, HEIGHT, LETTER = 66, 42, 7.4                  # from layer to layer; of a box; across: in pixels
LEFT, TOP = 32, 14


def svg(trace):
    """The map as SVG. `data-of` of an element is the id of its op or leaf, and "op/slot" of what leads to a slot."""
    chart, blocks = map_of(trace), blocks_of(trace)
    boxes = {box[0]: box for box in chart["boxes"]}
    ins = {}
    for _, end, slot, _ in chart["wires"]:
        ins.setdefault(end, []).append(slot)
    right = max([x + width / 2 + CHIP * len(chips) for _, _, x, width, chips in boxes.values()], default=0)
    bottom = max([layer for _, layer, *_ in boxes.values()], default=0)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{px(right) + 10:.0f}" height="{py(bottom) + HEIGHT + TOP}" '
             'role="group" aria-label="the graph">']
    parts += [group_svg(*group) for group in chart["groups"]]
    parts += [wire_svg(boxes[start], boxes[end], slot, xs, ins[end]) for start, end, slot, xs in chart["wires"]]
    parts += [box_svg(trace, blocks, *box) for box in chart["boxes"]]
    return "".join([*parts, "</svg>"])


def px(x): return LEFT + x * LETTER
def py(layer): return TOP + layer * PITCH


def group_svg(path, x0, layer0, x1, layer1):
    left, top, height = px(x0) - 26, py(layer0) - 9, (layer1 - layer0) * PITCH + HEIGHT + 18
    return (f'<g class="group"><rect x="{left:.0f}" y="{top}" width="{px(x1) + 7 - left:.0f}" height="{height}" rx="9"/>'
            f'<text transform="translate({left + 14:.0f} {top + height / 2:.0f}) rotate(-90)" text-anchor="middle">'
            f"{escape(path)}</text></g>")


def wire_svg(start, end, slot, xs, slots):
    """From below a box, through the layers between, to its slot's place above the other."""
    layer, x, y = start[1], px(start[2]), py(start[1]) + HEIGHT
    last = px(end[2]) + 14 * (slots.index(slot) - (len(slots) - 1) / 2)
    path = f"M{x:.0f} {y}"
    for i, to in enumerate([*map(px, xs), last], 1):
        top = py(layer + i)
        middle = (y + top) / 2
        path += f"C{x:.0f} {middle:g} {to:.0f} {middle:g} {to:.0f} {top}" + (f"V{top + HEIGHT}" if i <= len(xs) else "")
        x, y = to, top + HEIGHT
    return f'<path class="wire" data-of="{end[0]}/{slot}" d="{path}"/>'


def box_svg(trace, blocks, id, layer, x, width, chips):
    source = trace.nodes[id] if id >= 0 else trace.leaves[~id]
    left, top, width = px(x - width / 2), py(layer), width * LETTER
    label = f"{source.label}, {source.module}" if id >= 0 else f"{source.kind} {source.name}"
    inside = "".join([f'<text class="{name}" x="{left + at:.0f}" y="{top + y}">{escape(text)}</text>'
                    for line, size, y in zip(words(source, blocks), ("kind", ""), (17, 34))
                    for text, name, at in zip(line, (size, "end"), (8, width - 8)) if text])
    box = (f'<g class="box{"" if id >= 0 else " leaf"}" data-of="{id}" role="button" aria-label="{escape(label)}">'
           f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{HEIGHT}" rx="6"/>{inside}</g>')
    return box + "".join([chip_svg(source, slot, left + width + 1 + i * CHIP * LETTER, top) for i, slot in enumerate(chips)])


def chip_svg(node, slot, x, top):
    """A leaf beside the op that reads it."""
    leaf, name = node.slots[slot].source, node.slots[slot].name
    return (f'<g class="chip {leaf.kind}" data-of="{node.index}/{slot}" data-leaf="{~leaf.index}" role="button" '
            f'aria-label="{escape(leaf.name)}"><title>{escape(leaf.name)}</title>'
            f'<rect x="{x + 4:.0f}" y="{top + 9}" width="{CHIP * LETTER - 8:.0f}" height="24" rx="12"/>'
            f'<text x="{x + CHIP * LETTER / 2:.0f}" y="{top + 25}" text-anchor="middle">'
            f'{escape(name if len(name) < 3 else name[0] + "…")}</text></g>')
