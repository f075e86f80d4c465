"""A strict stand-in for CuPy on machines with no GPU (tests only).

`xp = strictcupy` looks like cupy to backend-neutral code, holds its data in NumPy,
and is at least as strict as CuPy about the things that break when code written
against NumPy first meets a GPU:

  * no implicit device->host conversion:  np.asarray(x), np.add.at(x, ...) on a host array: TypeError
  * no mixing of host and device arrays in arithmetic or functions: TypeError
  * reductions and x[0] give 0-d device arrays, never NumPy scalars
  * only names that exist in the real cupy (frozen in cupy_surface.json), and, when cupy
    is importable (it is, without a driver), only the keyword arguments of its signatures
  * numeric dtypes only; float()/bool()/.item()/.get() are counted as synchronisations
  * integer-array indices: out of range is an error (CuPy wraps), duplicates in an
    assignment are an error (CuPy: undefined result)
  * RawModule/RawKernel run through cudasim with CuPy's calling convention
A green run says the plumbing is right and the kernels compute the right numbers when
run by g++. It says nothing about speed, races between blocks, or the driver.
"""
import inspect, json, os, sys, types, warnings
import numpy as np
import cudasim

_SURFACE = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cupy_surface.json")))
_TOP, _METH = set(_SURFACE["top"]), set(_SURFACE["ndarray"])
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore"); import cupy as _real
except Exception: _real = None
_SCALARS = (int, float, bool, complex, np.generic)
_KINDS = "?bhilqBHILQefdFD"
syncs = 0                                       # device->host synchronisations so far

def _chk(a):
    if a.dtype.char not in _KINDS: raise ValueError(f"Unsupported dtype {a.dtype}")
    return a

class ndarray:
    __module__ = "cupy"                                  # by which minidl knows its arrays
    __slots__ = ("_sim_buffer",)
    __array_priority__ = 100
    __hash__ = None
    def __init__(self, shape, dtype=float): self._sim_buffer = _chk(np.full(shape, np.nan if np.dtype(dtype).kind in "fc" else 77, dtype))
    @classmethod
    def _new(cls, a): o = object.__new__(cls); o._sim_buffer = _chk(a); return o
    # --- refuse the host ---
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")
    def __array_ufunc__(self, uf, method, *inputs, out=None, **kw):
        if uf.__name__ not in _TOP: return NotImplemented
        f = uf if method == "__call__" else getattr(uf, method)
        if method not in ("__call__", "at", "reduce", "accumulate", "outer"): return NotImplemented
        return _apply(f, f"{uf.__name__}.{method}", inputs, dict(kw, **({"out": out[0]} if out else {})))
    def __array_function__(self, func, types_, args, kw):
        f = sys.modules[__name__]
        for p in func.__module__.split(".")[1:] + [func.__name__]:
            f = getattr(f, p, None)
            if f is None: return NotImplemented
        return f(*args, **kw)
    # --- explicit transfers (counted) ---
    def get(self, stream=None, order="C", out=None, blocking=True):
        global syncs; syncs += 1
        if out is not None: out[...] = self._sim_buffer; return out
        return self._sim_buffer.copy()
    def set(self, arr): np.copyto(self._sim_buffer, arr)
    def item(self): return self.get().item()
    def tolist(self): return self.get().tolist()
    def __float__(self): return float(self.get())
    def __int__(self): return int(self.get())
    def __bool__(self): return bool(self.get())
    def __index__(self): return self.get().__index__()
    def __repr__(self): return repr(self.get())
    def __format__(self, s): return format(self.get(), s)
    def __len__(self): return len(self._sim_buffer)
    def __iter__(self): return (self[i] for i in range(len(self)))
    # --- indexing ---
    def __getitem__(self, k):
        k = _index(k); r = self._sim_buffer[k]
        if isinstance(r, np.generic):                       # CuPy: a 0-d view, not a scalar
            t = k if isinstance(k, tuple) else (k,)
            r = self._sim_buffer[(*t, Ellipsis)] if not any(isinstance(i, np.ndarray) for i in t) else np.asarray(r)
        return ndarray._new(r)
    def __setitem__(self, k, v):
        k = _index(k)
        for i in k if isinstance(k, tuple) else (k,):
            if isinstance(i, np.ndarray) and i.dtype != bool:
                ids = np.arange(self._sim_buffer.size).reshape(self._sim_buffer.shape)[k]
                if ids.size != np.unique(ids).size: raise IndexError("duplicate indices in an assignment: undefined in CuPy; use add.at")
        self._sim_buffer[k] = v._sim_buffer if isinstance(v, ndarray) else v
    # --- attributes ---
    @property
    def T(self): return ndarray._new(self._sim_buffer.T)
    @property
    def device(self): return types.SimpleNamespace(id=0, __repr__=lambda: "<strictcupy device>")
    @property
    def flags(self): return self._sim_buffer.flags
    def __getattr__(self, n):
        if n.startswith("_"): raise AttributeError(n)
        if n not in _METH: raise AttributeError(f"cupy.ndarray has no attribute {n!r}")
        a = getattr(self._sim_buffer, n)
        if not callable(a): return ndarray._new(a) if isinstance(a, np.ndarray) else a
        return lambda *args, **kw: _apply(a, "ndarray." + n, args, kw)

