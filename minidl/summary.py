"""summary: what every layer of a network makes, costs and sees, without computing a number."""
import weakref
from dataclasses import dataclass
from dataclasses import field as attribute
from itertools import groupby
from math import ceil, prod

from minidl.dtypes import get_default_dtype
from minidl.footprint import Footprint, Kept, footprint, owner, without_numbers
from minidl.kernels import is_array
from minidl.kernels.cpu.convolution import Convolution, algorithm
from minidl.kernels.meta import MetaArray
from minidl.mode import Mode, Observer, mode
from minidl.nn.module import calls
from minidl.ops.convolution import Conv2d, ConvTranspose2d
from minidl.ops.matrix import Einsum, Linear, MatMul
from minidl.ops.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from minidl.ops.reduction import Extreme, LogSumExp, Norm, Sum
from minidl.ops.shape import Reshape
from minidl.tensor import of


@dataclass
class Row:
    """One call of a layer, or the ops that a module's own forward runs between calls of its layers.

    name, kind   : "features.0", "Conv2d"
    shape        : of the result, for one image, without the batch
    parameters   : of the layer itself, where it is called for the first time
    macs         : multiplications with an addition, of convolutions and matrix products, unless the module has
                   a method macs(shape) that knows better
    field        : the receptive field, (height, width) in pixels of the input, which may be smaller
    activations  : bytes of the results of its ops
    kept         : bytes that stay from forward to backward in training, because a gradient's rule reads them: results of
                   its own ops, and what they read or store, unless a row before keeps it; parameters do not count
    gradients    : bytes that the rules of its ops make in backward, of gradients of what the ops read: inputs and
                   parameters; one that is handed on as it is takes none
    columns      : bytes of the patches that im2col makes of the inputs of its convolutions
    algorithms   : what its convolutions are computed with on a CPU: forward, gradient of x, gradient of w
    """
    name: str
    kind: str
    shape: tuple = ()
    parameters: int = 0
    macs: int = 0
    field: tuple = (1, 1)
    activations: int = 0
    kept: int = 0
    gradients: int = 0
    columns: int = 0
    algorithms: str = ""
    module: object = attribute(default=None, repr=False)


@dataclass
class Stage:
    """Rows whose results are equally high and wide: the rows' sums, and the shape and receptive field of the last."""
    name: str
    shape: tuple
    parameters: int
    macs: int
    field: tuple
    activations: int
    kept: int
    gradients: int

    @classmethod
    def of(cls, rows):
        names = [row.name for row in rows if row.name]
        name = f"{names[0]} to {names[-1]}" if len(set(names)) > 1 else "".join(names[:1])
        sums = {what: sum([getattr(row, what) for row in rows])
                for what in ("parameters", "macs", "activations", "kept", "gradients")}
        return cls(name, rows[-1].shape, field=rows[-1].field, **sums)


