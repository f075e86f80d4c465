"""Vectors: what a processor does to 4, 8 or 16 numbers in one instruction, for kernels to be written with.

Numba turns a plain loop over neighbouring numbers into such instructions by itself. Two things it does not find: sums
that stay in registers while matrices stream past (tiles.py), and rows that become columns. A kernel for these is
written twice under one name. The plain loops say what it does; they run where there is no compiler, where
MINIDL_SIMD=none or NUMBA_BOUNDSCHECK=1 asks for them, and on processors that are not listed below. The other one
spells out the instructions, in LLVM's language:

    @jit
    def add(x, i, y, j):
        for lane in range(LANES):
            x[i + lane] += y[j + lane]

    @vectorized(add)
    def add(code, x, i, y, j):
        x.store(i, x.load(i) + y.load(j))

Arrays are flat, and places in them are not checked: a kernel must know that it has room. Arrays of float64 are held
in vectors of as many numbers, which take two registers each. What can be done to vectors is in instructions.py.
"""
import contextlib
import functools
import inspect
import os

from numpy._core._multiarray_umath import __cpu_features__

from minidl.kernels.cpu.jit import Kernel

features = {name for name, there in __cpu_features__.items() if there}

# What a processor can do -> numbers of float32 in a vector, and registers for vectors.
PROCESSORS = {"avx512": (16, 32), "avx2": (8, 16), "neon": (4, 32), "sse": (4, 16), "none": (16, 32)}


def possible():
    """The names in PROCESSORS of what this processor can do, the best first."""
    can = {"avx512": "AVX512F" in features, "avx2": {"AVX2", "FMA3"} <= features,
           "neon": "NEON" in features or "ASIMD" in features, "sse": "SSE2" in features, "none": True}
    return [name for name in PROCESSORS if can[name]]


def processor():
    """What this processor can do best, or what MINIDL_SIMD says of that."""
    asked = os.environ.get("MINIDL_SIMD", "")
    if asked and asked not in possible():
        raise ValueError(f"MINIDL_SIMD={asked}: this processor can do {', '.join(possible())}")
    return asked or possible()[0]


LANES, REGISTERS = PROCESSORS[processor()]


def vectorized(plain, apart=False):
    """Decorates the instructions for what the kernel `plain` does in loops. The result stands for both.

    They become part of the function that calls, or, for those that do a lot (`apart`), a function of their own.
    """
    return lambda emit: VectorKernel(plain.function, emit, apart)


class VectorKernel(Kernel):
    """A kernel in plain loops and in vector instructions; which of them runs is the processor's to say."""

    def __init__(self, function, emit, apart):
        super().__init__(function, fastmath=False)
        self.emit, self.apart = emit, apart

    def compile(self, **options):
        from numba import config
        plain = processor() == "none" or config.DISABLE_JIT or config.BOUNDSCHECK
        return super().compile(**options) if plain else self.instructions()

    def instructions(self):
        """A function that compiled code can call, and whose call becomes what `emit` writes."""
        from numba import types
        from numba.extending import intrinsic

        from minidl.kernels.cpu.instructions import Code

        def typed(context, *args):
            args = [arg if isinstance(arg, types.Array) else types.intp for arg in args]

            def write(context, builder, signature, values):
                elements = [context.get_value_type(arg.dtype) if isinstance(arg, types.Array) else None for arg in args]
                values = [context.make_array(arg)(context, builder, value).data if element else value
                          for arg, element, value in zip(args, elements, values)]
                with own_function(builder, self.function.__name__, values) if self.apart else inline(builder, values) as (
                        builder, values):
                    code = Code(builder, next(element for element in elements if element))
                    self.emit(code, *[code.array(value, element) if element else code.integer(value)
                                      for element, value in zip(elements, values)])
                return context.get_dummy_value()
            return types.void(*args), write

        parameters = inspect.signature(self.function).parameters.values()
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        typed.__signature__ = inspect.Signature([context, *parameters])
        typed.__name__ = self.function.__name__
        instructions = intrinsic(typed)
        instructions.py_func = self.function             # as every compiled function has it: the plain loops
        return instructions

    def __call__(self, *args):
        return self.caller(*args)

    @functools.cached_property
    def caller(self):
        """For calls from Python, which an instruction cannot have."""
        import numba
        compiled = self.compiled
        return numba.njit(lambda *args: compiled(*args))


@contextlib.contextmanager
def inline(builder, values):
    """Instructions are written where the builder is."""
    yield builder, values


@contextlib.contextmanager
def own_function(builder, name, values):
    """Instructions are written into a function of these values, which is called where the builder is."""
    from llvmlite import ir
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    function = ir.Function(builder.module, kind, builder.module.get_unique_name(name))
    function.linkage = "internal"
    function.attributes.add("noinline")
    inner = ir.IRBuilder(function.append_basic_block())
    yield inner, function.args
    inner.ret_void()
    builder.call(function, values)
