"""layout: where the boxes and wires of a graph go, on paper that is ruled in letters.

Sugiyama, Tagawa & Toda 1981: every node is in the layer below the lowest of those it reads; a wire that passes layers
has a point in each of them; points are sorted by the mean of their neighbours, and moved towards it. Wires then run
straight down, and sideways only between two layers.
"""
from collections import defaultdict
from dataclasses import dataclass, field, replace

GAP = 3                                              # letters between two boxes


@dataclass(frozen=True)
class Box:
    """Lines of (text on the left, text on the right) in a frame, or without one. (x, y): its upper left letter."""
    x: int
    y: int
    width: int
    height: int
    lines: tuple
    kind: str

    framed = property(lambda self: self.kind not in ("end", "title"))


@dataclass
class Picture:
    """Boxes, and wires that are lists of (x, y), each point below, above or beside the one before."""
    width: int = 0
    height: int = 0
    boxes: list = field(default_factory=list)
    wires: list = field(default_factory=list)

    def put(self, other, x, y):
        """Add another picture with its upper left corner at (x, y)."""
        self.boxes += [replace(box, x=box.x + x, y=box.y + y) for box in other.boxes]
        self.wires += [[(i + x, j + y) for i, j in wire] for wire in other.wires]
        self.width, self.height = max(self.width, x + other.width), max(self.height, y + other.height)


@dataclass(eq=False)
class Place:
    """A node in a layer, or, without lines, a point that a wire passes through. x is its middle."""
    lines: tuple
    kind: str
    layer: int
    node: object = None
    x: float = 0.0
    above: list = field(default_factory=list)
    below: list = field(default_factory=list)

    @property
    def width(self):
        if not self.lines:
            return 1
        return max([len(left) + len(right) for left, right in self.lines]) + (0 if self.kind == "end" else 4)

    @property
    def height(self):
        return len(self.lines) + (0 if self.kind == "end" else 2)


def layout(graph, lines_of):
    """The Picture of a Graph; `lines_of(node)` is what a box says."""
    return drawn(placed(graph, lines_of))


def placed(graph, lines_of):
    """The layers, lists of Places from left to right, each at its x; above[i] of a node's is where wire i comes from."""
    layers = layered(graph, lines_of)
    for _ in range(4):
        for layer in layers[1:]:
            sort(layer, lambda place: place.above)
        for layer in layers[-2::-1]:
            sort(layer, lambda place: place.below)
    for layer in layers:
        spread(layer, [0.0] * len(layer))
    for _ in range(6):
        for layer in layers[::-1]:
            spread(layer, [wish(place, place.below, place.above) for place in layer])
        for layer in layers:
            spread(layer, [wish(place, place.above, place.below) for place in layer])
    return layers


def layered(graph, lines_of):
    """The layers, lists of Places, from top to bottom."""
    places, layers = {}, defaultdict(list)
    for node in graph.nodes:
        makers = [places[maker] for maker in graph.makers(node)]
        place = Place(lines_of(node), node.kind, max([maker.layer + 1 for maker in makers], default=0), node)
        layers[place.layer].append(place)
        places[node] = place
        for maker in makers:
            for layer in range(maker.layer + 1, place.layer):
                point = Place((), "wire", layer)
                layers[layer].append(point)
                join(maker, point)
                maker = point
            join(maker, place)
    return [layers[i] for i in range(len(layers))]


def join(above, below):
    above.below.append(below)
    below.above.append(above)


def sort(layer, neighbours):
    """By the mean position of the neighbours in their layer; those without stay about where they are."""
    mean = {place: sum([other.x for other in neighbours(place)]) / len(neighbours(place)) if neighbours(place) else place.x
            for place in layer}
    layer.sort(key=mean.get)
    for i, place in enumerate(layer):
        place.x = i - (len(layer) - 1) / 2


def wish(place, first, second):
    """The x that a place would like to have: that of its only neighbour on one side whose only neighbour it is, so that
    chains are straight; else the mean of those on the first side.
    """
    for side in first, second:
        if len(side) == 1 and len(side[0].above if side is place.below else side[0].below) == 1:
            return side[0].x
    return sum([other.x for other in first]) / len(first) if first else place.x


def spread(layer, wished):
    """Give each place of a layer the x nearest to the wished one that leaves room for its neighbours.

    That is a regression on sequences that do not fall: neighbours that get in each other's way form a group, and a
    group stands at the mean of its wishes.
    """
    offsets = [0.0]
    for left, right in zip(layer, layer[1:]):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + GAP)
    groups = []                                      # (sum of wishes, number)
    for wish, offset in zip(wished, offsets):
        groups.append((wish - offset, 1))
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] >= groups[-1][0] / groups[-1][1]:
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [(a + b, n + m)]
    where = [total / n for total, n in groups for _ in range(n)]
    for place, x, offset in zip(layer, where, offsets):
        place.x = x + offset


# ---- onto the paper


def drawn(layers):
    left = min([place.x - place.width / 2 for layer in layers for place in layer])
    for layer in layers:
        for place in layer:
            place.x = round(place.x - left)
    picture, y = Picture(), 0
    for layer, below in zip(layers, [*layers[1:], []]):
        height = max([place.height for place in layer])
        for place in layer:
            x = place.x - place.width // 2
            if place.lines:
                picture.boxes.append(Box(x, y, place.width, place.height, place.lines, place.kind))
                picture.width = max(picture.width, x + place.width)
        tracks = tracks_between(layer)
        gap = max([track + 1 for track in tracks.values()], default=1) if below else 0
        for place in layer:
            bottom = y + place.height - 1
            for other in place.below:
                turn = y + height + tracks.get((place, other), 0)
                wire = [(place.x, bottom), (place.x, turn), (other.x, turn), (other.x, y + height + gap)]
                if not other.lines:                  # to the bottom of the point's layer
                    wire[-1] = other.x, y + height + gap + max([place.height for place in below]) - 1
                if not place.lines:
                    wire[0] = place.x, y + height - 1
                picture.wires.append(wire)
        y += height + gap
    picture.height = y
    picture.width = max([picture.width, *[x + 1 for wire in picture.wires for x, _ in wire]])
    return picture


def tracks_between(layer):
    """How many letters below a layer each of its wires (place, place below) runs sideways.

    Wires from one place share a track, and so do those to one place. A track is above another if a wire comes from the
    other's column, so that no two run down the same column at a time.
    """
    groups = defaultdict(list)
    for place in layer:
        sideways = [other for other in place.below if other.x != place.x]
        for other in sideways:
            groups[place if len(sideways) > 1 else other].append((place, other))
    waiting, done, tracks = list(groups.values()), [], {}
    while waiting:
        first = [group for group in waiting
                 if not any([comes_first(other, group) for other in waiting if other is not group])]
        group = (first or waiting)[0]
        waiting.remove(group)
        track = max([t + 1 for other, t in done if comes_first(other, group) or overlap(other, group)], default=0)
        done.append((group, track))
        tracks.update(dict.fromkeys(group, track))
    return tracks


def comes_first(a, b):
    """Does group a turn away from a column in which group b arrives?"""
    return bool({place.x for place, _ in a} & {other.x for _, other in b})


def overlap(a, b):
    (a0, a1), (b0, b1) = extent(a), extent(b)
    return a0 <= b1 and b0 <= a1


def extent(group):
    xs = [place.x for wire in group for place in wire]
    return min(xs), max(xs)