@dataclass
class Summary:
    """The rows in the order of the forward pass, and what the whole network comes to, for one image.

    training : the Footprint of a training step with a whole batch; None where such a batch cannot be trained on

    What is kept, and the gradients, are 0 where a single image cannot be trained on.
    """
    rows: list
    parameters: int
    trainable: int
    input_shape: tuple
    training: Footprint | None = None

    macs = property(lambda self: sum(row.macs for row in self.rows))
    activations = property(lambda self: sum(row.activations for row in self.rows))
    kept = property(lambda self: sum(row.kept for row in self.rows))
    gradients = property(lambda self: sum(row.gradients for row in self.rows))
    columns = property(lambda self: max((row.columns for row in self.rows), default=0))

    def table(self, algorithms=False):
        """The rows as strings, headings first; with `algorithms`, how convolutions are computed in the place of memory."""
        headings = ("layer", "", "output", "parameters", "MACs", "sees")
        lines = [(row.name, row.kind, times(row.shape), count(row.parameters), count(row.macs), times(row.field))
                 for row in self.rows]
        if algorithms:
            more = [("im2col", "algorithms"), *[(size(row.columns), row.algorithms) for row in self.rows]]
        else:
            more = [MEMORY, *map(memory_of, self.rows)]
        return [line + cells for line, cells in zip([headings, *lines], more)]

    @property
    def stages(self):
        """The rows that follow one another and make maps of the same height and width, taken together."""
        return [Stage.of(list(rows)) for _, rows in groupby(self.rows, key=lambda row: row.shape[1:])]

    @property
    def field(self):
        """The receptive field of the last maps that have more than one pixel, before the image becomes a row of numbers."""
        maps = [stage.field for stage in self.stages if prod(stage.shape[1:]) > 1]
        return maps[-1] if maps else self.stages[-1].field

    def table_of_stages(self):
        """The stages as strings, headings first."""
        headings = ("layers", "output", "parameters", "MACs", "sees", *MEMORY)
        return [headings, *[(stage.name, times(stage.shape), count(stage.parameters), count(stage.macs),
                             times(stage.field), *memory_of(stage)) for stage in self.stages]]

    def totals(self):
        fixed = self.parameters - self.trainable
        return (f"{self.parameters:,} parameters{f', {fixed:,} of them fixed' if fixed else ''} "
                f"({size(4 * self.parameters)} in float32); for one image {times(self.input_shape)}: "
                f"{self.macs:,} MACs, {size(self.activations)} of activations"
                f"{f', {size(self.kept)} kept to train, {size(self.gradients)} of gradients' if self.kept else ''}, "
                f"{size(self.columns) or 'nothing'} for the largest im2col")

    def memory(self):
        """The memory of a training step, in a sentence."""
        if self.training is None:
            return "a batch of this size cannot be trained on"
        step = self.training
        return (f"a training step with {step.batch_size} image{'s' * (step.batch_size > 1)} (SGD with momentum) takes "
                f"{size(step.peak)} of arrays at the most, {size(step.parameters)} of them parameters and buffers and "
                f"{size(step.momentum) or 'nothing'} momentum; and the process some 100 MiB for code and workspaces")

    def __str__(self):
        lines = self.table()
        widths = [max(map(len, column)) for column in zip(*lines)]
        ragged = [[cell.ljust(n) if i < 3 else cell.rjust(n) for i, (cell, n) in enumerate(zip(line, widths))]
                  for line in lines]
        return "\n".join([*map("  ".join, ragged), self.totals(), self.memory()])


MEMORY = "activations", "kept", "gradients"


def memory_of(row):
    return size(row.activations), size(row.kept), size(row.gradients)


def summary(model, input_shape, batch_size=1):
    """What each layer of `model` makes of an image of `input_shape` (C, H, W), and what that costs: print it.

    The numbers are for one image; the algorithm that computes a convolution, and the memory of a training step, are for
    batch_size of them. The model is run in eval mode, and then forward and backward in training mode, on arrays that
    have a shape and no numbers; it takes no time and no memory, and changes nothing.
    """
    rows = rows_of(model, input_shape, batch_size)
    watch_training(rows, model, input_shape)
    parameters = list(model.parameters())
    try:
        training = footprint(model, input_shape, batch_size)
    except ValueError:                                   # such as batch norm's, of one number for each channel
        training = None
    return Summary(rows, sum(x.numel() for x in parameters),
                   sum(x.numel() for x in parameters if x.requires_grad), tuple(input_shape), training)


def cost(model, input_shape):
    """(trainable parameters, MACs for an image of `input_shape`), by which networks are compared: sooner than `summary`."""
    trainable = sum(x.numel() for x in model.parameters() if x.requires_grad)
    return trainable, sum(row.macs for row in rows_of(model, input_shape))


def rows_of(model, input_shape, batch_size=1):
    """The rows of a summary, in the order of the forward pass."""
    image = MetaArray((1, *input_shape), get_default_dtype())
    watcher = Watcher(image, batch_size)
    with without_numbers(model), mode(recording=False, observer=watcher):
        model(of(image))
    for row in watcher.rows:
        if hasattr(row.module, "macs"):
            row.macs = row.module.macs(row.shape)
    return watcher.rows


