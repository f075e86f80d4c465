"""Anomaly mode: the op that first turns finite numbers into NaN or Inf stops the program and is named."""
import functools
import os
import sys
from dataclasses import fields, is_dataclass
from numbers import Real

import minidl
from minidl.kernels import is_array, kernels_for
from minidl.mode import Mode
from minidl.tensor import Tensor

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class AnomalyError(FloatingPointError):
    """An op gave NaN or Inf, and its inputs are not to blame."""


def check_forward(op, inputs, y):
    """Raise AnomalyError if a NaN or Inf of `op`'s result `y` was born in it.

    A NaN is born where no input is NaN, an Inf where all inputs are finite. An op's settings are inputs,
    too: a fill of -inf is meant.
    """
    if kind := born(y, [*inputs, *settings(op)]):
        names = [op.name_of_input(i) for i in range(len(inputs))]
        raise AnomalyError(f"{op}{op.whereabouts()}: of its output, {described(kind, y)}; "
                           f"made from {', '.join(map(outlined, names, inputs))}")


def check_backward(op, gy, gxs):
    """Raise AnomalyError if a NaN or Inf of the gradients `gxs` was born in `op`'s rule."""
    given = [gy, op.y, *op.saved, *settings(op)]
    for i, gx in enumerate(gxs):
        if gx is not None and (kind := born(gx, given)):
            names = ["gy", "y", *[op.name_of_input(j) for j in range(len(op.saved))]]
            raise AnomalyError(f"{op}{op.whereabouts()}: of the gradient of its input {names[2 + i]}, "
                               f"{described(kind, gx)}; made from {', '.join(map(outlined, names, given))}")


def born(y, given):
    """"NaN" or "Inf", where y holds one that nothing given accounts for; otherwise None."""
    nan, inf = holds(y)
    if not (nan or inf):
        return None
    before = [holds(x) for x in given]
    if nan and not any([nan for nan, _ in before]):
        return "NaN"
    return "Inf" if inf and not any([nan or inf for nan, inf in before]) else None


def holds(x):
    """Is there a NaN in x, and is there an Inf? A pair of truth values."""
    x = numbers_of(x)
    if isinstance(x, Real):
        return x != x, x in (float("inf"), -float("inf"))
    if x is None or x.dtype.kind != "f" or kernels_for(x).isfinite(x).all():
        return False, False
    k = kernels_for(x)
    return bool(k.isnan(x).any()), bool(k.isinf(x).any())


def numbers_of(x):
    """The array of a tensor, an array or a number as it is; None where there are no numbers to look at."""
    x = x.array if isinstance(x, Tensor) else x
    return x if isinstance(x, Real) or is_array(x) and minidl.kernels.device_of(x) != "meta" else None


def settings(op):
    return [getattr(op, field.name) for field in fields(op)] if is_dataclass(op) else []


def described(kind, y):
    """How many of how many values are NaN or Inf, and where the first one is."""
    y = numbers_of(y)
    k = kernels_for(y)
    bad = k.isnan(y) if kind == "NaN" else k.isinf(y)
    first = tuple([int(where[0]) for where in k.nonzero(bad)]) if y.ndim else ()
    return f"{int(bad.sum())} of {y.size} values, shape {tuple(y.shape)}, are {kind}, the first at {first}"


def outlined(name, x):
    """x (8, 3) float32 in [-1.25, 3]; only the shape, where the numbers were not kept."""
    numbers = numbers_of(x)
    if numbers is None or isinstance(numbers, Real):
        return f"{name} = {x!r}"
    interval = f" in [{numbers.min().item():.4g}, {numbers.max().item():.4g}]" if numbers.size else ""
    return f"{name} {tuple(numbers.shape)} {numbers.dtype}{interval}"


def origin():
    """Where an op is called from: the path of the module being called, and "file:line" of the user's code.

    The ops of a gradient rule have the origin of the op whose rule it is.
    """
    if Mode.rule is not None:
        return Mode.rule.origin
    frame = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    path = minidl.nn.module_path() if hasattr(minidl, "nn") else ""
    return path, f"{shortened(frame.f_code.co_filename, os.getcwd())}:{frame.f_lineno}" if frame else ""


def is_ours(file):
    """Is it the engine's? The network of the exercises stands for a user's."""
    return file.startswith(PACKAGE) and not file.endswith("exercises.py")


@functools.cache                                     # every op of a recording asks, and there are few files
def shortened(file, folder):
    """The path as seen from `folder`, if it lies below."""
    return os.path.relpath(file, folder) if file.startswith(folder + os.sep) else file
