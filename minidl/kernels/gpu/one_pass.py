"""Expressions number by number, in one pass over memory and with one launch.

CuPy computes gy * (1 - y * y) by three kernels, each of which reads and writes whole arrays. Here an expression is called
once, with Formulas (formula.py) in the arrays' place, and what it does to them becomes one kernel: a thread for each number
of the result. Neighbouring threads read neighbouring numbers, or the same one where an array is broadcast.

An array may have fewer dimensions than the result, or size 1 in some. Dimensions along which the same arrays go on are
one: (N, C, H, W) and (C, 1, 1) make N, C and H W. A kernel is told their sizes by its arguments, so it serves all sizes.
"""
import functools
import math
import re

import cupy
import numpy as np

from minidl.kernels.gpu import formula
from minidl.kernels.gpu.formula import Formula, Program
from minidl.kernels.gpu.launch import Kernels, halved, is_half

NUMBER = "a number"
LARGEST = 2 ** 32            # results with more numbers are not computed from broadcast arrays: 32 bits count them
KINDS = {"f": "REAL", "d": "REAL", "?": "bool"}


def in_one_pass(expression, arrays):
    """expression(formula, *arrays), or None where CuPy has to compute it.

    expression : a function of a kernel set and of arrays that acts number by number, hashable, and equal to those that do
                 the same; it answers with an array, or with several, some of which may be None
    arrays     : of float16 (computed in float32), float32 or float64, and of bool; numbers; None
    """
    if any([is_half(x) for x in arrays]):
        return halved(in_one_pass(expression, [x.astype(np.float32) if is_half(x) else x for x in arrays]))
    arrays = [compact(x) if isinstance(x, cupy.ndarray) else x for x in arrays]
    try:
        plan = plan_for(expression, tuple([layout_of(x) for x in arrays]))
    except TypeError:                                    # an array of the host, or an expression that is not hashable
        return None
    return plan and plan.run(arrays)


def layout_of(x):
    """What a kernel is chosen by: an array's shape and its dtype's letter; NUMBER; None."""
    if isinstance(x, cupy.ndarray):
        return x.shape, x.dtype.char
    if x is None or isinstance(x, (int, float, np.generic)):
        return None if x is None else NUMBER
    raise TypeError(f"{type(x).__name__} is neither a number nor an array on the GPU")


def compact(x):
    """x, contiguous, with size 1 where it is stretched, as a gradient of a sum is."""
    if x.flags.c_contiguous:
        return x
    return cupy.ascontiguousarray(x[tuple([slice(1) if stride == 0 else slice(None) for stride in x.strides])])


@functools.lru_cache(1024)
def plan_for(expression, layouts):
    """The Plan for arguments of these shapes and dtypes, or None."""
    given = [layout for layout in layouts if isinstance(layout, tuple)]
    reals = {char for _, char in given} - {"?"}
    if reals not in ({"f"}, {"d"}):
        return None
    shape = np.broadcast_shapes(*[own for own, _ in given])
    sizes, goes_on = merged(shape, [own for own, _ in given])
    count, places = math.prod(shape), iter(goes_on)
    if count >= LARGEST and len(sizes) > 1:
        return None
    kinds = tuple([(layout[1], next(places)) if isinstance(layout, tuple) else layout for layout in layouts])
    kernel = kernel_for(expression, kinds, *reals)
    return kernel and Plan(kernel, shape, sizes[1:])


def merged(shape, shapes):
    """The sizes of the result's dimensions, those in one along which the same arrays go on from number to number; and of
    each array, whether it does along each."""
    sizes, goes_on = [], []
    shapes = [(1,) * (len(shape) - len(own)) + own for own in shapes]
    for n, *own in zip(shape, *shapes):
        if n == 1:
            continue
        along = [m == n for m in own]
        if goes_on and goes_on[-1] == along:
            sizes[-1] *= n
        else:
            sizes.append(n)
            goes_on.append(along)
    return sizes, list(zip(*goes_on)) or [()] * len(shapes)