def watch_training(rows, model, input_shape):
    """Let the rows know what they keep, and their gradients, in a training step with one image."""
    try:
        with mode(observer=TrainingWatcher(rows)):
            footprint(model, input_shape)
    except ValueError:                                   # see above
        for row in rows:
            row.kept = row.gradients = 0


class Watcher(Observer):
    """Sees every op run, and adds it to the row of the module that it runs in."""

    def __init__(self, image, batch_size):
        self.rows, self.batch_size = [], batch_size
        self.fields = {id(image): Field()}       # of every array that was computed from the image
        self.alive = [image]                     # so that no id is used twice
        self.counted = set()
        self.is_layer = False                    # is the module of the last row one, or the ops between layers?

    def note(self, op, arrays, y):
        row = self.row_of_this_call(op)
        row.macs += macs(op, arrays, y)
        row.columns += columns(op, arrays, y)
        if isinstance(op, (Conv2d, ConvTranspose2d)):
            row.algorithms = ", ".join(filter(None, [row.algorithms, algorithms(op, arrays, y, self.batch_size)]))
        if not op.view:
            row.activations += prod(y.shape) * y.dtype.itemsize
        if seeing := [x for x in arrays if id(x) in self.fields]:
            x = max(seeing, key=lambda x: self.fields[id(x)].size)
            self.fields[id(y)] = self.fields[id(x)].through(op, x, arrays, y)
            row.field, row.shape = self.fields[id(y)].size, tuple(y.shape[1:])
        self.alive.append(y)

    def row_of_this_call(self, op):
        module, path = calls.stack[-1]
        if not self.rows or self.rows[-1].module is not module:
            own = list(module.parameters(recurse=False))
            self.is_layer = bool(own) or not list(module.children())
            self.rows.append(Row(path, type(module).__name__ if self.is_layer else "", module=module))
            self.rows[-1].parameters = sum(x.numel() for x in own if id(x) not in self.counted)
            self.counted.update(map(id, own))
        if not self.is_layer and not op.view:
            self.rows[-1].kind += f"{' ' if self.rows[-1].kind else ''}{type(op).__name__}"
        return self.rows[-1]


class TrainingWatcher(Observer):
    """Sees a training step, and adds what is kept and the gradients to the rows of a forward pass before.

    A module's rows are found by its path, in their order; ops of one that was not there then, to the last row before.
    """

    def __init__(self, rows):
        self.module, self.row = None, rows[0] if rows else Row("", "")
        self.to_come = {row.name: iter([other for other in rows if other.name == row.name]) for row in rows}
        self.rows = weakref.WeakKeyDictionary()          # by op
        self.kept, self.last = Kept(), None

    def note(self, op, arrays, y):
        if Mode.rule is not None:                        # a part of a rule
            return
        self.look_at_last()
        module, path = calls.stack[-1]
        if module is not self.module:
            self.module, self.row = module, next(self.to_come.get(path, iter(())), self.row)
        self.rows[op], self.last = self.row, op

    def backward(self, op, rule):
        self.look_at_last()

        def run(gy, y, *xs):
            gxs = rule(gy, y, *xs)
            answers = gxs if isinstance(gxs, (tuple, list)) else [gxs]
            made = {id(owner(gx)): owner(gx).nbytes for gx in answers if is_array(gx)}
            made.pop(id(owner(gy)), None)
            self.rows[op].gradients += sum(made.values())
            return gxs
        return run

    def look_at_last(self):
        """What does the op that ran last keep? It can be seen once the op has become a node."""
        op, self.last = self.last, None
        if op is not None:
            self.rows[op].kept += self.kept.newly(op)


