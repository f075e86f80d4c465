"""What a box in a drawing says: the kind of a layer, its settings in few letters, and how many channels it makes."""
from typing import NamedTuple

from minidl import nn
from minidl.ops.convolution import Conv2d, ConvTranspose2d
from minidl.ops.indexing import GetItem
from minidl.ops.matrix import Einsum, Linear, MatMul
from minidl.ops.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from minidl.ops.reduction import Extreme, Sum
from minidl.summary import times


class Words(NamedTuple):
    """kind : "weights", "pool", "join", "point" for what looks at one value or channel at a time, or "other"."""
    kind: str
    label: str
    channels: int | None = None


OF_MODULES = {
    "BatchNorm2d": Words("point", "batch norm"), "BatchNorm1d": Words("point", "batch norm"),
    "GroupNorm": Words("point", "group norm"), "LayerNorm": Words("point", "layer norm"),
    "InstanceNorm2d": Words("point", "instance norm"), "LocalResponseNorm": Words("point", "LRN"),
}
OF_OPS = {
    "LocalResponseNorm": Words("point", "LRN"), "BatchNorm": Words("point", "batch norm"),
    "GroupNorm": Words("point", "group norm"), "LayerNorm": Words("point", "layer norm"),
    "Cat": Words("join", "concatenate"), "Add": Words("join", "+"), "Sub": Words("join", "-"), "Mul": Words("join", "×"),
    "Div": Words("join", "/"), "Maximum": Words("join", "maximum"), "Pad": Words("other", "pad"),
    "GetItem": Words("other", "slice"), "Permute": Words("other", "permute"),
}
WITH_ONE_INPUT = {"Add": "+ constant", "Sub": "- constant", "Mul": "scale", "Div": "scale"}


def of_call(call):
    """The Words for a layer that has no layers inside."""
    name = type(call.module).__name__
    if name in OF_MODULES:
        return OF_MODULES[name]
    if call.steps()[0].op is None:
        return of_step(call.steps()[0])
    known = [words for words in map(of_step, call.steps()) if words.kind in ("weights", "pool")]
    if type(call.module).__module__.startswith("minidl.nn"):
        return known[0] if known else Words("point", name)
    return Words("weights", name, call.steps()[-1].shape[0]) if list(call.module.parameters()) else Words("other", name)


def of_step(step):
    """The Words for one op."""
    op, name = step.op, type(step.op).__name__
    if op is None:
        return Words("point", "dropout" if isinstance(step.call.module, nn.Dropout) else type(step.call.module).__name__)
    if isinstance(op, Conv2d):
        return Words("weights", convolution(op, step.shapes), step.shape[0])
    if isinstance(op, ConvTranspose2d):
        return Words("weights", f"up-conv {window(step.shapes[1][2:], op.stride)}", step.shape[0])
    if isinstance(op, (Linear, MatMul, Einsum)):
        return Words("weights", "linear" if isinstance(op, Linear) else name.lower(), step.shape[-1])
    if isinstance(op, (MaxPool2d, AvgPool2d)):
        return Words("pool", f"{'max' if isinstance(op, MaxPool2d) else 'mean'} pool {window(op.size, op.stride)}")
    if isinstance(op, (AdaptiveAvgPool2d, AdaptiveMaxPool2d)):
        what = "mean" if isinstance(op, AdaptiveAvgPool2d) else "max"
        return Words("pool", f"{what} of all pixels" if op.out == (1, 1) else f"{what} pool to {times(op.out)}")
    if isinstance(op, (Sum, Extreme)) and set(op.dims) == {2, 3}:
        return Words("pool", "sum of all pixels" if isinstance(op, Sum) else "max of all pixels")
    if isinstance(op, GetItem) and step.shape[0] == step.shapes[0][1]:
        return Words("other", "crop")
    if name in WITH_ONE_INPUT and len(step.inputs) == 1:
        return Words("point", WITH_ONE_INPUT[name])
    return OF_OPS.get(name, Words("point", name))


def convolution(op, shapes):
    x, w = shapes[:2]
    what = window(w[2:], op.stride) + (f" dilated {op.dilation[0]}" if op.dilation != (1, 1) else "")
    if op.groups == 1:
        return f"conv {what}"
    return f"depthwise {what}" if op.groups == x[1] else f"conv {what} in {op.groups}"


def window(size, stride):
    """3x3, or 3x3 /2 where the window moves by 2."""
    far = f" /{stride[0]}" if stride[0] == stride[1] else f" /{times(stride)}"
    return times(size) + (far if tuple(stride) != (1, 1) else "")
