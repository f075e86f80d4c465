"""plan: a traced network as graphs that are small enough to draw, what repeats being folded."""
from collections import defaultdict
from dataclasses import dataclass, field

from minidl import nn
from minidl.drawing import words
from minidl.drawing.trace import IMAGE, Call, Step

CONTAINERS = nn.Sequential, nn.ModuleList, nn.ModuleDict


@dataclass(eq=False)
class Node:
    """One box.

    kind, label, channels : as in words.Words; a block's kind is "block", and its label the name of its figure
    then   : what follows without a box of its own: batch norm, ReLU
    shape  : of the result
    times  : how often it stands there, one after the other
    block  : the Graph of what is inside
    widths : the channels of the layers with weights in it
    """
    kind: str
    label: str
    channels: int | None = None
    shape: tuple = ()
    then: tuple = ()
    times: int = 1
    block: "Graph | None" = None
    widths: tuple = ()


@dataclass(eq=False)
class Graph:
    """Nodes in the order of the calls; `edges` are pairs of them. Inputs and outputs are nodes of kind "end"."""
    name: str
    nodes: list = field(default_factory=list)
    edges: list = field(default_factory=list)

    def readers(self, node):
        return [b for a, b in self.edges if a is node]

    def makers(self, node):
        return [a for a, b in self.edges if b is node]


@dataclass
class Plan:
    """The network, and a figure for every block in it; blocks that differ in channels and shapes only share one."""
    main: Graph
    figures: list


def plan(call):
    """The Plan of a traced network."""
    main = graph(call)
    figures = {}                                     # structure -> the Graphs that have it
    collect(main, figures)
    by_class = defaultdict(list)
    for alike in figures.values():
        by_class[alike[0].name].append(alike)
    for name, variants in by_class.items():
        for letter, alike in zip("abcdefghijklmnopqrstuvwxyz", variants):
            for block in alike:
                block.name = f"{name} {letter}" if len(variants) > 1 else name
    return Plan(main, [common(alike) for alike in figures.values()])


def collect(graph, figures):
    for node in graph.nodes:
        if node.block is not None:
            figures.setdefault(structure(node.block), []).append(node.block)
            collect(node.block, figures)


def common(alike):
    """One Graph for several of the same structure, without the numbers in which they differ."""
    first = alike[0]
    for nodes in zip(*[graph.nodes for graph in alike]):
        if len({(node.channels, node.widths) for node in nodes}) > 1:
            nodes[0].channels, nodes[0].widths = None, ()
    return first


# ---- one level: the parts of a call, and how they are joined


def graph(call):
    """The Graph of what happens in a call."""
    result, owner, ends = Graph(type(call.module).__name__), {}, {}
    for part in parts(call):
        node = node_of(part)
        result.nodes.append(node)
        owner.update(dict.fromkeys(part.steps(), node))
    for step, node in owner.items():
        for maker in step.inputs:
            if maker in owner:
                connect(result, owner[maker], node)
            else:
                connect(result, entrance(call, maker, ends), node)
    if call.outer is not None:
        exit = Node("end", "out")
        for step, node in owner.items():
            if not all([reader in owner for reader in step.readers]):
                connect(result, node, exit)
        result.nodes.append(exit)
    result.nodes[:0] = [ends[number] for number in sorted(ends)]
    return in_turns(folded(merged(result)))


def parts(call):
    """What is inside a call, in order, with what is inside of containers."""
    for part in call.inside:
        if isinstance(part, Call) and isinstance(part.module, CONTAINERS):
            yield from parts(part)
        elif part.steps():
            yield part


def node_of(part):
    """A Node for an op or a layer; for a block of one box, that box."""
    if isinstance(part, Step):
        return Node(*words.of_step(part), part.shape)
    if not [inner for inner in part.inside if isinstance(inner, Call)]:
        return Node(*words.of_call(part), part.shape)
    block = graph(part)
    inside = [node for node in block.nodes if node.kind != "end"]
    if len(inside) == 1:
        return inside[0]
    return Node("block", block.name, None, part.shape, block=block, widths=widths(inside))


def widths(nodes):
    """The channels of the layers with weights, also of those in blocks."""
    return tuple([n for node in nodes for n in (node.widths or (node.channels,)) * node.times if n])