def macs(op, arrays, y):
    """How often the op multiplies two numbers and adds the product to a third."""
    if isinstance(op, Conv2d):
        return prod(y.shape) * prod(arrays[1].shape[1:])
    if isinstance(op, ConvTranspose2d):
        return prod(arrays[0].shape) * prod(arrays[1].shape[1:])
    if isinstance(op, (Linear, MatMul)):
        return prod(y.shape) * arrays[0].shape[-1]
    if isinstance(op, Einsum):
        return prod({letter: n for letters, x in zip(op.letters, arrays)
                     for letter, n in zip(letters, x.shape)}.values())
    return 0


def columns(op, arrays, y):
    """Bytes of every patch that a convolution looks at, written out."""
    if not isinstance(op, Conv2d):
        return 0
    x, w = arrays[:2]
    return prod(x.shape[:2]) * prod(w.shape[2:]) * prod(y.shape[2:]) * x.dtype.itemsize


def algorithms(op, arrays, y, batch_size):
    """The algorithms of an op's three passes, or the one, if they are the same."""
    x, w = arrays[:2]
    passes = ["conv2d", "conv2d_gradient_x", "conv2d_gradient_w"]
    if isinstance(op, ConvTranspose2d):                      # forward, it is a convolution's gradient
        x, passes = y, [passes[1], passes[0], passes[2]]
    how = Convolution((batch_size, *x.shape[1:]), w.shape, op.stride, op.padding, op.dilation, op.groups, x.dtype)
    names = [algorithm(step, how) for step in passes]
    return names[0] if len(set(names)) == 1 else "/".join(names)


@dataclass(frozen=True)
class Field:
    """What one value sees of the input, (height, width) in pixels; `step`, how far apart two neighbours look;
    `folded`, how many neighbours became features of one row when an image was flattened.

    Dumoulin & Visin 2016; Araujo, Norris & Sim 2019, equation 2, forwards.
    """
    size: tuple = (1, 1)
    step: tuple = (1, 1)
    folded: tuple = (1, 1)

    def window(self, n, stride=(1, 1)):
        """After a window of n (height, width) neighbours, moved by stride."""
        size = tuple(s + (m - 1) * step for s, m, step in zip(self.size, n, self.step))
        return Field(size, tuple(step * s for step, s in zip(self.step, stride)), self.folded)

    def through(self, op, x, arrays, y):
        """The Field of the result y of an op, this one being that of its input x."""
        if isinstance(op, Conv2d):
            return self.window(covered(op, arrays[1].shape[2:]), op.stride)
        if isinstance(op, ConvTranspose2d):
            n = [ceil(m / s) for m, s in zip(covered(op, arrays[1].shape[2:]), op.stride)]
            return self.window(n, [1 / s for s in op.stride])
        if isinstance(op, (MaxPool2d, AvgPool2d)):
            return self.window(covered(op, op.size), op.stride)
        if isinstance(op, (AdaptiveAvgPool2d, AdaptiveMaxPool2d)):
            stride = [n / m for n, m in zip(x.shape[2:], y.shape[2:])]
            return self.window([ceil(s) for s in stride], stride)
        if isinstance(op, (Sum, Extreme, LogSumExp, Norm)) and x.ndim == 4:
            return self.window([x.shape[d] if d in op.dims else 1 for d in (2, 3)])
        if isinstance(op, Reshape) and x.ndim == 4 and y.ndim < 4:
            return Field(self.size, self.step, x.shape[2:])
        if isinstance(op, (Linear, MatMul)):                  # every feature sees all that was flattened
            return Field(self.window(self.folded).size, self.step)
        return self


def covered(op, size):
    """How far a window of this size reaches with the op's dilation."""
    return [d * (n - 1) + 1 for d, n in zip(getattr(op, "dilation", (1, 1)), size)]


def times(shape):
    return "x".join(f"{n:g}" for n in shape)


def count(n):
    return f"{n:,}" if n else ""


def size(n):
    """Bytes, for a person."""
    for unit, factor in (("GiB", 2 ** 30), ("MiB", 2 ** 20), ("KiB", 2 ** 10)):
        if n >= factor:
            return f"{n / factor:,.1f} {unit}"
    return f"{n} B" if n else ""
