"""Modules, kernels and their launches, as CuPy's RawModule and RawKernel have them."""
import contextlib
import ctypes
import math
import threading
from dataclasses import dataclass

import numpy as np

from cudasim import build, source

ORDERS = {"forward": 0, "reverse": 1, "shuffle": 2}
MOST_THREADS = 1024
MOST_SHARED = 48 * 1024
LIMITS = [(2 ** 31 - 1, 65535, 65535), (1024, 1024, 64)]      # of a grid and a block, along x, y and z


class Launch(ctypes.Structure):
    """What the C++ side is asked and answers; cudasim.hpp has the same fields."""
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint),
                ("order", ctypes.c_int), ("seed", ctypes.c_uint), ("mutant", ctypes.c_int), ("limit", ctypes.c_longlong),
                ("arguments", ctypes.c_int), ("bytes", ctypes.c_void_p), ("item", ctypes.c_void_p),
                ("loaded", ctypes.c_longlong), ("stored", ctypes.c_longlong), ("distinct_loaded", ctypes.c_longlong),
                ("distinct_stored", ctypes.c_longlong), ("places", ctypes.c_longlong)]


class Module:
    """The kernels of one source, compiled when the first of them is launched."""

    def __init__(self, code, options=()):
        self.code = source.without_comments(code)
        self.defines = [option for option in options if option.startswith("-D")]
        self.names = source.kernels(self.code)
        self.kernels = {}
        self.built = {}

    def get_function(self, name):
        if name not in self.names:
            raise KeyError(f"there is no kernel {name!r}, but {', '.join(self.names)}")
        if name not in self.kernels:
            self.kernels[name] = Kernel(self, name)
        return self.kernels[name]

    def library(self, kind):
        if kind not in self.built:
            library = ctypes.PyDLL(str(getattr(build, kind)(self.code, self.defines)))
            library.cudasim_error.restype = ctypes.c_char_p
            self.built[kind] = library
            if kind == "mutated":
                library.cudasim_reached.restype = ctypes.c_void_p
                mutated_libraries.setdefault(self.code, []).append(library)
        return self.built[kind]


@dataclass
class Launched:
    """A launch in the checked build, and the bytes of global memory that it moved.

    loaded, stored                   : as a GPU without a cache moves them, in sectors of 32 bytes for each access of a warp
    distinct_loaded, distinct_stored : those of the numbers that were touched, which is the least there could be
    """
    kernel: str
    grid: tuple
    block: tuple
    loaded: int
    stored: int
    distinct_loaded: int
    distinct_stored: int
    places: int                              # in a build with mutants: how many of their places were come through


mutated_libraries = {}                        # code -> those of its libraries that have mutants
one_at_a_time = threading.Lock()              # a library has one set of threads, whoever launches
records = []                                  # lists that launches are written down in


@contextlib.contextmanager
def recording():
    """with recording() as launches: what is launched in a block, in the checked build, as a list of Launched."""
    launches = []
    records.append(launches)
    with using(checked=True):
        try:
            yield launches
        finally:
            records.remove(launches)


