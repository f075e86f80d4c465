"""CuPy's functions, by NumPy's, with CuPy's arguments and manners."""
import types

import numpy as np

from strictcupy import memory, watch
from strictcupy.array import SCALARS, index, ndarray, run, unwrapped, wrapped
from strictcupy.signature import check
from strictcupy.surface import SURFACE

# Of these, CuPy must know the numbers before it can go on: how many there are, which is the largest, did it succeed.
WAITING = {"nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
           "compress", "extract", "setdiff1d", "setxor1d", "intersect1d", "union1d", "bincount", "histogram", "trim_zeros",
           "array_str", "array_repr", "array2string", "save", "savez", "delete"}
WAITING_LINALG = {"solve", "inv", "pinv", "cholesky", "svd", "qr", "eigh", "eigvalsh", "eig", "eigvals", "lstsq",
                  "tensorsolve", "tensorinv", "matrix_rank"}
ZERO_DIMENSIONAL = {"array_equal", "array_equiv", "allclose", "count_nonzero"}       # a number in NumPy
FROM_HOST = {"asarray", "array", "asanyarray", "ascontiguousarray", "asfortranarray"}
HAVE_AT = {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"}


class ufunc:
    """A ufunc of CuPy: its arguments are arrays of the device and numbers, one array at least."""

    def __init__(self, numpys):
        self.numpys, self.__name__ = numpys, numpys.__name__
        self.nin, self.nout, self.nargs = numpys.nin, numpys.nout, numpys.nargs

    def __call__(self, *args, **settings):
        name = self.__name__
        check("cupy", name, args, settings)
        arrays = False
        for x in args:
            if isinstance(x, ndarray):
                arrays = True
            elif not isinstance(x, SCALARS):
                raise TypeError(f"{name}: Unsupported type {type(x)}")
        if not arrays:
            raise TypeError(f"{name}: no array of the device is given; CuPy would make one")
        return run(self.numpys, name, args, settings)

    def at(self, a, indices, b=None):
        if self.__name__ not in HAVE_AT:
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        if not isinstance(a, ndarray):
            raise TypeError(f"{self.__name__}.at: an array of the device is wanted, not {type(a)}")
        self.numpys.at(a._sim_buffer, index(indices), *([] if b is None else [unwrapped(b, self.__name__)]))

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        settings = {"axis": axis, "dtype": dtype, "out": out, "keepdims": keepdims}
        return run(self.numpys.reduce, self.__name__, (array,), settings)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        return run(self.numpys.accumulate, self.__name__, (array,), {"axis": axis, "dtype": dtype, "out": out})

    def outer(self, a, b, **settings):
        return run(self.numpys.outer, self.__name__, (a, b), settings)


def function(part, name, numpys, waits=False):
    """A function of CuPy by that of NumPy."""
    def call(*args, **settings):
        check(part, name, args, settings)
        if waits or name in ("repeat", "where") and is_counted(name, args):
            watch.synchronised()
        if name in ("sort", "argsort"):
            settings["kind"] = "stable"
        result = run(numpys, name, args, settings)
        if name in ZERO_DIMENSIONAL and not isinstance(result, ndarray):
            return wrapped(np.asarray(result))
        if name in ("empty", "empty_like"):
            memory.poison(result._sim_buffer)
        return result
    call.__name__ = name
    return call


def is_counted(name, args):
    """repeat(x, counts) and where(condition) have as many numbers as the device finds."""
    return len(args) == 1 if name == "where" else len(args) > 1 and isinstance(args[1], ndarray)


def from_host(a):
    """The numbers of an argument that may be the host's, counted where they are."""
    if isinstance(a, ndarray):
        return a._sim_buffer
    if type(a) in (list, tuple) and any([isinstance(part, ndarray) for part in a]):
        return np.stack([from_host(part) for part in a])
    watch.uploaded(memory.is_pinned(a))
    return np.asarray(a)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray) and not copy and (dtype is None or obj.dtype == np.dtype(dtype)) and obj.ndim >= ndmin:
        return obj
    if blocking:
        watch.synchronised()
    return wrapped(np.array(from_host(obj), dtype, order=order, ndmin=ndmin))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    if isinstance(a, ndarray) and (dtype is None or a.dtype == np.dtype(dtype)) and not copy and order in (None, "K", "A"):
        return a
    if blocking:
        watch.synchronised()
    return wrapped(np.array(from_host(a), dtype, order=order or "K"))


def ascontiguousarray(a, dtype=None):
    if isinstance(a, ndarray) and a.flags.c_contiguous and (dtype is None or a.dtype == np.dtype(dtype)) and a.ndim:
        return a
    return wrapped(np.array(from_host(a), dtype, order="C", ndmin=1))


asanyarray = asarray


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return np.asarray(a, order=order)


def get_array_module(*args):
    import strictcupy
    return strictcupy if any([isinstance(x, ndarray) for x in args]) else np


def is_available():
    return True


class Part(types.ModuleType):
    """A module of CuPy, as `cupy.linalg`: its names, by those of NumPy's."""

    def __init__(self, name, numpys, part, waiting=()):
        super().__init__(f"cupy.{name}")
        self._numpys, self._part, self._waiting = numpys, part, waiting

    def __getattr__(self, name):
        if name.startswith("_") or name not in SURFACE[self._part]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        made = named(self._part, name, self._numpys, name in self._waiting)
        setattr(self, name, made)
        return made


def named(part, name, numpys, waits):
    thing = getattr(numpys, name, None)
    if thing is None:
        raise AttributeError(f"cupy has {name!r}, but NumPy and the double have not")
    if isinstance(thing, np.ufunc):
        return ufunc(thing)
    return function(part, name, thing, waits) if callable(thing) and not isinstance(thing, type) else thing


class Generator:
    """cupy.random.Generator, whose numbers are not NumPy's on a GPU either."""

    def __init__(self, seed=None):
        self._numpys = np.random.default_rng(seed)

    def __getattr__(self, name):
        if name not in SURFACE["Generator"]:
            raise AttributeError(f"'cupy.random.Generator' object has no attribute {name!r}")

        def draw(*args, **settings):
            check("Generator", name, (self, *args), settings)
            return run(getattr(self._numpys, name), name, args, settings)
        return draw


linalg = Part("linalg", np.linalg, "linalg", WAITING_LINALG)
stride_tricks = Part("lib.stride_tricks", np.lib.stride_tricks, "stride_tricks")
lib = types.ModuleType("cupy.lib")
lib.stride_tricks = stride_tricks
random = Part("random", np.random, "random")
random.Generator = Generator
random.default_rng = Generator
