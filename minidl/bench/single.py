"""Single ops, the same lines for both engines: on arrays too large for a core's cache, and on arrays of 8x8."""
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from minidl.bench.agreement import TOLERANCE, distance, finite
from minidl.bench.report import undisturbed
from minidl.bench.step import library

IMAGES, ROWS, WEIGHTS = (8, 64, 112, 112), (4096, 1000), (4096, 4096)
AT_ONCE = 50                 # calls on small arrays between two looks at the clock


@dataclass(frozen=True)
class Operation:
    """An op to time.

    function : computes it, from `lib`, minidl or torch, and tensors
    shapes   : of its tensors, float32
    learned  : how many of them, the first, want a gradient
    classes  : where it is above 0, a last argument is a label below it for every row of the first
    """
    name: str
    kind: str
    function: Callable
    shapes: tuple
    learned: int = 1
    classes: int = 0


def elementwise(name, function, inputs=1):
    return Operation(name, "elementwise", function, (IMAGES,) * inputs, inputs)


def norm(name, function, parameters=2):
    return Operation(name, "norm", function, (IMAGES, *((64,),) * parameters), 1 + parameters)


def loss(name):
    return Operation(name, "loss", lambda lib, x, y: getattr(lib.nn.functional, name)(x, y), (ROWS, ROWS))


def cross_entropy(shape):
    return Operation(f"cross_entropy of {shape[0]}", "loss", lambda lib, x, labels:
                     lib.nn.functional.cross_entropy(x, labels), (shape,), classes=shape[1])


def pooling(name, function):
    return Operation(name, "pooling", function, (IMAGES,))


LARGE = (
    elementwise("add", lambda lib, x, y: x + y, 2),
    elementwise("mul", lambda lib, x, y: x * y, 2),
    elementwise("div", lambda lib, x, y: x / y, 2),
    elementwise("add a number", lambda lib, x: x + 1.5),
    elementwise("exp", lambda lib, x: x.exp()),
    elementwise("relu", lambda lib, x: x.relu()),
    elementwise("leaky_relu", lambda lib, x: lib.nn.functional.leaky_relu(x)),
    elementwise("relu6", lambda lib, x: lib.nn.functional.relu6(x)),
    elementwise("sigmoid", lambda lib, x: x.sigmoid()),
    elementwise("tanh", lambda lib, x: x.tanh()),
    elementwise("gelu", lambda lib, x: lib.nn.functional.gelu(x)),
    elementwise("silu", lambda lib, x: lib.nn.functional.silu(x)),
    elementwise("sum", lambda lib, x: x.sum()),
    elementwise("mean of channels", lambda lib, x: x.mean((0, 2, 3))),
    Operation("softmax", "elementwise", lambda lib, x: x.softmax(1), (ROWS,)),
    Operation("log_softmax", "elementwise", lambda lib, x: x.log_softmax(1), (ROWS,)),
    norm("batch_norm", lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True)),
    norm("group_norm", lambda lib, x, w, b: lib.nn.functional.group_norm(x, 32, w, b)),
    norm("instance_norm", lambda lib, x, w, b: lib.nn.functional.instance_norm(x, None, None, w, b)),
    norm("local_response_norm", lambda lib, x: lib.nn.functional.local_response_norm(x, 5), 0),
    Operation("layer_norm", "norm", lambda lib, x, w, b: lib.nn.functional.layer_norm(x, ROWS[1:], w, b),
              (ROWS, ROWS[1:], ROWS[1:]), 3),
    pooling("max_pool2d 3x3/2", lambda lib, x: lib.nn.functional.max_pool2d(x, 3, 2, 1)),
    pooling("max_pool2d 2x2/2", lambda lib, x: lib.nn.functional.max_pool2d(x, 2)),
    pooling("avg_pool2d 2x2/2", lambda lib, x: lib.nn.functional.avg_pool2d(x, 2)),
    pooling("adaptive_avg_pool2d 1", lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 1)),
    cross_entropy((8, 1000)),
    cross_entropy((32, 1000)),
    cross_entropy((128, 10)),
    cross_entropy(ROWS),
    loss("mse_loss"),
    loss("l1_loss"),
    loss("smooth_l1_loss"),
    loss("binary_cross_entropy_with_logits"),
    Operation("sgd, momentum", "update", lambda lib, w, **how: lib.optim.SGD([w], 1e-3, 0.9, **how), (WEIGHTS,)),
    Operation("adam", "update", lambda lib, w, **how: lib.optim.Adam([w], 1e-3, **how), (WEIGHTS,)),
)

