"""Backpropagation: one walk over the recorded graph, from the outputs back to the leaves."""
import sys
from collections import deque

import minidl
from minidl.kernels import is_array, kernels_for
from minidl.mode import Mode, mode
from minidl.op import FREED, Op
from minidl.tensor import Tensor, of


class Step:
    """What one op did in the backward pass: it turned `gy` into `gxs`.

    op  : the node         y   : its result, or an Outline of it where it was not kept
    gy  : the full gradient of the loss in y; all its consumers have added their part
    gxs : per input, this op's contribution to the input's gradient; None where none is wanted

    Arrays become tensors when they are asked for: most steps pass without anybody looking.
    """
    __slots__ = ("op", "_y", "_gy", "_gxs")

    def __init__(self, op, y, gy, gxs):
        self.op, self._y, self._gy, self._gxs = op, y, gy, gxs

    y = property(lambda self: as_tensor(self._y))
    gy = property(lambda self: as_tensor(self._gy))
    gxs = property(lambda self: tuple([as_tensor(gx) for gx in self._gxs]))

    def __repr__(self):
        return f"Step(op={self.op}, y={self.y}, gy={self.gy}, gxs={self.gxs})"


def backprop(outputs, gradient=None, *, retain_graph=None, create_graph=False):
    """Backpropagate from a tensor (or several), pausing after every op: a generator of Steps.

    gradient     of the output's shape; may be left out for a single number, which starts from 1
    retain_graph leaves the graph standing, to be walked again; otherwise each node is freed once it
                 is done, and so is its memory. Default: as create_graph
    create_graph records the gradients themselves, so that they can be differentiated

    Leaves collect `.grad` on the way: memory of their own, to which a second walk adds. The walk is
    iterative, visits each node once, and changes no mode while it is paused.
    """
    outputs, gradients = paired(outputs, gradient)
    walk = Walk(outputs, gradients, create_graph)
    retain_graph = create_graph if retain_graph is None else retain_graph
    for node in walk:
        if isinstance(node, Tensor):
            accumulate(node, *walk.handed_over(node), create_graph)
            continue
        yield walk.push(node, walk.grads.pop(node), wanted=[edge is not None for edge in node.edges])
        if not retain_graph:
            node.release()


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False):
    """Backpropagate from several tensors in one walk; leaves add what arrives to their `.grad`.

    grad_tensors : the gradient in each, of its shape; left out, or None, for single numbers
    """
    steps = backprop(tensors, grad_tensors, retain_graph=retain_graph, create_graph=create_graph)
    deque(steps, maxlen=0)                     # to the end, keeping no Step, as a variable of a loop would


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False, *, end=()):
    """The gradients of `outputs` (weighted by `grad_outputs`) in each of `inputs`, as a tuple of tensors.

    Any tensor of the graph may be asked for, also one that was computed from another; only nodes that
    lead to one of them are walked, and no leaf's `.grad` is touched. An input that the outputs do not
    depend on is an error, or None with `allow_unused`. The walk does not go behind the tensors in `end`.
    """
    outputs, gradients = paired(outputs, grad_outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: input {i} of shape {x.shape} requires no grad")
    walk = Walk(outputs, gradients, create_graph, end)
    retain_graph = create_graph if retain_graph is None else retain_graph
    asked = {x.node for x in inputs}
    leading = walk.nodes_that_lead_to(asked)
    found = {}
    for node in walk:
        gy = walk.grads.pop(node)
        if node in asked:
            found[node] = gy
        if node in leading:
            walk.push(node, gy, wanted=[edge in leading or edge in asked for edge in node.edges])
        if not retain_graph and isinstance(node, Op):
            node.release()
    for i, x in enumerate(inputs):
        if x.node not in found and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on input {i} of shape {x.shape}; "
                               "allow_unused=True answers None for it")
    return tuple([as_tensor(found.get(x.node)) for x in inputs])


