"""Where boxes and wires go, and the two ways to draw them."""
import random
import xml.etree.ElementTree as ElementTree

import pytest

import architectures
import minidl
from minidl import nn
from minidl.drawing import draw
from minidl.drawing.layout import layout
from minidl.drawing.plan import Graph, Node
from minidl.drawing.render import COLOURS, INK, LINE, text

NAMES = "lenet5", "vgg16", "resnet50", "mobilenet_v2"


def drawing(name):
    with minidl.device("meta"):
        return draw(architectures.build(name), architectures.MODELS[name].input_shape, name)


def some_graph(seed):
    """Boxes of several sizes, each of which reads one to three earlier ones."""
    rng = random.Random(seed)
    graph = Graph("random", [Node("end", "in")])
    for i in range(rng.randint(2, 14)):
        node = Node("weights", f"{i}" * rng.randint(1, 9), then=("x",) * rng.randint(0, 1))
        makers = rng.sample(graph.nodes, min(rng.choice([1, 1, 1, 2, 3]), len(graph.nodes)))
        graph.nodes.append(node)
        graph.edges += [(maker, node) for maker in makers]
    return graph


def say(node):
    return tuple([(line, "") for line in (node.label, *node.then)])


def cells(box):
    return {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}


def on_the_way(wire):
    """All letters that a wire passes."""
    return {(x, y) for (x0, y0), (x1, y1) in zip(wire, wire[1:])
            for x in range(min(x0, x1), max(x0, x1) + 1) for y in range(min(y0, y1), max(y0, y1) + 1)}


def pictures():
    return [layout(some_graph(seed), say) for seed in range(60)] + [drawing(name).picture() for name in NAMES]


def test_boxes_do_not_touch_and_wires_run_around_them():
    for picture in pictures():
        taken = {}
        for box in picture.boxes:
            for cell in cells(box):
                assert cell not in taken
                taken[cell] = box
        for wire in picture.wires:
            assert all([x0 == x1 or y0 == y1 for (x0, y0), (x1, y1) in zip(wire, wire[1:])])
            assert all([y0 <= y1 for (_, y0), (_, y1) in zip(wire, wire[1:])])            # down, or sideways
            assert not (on_the_way(wire) - {wire[0], wire[-1]}) & taken.keys()


@pytest.mark.parametrize("seed", range(60))
def test_wires_lead_from_every_box_to_those_that_read_it(seed):
    graph = some_graph(seed)
    picture = layout(graph, say)
    boxes = {box.lines[0][0]: box for box in picture.boxes}
    taken = set().union(*map(cells, picture.boxes))
    starts = [(wire[0], wire[-1]) for wire in picture.wires]
    for node in graph.nodes:
        box, arrived = boxes[node.label], set()
        bottom = [(x, box.y + box.height - 1) for x in range(box.x, box.x + box.width)]
        waiting = [end for start, end in starts if start in bottom]
        while waiting:
            place = waiting.pop()
            for other in graph.nodes:
                if place in cells(boxes[other.label]) and place[1] == boxes[other.label].y:
                    arrived.add(other)
            waiting += [end for start, end in starts if start == place and place not in taken]
        assert arrived == set(graph.readers(node))


def test_no_two_wires_lie_on_one_another_unless_they_share_an_end():
    for seed in range(60):
        wires = layout(some_graph(seed), say).wires
        for i, a in enumerate(wires):
            for b in wires[:i]:
                if a[0] != b[0] and a[-1] != b[-1]:
                    assert not steps(a) & steps(b), (seed, a, b)


def steps(wire):
    """The steps from letter to letter that a wire makes."""
    return {(x, y, x0 == x1) for (x0, y0), (x1, y1) in zip(wire, wire[1:])
            for x in range(min(x0, x1), max(x0, x1) + (x0 == x1)) for y in range(y0, y1 + (y0 == y1))}


def test_a_residual_block_as_text():
    first, conv = Node("end", "in"), Node("weights", "conv", then=("ReLU",))
    total, last = Node("join", "+"), Node("end", "out")
    graph = Graph("block", [first, conv, total, last], [(first, conv), (first, total), (conv, total), (total, last)])
    lines = ["".join([letters for letters, _ in line]).rstrip() for line in text(layout(graph, say))]
    assert lines == [
        "       in",
        "    ┌───┴───┐",
        "┌───┴──┐    │",
        "│ conv │    │",
        "│ ReLU │    │",
        "└───┬──┘    │",
        "    └───┬───┘",
        "      ┌─┴─┐",
        "      │ + │",
        "      └─┬─┘",
        "        │",
        "       out"]