SMALL = tuple(Operation(name, "8x8", function, ((8, 8),) * inputs, inputs) for name, function, inputs in (
    ("add", lambda lib, x, y: x + y, 2),
    ("mul", lambda lib, x, y: x * y, 2),
    ("relu", lambda lib, x: x.relu(), 1),
    ("matmul", lambda lib, x, y: x @ y, 2),
    ("sum", lambda lib, x: x.sum(), 1),
    ("reshape", lambda lib, x: x.reshape(4, 16), 1),
))


def arguments(op, lib, dtype=np.float32, channels_last=False):
    """The tensors that an op is computed from: always the same numbers."""
    rng = np.random.default_rng(0)
    tensors = [lib.from_numpy(rng.random(shape).astype(dtype)) for shape in op.shapes]
    if channels_last:
        tensors = [x.contiguous(memory_format=lib.channels_last) if x.ndim == 4 else x for x in tensors]
    for x in tensors[:op.learned]:
        x.requires_grad_(True)
    return [*tensors, *([lib.from_numpy(rng.integers(0, op.classes, op.shapes[0][0]))] if op.classes else [])]


def gradient_of(y, lib):
    """A gradient for y that is always the same; random, for what every number gets alike is lost in a norm."""
    numbers = np.random.default_rng(1).standard_normal(tuple(y.shape)).astype(y.detach().numpy().dtype)
    return lib.zeros_like(y.detach()).copy_(lib.from_numpy(numbers))                    # in y's layout


def prepared(op, setting):
    """Two functions, one that computes the op, and one that, given the result, runs its gradients (None for an update);
    and how many bytes the first has to read and write."""
    lib = library(setting.engine)
    xs = arguments(op, lib, channels_last=setting.channels_last)
    if op.kind == "update":
        optimizer = op.function(lib, *xs, **({"fused": True} if setting.fused else {}))
        xs[0].grad = xs[0].detach().clone()
        states = {"sgd, momentum": 1, "adam": 2}[op.name]          # read and written, as w is; the gradient is read
        return optimizer.step, None, (2 * states + 3) * xs[0].nbytes
    y = op.function(lib, *xs)
    gy = gradient_of(y, lib)

    def backward(y):
        for x in xs[:op.learned]:
            x.grad = None
        y.backward(gy)
    return lambda: op.function(lib, *xs), backward, sum(x.nbytes for x in (*xs, y))


def times(op, setting, seconds, calls=1):
    """Seconds of one call, {"forward": ..., "backward": ..., "bytes": ...}, while about `seconds` go by."""
    forward, backward, size = prepared(op, setting)
    found, end = {"forward": [], "backward": []}, 0
    while len(found["forward"]) < 4 or perf_counter() < end:
        start = perf_counter()
        results = [forward() for _ in range(calls)]
        middle = perf_counter()
        if backward:
            for y in results:
                backward(y)
        end_of_call = perf_counter()
        found["forward"].append((middle - start) / calls)
        found["backward"].append((end_of_call - middle) / calls)
        end = end or end_of_call + seconds                     # the first call compiles
    return {"bytes": size} | {what: round(undisturbed(them[1:]), 9) for what, them in found.items()
                              if backward or what == "forward"}


def results(op, engine, dtype=np.float32):
    """What an op computes, and its gradients, as arrays; of an update, what it made of the weights."""
    lib = library(engine)
    xs = arguments(op, lib, dtype)
    if op.kind == "update":
        xs[0].grad = xs[0].detach().clone()
        op.function(lib, *xs).step()
        return [xs[0].detach().numpy()]
    y = op.function(lib, *xs)
    y.backward(gradient_of(y, lib))
    return [np.asarray(x.numpy()) for x in (y.detach(), *(x.grad for x in xs[:op.learned]))]


def error(op):
    """How far the worst of minidl's float32 results is from PyTorch's in float64; None for what is no number."""
    exact, mine = results(op, "PyTorch", np.float64), results(op, "minidl")
    return finite(max(distance(x, wanted, 1e-6 * wanted.size ** 0.5) for x, wanted in zip(mine, exact, strict=True)))


def is_wrong(error):
    return error is None or error > TOLERANCE
