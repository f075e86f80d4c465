"""The double's array: NumPy's, wrapped, with what CuPy's has and no more."""
import sys
import types

import numpy as np

from strictcupy import memory, watch
from strictcupy.signature import check
from strictcupy.surface import SURFACE

SCALARS = (int, float, bool, complex, np.generic)
KINDS = "?bhilqBHILQefdFD"                              # CuPy has arrays of numbers only
WAITING = {"nonzero", "compress", "tolist", "tobytes", "tofile", "dump", "dumps", "item"}


class ndarray:
    """An array of the device; `_sim_buffer` is the NumPy array that holds its numbers."""
    __module__ = "cupy"                                 # by which minidl knows its arrays
    __slots__ = ("_sim_buffer", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise NotImplementedError("the double's arrays have memory of their own")
        self._sim_buffer = numeric(memory.poison(np.empty(shape, dtype, order)))

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. "
                        "Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **settings):
        double = getattr(sys.modules["strictcupy"], ufunc.__name__, None)
        if double is None or method not in ("__call__", "at", "reduce", "accumulate", "outer"):
            return NotImplemented
        if out is not None:
            settings["out"] = out[0]
        function = double if method == "__call__" else getattr(double, method)
        return function(*inputs, **settings)

    def __array_function__(self, function, types_, args, settings):
        double = sys.modules["strictcupy"]
        for name in [*function.__module__.split(".")[1:], function.__name__]:
            double = getattr(double, name, None)
            if double is None:
                return NotImplemented
        return double(*args, **settings)

    # What leaves the device

    def get(self, stream=None, order="C", out=None, blocking=True):
        watch.synchronised()
        if out is None:
            return np.array(self._sim_buffer, order=order)
        out[...] = self._sim_buffer
        return out

    def item(self): return self.get().item()
    def tolist(self): return self.get().tolist()
    def __float__(self): return float(self.get().item())
    def __int__(self): return int(self.get().item())
    def __complex__(self): return complex(self.get().item())
    def __bool__(self): return bool(self.get())
    def __index__(self): return self.get().__index__()
    def __repr__(self): return repr(self.get())
    def __str__(self): return str(self.get())
    def __format__(self, specification): return format(self.get(), specification)
    def __reduce__(self): return asarray_again, (self.get(),)

    # What comes to it

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError("set: an array of the host with the same shape and dtype is wanted")
        watch.uploaded(memory.is_pinned(arr))
        np.copyto(self._sim_buffer, arr)

    def fill(self, value):
        if isinstance(value, ndarray):
            value = value._sim_buffer
        elif isinstance(value, np.ndarray) and value.shape:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._sim_buffer.fill(value)

    # Indices

    def __len__(self):
        return len(self._sim_buffer)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key):
        key = index(key)
        parts = key if isinstance(key, tuple) else (key,)
        if any([isinstance(part, np.ndarray) and part.dtype == bool for part in parts]):
            watch.synchronised()                        # how many are there?
        found = self._sim_buffer[key]
        if isinstance(found, np.generic):               # CuPy gives a view of no dimension
            advanced = any([isinstance(part, np.ndarray) for part in parts])
            found = np.asarray(found) if advanced else self._sim_buffer[(*parts, Ellipsis)]
        return wrapped(found)

    def __setitem__(self, key, value):
        key = index(key)
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, np.ndarray) and part.dtype == bool:
                watch.synchronised()
            elif isinstance(part, np.ndarray):
                cells = np.arange(self._sim_buffer.size).reshape(self._sim_buffer.shape)[key]
                if cells.size != np.unique(cells).size:
                    raise IndexError("an assignment to the same cell twice: CuPy does not say which comes last; use add.at")
        if isinstance(value, (list, tuple)) or isinstance(value, np.ndarray) and value.shape:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._sim_buffer[key] = value._sim_buffer if isinstance(value, ndarray) else value

    # What it is

    @property
    def data(self): return types.SimpleNamespace(ptr=self._sim_buffer.__array_interface__["data"][0])

    @property
    def flags(self):
        """CuPy does not say whether an array is writeable: all are."""
        names = "c_contiguous", "f_contiguous", "owndata", "fnc", "forc"
        return types.SimpleNamespace(**{name: getattr(self._sim_buffer.flags, name) for name in names})

    @property
    def base(self): return None if self._sim_buffer.base is None else wrapped(self._sim_buffer.base)

    @property
    def device(self): return sys.modules["strictcupy"].cuda.Device(0)

    @property
    def __cuda_array_interface__(self): return dict(self._sim_buffer.__array_interface__, version=3)