def _index(k):
    if isinstance(k, tuple): return tuple(map(_index, k))
    if isinstance(k, ndarray): return k._sim_buffer
    if isinstance(k, list): return np.asarray(k)
    return k

def _unwrap(x, name, host_ok=False):
    if isinstance(x, ndarray): return x._sim_buffer
    if isinstance(x, np.ndarray) and not host_ok: raise TypeError(f"{name}: Unsupported type <class 'numpy.ndarray'> (host array given to the device)")
    if isinstance(x, (list, tuple)): return type(x)(_unwrap(i, name, host_ok) for i in x)
    return x

def _wrap(r):
    if isinstance(r, ndarray) or r is None: return r
    if isinstance(r, np.ndarray): return ndarray._new(r)
    if isinstance(r, np.generic): return ndarray._new(np.asarray(r))        # 0-d array, not a scalar
    if isinstance(r, (tuple, list)): return type(r)(map(_wrap, r)) if type(r) in (tuple, list) else tuple(map(_wrap, r))
    return r

_REAL_SIG = {}
def _check_sig(name, args, kw):
    if _real is None: return
    if name not in _REAL_SIG:
        f = _real
        try:
            for p in name.split("."): f = getattr(f, p)
            _REAL_SIG[name] = inspect.signature(f)
        except Exception: _REAL_SIG[name] = None
    s = _REAL_SIG[name]
    if s is not None:
        try: s.bind(*args, **kw)
        except TypeError as e: raise TypeError(f"cupy.{name}{s}: {e}") from None

def _apply(f, name, args, kw):
    is_uf = isinstance(f, np.ufunc) or isinstance(getattr(f, "__self__", None), np.ufunc)
    if is_uf:
        for a in args:
            if not isinstance(a, (ndarray, *_SCALARS, type(None))) and not (name.endswith(".at") or isinstance(a, tuple)):
                raise TypeError(f"{name}: Unsupported type {type(a)}")
        if "where" in kw and not isinstance(kw["where"], ndarray): raise TypeError("where must be a cupy.ndarray")
    if not any(isinstance(a, ndarray) for a in _flat(args, kw)) and is_uf and "." not in name:
        raise TypeError(f"{name}: no device array given")                    # CuPy would make one; be explicit
    out = kw.get("out")
    out = out[0] if isinstance(out, tuple) else out
    a2, k2 = _unwrap(tuple(args), name), {k: _unwrap(v, name) for k, v in kw.items()}
    r = f(*a2, **k2)
    return out if out is not None else _wrap(r)

def _flat(args, kw):
    for a in (*args, *kw.values()):
        if isinstance(a, (list, tuple)): yield from a
        else: yield a

def _binop(name, rev=False):
    def op(self, other):
        if not isinstance(other, (ndarray, *_SCALARS)):
            if isinstance(other, np.ndarray): raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        f = getattr(np, name); a = (other, self) if rev else (self, other)
        return _apply(f, name, a, {})
    return op
def _iop(name):
    def op(self, other):
        if isinstance(other, np.ndarray): raise TypeError(f"Unsupported type {type(other)}")
        _apply(getattr(np, name), name, (self, other), {"out": self}); return self
    return op
for _m, _n in dict(add="add", sub="subtract", mul="multiply", truediv="true_divide", floordiv="floor_divide", mod="remainder", pow="power",
                   matmul="matmul", and_="bitwise_and", or_="bitwise_or", xor="bitwise_xor").items():
    _m = _m.rstrip("_")
    setattr(ndarray, f"__{_m}__", _binop(_n)); setattr(ndarray, f"__r{_m}__", _binop(_n, True)); setattr(ndarray, f"__i{_m}__", _iop(_n))
