"""The double behaves as CuPy itself, where CuPy can be asked without a driver.

An array of CuPy on the host's memory needs none until a kernel is launched: its views, attributes and refusals are real.
"""
import warnings

import numpy as np
import pytest
import strictcupy
from strictcupy.surface import SURFACE, written

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

HOST = np.arange(6, dtype="float32")
ONES = np.ones((2, 3), "float32")


def cupys():
    memory = cupy.cuda.UnownedMemory(HOST.ctypes.data, HOST.nbytes, HOST, device_id=0)
    return cupy.ndarray((2, 3), "float32", memptr=cupy.cuda.MemoryPointer(memory, 0))


def doubles():
    return strictcupy.asarray(HOST.reshape(2, 3))


# of a module, CuPy or its double, and an array of it
CALLS = {
    "asarray": lambda m, x: np.asarray(x), "array": lambda m, x: np.array(x), "dot": lambda m, x: np.dot(ONES.T, x),
    "host @ device": lambda m, x: ONES.T @ x, "host + device": lambda m, x: ONES + x,
    "device + host": lambda m, x: x + ONES, "block": lambda m, x: np.block([x, x]),
    "sum where": lambda m, x: m.sum(x, where=x), "max initial": lambda m, x: m.max(x, initial=0.),
    "x.sum initial": lambda m, x: x.sum(initial=0.), "exp where": lambda m, x: m.exp(x, where=x),
    "ctypes": lambda m, x: x.ctypes, "hash": lambda m, x: hash(x), "len": lambda m, x: len(x),
    "x[0, 0]": lambda m, x: x[0, 0], "x[0]": lambda m, x: x[0], "x[None]": lambda m, x: x[None],
    "x[..., 1:]": lambda m, x: x[..., 1:], "T": lambda m, x: x.T, "mT": lambda m, x: x.mT,
    "reshape": lambda m, x: x.reshape(3, 2), "reshape order": lambda m, x: x.reshape((3, 2), order="C"),
    "reshape wrong": lambda m, x: x.reshape(4, 2), "iter": lambda m, x: list(x)[0],
    "np.shape": lambda m, x: np.shape(x), "np.ndim": lambda m, x: np.ndim(x), "resize": lambda m, x: x.resize(3),
    "to_device": lambda m, x: x.to_device("cpu"), "einsum_path": lambda m, x: m.einsum_path("ij->j", x),
    "zeros device": lambda m, x: m.zeros(3, device="cpu"), "geomspace": lambda m, x: m.geomspace(1, 2),
    "x[5]": lambda m, x: x[5], "get_array_module": lambda m, x: m.get_array_module(x) is m,
    "get_array_module of numpy's": lambda m, x: m.get_array_module(ONES) is np,
    "as_strided": lambda m, x: m.lib.stride_tricks.as_strided(x, (2, 2), (4, 4)), "ravel": lambda m, x: x.ravel(),
    "transpose": lambda m, x: m.transpose(x, (1, 0)), "expand_dims": lambda m, x: m.expand_dims(x, 0),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (4, 2, 3)), "moveaxis": lambda m, x: m.moveaxis(x, 0, 1),
    "swapaxes": lambda m, x: x.swapaxes(0, 1), "squeeze": lambda m, x: x[None].squeeze(0),
    "split": lambda m, x: m.split(x, 2)[1], "object": lambda m, x: m.empty(3, dtype=object),
    "strings": lambda m, x: m.asarray(np.array(["a"])), "contiguous": lambda m, x: x.T.flags.c_contiguous,
    "nbytes": lambda m, x: (x.nbytes, x.itemsize, x.size, x.ndim), "strides": lambda m, x: x.T.strides,
    "view": lambda m, x: x.view("int32"), "broadcast": lambda m, x: m.broadcast_shapes((2, 1), (3,)),
    "may_share_memory": lambda m, x: m.may_share_memory(x, x[1]),
    "result_type": lambda m, x: m.result_type(x, np.float64(1)),
    "x[:] = host": lambda m, x: x.__setitem__(slice(None), ONES), "fill": lambda m, x: x.fill(ONES),
    "generator's normal": lambda m, x: m.random.Generator.normal if m is cupy else m.random.default_rng(0).normal,
}


def outcome(module, x, call):
    try:
        result = call(module, x)
    except Exception as error:
        return type(error)
    return ("array", result.shape, result.dtype) if isinstance(result, (cupy.ndarray, strictcupy.ndarray)) else result


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_it_answers_as_cupy_does(name):
    real, double = outcome(cupy, cupys(), CALLS[name]), outcome(strictcupy, doubles(), CALLS[name])
    if not isinstance(real, type):
        assert double == real
    elif real.__name__ == "CUDARuntimeError":
        pytest.skip("CuPy asks the driver")
    else:
        assert issubclass(double, real) or issubclass(real, double) or {real, double} <= {TypeError, ValueError}


def test_the_frozen_names_and_arguments_are_those_of_cupy():
    if cupy.__version__ != SURFACE["version"]:
        pytest.skip(f"the frozen ones are of CuPy {SURFACE['version']}, here is {cupy.__version__}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert written() == SURFACE