def test_chains_of_layers_are_straight_and_branches_stand_side_by_side():
    class Inception(nn.Module):
        def __init__(self):
            super().__init__()
            conv = lambda n: nn.Sequential(nn.Conv2d(4, 4, n, padding=n // 2), nn.BatchNorm2d(4), nn.ReLU())
            self.a, self.b, self.c = conv(1), nn.Sequential(conv(1), conv(3)), nn.Sequential(conv(1), conv(5))
            self.d = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(1))

        def forward(self, x):
            return minidl.cat([self.a(x), self.b(x), self.c(x), self.d(x)], 1)
    picture = draw(nn.Sequential(Inception()), (4, 8, 8)).picture()
    top = min([box.y for box in picture.boxes if box.kind == "pool"])
    first = [box for box in picture.boxes if box.y == top and box.kind != "block"]
    assert len(first) == len({box.x for box in first}) == 4
    for box in first:
        wire, = [wire for wire in picture.wires if wire[0] in cells(box)]
        assert wire[0][0] == wire[-1][0]


def test_figures_stand_beside_the_network_or_below_it_if_there_is_no_room():
    wide, narrow = drawing("resnet50").picture(), drawing("resnet50").picture(width=90)
    figures = [[box for box in picture.boxes if box.kind == "title"][1:] for picture in (wide, narrow)]
    main = max([box.x + box.width for box in narrow.boxes if box.kind == "pool"])
    assert all([box.x > main for box in figures[0]]) and narrow.width <= 90 < wide.width
    below = max([box.y for box in narrow.boxes if box.kind == "pool"])
    assert [box.lines[0][0] for box in figures[1]] == ["Bottleneck a", "Bottleneck b", "Bottleneck c"]
    assert all([box.y > below for box in figures[1]])


def test_the_text_of_a_network_says_what_its_boxes_say():
    printed = str(drawing("resnet20"))
    for words in ("resnet20", "image 3x32x32", " a ×3", "16x32x32", " b ", "ZeroPadding", "linear, 10"):
        assert words in printed
    assert all([line == line.rstrip() for line in printed.splitlines()])


# ---- SVG

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", NAMES)
def test_an_svg_is_well_formed_and_holds_every_box_inside_its_edges(name):
    picture, root = drawing(name).picture(), ElementTree.fromstring(drawing(name).svg())
    frames = [box for box in picture.boxes if box.framed]
    rects = root.findall(f"{SVG}rect")
    assert len(rects) == len(frames) and len(root.findall(f"{SVG}g/{SVG}polyline")) == len(picture.wires)
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in rects:
        x, y, w, h = [float(rect.get(key)) for key in ("x", "y", "width", "height")]
        assert 0 <= x < x + w <= width and 0 <= y < y + h <= height
    words = [element.text for element in root.findall(f"{SVG}text")]
    assert sorted(words) == sorted([part.rstrip() for box in picture.boxes for line in box.lines for part in line if part])
    points = [tuple(map(float, point.split(",")))
              for line in root.iter(f"{SVG}polyline") for point in line.get("points").split()]
    for element in root.findall(f"{SVG}text[@text-anchor='middle']"):                   # in, out, image
        x, y = float(element.get("x")), float(element.get("y")) - 4
        assert not [point for point in points if abs(point[0] - x) < 8 and abs(point[1] - y) < 8]


def test_names_are_no_markup():
    root = ElementTree.fromstring(draw(nn.Linear(2, 2), (2,), "a<b>&c").svg())
    assert root.find(f"{SVG}title").text == "a<b>&c"


def luminance(colour):
    """WCAG 2, relative luminance."""
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum([weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear)])


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_a_picture_can_be_read_on_white_and_on_black():
    """WCAG 2 wants 4.5 for letters and 3 for lines."""
    assert contrast("#ffffff", "#000000") == 21
    for ground in "#ffffff", "#0d1117", "#000000":
        assert contrast(LINE, ground) >= 4
    for colour in COLOURS.values():
        assert contrast(INK, colour) >= 7
    assert "<svg" in drawing("lenet5").svg() and "background" not in drawing("lenet5").svg()


def test_every_kind_of_box_has_a_colour():
    kinds = {box.kind for name in (*NAMES, "resnet20") for box in drawing(name).picture().boxes if box.framed}
    assert {"weights", "block", "pool", "join", "other"} <= kinds <= COLOURS.keys()
