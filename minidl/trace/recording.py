"""record: run forward and backward once, and write down everything that happens."""
import copy
import inspect
from functools import partial

import numpy as np

import minidl
from minidl.graph import backprop, topological_order
from minidl.kernels import device_of, is_array
from minidl.mode import Mode, mode
from minidl.nn import Module
from minidl.nn.functional import cross_entropy
from minidl.op import FREED, Op, Outline
from minidl.tensor import Tensor
from minidl.trace.tape import CAP, Arrive, Enter, Forward, Leaf, Node, Seed, Send, Slot, Snapshot, Trace, digest


def record(f, *inputs, loss=cross_entropy, gradient=None, cap=CAP, title=""):
    """The Trace of one forward and one backward pass of `f`.

    f, inputs : a module, the images and their labels: the backward pass starts from loss(f(images), labels). Without
                labels, or for any other function of tensors, it starts from f(*inputs). Inputs are tensors or arrays; a
                module is given arrays in the dtype of its weights
    gradient  : what it starts from, if that is not a single number: an array of the result's shape
    cap       : of arrays with more numbers, a corner and the statistics are kept; None keeps all of them

    Gradients are recorded of all floating-point inputs, and of all parameters that f uses. A module is run in the mode that
    it is in, and its gradients and buffers are afterwards what they were; what any other function uses beside its inputs
    collects gradients, as always. An error in `f` or in a rule does not escape: the trace ends there, and says so in
    `trace.error`.
    """
    inputs = [x.detach() if isinstance(x, Tensor) else as_weights_are(f, minidl.tensor(x)) for x in inputs]
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    recorder = Recorder(cap, title or getattr(f, "__name__", type(f).__name__))
    recorder.know(dict(zip(names_of(f), inputs)), "input")
    if isinstance(f, Module):
        recorder.know(dict(f.named_parameters()), "parameter")
        recorder.know(dict(f.named_buffers()), "constant")
    compute = partial(loss_of, f, loss) if isinstance(f, Module) and len(inputs) == 2 else f
    with untouched(f):
        return recorder.run(compute, inputs, gradient)


def of(loss, gradient=None, *, model=None, cap=CAP):
    """`loss.backward()`, recorded: the Trace of a graph that is there already. Leaves collect `.grad`, as always.

    What the graph did not keep for a rule has no numbers in the trace, and ops know no line of code: unless it was built
    in anomaly mode. `model` gives its parameters their names.
    """
    recorder = Recorder(cap, "loss")
    if model is not None:
        recorder.know(dict(model.named_parameters()), "parameter")
    return recorder.run(lambda: loss, [], gradient)


def as_weights_are(f, x):
    weights = next(f.parameters(), None) if isinstance(f, Module) else None
    return x if weights is None or not x.is_floating_point() else x.to(weights.dtype)


def loss_of(model, loss, x, labels):
    return loss(model(x), labels)


def names_of(f):
    """What `f` calls its inputs; the second of a module that is given two is the target of the loss."""
    parameters = inspect.signature(f.forward if isinstance(f, Module) else f).parameters
    names = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names, "target"] if isinstance(f, Module) and len(names) == 1 else names


class untouched:
    """For the length of a with-block gradients are collected apart; at its end, they and buffers are what they were."""

    def __init__(self, f):
        self.model = f if isinstance(f, Module) else Module()

    def __enter__(self):
        self.grads = [(p, p.grad) for p in self.model.parameters()]
        self.buffers = [(b, b.array.copy()) for b in self.model.buffers()]
        for p, _ in self.grads:
            p.grad = None

    def __exit__(self, *_):
        for p, grad in self.grads:
            p.grad = grad
        for b, array in self.buffers:
            b.copy_(array)


