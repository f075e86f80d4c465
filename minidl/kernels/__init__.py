"""Which kernels an array uses: `kernels_for(array)` is a module of functions over arrays."""
import importlib
import sys

import numpy as np

from minidl.kernels import cpu, meta, reference
from minidl.kernels.cpu import vector
from minidl.kernels.cpu.convolution import autotune, conv_algorithm
from minidl.kernels.cpu.instructions import Condition, Vector

KERNEL_SETS = {"reference": reference, "cpu": cpu}      # the sets that NumPy arrays can use, by name

_set_of = {np.ndarray: cpu, meta.MetaArray: meta, Vector: vector, Condition: vector}    # an array type, its kernels


class MixedDevices(RuntimeError):
    """Arrays that are to be computed with lie on several devices."""


def kernels_for(*arrays):
    """The kernel set of the first array, or `meta` where one is; numbers among `arrays` have no say.

    Where no argument is an array, the answer is the set that NumPy arrays use. Some on the CPU and some on a GPU are
    MixedDevices.
    """
    found = None
    for array in arrays:
        kernels = _set_of.get(type(array)) or inherited(type(array))
        if kernels is found or kernels is None:
            continue
        if kernels is meta:
            return meta
        if found is not None and device_of_set(kernels) != device_of_set(found):
            raise mixed(arrays)
        found = found or kernels
    return found or _set_of[np.ndarray]


def device_of_set(kernels):
    return getattr(kernels, "device", "cpu")


def mixed(arrays):
    """The error for arrays on several devices."""
    places = ", ".join([f"{tuple(x.shape)} on {device_of(x)}" for x in arrays if is_array(x)])
    return MixedDevices(f"arrays of shapes {places}; they are wanted on one device, x.to(device) moves one")


def inherited(cls):
    """The kernel set of a class whose base has one, as a memmap is an ndarray, too; None for numbers."""
    for base in cls.__mro__:
        if base in _set_of:
            return _set_of[base]
        if base.__module__ == "cupy":
            return gpu_kernels()
    return None


def gpu_kernels():
    """The kernel set of CuPy's arrays, loaded when a GPU is first asked for; CuPy is imported by nothing else.

    RuntimeError where there is no CuPy.
    """
    try:
        gpu = importlib.import_module("minidl.kernels.gpu")
    except ImportError as error:
        raise RuntimeError(f"device 'cuda' needs CuPy ({error}): pip install 'minidl[gpu13]', or 'minidl[gpu12]' where the "
                           "driver is one for CUDA 12") from error
    _set_of.update({gpu.ndarray: gpu, gpu.formula.Formula: gpu.formula})
    return gpu


def is_array(x):
    """Is x an array of some kernel set? Numbers, lists and NumPy's scalars are none."""
    return type(x) in _set_of or inherited(type(x)) is not None


def device_of(array):
    """Where an array lives, in PyTorch's words: "cpu" for NumPy's."""
    return "cpu" if isinstance(array, np.ndarray) else device_of_set(kernels_for(array))


class OutOfMemory(MemoryError):
    """There is no room for an array; the message says whose, how much was wanted, and of a GPU how much there is."""


def out_of_memory(who, error):
    """NumPy's or CuPy's MemoryError as an OutOfMemory of `who`."""
    if isinstance(error, OutOfMemory):
        return error                                     # it is that of an op inside this one
    gpu = sys.modules.get("minidl.kernels.gpu")
    on_gpu = gpu is not None and isinstance(error, gpu.OutOfMemoryError)
    return OutOfMemory(f"{who}: {gpu.shortage(error) if on_gpu else error}")


def is_writeable(array):
    """Can numbers be written into an array? An expanded one has several elements in one place.

    NumPy makes those read-only; CuPy does not, and they are known by a stride of 0.
    """
    expanded = any([step == 0 and n > 1 for n, step in zip(array.shape, getattr(array, "strides", ()))])
    return getattr(array.flags, "writeable", True) and not (expanded and array.size)


class use_kernels:
    """Choose the kernel set of NumPy arrays: "reference" (plain NumPy) or "cpu" (Numba, the default).

    use_kernels("reference") switches at once and for good; `with use_kernels("reference"):` switches back
    at the end of the block. The choice is the whole process's, not the thread's.
    """

    def __init__(self, name):
        if name not in KERNEL_SETS:
            raise ValueError(f"use_kernels: there is no kernel set {name!r}; there are {', '.join(KERNEL_SETS)}")
        self._before = _set_of[np.ndarray]
        _set_of[np.ndarray] = KERNEL_SETS[name]

    def __enter__(self):
        return kernels_for()

    def __exit__(self, *_):
        _set_of[np.ndarray] = self._before
