"""Additions: the residual additions in the graph of any model, found without knowing its classes."""
from collections import Counter, defaultdict
from typing import NamedTuple

from minidl.graph import topological_order
from minidl.lab.linearized import Linearized
from minidl.lab.observe import host
from minidl.mode import Mode, Observer, mode
from minidl.op import Op
from minidl.ops.arithmetic import Add
from minidl.tensor import Tensor


class Addition(NamedTuple):
    """An addition of two tensors that were both computed from x, one through more layers with weights than the other.

    name   : the path of the module that adds; "add" outside of any
    op     : the node
    branch : the input of `op` that has more layers behind it, 0 or 1; the other is the shortcut
    """
    name: str
    op: Op
    branch: int


class Additions:
    """A forward pass of `model` as a graph: the ops between x and the output (of several, the first).

    order     : these ops, each after those that it reads
    depth     : x or op -> how many layers with weights lie on the longest way to it
    weighted  : the ops that read a matrix of weights (or filters, ...), or what was made of one without x
    readers   : x or op -> the ops that read it, one for each slot that does
    residual  : the Additions among the ops, in order. Inputs of the same depth, as where the columns of FractalNet meet,
                make none
    arrays    : op of an Addition -> its inputs and the sum, as they were, if `keep` asks for them
    """

    def __init__(self, model, x, dtype=None, keep=False):
        watch = Watch(keep)
        self.map, self.arrays = Linearized(model, x, dtype, watch), watch.arrays
        self.order, self.depth, self.weighted, self.readers = [], {self.map.x: 0}, set(), defaultdict(list)
        weights, additions, times = set(), [], Counter()
        for node in topological_order([self.map.y.node]):
            if isinstance(node, Tensor):
                if node is not self.map.x and node.ndim > 1:
                    weights.add(node)
                continue
            before = [edge for edge in node.edges if edge in self.depth]
            reads_weights = any([edge in weights for edge in node.edges])
            if not before:
                weights |= {node} if reads_weights else set()
                continue
            self.order.append(node)
            self.depth[node] = max([self.depth[edge] for edge in before]) + reads_weights
            self.weighted |= {node} if reads_weights else set()
            for edge in before:
                self.readers[edge].append(node)
            if isinstance(node, Add) and len(before) == 2 and self.depth[before[0]] != self.depth[before[1]]:
                name = node.origin[0] or "add"
                times[name] += 1
                name = name if times[name] == 1 else f"{name} ({times[name]})"
                additions.append(Addition(name, node, int(self.depth[before[1]] > self.depth[before[0]])))
        self.residual = additions

    def gradients(self, op, gy):
        """The rule of an op: an array for each input that was computed from x, None for the others."""
        with mode(recording=False, rule=op):
            return op.gradients(gy, [edge in self.depth for edge in op.edges], False)

    def needed_by(self, probe, model):
        """A ValueError if there is no residual addition for a probe to look at."""
        if not self.residual:
            raise ValueError(f"{probe}: {type(model).__name__} has no residual additions: nowhere are two tensors added "
                             "that were computed from the input, one through more layers than the other")


class Watch(Observer):
    """Keeps copies of what is added and of the sums, for both may be changed in place later."""

    def __init__(self, keep):
        self.keep, self.arrays = keep, {}

    def note(self, op, arrays, y):
        if self.keep and isinstance(op, Add) and Mode.rule is None and all([hasattr(x, "shape") for x in arrays]):
            self.arrays[op] = [host(x) for x in (*arrays, y)]