class Walk:
    """Nodes, each after all nodes that use its result; by then `grads` has the full gradient."""

    def __init__(self, outputs, gradients, create_graph, end=()):
        self.create_graph, self.grads = create_graph, {}
        for y, gy in zip(outputs, gradients, strict=True):
            self.add(y.node, gy if create_graph else gy.array)
        self.order = topological_order(self.grads, {x.node for x in end})

    def __iter__(self):
        while self.order:
            node = self.order.pop()
            if node not in self.grads:         # every rule on the way here answered None
                continue
            if node.hooks:
                for hook in list(node.hooks.values()):
                    self.grads[node] = self.hooked(hook, self.grads[node])
            if isinstance(node, Op) and node.retained_by is not None and (y := node.retained_by()) is not None:
                accumulate(y, self.grads[node], False, self.create_graph)
            yield node

    def push(self, node, gy, wanted):
        """Run the rule of `node` on `gy`, and add what it gives to the gradients of its inputs."""
        y = node.y
        before = Mode.recording, Mode.rule
        Mode.recording, Mode.rule = self.create_graph, node
        try:
            gxs = node.gradients(gy, wanted, self.create_graph)
            for edge, gx in zip(node.edges, gxs):
                if gx is not None:
                    self.add(edge, gx)
        finally:
            Mode.recording, Mode.rule = before
        if Mode.anomaly and Mode.rule is None:
            minidl.anomaly.check_backward(node, gy, gxs)
        return Step(node, y, gy, gxs)

    def add(self, node, gx):
        """Gradients that meet are added: a new sum, for the parts may be in use elsewhere."""
        if node in self.grads:
            before = self.grads[node]
            gx = before + gx if isinstance(before, Tensor) else kernels_for(before, gx).add(before, gx)
            if not isinstance(gx, Tensor) and not is_array(gx):      # NumPy adds 0-d arrays up to a scalar
                gx = kernels_for(gx).asarray(gx)
        self.grads[node] = gx

    def handed_over(self, node):
        """A gradient, which the walk is done with; and is its memory now nobody's? A Step that is kept has it, too."""
        nobodys = (not self.create_graph and sys.getrefcount(self.grads[node]) == ONCE
                   and alone_in_memory(self.grads[node]))
        return self.grads.pop(node), nobodys

    def hooked(self, hook, gy):
        with mode(recording=self.create_graph):
            answer = hook(as_tensor(gy))
        if answer is None:
            return gy
        if answer.shape != gy.shape or answer.dtype != gy.dtype:
            raise ValueError(f"hook {hook!r} answered with a {answer.dtype} gradient of shape {answer.shape} for a "
                             f"{gy.dtype} one of {gy.shape}")
        return answer if self.create_graph else answer.array

    def nodes_that_lead_to(self, asked):
        """The nodes from which a gradient reaches one of `asked`."""
        leading = set()
        for node in self.order:
            if isinstance(node, Op) and any([edge in asked or edge in leading for edge in node.edges]):
                leading.add(node)
        return leading


def topological_order(nodes, end=()):
    """All nodes that `nodes` were computed from, each after the nodes of its inputs; none behind those in `end`."""
    order, seen, stack = [], set(), list(nodes)
    while stack:
        node = stack.pop()
        if node is None:                       # the node below this mark: its inputs are all in order
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            if isinstance(node, Tensor) or node in end:
                order.append(node)
                continue
            if node.edges is FREED:
                raise RuntimeError(f"{node} was walked before and its memory freed; to walk a graph again, or "
                                   "from a second output, give the first walk retain_graph=True")
            stack += node, None
            for edge in node.edges:
                if edge is not None:
                    stack.append(edge)
    return order


ONCE = 2                                       # references to an array with one owner: Python adds one while it counts


def alone_in_memory(x):
    """Is an array contiguous, in memory that no other array shares, nor another library, and of its size?"""
    if not x.flags.c_contiguous or not getattr(x.flags, "writeable", True):              # as all of CuPy's are
        return False
    return x.base is None or (hasattr(x.base, "base") and x.base.base is None and sys.getrefcount(x.base) == ONCE
                              and x.base.nbytes <= 2 * x.nbytes)


def accumulate(x, gy, nobodys, create_graph):
    """x.grad += gy, into memory that belongs to x alone: gy's, if that is nobody's."""
    if create_graph:
        x.grad = gy if x.grad is None else x.grad + gy
    elif x.grad is None:
        x.grad = of(gy if nobodys else kernels_for(gy).copy(gy))
    elif x.grad.requires_grad:
        x.grad = of(x.grad.array + gy)
    else:
        x.grad.array += gy
        x.grad.version.bump("backward")


def paired(outputs, gradients):
    """Outputs and their gradients as two lists of tensors, checked."""
    if isinstance(outputs, Tensor):
        return [outputs], [seed(outputs, gradients)]
    outputs = list(outputs)
    gradients = list(gradients) if gradients is not None else [None] * len(outputs)
    if len(outputs) != len(gradients):
        raise ValueError(f"{len(outputs)} outputs were given {len(gradients)} gradients")
    return outputs, [seed(y, gy) for y, gy in zip(outputs, gradients)]


def seed(y, gy):
    if not y.requires_grad:
        raise RuntimeError(f"backward from a tensor of shape {y.shape} that requires no grad: nothing it was computed "
                           "from does, or it was computed under no_grad")
    if gy is None:
        if y.numel() != 1:
            raise ValueError(f"backward from a tensor of shape {y.shape} needs a gradient of that shape; only a single "
                             "number starts from 1 by itself")
        return of(kernels_for(y.array).ones_like(y.array))
    gy = gy if isinstance(gy, Tensor) else Tensor(gy)
    if {gy.device, y.device} == {"cpu", "cuda"}:
        raise minidl.kernels.MixedDevices(f"backward: the gradient is on {gy.device}, but the tensor of shape {y.shape} on "
                                          f"{y.device}")
    if gy.shape != y.shape:
        raise ValueError(f"backward: the gradient has shape {gy.shape}, but the tensor has {y.shape}")
    return gy if gy.dtype == y.dtype else minidl.ops.cast(gy, y.dtype)


def as_tensor(g):
    return of(g) if is_array(g) else g
