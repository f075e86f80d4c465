"""observe: one forward and one backward pass of a model, and what every layer was given, made, and received back."""
from collections import Counter
from typing import NamedTuple

import numpy as np

import minidl
from minidl.graph import grad, topological_order
from minidl.kernels import is_array
from minidl.lab.untouched import input_for, untouched
from minidl.mode import Mode, Observer, mode
from minidl.nn import Module
from minidl.nn.module import calls, join, module_path
from minidl.op import Op
from minidl.tensor import Tensor, of


class Layer(NamedTuple):
    """A layer of minidl.nn, or an op that some other forward calls itself, such as `F.relu(x)` or `x + y`.

    name   : the module's path, as "layer1.0.conv1"; of an op, the path of the module that calls it and what it is, as
             "layer1.0.relu". What runs again has a number: "layer1.0.relu (2)"
    kind   : the class of the module or of the op, as "Conv2d", "ReLU", "Add"
    module : the module; None for an op
    xs     : the arrays it was given, without parameters; `x` is the first
    y, gy  : the array it made, and the gradient in it
    weight : the name of the first parameter it has that is a matrix or more, or None
    w, gw  : that parameter, and the gradient in it (which is None where it is frozen)
    """
    name: str
    kind: str
    module: Module | None
    xs: tuple
    y: np.ndarray
    gy: np.ndarray | None
    weight: str | None
    w: np.ndarray | None
    gw: np.ndarray | None

    @property
    def x(self):
        return self.xs[0]


class Weight(NamedTuple):
    """A parameter and its gradient; None where it is frozen, or the output does not depend on it."""
    name: str
    w: np.ndarray
    gw: np.ndarray | None