def entrance(call, maker, ends):
    """The Node for what comes from outside; one for each of a call's arguments."""
    number = call.arguments.index(maker) if len(call.arguments) > 1 and maker in call.arguments else 0
    if number not in ends:
        several = len(set(call.arguments)) > 1
        ends[number] = Node("end", IMAGE if call.outer is None else f"in {number + 1}" if several else "in")
    return ends[number]


def connect(graph, a, b):
    if a is not b and (a, b) not in graph.edges:
        graph.edges.append((a, b))


# ---- fewer boxes


def merged(graph):
    """What looks at one value or channel at a time goes into the box before it, if that has no other reader; and a sum of
    sums is one sum.
    """
    for node in list(graph.nodes):
        makers = [maker for maker in graph.makers(node) if graph.readers(maker) == [node]]
        if node.kind == "point" and makers and makers == graph.makers(node) and makers[0].kind not in ("end", "block"):
            makers[0].then += (node.label, *node.then)
            replace(graph, node, makers[0])
        elif node.label == "+" and (sums := [maker for maker in makers if maker.label == "+" and not maker.then]):
            replace(graph, sums[0], node)
    return graph


def folded(graph):
    """Boxes that say the same, one after the other, become one."""
    for node in list(graph.nodes):
        makers = [maker for maker in graph.makers(node) if says(maker) == says(node) and maker.kind not in ("end", "join")]
        if makers and (node.kind == "block" or graph.readers(makers[0]) == [node]):
            makers[0].times += node.times
            makers[0].shape = node.shape
            replace(graph, node, makers[0])
    return graph


def in_turns(graph):
    """Several boxes that come in turns, time after time, become a block: a layer and a concatenation in DenseNet."""
    for length in 2, 3, 4:
        for i in range(len(graph.nodes)):
            times = 1
            while comes_again(graph, i + (times - 1) * length, length):
                times += 1
            if times > 1:
                nodes = graph.nodes[i:i + times * length]
                first, last = nodes[:length], nodes[-1]
                block = block_of(graph, first)
                node = Node("block", block.name, None, last.shape, times=times, block=block, widths=widths(first))
                graph.nodes.insert(i, node)
                for other in nodes:
                    replace(graph, other, node)
    return graph


def comes_again(graph, i, length):
    """Do some nodes in a row come once more, reading the last of these, which nobody else does?"""
    this, after = turn(graph, i, length), graph.nodes[i + length:i + 2 * length]
    return this is not None and this == turn(graph, i + length, length) \
        and not set(graph.readers(graph.nodes[i + length - 1])) - set(after)


def turn(graph, i, length):
    """What some nodes in a row say and how they are joined; None if more than the last goes out, or more than the one
    before them comes in.
    """
    nodes, before = graph.nodes[i:i + length], graph.nodes[i - 1:i]
    if not before or len(nodes) < length or any([node.kind == "end" for node in nodes]):
        return None
    if any([set(graph.makers(node)) - {*nodes, *before} for node in nodes]) \
            or any([set(graph.readers(node)) - set(nodes) for node in nodes[:-1]]):
        return None
    number = {node: j for j, node in enumerate([*before, *nodes])}
    return [(says(node), sorted([number[maker] for maker in graph.makers(node)])) for node in nodes]


def block_of(graph, nodes):
    """A Graph of its own for some nodes in a row."""
    start, end = Node("end", "in"), Node("end", "out")
    block = Graph(f"{nodes[0].label}, {nodes[-1].label}", [start, *nodes, end], [])
    block.edges = [(a if a in nodes else start, b) for a, b in graph.edges if b in nodes] + [(nodes[-1], end)]
    return block


def replace(graph, node, other):
    """Leave a node out; what was its, is the other's."""
    edges, graph.edges = graph.edges, []
    for a, b in edges:
        connect(graph, other if a is node else a, other if b is node else b)
    graph.nodes.remove(node)


def says(node):
    """All that has to be the same for two boxes to be one: not the sum of channels that are collected."""
    inside = None if node.block is None else structure(node.block, channels=True)
    return node.kind, node.label, node.channels, node.then, node.shape[1:], inside


def structure(graph, channels=False):
    """What is in a Graph and how it is joined, as something to compare."""
    index = {node: i for i, node in enumerate(graph.nodes)}
    boxes = tuple([(node.kind, node.label if node.block is None else structure(node.block, channels), node.then, node.times,
                    node.channels if channels else None) for node in graph.nodes])
    return graph.name, boxes, tuple(sorted([(index[a], index[b]) for a, b in graph.edges]))