class Recorder:
    """The observer of a forward and a backward pass."""

    def __init__(self, cap, title):
        self.cap, self.trace = cap, Trace([], [], [], title=title)
        self.makers = {}                         # id of an array -> the Node or Leaf whose value it is
        self.alive = []                          # arrays, so that no id is used twice
        self.nodes = {}                          # Op -> Node
        self.leaves = {}                         # id of a leaf tensor -> Leaf
        self.totals = {}                         # Node or Leaf -> what has arrived there, an array

    def know(self, tensors, kind):
        """Give leaf tensors a name before they are met."""
        for name, x in tensors.items():
            self.add_leaf(x, name, kind if x.is_floating_point() else "constant")

    def add_leaf(self, x, name, kind):
        leaf = Leaf(-1, name, kind, self.snapshot(x.array))
        self.leaves[id(x)] = leaf
        self.made(x.array, leaf)
        self.alive.append(x)
        return leaf

    def made(self, array, source):
        self.makers[id(array)] = source
        self.alive.append(array)

    def snapshot(self, array):
        if (device := device_of(array)) != "cpu":
            raise TypeError(f"a recording holds numbers of the CPU, and an array of shape {array.shape} is on {device}; "
                            "record the model and its inputs there: model.cpu(), x.cpu()")
        return Snapshot.of(array, self.cap)

    # ---- the two passes

    def run(self, compute, inputs, gradient):
        trace = self.trace
        try:
            with mode(observer=self, recording=True), np.errstate(all="ignore"):       # the trace will tell
                y = compute(*inputs)
            if not isinstance(y, Tensor):
                raise TypeError(f"{trace.title} gave {type(y).__name__}; a backward pass starts from one tensor")
            self.complete(y)
            self.walk_back(y, gradient)
        except Exception as error:               # whatever the user's code, or an op, makes of it
            trace.error = " ".join(f"{type(error).__name__}: {error}".split())
            trace.moments = trace.moments or [Forward(node) for node in trace.nodes]
        for leaf in self.leaves.values():
            if trace.readers(leaf) or leaf is trace.result:
                leaf.index = len(trace.leaves)
                trace.leaves.append(leaf)
        return trace

    # ---- forward: the observer of ops

    def forward(self, op, forward):
        if Mode.rule is not None:                # the ops that a rule is written in are no nodes
            return forward

        def run(k, *arrays):
            node = self.add_node(op, [self.slot(op, i, x) for i, x in enumerate(arrays)])
            y = forward(k, *arrays)
            y = y if is_array(y) else k.asarray(y)
            node.value = self.snapshot(y)
            self.made(y, node)
            return y
        return run

    def add_node(self, op, slots):
        module, where = op.origin or ("", "")
        node = Node(len(self.trace.nodes), settings_only(op), type(op).__name__, repr(op), module, where, slots)
        self.nodes[op] = node
        self.trace.nodes.append(node)
        return node

    def slot(self, op, i, x):
        name = op.name_of_input(i)
        if not is_array(x):
            return Slot(name, None, x)
        source = self.makers.get(id(x))
        if source is None:
            source = Leaf(-1, name, "constant", self.snapshot(x))
            self.leaves[id(x)] = source
            self.made(x, source)
        same = source.value is not None and source.value.digest == digest(x)
        return Slot(name, source, source.value if same else self.snapshot(x))

    def complete(self, y):
        """Now that the graph is built: which slots do gradients flow through, and what was computed before, unseen?

        Then forget the nodes that the result does not depend on.
        """
        trace = self.trace
        seen, trace.nodes = trace.nodes, []
        for op in topological_order([y.node]):
            if isinstance(op, Op) and op not in self.nodes:
                node = self.add_node(op, [self.slot_of_graph(op, i, x) for i, x in enumerate(op.saved)])
                node.value = self.snapshot_or_outline(op.y)
        trace.nodes += seen
        for op, node in self.nodes.items():
            if op.edges is None or op.edges is FREED:
                continue
            for i, (slot, edge) in enumerate(zip(node.slots, op.edges)):
                if edge is not None:
                    slot.wanted, slot.source = True, self.source_of(op, i, edge)
        trace.result = self.nodes.get(y.op) if y.op is not None else self.leaves.get(id(y))
        if y.op is None and trace.result is None:
            trace.result = self.makers.get(id(y.array))
        needed = ancestors(trace.result)
        trace.nodes = [node for node in trace.nodes if node in needed]
        for i, node in enumerate(trace.nodes):
            node.index = i
        trace.moments += [Forward(node) for node in trace.nodes]

    def source_of(self, op, i, edge):
        if isinstance(edge, Op):
            return self.nodes[edge]
        if id(edge) not in self.leaves:
            node = self.nodes[op]
            words = {"w": "weight", "b": "bias"}
            name = edge.name or f"{node.module}.{words.get(op.name_of_input(i), op.name_of_input(i))}".lstrip(".")
            self.add_leaf(edge, name, "parameter")
        return self.leaves[id(edge)]

    def slot_of_graph(self, op, i, x):
        """An input of an op that ran before the recording: what the graph kept of it."""
        if isinstance(x, Tensor) and x.op is None and id(x) in self.leaves:
            return Slot(op.name_of_input(i), self.leaves[id(x)], self.leaves[id(x)].value)
        if isinstance(x, (Tensor, Outline)) or is_array(x):
            return Slot(op.name_of_input(i), None, self.snapshot_or_outline(getattr(x, "array", x)))
        return Slot(op.name_of_input(i), None, x)

    def snapshot_or_outline(self, x):
        return Snapshot.without_numbers(x) if isinstance(x, Outline) else self.snapshot(x)

    # ---- backward

    def walk_back(self, y, gradient):
        trace = self.trace
        if gradient is not None and not isinstance(gradient, Tensor):
            gradient = minidl.tensor(np.asarray(gradient, y.dtype))
        seed = np.ones(y.shape, y.dtype) if gradient is None else gradient.array
        handles = [x.register_hook(partial(self.arrived, self.leaves[id(x)]))
                   for x in self.alive if isinstance(x, Tensor) and x.requires_grad and id(x) in self.leaves]
        self.totals[trace.result] = seed
        try:
            steps = backprop(y, gradient)
            with mode(observer=self), np.errstate(all="ignore"):
                for step in steps:
                    self.sent(self.nodes[step.op], step)
        finally:
            for handle in handles:
                handle.remove()

    def backward(self, op, rule):
        def run(gy, y, *xs):
            self.entered(op, gy, y, xs)
            self.raw = rule(gy, y, *xs)
            return self.raw
        return run

    def entered(self, op, gy, y, xs):
        node, trace = self.nodes[op], self.trace
        if node is trace.result:
            trace.moments.append(Seed(node, self.snapshot(self.totals[node])))
        given = [("y", node.value, y), *[(slot.name, slot.value, x) for slot, x in zip(node.slots, xs)]]
        changed = [name for name, then, now in given
                   if is_array(now) and isinstance(then, Snapshot) and then.digest not in (None, digest(now))]
        node.enter = Enter(node, self.snapshot(gy), self.mismatch(node, gy), bool(op.hooks), changed)
        trace.moments.append(node.enter)

    def sent(self, node, step):
        raws = self.raw if isinstance(self.raw, (tuple, list)) else [self.raw]
        for i, (slot, raw, gx) in enumerate(zip(node.slots, raws, step._gxs)):
            if gx is None:
                continue
            contribution = self.snapshot(gx)
            raw = np.asarray(raw)
            summed = dims_summed(raw.shape, gx.shape)
            before = self.totals.get(slot.source)
            total = gx if before is None else before + gx
            self.totals[slot.source] = total
            fits = raw.shape == gx.shape and raw.dtype == gx.dtype
            send = Send(node, i, contribution if fits else self.snapshot(raw), summed, contribution,
                        contribution if total is gx else self.snapshot(total), late=was_entered(slot.source))
            node.sends.append(send)
            slot.source.ledger.append(send)
            self.trace.moments.append(send)

    def arrived(self, leaf, gradient):
        leaf.arrive = Arrive(leaf, self.snapshot(gradient.array), self.mismatch(leaf, gradient.array))
        self.trace.moments.append(leaf.arrive)

    def mismatch(self, source, gradient):
        """How far a gradient is from the sum of what was sent, as a part of what was sent."""
        total = self.totals.get(source)
        if total is None:
            return 0.0 if not np.any(gradient) else float("inf")
        sent = np.sum([entry.contribution.norm for entry in source.ledger]) or np.linalg.norm(np.ravel(total))
        off = np.linalg.norm(np.ravel(np.asarray(gradient, np.float64) - total))
        return float(off / sent) if sent and off else float(off)


def settings_only(op):
    """A copy of an op with its settings and nothing that forward stored in it, or that a graph did."""
    blank = copy.copy(op)
    fields = getattr(op, "__dataclass_fields__", ())
    for name in list(vars(blank)):
        if name not in fields:
            delattr(blank, name)
    return blank


def ancestors(source):
    """A node, and all nodes that it was computed from."""
    found, stack = set(), [source]
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node not in found:
            found.add(node)
            stack += [slot.source for slot in node.slots]
    return found


def dims_summed(shape, to):
    """The dimensions that a gradient of `shape` loses, or is summed along, on its way to shape `to`."""
    lead = len(shape) - len(to)
    return tuple([i for i, n in enumerate(shape) if i < lead or to[i - lead] != n])


def was_entered(source):
    return (source.enter if isinstance(source, Node) else source.arrive) is not None