class Observation(NamedTuple):
    """What `observe` saw; all arrays are copies.

    model   : the name of the model's class
    layers  : Layers in the order in which they ran: those on a way from the input to the output. What only gives other
              shapes to the same numbers, such as flatten, is none
    weights : Weights, all parameters of the model in its order
    x, gx   : the input, and the gradient in it (None for integers)
    ys, gys : the outputs, and the gradients in them
    loss    : the number that was differentiated: the loss, or the sum of all ys times their cotangents
    """
    model: str
    layers: list
    weights: list
    x: np.ndarray
    gx: np.ndarray | None
    ys: list
    gys: list
    loss: float

    def layer(self, name):
        """The layer of that name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"{self.model} has no layer {name!r}; it has {', '.join([layer.name for layer in self.layers])}")


def observe(model, x, *, loss=None, cotangent=None, shared=False, seed=0, dtype=None):
    """Run `model` on a batch x, forward and backward, in the mode it is in, and leave it as it was to the last bit.

    x         : a tensor or an array, the batch first; floating-point numbers are taken in the dtype of the weights
    loss      : a function of the output that gives a single number, which is differentiated. Without one, the gradient
                starts from a random cotangent at the output, N(0, 1), drawn from `seed`: what theory speaks of
    cotangent : an array to start from instead, of the output's shape (a list of them, for several outputs); or a function
                that makes one for a shape
    shared    : is the random cotangent the same for all examples?
    dtype     : compute in this dtype, such as minidl.float64, and not in that of the weights

    Layers need not be modules: what a forward computes with functions is seen among the ops of the graph. The model works
    on copies of its parameters and buffers, see `untouched`; how it leaves `model` is told there.

    Costs one forward and one backward pass, and the memory of every layer's input, output and gradient.
    """
    with untouched(model, dtype), mode(recording=True), np.errstate(all="ignore"):
        x, watch = input_for(model, x), Watch(model)
        x.requires_grad = x.is_floating_point()
        with mode(observer=watch):
            result = model(x)
        outputs = [y for y in tensors_in(result) if y.requires_grad]
        found = watch.between(x, outputs)
        if not found:
            raise ValueError(f"observe: {type(model).__name__} has no layers to probe: no op that has a gradient lies "
                             "between its input and its output")
        ends = [loss(result)] if loss else outputs
        starts = [None] if loss else cotangents(outputs, cotangent, shared, seed)
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        asked = [*[stand_in for _, stand_in in found], *outputs, *trained.values(), *([x] if x.requires_grad else [])]
        gradients = iter([host(gx) for gx in grad(ends, asked, starts, allow_unused=True)])
        layers = [layer._replace(gy=next(gradients)) for layer, _ in found]
        gys = [next(gradients) for _ in outputs]
        gws = {name: next(gradients) for name in trained}
        weights = {name: Weight(name, host(p), gws.get(name)) for name, p in model.named_parameters()}
        layers = [layer._replace(w=weights[layer.weight].w, gw=weights[layer.weight].gw) if layer.weight else layer
                  for layer in layers]
        value = ends[0].item() if loss else sum([float((y.array * gy.array).sum()) for y, gy in zip(outputs, starts)])
        return Observation(type(model).__name__, layers, list(weights.values()), host(x), next(gradients, None),
                           [host(y) for y in outputs], gys, value)


class Watch(Observer):
    """Notes every layer of a model as it runs, with a tensor that stands for its output in the graph."""

    def __init__(self, model):
        self.names = {id(p.array): name for name, p in model.named_parameters()}
        self.found, self.copies, self.runs = [], {}, Counter()
        for module in model.modules():
            if is_layer(module):
                module.register_forward_hook(self.layer_ran)

    def layer_ran(self, module, args, output):
        """A layer of minidl.nn: this is a forward hook."""
        y, inputs = tensors_in(output)[0], tensors_in(args)
        # Dropout in eval mode hands on what it was given, and flatten the same numbers in another shape.
        if not any([y is x or y.op and y.op.view and y.version is x.version for x in inputs]):
            parameters = [p.array for p in module.parameters()]
            self.add("", module, [*[x.array for x in inputs], *parameters], y.alias())

    def note(self, op, arrays, y):
        """An op. Those inside of a layer are the layer's, and those that a gradient rule is written in nobody's."""
        module = calls.stack[-1][0] if calls.stack else None
        if Mode.rule is None and not is_layer(module):
            stand_in = of(y)
            stand_in.op, stand_in._requires_grad = op, True     # the op becomes its node when it has run
            if not op.view:                                         # the same numbers in another shape
                self.add(type(op).__name__.lower(), None, [x for x in arrays if is_array(x)], stand_in)

    def add(self, last_name, module, arrays, stand_in):
        if stand_in.op is None:
            return
        name = join(module_path(), last_name) or type(module).__name__.lower()
        self.runs[name] += 1
        name = name if self.runs[name] == 1 else f"{name} ({self.runs[name]})"
        weight = next((self.names[id(x)] for x in arrays if id(x) in self.names and x.ndim > 1), None)
        xs = tuple([self.copy(x) for x in arrays if id(x) not in self.names])
        kind = type(module or stand_in.op).__name__
        self.found.append((Layer(name, kind, module, xs, self.copy(stand_in.array), None, weight, None, None), stand_in))

    def copy(self, array):
        """A copy on the host, for the array may be changed in place later; one for all layers that read the same."""
        before, now = self.copies.get(id(array)), host(array)
        if before is not None and before.dtype == now.dtype and np.array_equal(before, now):
            return before
        self.copies[id(array)] = now
        return now

    def between(self, x, outputs):
        """The layers on a way from x to one of the outputs; from any parameter, where x is of integers."""
        way = {x}
        for node in topological_order([y.node for y in outputs]):
            if isinstance(node, Op) and (not x.requires_grad or any([edge in way for edge in node.edges])):
                way.add(node)
        return [(layer, stand_in) for layer, stand_in in self.found if stand_in.op in way]


def is_layer(module):
    """Is it one of minidl.nn that is not made of others? All other modules are looked into, op by op."""
    return module is not None and type(module).__module__.startswith("minidl.nn.") and not module._modules


def tensors_in(output):
    """The tensors in what a module gives or is given: one, or a tuple, list or dict of them."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return [x for part in parts for x in tensors_in(part)]


def cotangents(outputs, cotangent, shared, seed):
    """What the backward pass starts from: as given, or N(0, 1)."""
    if callable(cotangent):
        cotangent = [cotangent(y.shape) for y in outputs]
    if cotangent is not None:
        given = cotangent if isinstance(cotangent, (tuple, list)) else [cotangent]
        return [minidl.tensor(gy, dtype=y.dtype, device=y.device) for gy, y in zip(given, outputs, strict=True)]
    rng, starts = np.random.default_rng(seed), []
    for y in outputs:
        gy = rng.standard_normal((1, *y.shape[1:]) if shared else y.shape)
        starts.append(minidl.tensor(np.broadcast_to(gy, y.shape), dtype=y.dtype, device=y.device))
    return starts


def host(x):
    """A copy of a tensor or an array as a NumPy array; None for None."""
    return None if x is None else np.array((x.detach() if isinstance(x, Tensor) else of(x)).cpu().array)
