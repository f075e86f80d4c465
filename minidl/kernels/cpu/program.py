"""An expression of arrays, compiled: a function that computes pieces of it (one_pass.py), vector by vector."""
import functools
import itertools
from typing import NamedTuple

import numpy as np

from minidl.kernels.cpu import threads, vector
from minidl.kernels.cpu.instructions import Code, Condition, Vector
from minidl.kernels.cpu.simd import LANES, processor


class Kind(NamedTuple):
    """What is compiled for, of an array: its dtype's letter, and whether it is a run of numbers in each piece, or one."""
    char: str
    is_run: bool


@functools.lru_cache(512)
def program_for(expression, kinds, char):
    """The Program for arguments of these kinds, None standing for None, in which numbers are of one dtype.

    None where the expression asks for more than vectors can do: then NumPy will do it, or complain.
    """
    try:
        return Program(expression, kinds, char)
    except Exception:
        return None


class Program:
    """An expression, its machine code, and what it answers:

    answers : the dtype of a new array, or the number of the argument that is the answer, or None
    alone   : is it one answer, and not a list?
    """

    def __init__(self, expression, kinds, char):
        from llvmlite import ir
        if not there_are_vectors():
            raise TypeError("kernels are to be plain loops")
        self.expression, self.kinds, self.made = expression, kinds, {}
        self.elements = {"f": ir.FloatType(), "d": ir.DoubleType(), "?": ir.IntType(8), "q": ir.IntType(64)}
        self.element = self.elements[char]
        code = Code(new_function()[0], self.element)         # written once and forgotten, to see what it answers
        xs = [kind and (code.zero() > 0 if kind.char == "?" else code.zero()) for kind in kinds]
        self.alone = not isinstance(expression(vector, *xs), (tuple, list))
        self.answers = [self.answer(y, xs) for y in self.ask(xs)]

    def ask(self, xs):
        """The expression's answers to vectors, in a list."""
        ys = self.expression(vector, *xs)
        return [ys] if self.alone else ys

    def answer(self, y, xs):
        given = [i for i, x in enumerate(xs) if x is y]
        if y is None or isinstance(y, (Vector, Condition)):
            return None if y is None else given[0] if given and not self.alone else y.dtype
        raise TypeError(f"the answer is a {type(y).__name__}")

    def address(self, streaming):
        """Where the function is that does a part, given its number and the address of the table.

        streaming : are results to be stored past the caches?
        """
        with threads.one_at_a_time():
            if streaming not in self.made:
                builder, part, table = new_function()
                code = Code(builder, self.element)
                self.write(code, code.integer(part), self.array(code, "q", code.integer(table)), streaming)
                builder.ret_void()
                self.made[streaming] = compiled(builder.function)
            return self.made[streaming].address

    def write(self, code, part, table, streaming):
        """Write the function. The table's first line says how many parts there are, how many pieces, and how long a line
        is; then there is a line for each piece: how many numbers it has, where the arguments have them, and where the new
        arrays will."""
        parts, pieces, width = (table.integer(n) for n in range(3))
        first, end = pieces * part // parts, pieces * (part + 1) // parts
        with code.loop(end - first) as piece:
            line = table.after((first + piece + 1) * width)
            count, places = line.integer(0), iter([line.integer(n + 1) for n in range(self.width)])
            xs = [kind and self.array(code, kind.char, next(places)) for kind in self.kinds]
            ys = [self.array(code, answer.char, next(places)) for answer in self.answers if isinstance(answer, np.dtype)]
            xs = [x if kind is None or kind.is_run else read(x.spread(0)) for x, kind in zip(xs, self.kinds)]
            whole = count // LANES
            with code.loop(whole) as n:
                self.write_vector(xs, ys, n * LANES, streaming=streaming)
            with code.when(count - whole * LANES):
                self.write_vector(xs, ys, whole * LANES, count - whole * LANES)

    @property
    def width(self):
        """How many arrays a line has."""
        return sum([kind is not None for kind in self.kinds]) + sum([isinstance(y, np.dtype) for y in self.answers])

    def write_vector(self, xs, ys, i, count=None, streaming=False):
        """The numbers from place i on, of which there may be only `count`."""
        vectors = [x if x is None or isinstance(x, (Vector, Condition)) else
                   read(x.load(i) if count is None else x.load_some(i, count)) for x in xs]
        new = [y for y, answer in zip(self.ask(vectors), self.answers) if isinstance(answer, np.dtype)]
        for array, y in zip(ys, new):
            y = y.bytes() if isinstance(y, Condition) else y
            if count is not None:
                array.store_some(i, y, count)
            elif streaming:
                array.stream(i, y)
            else:
                array.store(i, y)

    def array(self, code, char, address):
        """The array of this dtype at an address."""
        element = self.elements[char]
        return code.array(code.builder.inttoptr(address.value, element.as_pointer()), element)


def there_are_vectors():
    """Not on every processor, and not where loops are to be stepped through, or places in arrays checked."""
    from numba import config
    return not (processor() == "none" or config.DISABLE_JIT or config.BOUNDSCHECK)


def read(x):
    """Numbers as they are; the bytes of an array of bool as a Condition."""
    return x if x.is_floating() else Condition(x.code, x.code.builder.trunc(x.value, x.code.bits))


def new_function():
    """Where to write the instructions of a function of two whole numbers, and these."""
    from llvmlite import ir
    integer, name = ir.IntType(64), f"minidl_part_{next(_numbers)}"
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [integer, integer]), name)
    return ir.IRBuilder(function.append_basic_block()), *function.args


_numbers = itertools.count()


class Compiled(NamedTuple):
    """Machine code, which is there as long as its library."""
    address: int
    library: object


def compiled(function):
    """A function, the one of its module, compiled for this processor, by Numba's settings."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target
    codegen = cpu_target.target_context.codegen()
    function.module.data_layout = str(codegen.target_data)
    with global_compiler_lock:
        library = codegen.create_library(function.name)
        library.add_ir_module(function.module)
        library.finalize()
    return Compiled(library.get_pointer_to_function(function.name), library)