class Kernel:
    """kernel(grid, block, arguments).

    The class has settings for all kernels: `order` and `seed` say how threads take turns; `checked`, whether accesses are
    looked at. `mutated` = (code, number) is the mutant that the code's kernels are, `limit` how far they may run.
    """
    order, seed, checked = "forward", 0, False
    mutated, limit = None, 0

    def __init__(self, module, name):
        self.module, self.name = module, name
        self.entries = {}

    def __call__(self, grid, block, args, *, shared_mem=0):
        with one_at_a_time:
            self.launch(*self.sizes(grid, block), args, shared_mem)

    def launch(self, grid, block, args, shared):
        is_mutated = Kernel.mutated is not None and Kernel.mutated[0] == self.module.code
        entry = self.entry("mutated" if is_mutated else "checked" if Kernel.checked else "fast")
        launch = entry.launch
        if is_mutated:
            launch.mutant, launch.limit, launch.places = Kernel.mutated[1], Kernel.limit, 0
        launch.grid[:], launch.block[:] = grid, block
        if shared > MOST_SHARED:
            raise ValueError(f"{self.name}: {shared} bytes of dynamic shared memory; more than 48 KiB need an opt-in")
        launch.shared = shared
        launch.order, launch.seed = ORDERS[Kernel.order], Kernel.seed
        entry.set_arguments(args)
        if not entry.function(entry.launch_address, entry.pointers):
            raise RuntimeError(f"{self.name}: {entry.library.cudasim_error().decode()}")
        for launches in records:
            launches.append(Launched(self.name, grid, block, launch.loaded, launch.stored,
                                     launch.distinct_loaded, launch.distinct_stored, launch.places))

    def entry(self, kind):
        if kind not in self.entries:
            self.entries[kind] = Entry(self.name, self.module.library(kind))
        return self.entries[kind]

    def sizes(self, grid, block):
        """grid and block with three sizes each, which CUDA allows."""
        if not (isinstance(grid, tuple) and isinstance(block, tuple)):
            raise TypeError(f"{self.name}: grid and block are tuples, not {grid!r} and {block!r}")
        grid, block = (grid + (1, 1))[:3], (block + (1, 1))[:3]
        if min(grid + block) < 1:
            raise ValueError(f"{self.name}: an empty grid {grid} of {block}; CuPy would launch one block")
        for sizes, limits in zip((grid, block), LIMITS):
            if sizes[0] > limits[0] or sizes[1] > limits[1] or sizes[2] > limits[2]:
                raise ValueError(f"{self.name}: {sizes} is beyond CUDA's limit {limits}")
        if math.prod(block) > MOST_THREADS:
            raise ValueError(f"{self.name}: a block of {block} threads; CUDA's limit is {MOST_THREADS}")
        return grid, block


class Entry:
    """A kernel in one of its module's libraries, and room for what it is called with."""

    def __init__(self, name, library):
        self.name, self.library = name, library
        self.function = getattr(library, f"cudasim_run_{name}")
        self.function.restype = ctypes.c_bool
        describe = getattr(library, f"cudasim_parameters_{name}")
        describe.restype = ctypes.c_char_p
        text = describe().decode()
        self.parameters = [(star == "*", np.dtype(letter)) for star, letter in zip(text[::2], text[1::2])]
        n = len(self.parameters)
        self.launch = Launch()
        self.launch_address = ctypes.byref(self.launch)
        self.values = np.zeros(n, np.uint64)                  # each as its parameter's type has it, in 8 bytes
        self.bytes = np.zeros(n, np.int64)
        self.item = np.array([dtype.itemsize if pointer else 1 for pointer, dtype in self.parameters], np.int64)
        self.launch.arguments, self.launch.bytes, self.launch.item = n, self.bytes.ctypes.data, self.item.ctypes.data
        self.cells = [self.values[i:i + 1].view(dtype)[:1] if not pointer else self.values[i:i + 1]
                      for i, (pointer, dtype) in enumerate(self.parameters)]
        self.pointers = (ctypes.c_void_p * n)(*[self.values.ctypes.data + 8 * i for i in range(n)])

    def set_arguments(self, args):
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, not {len(args)}; CuPy does not count them")
        for i, (x, (pointer, dtype), cell) in enumerate(zip(args, self.parameters, self.cells)):
            if pointer:
                cell[0], self.bytes[i] = self.memory(i, getattr(x, "_sim_buffer", x), dtype)
            elif isinstance(x, np.generic) and x.dtype == dtype:
                cell[0] = x
            else:
                raise TypeError(f"{self.name}: argument {i} is {x!r}, and the kernel takes a np.{dtype}; "
                                "CuPy passes any number on in the bytes that it has")

    def memory(self, i, x, dtype):
        """Address and bytes of an array; 0 and 0 for the null pointer, which is np.uint64(0)."""
        if isinstance(x, np.ndarray):
            if x.dtype != dtype:
                raise TypeError(f"{self.name}: argument {i} is an array of {x.dtype}; the kernel takes {dtype}")
            if not x.flags.c_contiguous:
                raise ValueError(f"{self.name}: argument {i} has strides {x.strides}, which kernels do not see")
            return x.__array_interface__["data"][0], x.nbytes
        if isinstance(x, np.uint64) and x == 0:
            return 0, 0
        raise TypeError(f"{self.name}: argument {i} is {type(x).__name__}; the kernel takes an array")


@contextlib.contextmanager
def using(**settings):
    """Settings of all kernels' launches, as `order="reverse"`, within a block."""
    before = {name: getattr(Kernel, name) for name in settings}
    for name, value in settings.items():
        setattr(Kernel, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(Kernel, name, value)
