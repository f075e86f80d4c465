"""trace: which layer calls which, and whose results go where, seen in one forward pass on shapes."""
from dataclasses import dataclass, field
from math import prod

from minidl import nn
from minidl.dtypes import get_default_dtype
from minidl.footprint import without_numbers
from minidl.kernels.meta import MetaArray
from minidl.mode import Observer, mode
from minidl.ops.indexing import GetItem
from minidl.ops.shape import Alias, Clone, Expand, Reshape, ToDevice
from minidl.tensor import Tensor, of

UNSEEN = Reshape, Expand, Clone, Alias, ToDevice     # they change no number; their result counts as their input's


@dataclass(eq=False)
class Step:
    """One op that computed something from the image; or a layer that does nothing now, such as dropout.

    inputs : the Steps, or IMAGE, whose results it read; readers, the Steps, or OUTSIDE, that read its own
    shapes : of all that it was given, weights included
    """
    op: object
    call: "Call"
    inputs: list
    shapes: list
    shape: tuple
    readers: list = field(default_factory=list)

    def steps(self):
        return [self]


@dataclass(eq=False)
class Call:
    """One call of a module: what happened in it, in order, as Calls and Steps.

    arguments : what each of the tensors that it was given is a result of
    shape     : of its result, without the batch
    """
    module: object
    outer: "Call | None"
    arguments: list
    shape: tuple = ()
    inside: list = field(default_factory=list)

    def steps(self):
        return [step for part in self.inside for step in part.steps()]


IMAGE, OUTSIDE = "image", "outside"


def trace(model, input_shape):
    """The Call of `model` with an image of `input_shape` (C, H, W)."""
    image = of(MetaArray((1, *input_shape), get_default_dtype()))
    watcher = Watcher(image)
    handles = [handle for module in model.modules() for handle in (
        module.register_forward_pre_hook(watcher.enter), module.register_forward_hook(watcher.leave))]
    try:
        with without_numbers(model), mode(recording=False, observer=watcher):
            result = model(image)
    finally:
        for handle in handles:
            handle.remove()
    for y in result if isinstance(result, (tuple, list)) else [result]:
        if isinstance(y, Tensor):                        # a classifier that only training needs may be None
            watcher.makers[id(y.array)].readers.append(OUTSIDE)
    return watcher.outermost


class Watcher(Observer):
    """The hooks around every call, and the observer of every op."""

    def __init__(self, image):
        self.makers = {id(image.array): IMAGE}           # of every array that was computed from the image
        self.alive = [image.array]                       # so that no id is used twice
        self.current = self.outermost = None

    def enter(self, module, args):
        known = [self.makers[id(x.array)] for x in args if isinstance(x, Tensor) and id(x.array) in self.makers]
        call = Call(module, self.current, known)
        if self.current is None:
            self.outermost = call
        else:
            self.current.inside.append(call)
        self.current = call

    def leave(self, module, args, y):
        call = self.current
        idle = not call.inside and not list(module.children()) and not isinstance(module, nn.Identity)
        if idle and isinstance(y, Tensor) and call.arguments:
            self.add(None, call.arguments[:1], [], y.array)
        call.shape = tuple(y.shape[1:]) if isinstance(y, Tensor) else ()
        self.current = call.outer

    def note(self, op, arrays, y):
        inputs = [self.makers[id(x)] for x in arrays if id(x) in self.makers]
        if inputs and (isinstance(op, UNSEEN) or isinstance(op, GetItem) and prod(y.shape) == prod(arrays[0].shape)):
            self.alive.append(y)
            self.makers[id(y)] = inputs[0]
        elif inputs:
            self.add(op, inputs, [tuple(x.shape) for x in arrays if hasattr(x, "shape")], y)

    def add(self, op, inputs, shapes, y):
        step = Step(op, self.current, inputs, shapes, tuple(y.shape[1:]))
        for maker in inputs:
            if maker is not IMAGE:
                maker.readers.append(step)
        self.current.inside.append(step)
        self.alive.append(y)
        self.makers[id(y)] = step
