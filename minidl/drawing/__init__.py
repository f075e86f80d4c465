"""A network as a picture: boxes for layers, wires for where results go, and a figure for each kind of block.

    drawing = draw(architectures.build("resnet50"), (3, 224, 224), "resnet50")
    print(drawing)                       in a notebook, the drawing itself is enough
    drawing.svg()                        the text of a file

A box that stands for several equal ones in a row says how many, x6. A block is a module of the network's own; what is
in it is drawn once, beside the network, however often it is used and with however many channels.
"""
from dataclasses import dataclass

from minidl.drawing.layout import Box, Picture, layout
from minidl.drawing.plan import Plan, plan
from minidl.drawing.render import svg, text
from minidl.drawing.trace import trace
from minidl.summary import times

WIDTH = 30                                           # letters in a box of the network, if they are enough
BETWEEN = 5                                          # letters between the network and a figure, and between figures


def draw(model, input_shape, name=""):
    """The Drawing of `model` for images of `input_shape` (C, H, W): run once on shapes, in eval mode."""
    return Drawing(name or type(model).__name__, tuple(input_shape), plan(trace(model, input_shape)))


@dataclass
class Drawing:
    name: str
    input_shape: tuple
    plan: Plan

    def picture(self, width=240):
        """The Picture: the network on the left, and the figures in columns beside it, as high as it is.

        width : in letters; where there is no room beside it, figures are below
        """
        main = titled(layout(self.plan.main, self.lines_of), self.name)
        figures = [titled(layout(figure, figure_lines), figure.name) for figure in self.plan.figures]
        page = Picture()
        page.put(main, 0, 0)
        beside = columns(figures, main.height)
        if main.width + BETWEEN + beside.width <= width:
            page.put(beside, main.width + BETWEEN, 0) if figures else None
        else:
            page.put(rows(figures, width), 0, main.height + 1)
        return page

    def lines_of(self, node):
        """What a box of the network says, with the shape of the result on the right."""
        if node.kind == "end":
            return ((f"{node.label} {times(self.input_shape)}", ""),)
        (first, _), *others = figure_lines(node)
        shape = times(node.shape)
        return (first.ljust(max(WIDTH - len(shape), len(first) + 2)), shape), *others

    def svg(self):
        return svg(self.picture(), self.name)

    def __str__(self):
        return "\n".join(["".join([letters for letters, _ in line]).rstrip() for line in text(self.picture())])

    def _repr_svg_(self):
        return self.svg()


def figure_lines(node):
    """What a box says: its label, the number of channels, how often; and below, what follows in it."""
    first = node.label if node.block is None else node.block.name
    first += f", {node.channels}" if node.channels else ""
    first += f" ×{node.times}" if node.times > 1 else ""
    below = ", ".join(map(str, node.widths)) if 0 < len(node.widths) <= 6 else ""
    return tuple([(line, "") for line in [first, below, ", ".join(node.then)] if line])


def titled(picture, title):
    page = Picture(len(title), 1, [Box(0, 0, len(title), 1, ((title, ""),), "title")])
    page.put(picture, 0, 2)
    return page


def columns(pictures, height):
    """Pictures below one another, and in a new column where they would be more than so high."""
    page, x, y = Picture(), 0, 0
    for picture in pictures:
        if y and y + picture.height > height:
            x, y = page.width + BETWEEN, 0
        page.put(picture, x, y)
        y += picture.height + 1
    return page


def rows(pictures, width):
    """Pictures beside one another, and in a new row where they would be more than so wide."""
    page, x, y = Picture(), 0, 0
    for picture in pictures:
        if x and x + picture.width > width:
            x, y = 0, page.height + 1
        page.put(picture, x, y)
        x += picture.width + BETWEEN
    return page