class Plan:
    """A kernel, and what it is told of arrays of certain shapes."""

    def __init__(self, kernel, shape, sizes):
        self.kernel, self.shape, self.sizes = kernel, shape, sizes

    def run(self, arrays):
        new = [cupy.empty(self.shape, dtype) for dtype in self.kernel.new]
        if new:
            count = math.prod(self.shape)
            given = [x for x in arrays if x is not None]
            self.kernel.kernels.each("in_one_pass", count, *given, *new, *self.sizes, count)
        new = iter(new)
        answers = [next(new) if isinstance(answer, np.dtype) else None if answer is None else arrays[answer]
                   for answer in self.kernel.answers]
        return answers[0] if self.kernel.alone else answers


@functools.lru_cache(512)
def kernel_for(expression, kinds, char):
    """The Kernel for arguments of these kinds; None where the expression asks for more than formulas can do."""
    try:
        return Kernel(expression, kinds, char)
    except Exception:
        return None


class Kernel:
    """An expression's kernel, in CUDA C, and what it answers:

    answers : the dtype of a new array, or the number of the argument that is the answer, or None
    alone   : is it one answer, and not a list?

    kinds   : of each argument its dtype's letter, and along which of the merged dimensions it goes on; NUMBER; or None
    """

    def __init__(self, expression, kinds, char):
        program, dims = Program(char), max([len(kind[1]) for kind in kinds if isinstance(kind, tuple)])
        xs = [self.argument(program, i, kind) for i, kind in enumerate(kinds)]
        ys = expression(formula, *xs)
        self.alone = not isinstance(ys, (tuple, list))
        ys = [ys] if self.alone else ys
        self.answers = [self.answer(y, xs) for y in ys]
        written = [y for y, answer in zip(ys, self.answers) if isinstance(answer, np.dtype)]
        self.new = [y.dtype for y in written]
        self.code = self.source(kinds, dims, program.needed(written), written)
        self.kernels = Kernels("one_pass", self.code)

    def argument(self, program, i, kind):
        """The Formula of argument i: a number of an array, or the same one for all threads."""
        if kind is None:
            return None
        if kind is NUMBER:
            return program.given(f"x{i}", program.dtype)
        return program.given(f"x{i}[{place(kind[1])}]", bool if kind[0] == "?" else program.dtype)

    def answer(self, y, xs):
        given = [i for i, x in enumerate(xs) if x is y]
        if y is None or isinstance(y, Formula):
            return None if y is None else given[0] if given and not self.alone else y.dtype
        raise TypeError(f"the answer is a {type(y).__name__}")

    def source(self, kinds, dims, lines, answers):
        """The kernel: its arguments are those of the expression, but for None, the new arrays, and sizes."""
        parameters = [f"REAL x{i}" if kind is NUMBER else f"const {KINDS[kind[0]]}* __restrict__ x{i}"
                      for i, kind in enumerate(kinds) if kind is not None]
        parameters += [f"{KINDS[y.dtype.char]}* __restrict__ y{i}" for i, y in enumerate(answers)]
        parameters += [f"unsigned n{d}" for d in range(1, dims)] + ["long long count"]
        body = [*coordinates(dims, lines), *lines, *[f"y{i}[i] = {y};" for i, y in enumerate(answers)]]
        return "\n".join(["", f'extern "C" __global__ void in_one_pass({", ".join(parameters)})', "{",
                          "    FOR_EACH(i, count) {", *[f"        {line}" for line in body], "    }", "}", ""])


def coordinates(dims, lines):
    """Lines that take number i's place in the result apart: its coordinates c_d, as far as other lines need them."""
    used = set(re.findall(r"\bc\d+\b", " ".join(lines)))
    if not used:
        return []
    found = ["unsigned rest = (unsigned)i;"]
    for d in range(dims - 1, -1, -1):
        found += [f"const unsigned c{d} = {f'rest % n{d}' if d else 'rest'};"] if f"c{d}" in used else []
        found += [f"rest /= n{d};"] if d else []
    return found


def place(goes_on):
    """Where number i of the result has its number in an array: in C, with i's coordinates c_d in dimensions of sizes n_d."""
    if all(goes_on):
        return "i" if goes_on else "0"
    text = ""
    for d, along in enumerate(goes_on):
        if along:
            text = f"({text}) * n{d} + c{d}" if text else f"c{d}"
    return text or "0"
