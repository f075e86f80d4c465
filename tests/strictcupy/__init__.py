"""A double of CuPy for machines without a GPU: NumPy underneath, as strict as CuPy or stricter.

What breaks when code for NumPy meets a GPU breaks here: an array of the host among those of the device, a name or an
argument that CuPy has not, a scalar where CuPy gives an array of no dimension, an index out of range, memory that nobody
has written. What makes a program wait for the GPU is counted (`watching`). Kernels run in the simulator.

A test that passes says that the plumbing is right and that kernels compute the right numbers when g++ has compiled them;
of speed and of the driver it says nothing.
"""
import sys

import numpy as np

from strictcupy import memory
from strictcupy.array import ndarray
from strictcupy.cuda import cupyx
from strictcupy.cuda import module as cuda
from strictcupy.functions import (
    WAITING, Generator, array, asanyarray, asarray, ascontiguousarray, asnumpy, get_array_module, is_available, lib, linalg,
    named, random)
from strictcupy.raw import RawKernel, RawModule
from strictcupy.surface import SURFACE
from strictcupy.watch import DeviceSynchronized, Watch, everything, watching

__version__ = SURFACE["version"]


def get_default_memory_pool(): return memory.default
def get_default_pinned_memory_pool(): return memory.default_pinned


def __getattr__(name):
    if name.startswith("_") or name not in SURFACE["cupy"]:
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    made = named("cupy", name, np, name in WAITING)
    globals()[name] = made
    return made


def modules():
    """The double's modules under the names of CuPy's."""
    return {"cupy": sys.modules[__name__], "cupy.cuda": cuda, "cupy.cuda.runtime": cuda.runtime,
            "cupy.cuda.memory": cuda.memory, "cupy.linalg": linalg, "cupy.random": random, "cupy.lib": lib,
            "cupy.lib.stride_tricks": lib.stride_tricks, "cupyx": cupyx}
