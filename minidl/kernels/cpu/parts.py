"""How the parts of a kernel's work (jit.py) come to the threads.

Numba compiles a `prange` four times over, and with it all that is called from there. So there is one `prange` only,
below, for all kernels, and all that it calls is a function of two numbers, a part and an address. That is written here,
for each kernel's types: it finds the other arguments at the address, with that of the kernel's own code before them, and
calls it. So a kernel is compiled once, as a function of C's, for all threads and for one.
"""
import numba
import numpy as np
from llvmlite import ir
from numba.core.cgutils import alloca_once_value
from numba.extending import intrinsic

from minidl.kernels.cpu.jit import kept

INTEGER = ir.IntType(64)
PART = ir.FunctionType(ir.VoidType(), [INTEGER, INTEGER])


def one_by_one(parts, *call):
    """Call the function at the address call[0] with every number below `parts` and the rest of `call`."""
    do, at = function_of(call), stored(call)
    for part in range(parts):
        _do(do, part, at)


def on_threads(parts, *call):
    """The same, on all threads, which must have been started."""
    _do_all(function_of(call), stored(call), parts)


def _do_all(do, at, parts):
    for part in numba.prange(parts):
        _do(do, np.int64(part), at)


@intrinsic
def stored(context, call):
    """The address of a copy of `call`, which stays until the function that calls returns."""
    def write(context, builder, signature, values):
        return builder.ptrtoint(alloca_once_value(builder, values[0]), INTEGER)
    return numba.intp(call), write


@intrinsic
def function_of(context, call):
    """The address of a function of a part and of where such a `call` is stored, which does it."""
    def write(context, builder, signature, values):
        function = ir.Function(builder.module, PART, builder.module.get_unique_name("part"))
        function.linkage = "internal"
        inner = ir.IRBuilder(function.append_basic_block())
        part, at = function.args
        call = inner.load(inner.inttoptr(at, values[0].type.as_pointer()))
        address, *args = [borrowed(context, inner, kind, inner.extract_value(call, i))
                          for i, kind in enumerate(signature.args[0])]
        kernel = ir.FunctionType(ir.VoidType(), [INTEGER, *[arg.type for arg in args]])
        inner.call(inner.inttoptr(address, kernel.as_pointer()), [part, *args])
        inner.ret_void()
        return builder.ptrtoint(function, INTEGER)
    return numba.intp(call), write


def borrowed(context, builder, kind, value):
    """An array without the place where Numba counts its users, for which the threads would wait in turn."""
    if isinstance(kind, numba.types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        return array._getvalue()
    if isinstance(kind, numba.types.BaseTuple):
        for i, part in enumerate(kind):
            value = builder.insert_value(value, borrowed(context, builder, part, builder.extract_value(value, i)), i)
    return value


@intrinsic
def _do(context, do, part, at):
    def write(context, builder, signature, values):
        builder.call(builder.inttoptr(values[0], PART.as_pointer()), values[1:])
        return context.get_dummy_value()
    return numba.void(numba.intp, numba.intp, numba.intp), write


_do_all = kept(numba.njit, _do_all, parallel=True, nogil=True)
one_by_one, on_threads = kept(numba.njit, one_by_one, nogil=True), kept(numba.njit, on_threads, nogil=True)
