"""Expressions number by number, in one pass over memory and on all threads.

NumPy computes gy * (1 - y * y) in three passes. For arrays that are too large for the caches each takes as long as memory
needs to bring the numbers and to take them, and the arithmetic is for nothing. So an expression is called once, with
vectors of instructions (vector.py) in the arrays' place, and what it does to them is compiled, in a few hundredths of a
second, to a loop that reads every number once.

The arrays need not have one shape. They are cut into pieces: runs of numbers, in which each array either goes on from
number to number or stays at one, as what is broadcast does. A piece is a line in a table of integers: how many numbers it
has, and where in memory each array has them.
"""
import functools
import math

import numpy as np

from minidl.kernels.cpu import threads
from minidl.kernels.cpu.jit import caller
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import worth_streaming
from minidl.kernels.cpu.program import Kind, program_for
from minidl.kernels.cpu.simd import LANES

SHORT = 16                   # numbers in a piece, of which fewer are not worth a line in the table
NUMBER = "a number"


def in_one_pass(expression, arrays):
    """expression(vector, *arrays), or None where the reference has to compute it.

    expression : a function of a kernel set and of arrays that acts number by number, hashable, and equal to those that do
                 the same; it answers with an array, or with several, some of which may be None
    arrays     : of float32, or of float64, contiguous where they are not broadcast; of bool; numbers; None
    """
    layouts = tuple([(x.shape, x.strides, x.dtype.str) if isinstance(x, np.ndarray) else None if x is None else NUMBER
                     for x in arrays])
    try:
        plan = plan_for(expression, layouts, threads.thread_count())
    except TypeError:                                    # an expression with settings that are not hashable
        return None
    return plan and plan.run(arrays)


@functools.lru_cache(1024)
def plan_for(expression, layouts, threads):
    """The Plan for arguments that lie like this, or None."""
    given = [layout for layout in layouts if isinstance(layout, tuple)]
    dtypes = {np.dtype(name) for *_, name in given} - {np.dtype(bool)}
    if dtypes not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        return None
    dtype, = dtypes
    number = ((), (), dtype.str)
    layouts = [number if layout is NUMBER else layout for layout in layouts]
    shape = np.broadcast_shapes(*[own for own, *_ in given])
    pieces = cut(shape, [layout for layout in layouts if layout], threads)
    if pieces is None:
        return None
    runs, lines, starts, aligned = pieces
    runs = iter(runs)
    kinds = tuple([layout and Kind(np.dtype(layout[2]).char, next(runs)) for layout in layouts])
    program = program_for(expression, kinds, dtype.char)
    return program and Plan(program, dtype, shape, lines, starts, aligned, threads)


class Plan:
    """How an expression is computed of arrays that lie in a certain way."""

    def __init__(self, program, dtype, shape, lines, starts, aligned, threads):
        self.program, self.dtype, self.shape, self.aligned = program, dtype, shape, aligned
        self.new = [answer for answer in program.answers if isinstance(answer, np.dtype)]
        self.parts, lines = min(threads, len(lines)), np.column_stack([lines, *[starts * y.itemsize for y in self.new]])
        self.table = np.vstack([np.resize([self.parts, *lines.shape], lines.shape[1]), lines])

    def run(self, arrays):
        new = [empty(self.shape, dtype) for dtype in self.new]
        if new:
            self.fill(new, arrays)
        new = iter(new)
        answers = [next(new) if isinstance(answer, np.dtype) else None if answer is None else arrays[answer]
                   for answer in self.program.answers]
        return answers[0] if self.program.alone else answers

    def fill(self, new, arrays):
        xs = [x if isinstance(x, np.ndarray) else np.array(x, self.dtype) for x in arrays if x is not None]
        table = self.table.copy()
        table[1:] += np.array([0, *[x.ctypes.data for x in (*xs, *new)]])
        address = self.program.address(self.aligned and all([worth_streaming(y) for y in new]))
        if self.parts > 1 and threads.in_parallel():
            with threads.launch():
                caller().on_threads(self.parts, address, table.ctypes.data)
        else:
            caller().one_by_one(self.parts, address, table.ctypes.data)


def cut(shape, layouts, threads):
    """How to compute a result of this shape from arrays that lie like `layouts`, (shape, strides, dtype's name):

    runs    : does each array go on from number to number in a piece? Else it stays at one number
    lines   : for each piece how many numbers it has, and how many bytes from its beginning each array has them
    starts  : how many numbers of the result come before each piece
    aligned : do all pieces begin where vectors do?

    None where there are no runs that all arrays have in common.
    """
    dims = [d for d in range(len(shape)) if shape[d] > 1]
    if not dims or 0 in shape:
        return None
    strides = [[0] * (len(shape) - len(own)) + [0 if n == 1 else stride for n, stride in zip(own, strides)]
               for own, strides, _ in layouts]
    sizes = [np.dtype(name).itemsize for *_, name in layouts]
    length, runs = 1, [stride[dims[-1]] != 0 for stride in strides]
    while dims and all([stride[dims[-1]] == size * length * run for stride, size, run in zip(strides, sizes, runs)]):
        length *= shape[dims.pop()]
    if length < SHORT:
        return None
    rows = math.prod([shape[d] for d in dims])
    splits = 1 if rows >= 4 * threads else threads       # of a row
    bounds = np.array([length // LANES * split // splits * LANES for split in range(splits)] + [length])
    lines = np.empty((rows, splits, 1 + len(layouts)), np.int64)
    lines[:, :, 0] = np.diff(bounds)
    for i, (stride, size, run) in enumerate(zip(strides, sizes, runs)):
        places = np.zeros((), np.int64)
        for d in dims:
            places = places[..., None] + stride[d] * np.arange(shape[d])
        lines[:, :, 1 + i] = places.reshape(-1, 1) + size * run * bounds[:-1]
    starts = length * np.arange(rows).reshape(-1, 1) + bounds[:-1]
    return runs, lines.reshape(-1, 1 + len(layouts)), starts.reshape(-1), rows == 1 or length % LANES == 0