for _m, _n in dict(lt="less", le="less_equal", gt="greater", ge="greater_equal", eq="equal", ne="not_equal").items():
    setattr(ndarray, f"__{_m}__", _binop(_n))
for _m, _n in dict(neg="negative", pos="positive", abs="absolute", invert="invert").items():
    setattr(ndarray, f"__{_m}__", (lambda n: lambda self: _apply(getattr(np, n), n, (self,), {}))(_n))

class _UFunc:
    def __init__(self, uf): self._uf = uf; self.__name__ = uf.__name__
    def __call__(self, *a, **k): return _apply(self._uf, self.__name__, a, k)
    def at(self, a, idx, b=None):
        if self.__name__ not in ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"): raise NotImplementedError(f"cupy_{self.__name__}.at")
        if not isinstance(a, ndarray): raise TypeError("device array expected")
        self._uf.at(a._sim_buffer, _index(idx), *([] if b is None else [_unwrap(b, "at")]))
    def reduce(self, *a, **k): return _apply(self._uf.reduce, self.__name__ + ".reduce", a, k)
    def outer(self, *a, **k): return _apply(self._uf.outer, self.__name__ + ".outer", a, k)

def asnumpy(a, stream=None, order="C", out=None, *, blocking=True): return a.get() if isinstance(a, ndarray) else np.asarray(a)
def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    if isinstance(a, ndarray) and (dtype is None or a.dtype == np.dtype(dtype)): return a
    return ndarray._new(np.array(_unwrap(a, "asarray", host_ok=True), dtype=dtype, order=order or "K"))
def array(a, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    return ndarray._new(np.array(_unwrap(a, "array", host_ok=True), dtype=dtype, order=order, ndmin=ndmin))
def get_array_module(*args): return sys.modules[__name__] if any(isinstance(a, ndarray) for a in args) else np
def is_available(): return True
class RawModule:
    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None): self._a = (code, options); self._m = None
    def get_function(self, name):
        self._m = self._m or cudasim.Module(*self._a); return self._m.get_function(name)
def RawKernel(code, name, options=(), backend="nvrtc"): return RawModule(code=code, options=options).get_function(name)

_CREATE = {"zeros", "ones", "empty", "full", "arange", "linspace", "eye", "zeros_like", "ones_like", "empty_like", "full_like"}
class _Sub(types.ModuleType):
    def __init__(self, name, np_mod, allowed): super().__init__(f"{__name__}.{name}"); self._np, self._allowed, self._name = np_mod, allowed, name
    def __getattr__(self, n):
        if n.startswith("__") or (self._allowed is not None and n not in self._allowed): raise AttributeError(f"cupy.{self._name} has no {n!r}")
        a = getattr(self._np, n)
        return _func(f"{self._name}.{n}", a) if callable(a) and not isinstance(a, type) else a
def _func(name, f):
    def g(*args, **kw):
        _check_sig(name, args, kw)
        if name in ("empty", "empty_like"):                 # poison: uninitialised memory is not zero
            r = _apply(f, name, args, kw)
            r._sim_buffer.fill(np.nan if r.dtype.kind in "fc" else 77 if r.dtype.kind in "iu" else True); return r
        return _apply(f, name, args, kw)
    g.__name__ = name.rsplit(".")[-1]; return g
class Generator:                                            # only what cupy.random.Generator has
    _OK = {"random", "standard_normal", "integers", "uniform", "binomial", "exponential", "beta", "gamma", "poisson", "standard_exponential"}
    def __init__(self, seed): self._g = np.random.default_rng(seed)
    def __getattr__(self, n):
        if n not in self._OK: raise AttributeError(f"cupy.random.Generator has no {n!r}")
        return lambda *a, **k: _wrap(getattr(self._g, n)(*a, **k))
linalg = _Sub("linalg", np.linalg, set(_SURFACE["linalg"]))
random = _Sub("random", np.random, {"permutation", "randn", "rand", "standard_normal", "uniform", "normal", "seed", "randint"})
random.__dict__["default_rng"] = lambda seed=None: Generator(seed)
lib = types.SimpleNamespace(stride_tricks=_Sub("lib.stride_tricks", np.lib.stride_tricks, {"sliding_window_view", "as_strided"}))
def __getattr__(n):
    if n.startswith("__"): raise AttributeError(n)
    if n not in _TOP: raise AttributeError(f"module 'cupy' has no attribute {n!r}")
    a = getattr(np, n)
    return _UFunc(a) if isinstance(a, np.ufunc) else _func(n, a) if callable(a) and not isinstance(a, type) else a