def numeric(a):
    if a.dtype.char not in KINDS:
        raise ValueError(f"Unsupported dtype {a.dtype}")
    memory.allocate(a)
    return a


def wrapped(result):
    """A NumPy result as the device has it: 0-d arrays instead of scalars."""
    if type(result) is np.ndarray:
        array = object.__new__(ndarray)
        array._sim_buffer = numeric(result)
        return array
    if isinstance(result, np.generic):
        return wrapped(np.asarray(result))
    if isinstance(result, tuple) and type(result) is not tuple:              # a named one
        return tuple(map(wrapped, result))
    if isinstance(result, (tuple, list)):
        return type(result)(map(wrapped, result))
    return result


def unwrapped(x, name):
    """An argument as NumPy takes it; an array of the host is an error."""
    if isinstance(x, ndarray):
        return x._sim_buffer
    if isinstance(x, np.ndarray):
        raise TypeError(f"{name}: Unsupported type {np.ndarray}: an array of the host is given to the device")
    if type(x) in (list, tuple):
        return type(x)([unwrapped(part, name) for part in x])
    return x


def index(key):
    if type(key) is tuple:
        return tuple(map(index, key))
    if isinstance(key, ndarray):
        return key._sim_buffer
    if isinstance(key, np.ndarray) and key.shape:
        raise TypeError("an array of the host is an index of the device; CuPy would copy it, and wait")
    return np.asarray(key) if isinstance(key, list) else key


def asarray_again(a):
    return sys.modules["strictcupy"].asarray(a)


def run(function, name, args, settings):
    """function, NumPy's, of the device's arrays."""
    args = [x._sim_buffer if type(x) is ndarray else unwrapped(x, name) for x in args]
    if not settings:
        with np.errstate(all="ignore"):                 # a GPU reports none of it
            return wrapped(function(*args))
    out = settings.get("out")
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    with np.errstate(all="ignore"):
        result = function(*args, **{key: unwrapped(x, name) for key, x in settings.items()})
    return wrapped(result) if out is None else out


def method(name):
    def call(self, *args, **settings):
        check("ndarray", name, (self, *args), settings)
        if name in WAITING:
            watch.synchronised()
        if name in ("sort", "argsort"):
            settings["kind"] = "stable"
        function = getattr(self._sim_buffer, name)
        if name == "astype":
            settings.pop("subok", None)
            settings = {key: value for key, value in settings.items() if value is not None}
        return run(function, f"ndarray.{name}", args, settings)
    call.__name__ = name
    return call


def attribute(name):
    def read(self):
        value = getattr(self._sim_buffer, name)
        return wrapped(value) if isinstance(value, np.ndarray) else value
    return property(read)


def scatter(name, ufunc):
    def call(self, slices, value):
        ufunc.at(self._sim_buffer, index(slices), unwrapped(value, name))
    call.__name__ = name
    return call


for name in SURFACE.get("ndarray", ()):
    if name not in vars(ndarray) and hasattr(np.ndarray, name) and name != "flat":
        setattr(ndarray, name, (method if callable(getattr(np.ndarray, name)) else attribute)(name))
for name, ufunc in {"scatter_add": np.add, "scatter_max": np.maximum, "scatter_min": np.minimum}.items():
    setattr(ndarray, name, scatter(name, ufunc))


def operator(name, swapped=False, in_place=False):
    ufunc = getattr(np, name)

    def apply(self, other):
        if not isinstance(other, (ndarray, *SCALARS)):
            if isinstance(other, np.ndarray):
                raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        return run(ufunc, name, (other, self) if swapped else (self, other), {"out": self} if in_place else {})
    return apply


def sign(name):
    ufunc = getattr(np, name)
    return lambda self: run(ufunc, name, (self,), {})


for short, name in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "mod": "remainder",
                    "floordiv": "floor_divide", "pow": "power", "matmul": "matmul", "and": "bitwise_and",
                    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift"}.items():
    setattr(ndarray, f"__{short}__", operator(name))
    setattr(ndarray, f"__r{short}__", operator(name, swapped=True))
    setattr(ndarray, f"__i{short}__", operator(name, in_place=True))
for short, name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                    "ne": "not_equal"}.items():
    setattr(ndarray, f"__{short}__", operator(name))
for short, name in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{short}__", sign(name))
