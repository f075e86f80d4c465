"""Tensor: an array, its gradient, and the op that made it."""
import copy
import weakref
from numbers import Number

import numpy as np

import minidl
from minidl.kernels import is_array
from minidl.mode import Mode


class Version:
    """How often a piece of memory was changed in place, and by what. Views share one.

    rebased_at is the count after the last change that was recorded: views made before it no longer know
    what they were computed from.
    """
    count, changed_by, rebased_at = 0, None, 0       # on the class: every op makes a Version, few are changed

    def bump(self, changed_by):
        self.count += 1
        self.changed_by = changed_by


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    array          the numbers: a NumPy array, or one of another kernel set
    requires_grad  will a gradient be wanted? Only floating-point tensors can
    grad           a Tensor of the same shape once a backward pass has arrived; None before
    op             the Op that made it; None for a leaf (a parameter, an input)
    name           what drawings and errors call it

    `Tensor(data)` shares the memory of an array and copies a list; `minidl.tensor(data)` always copies.
    Writes through `.array` or `.numpy()` are not tracked: a gradient that needs the old numbers is then
    silently wrong. Write with `add_`, `copy_`, `x[i] = ...`, which are.
    """
    __slots__ = ("array", "op", "_requires_grad", "grad", "name", "version", "view_at", "hooks", "retains_grad",
                 "__weakref__")
    __array_ufunc__ = None         # so that ndarray * Tensor asks Tensor.__rmul__

    def __init__(self, data, requires_grad=False, name=""):
        if isinstance(data, Tensor):
            data = data.array
        self.array = data if is_array(data) else minidl.creation.as_array(data)
        minidl.dtypes.category(self.array.dtype)         # an error for what is no number
        self.op, self.grad, self.name = None, None, name
        self.version, self.view_at = Version(), None
        self.hooks, self.retains_grad = None, False
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # ---- what it is

    @property
    def requires_grad(self):
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted):
        if self.op is not None and not wanted:
            raise RuntimeError(f"requires_grad of a tensor made by {self.op} cannot be switched off; "
                               "use x.detach() for one that gradients do not pass")
        if wanted and self.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors have gradients; this one is {self.dtype}, "
                               f"of shape {self.shape}")
        self._requires_grad = bool(wanted)

    def requires_grad_(self, requires_grad=True):
        self.requires_grad = requires_grad
        return self

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)
    is_leaf = property(lambda self: self.op is None)
    node = property(lambda self: self.op or self, doc="What stands for this tensor in the graph.")
    device = property(lambda self: minidl.kernels.device_of(self.array))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.array.nbytes)

    def size(self, dim=None): return self.shape if dim is None else self.shape[dim]
    def dim(self): return self.ndim
    def numel(self): return self.array.size
    def element_size(self): return self.itemsize
    def is_floating_point(self): return self.dtype.kind == "f"

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of a 0-dimensional tensor")
        return self.shape[0]

    def __repr__(self):
        if self.device == "meta":
            return f"tensor(..., shape={self.shape}, dtype={self.dtype}, device='meta')"
        numbers = np.array2string(self.detach().cpu().array, separator=", ", prefix="tensor(", threshold=200,
                                  precision=4)
        notes = [f"dtype={self.dtype}"] if self.dtype not in (np.float32, np.int64, np.bool_) else []
        notes += [f"device={self.device!r}"] if self.device != "cpu" else []
        notes += [f"op={self.op}"] if self.op else ["requires_grad=True"] if self.requires_grad else []
        notes += [f"name={self.name!r}"] if self.name else []
        return f"tensor({', '.join([numbers, *notes])})"

    __hash__ = object.__hash__      # equality is elementwise, so the hash is identity

    # ---- out of the engine

    @property
    def data(self):
        """A detached tensor on the same memory; assigning to it replaces the memory."""
        return self.detach()

    @data.setter
    def data(self, other):
        array = other.array if isinstance(other, Tensor) else other
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(f"x.data = y: y is {array.dtype} {array.shape}, but x is {self.dtype} {self.shape}")
        self.version.bump("x.data = ...")        # for rules that wait to read the old numbers
        self.array, self.version = array, other.version if isinstance(other, Tensor) else Version()

    def detach(self):
        """The same memory (and version counter), out of the graph: no gradient passes."""
        y = of(self.array)
        y.version = self.version
        return y

    def numpy(self):
        """The numbers as a NumPy array on the same memory. One that requires grad wants `detach` first."""
        if self.requires_grad:
            raise RuntimeError("numpy() would leave the graph unnoticed: this tensor requires grad. "
                               "Use x.detach().numpy()")
        if not isinstance(self.array, np.ndarray):
            raise TypeError(f"numpy(): this tensor lives on {self.device}; use x.cpu().numpy()")
        return self.array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype) if copy else np.asarray(self.numpy(), dtype=dtype)

    def item(self):
        """The one number of a tensor of one element, as a Python number."""
        if self.array.size != 1:
            raise ValueError(f"item(): a tensor of shape {self.shape} has {self.array.size} elements, not one")
        return self.array.item()

    def tolist(self): return self.array.tolist()
    def __float__(self): return float(self.item())
    def __int__(self): return int(self.item())

    def __index__(self):
        if self.dtype.kind not in "iu":
            raise TypeError(f"only integer tensors can be an index, not {self.dtype}")
        return int(self.item())

    def __bool__(self):
        if self.array.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self.item())

    def __format__(self, spec):
        return format(self.item(), spec) if self.array.size == 1 and spec else repr(self)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo):
        self._must_be_leaf("deepcopy")
        y = type(self).__new__(type(self))
        Tensor.__init__(y, self.array.copy(), name=self.name)
        memo[id(self)] = y
        y._requires_grad = self._requires_grad
        y.grad = copy.deepcopy(self.grad, memo)
        return y

    def __reduce__(self):
        self._must_be_leaf("pickle")
        if self.device == "cuda":
            return pickled_on, (self.device, type(self), self.cpu().array, self.requires_grad, self.name)
        return type(self), (self.array, self.requires_grad, self.name)

    def _must_be_leaf(self, what):
        if self.op is not None:
            raise RuntimeError(f"{what}: only leaves can be copied whole, and this tensor was made by {self.op}; "
                               f"use x.detach()")

    # ---- gradients

    def backward(self, gradient=None, retain_graph=None, create_graph=False):
        """Backpropagate to the leaves, adding to their `.grad`.

        gradient : of this tensor's shape; may be left out where it is a single number (then 1)
        To pause at every op, loop over `minidl.backprop(x)`: this only exhausts that loop.
        """
        minidl.graph.backward(self, gradient, retain_graph, create_graph)

    def retain_grad(self):
        """Keep the gradient of this non-leaf tensor in `.grad`, too."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor requires no grad, so none will arrive")
        self.retains_grad = True
        if self.op is not None:
            self.op.retained_by = weakref.ref(self)

    def register_hook(self, hook):
        """Call `hook(grad)` with the full gradient of this tensor, before it is used.

        What the hook returns, unless None, takes its place. Returns a handle with `remove()`.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: this tensor requires no grad, so no gradient will pass")
        node = self.node
        if node.hooks is None:
            node.hooks = {}
        return Handle(node.hooks, hook)

    def zero_grad(self):
        self.grad = None

    # ---- changes in place

    def _write(self, op_name, compute):
        """x <- compute(x), in x's own memory; the graph then knows x as what `compute` made of it."""
        before = self.alias()
        if not minidl.kernels.is_writeable(self.array):
            raise RuntimeError(f"{op_name}: this tensor of shape {self.shape} cannot be written to, because it was "
                               "expanded (several of its elements are one in memory) or is read-only; clone it")
        if Mode.recording and self.requires_grad and self.op is None:
            raise RuntimeError(f"{op_name}: a leaf that requires grad cannot be changed in place while ops are "
                               f"recorded; do it under minidl.no_grad() (shape {self.shape})")
        y = compute(before)
        if y.shape != self.shape:
            raise ValueError(f"{op_name}: the result has shape {y.shape}, which does not fit into x of shape "
                             f"{self.shape} in place")
        if minidl.dtypes.category(y.dtype) > minidl.dtypes.category(self.dtype):
            raise TypeError(f"{op_name}: a {y.dtype} result does not fit into {self.dtype} in place")
        if self.view_at is not None and y.requires_grad:
            raise RuntimeError(f"{op_name}: this tensor of shape {self.shape} is a view; a recorded change in place "
                               "of a view would leave its base with a wrong gradient. Change a clone, or the base: "
                               "base[i] = base[i] + x in place of base[i] += x")
        self.array[...] = y.array
        self.version.bump(op_name)
        if y.requires_grad:
            y = y if y.dtype == self.dtype else minidl.ops.cast(y, self.dtype)
            if self.op is not None:
                self.op.retained_by = None
            self.op, self._requires_grad, self.hooks = y.op, True, None
            if self.retains_grad:
                self.retain_grad()
            self.version.rebased_at = self.version.count
        return self

    def alias(self):
        """Another name for this tensor: same memory, same place in the graph."""
        y = of(self.array)
        y.op, y._requires_grad, y.version, y.view_at = self.op, self._requires_grad, self.version, self.view_at
        return y

    def add_(self, other, *, alpha=1): return self._write("add_", lambda x: minidl.ops.add(x, other, alpha=alpha))
    def sub_(self, other, *, alpha=1): return self._write("sub_", lambda x: minidl.ops.sub(x, other, alpha=alpha))
    def mul_(self, other): return self._write("mul_", lambda x: minidl.ops.mul(x, other))
    def div_(self, other): return self._write("div_", lambda x: minidl.ops.div(x, other))
    def clamp_(self, min=None, max=None): return self._write("clamp_", lambda x: minidl.ops.clamp(x, min, max))
    def masked_fill_(self, mask, value): return self._write("masked_fill_", lambda x: minidl.ops.masked_fill(x, mask, value))
    def __setitem__(self, index, value): self._write("x[...] = y", lambda x: minidl.ops.setitem(x, index, value))
    def zero_(self): return self.fill_(0)

    def copy_(self, other):
        return self._write("copy_", lambda x: minidl.ops.expand(
            minidl.ops.cast(minidl.as_tensor(other, device=x.device), x.dtype), x.shape))

    def fill_(self, value):
        return self._write("fill_", lambda x: minidl.full(x.shape, float(value) if x.is_floating_point() else value,
                                                          dtype=x.dtype, device=x.device))

    def normal_(self, mean=0, std=1, *, generator=None):
        return self._write("normal_", lambda x: minidl.creation.drawn("normal", x, mean, std, generator))

    def uniform_(self, from_=0, to=1, *, generator=None):
        return self._write("uniform_", lambda x: minidl.creation.drawn("uniform", x, from_, to, generator))

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

    # ---- operators and methods: each is a function of minidl.ops

    def __add__(self, other): return minidl.ops.add(self, other)
    def __radd__(self, other): return minidl.ops.add(other, self)
    def __sub__(self, other): return minidl.ops.sub(self, other)
    def __rsub__(self, other): return minidl.ops.sub(other, self)
    def __mul__(self, other): return minidl.ops.mul(self, other)
    def __rmul__(self, other): return minidl.ops.mul(other, self)
    def __truediv__(self, other): return minidl.ops.div(self, other)
    def __rtruediv__(self, other): return minidl.ops.div(other, self)
    def __floordiv__(self, other): return minidl.ops.floor_divide(self, other)
    def __rfloordiv__(self, other): return minidl.ops.floor_divide(other, self)
    def __mod__(self, other): return minidl.ops.remainder(self, other)
    def __rmod__(self, other): return minidl.ops.remainder(other, self)
    def __pow__(self, exponent): return minidl.ops.pow(self, exponent)
    def __rpow__(self, base): return minidl.ops.pow(base, self)
    def __neg__(self): return minidl.ops.neg(self)
    def __abs__(self): return minidl.ops.abs(self)
    def __matmul__(self, other): return minidl.ops.matmul(self, other)
    def __rmatmul__(self, other): return minidl.ops.matmul(other, self)
    def __getitem__(self, index): return minidl.ops.getitem(self, index)
    def __eq__(self, other): return minidl.ops.eq(self, other) if is_operand(other) else NotImplemented
    def __ne__(self, other): return minidl.ops.ne(self, other) if is_operand(other) else NotImplemented
    def __lt__(self, other): return minidl.ops.lt(self, other)
    def __le__(self, other): return minidl.ops.le(self, other)
    def __gt__(self, other): return minidl.ops.gt(self, other)
    def __ge__(self, other): return minidl.ops.ge(self, other)
    def __invert__(self): return minidl.ops.bitwise_not(self)
    def __and__(self, other): return minidl.ops.bitwise_and(self, other)
    def __or__(self, other): return minidl.ops.bitwise_or(self, other)
    def __xor__(self, other): return minidl.ops.bitwise_xor(self, other)
    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def add(self, other, *, alpha=1): return minidl.ops.add(self, other, alpha=alpha)
    def sub(self, other, *, alpha=1): return minidl.ops.sub(self, other, alpha=alpha)
    def mul(self, other): return minidl.ops.mul(self, other)
    def div(self, other): return minidl.ops.div(self, other)
    def neg(self): return minidl.ops.neg(self)
    def pow(self, exponent): return minidl.ops.pow(self, exponent)
    def matmul(self, other): return minidl.ops.matmul(self, other)
    def mm(self, mat2): return minidl.ops.mm(self, mat2)
    def bmm(self, mat2): return minidl.ops.bmm(self, mat2)
    def dot(self, tensor): return minidl.ops.dot(self, tensor)
    def outer(self, vec2): return minidl.ops.outer(self, vec2)
    def eq(self, other): return minidl.ops.eq(self, other)
    def ne(self, other): return minidl.ops.ne(self, other)
    def lt(self, other): return minidl.ops.lt(self, other)
    def le(self, other): return minidl.ops.le(self, other)
    def gt(self, other): return minidl.ops.gt(self, other)
    def ge(self, other): return minidl.ops.ge(self, other)
    def isnan(self): return minidl.ops.isnan(self)
    def isinf(self): return minidl.ops.isinf(self)
    def isfinite(self): return minidl.ops.isfinite(self)
    def logical_and(self, other): return minidl.ops.logical_and(self, other)
    def logical_or(self, other): return minidl.ops.logical_or(self, other)
    def logical_not(self): return minidl.ops.logical_not(self)
    def floor(self): return minidl.ops.floor(self)
    def ceil(self): return minidl.ops.ceil(self)
    def round(self): return minidl.ops.round(self)
    def floor_divide(self, other): return minidl.ops.floor_divide(self, other)
    def remainder(self, other): return minidl.ops.remainder(self, other)

    def exp(self): return minidl.ops.exp(self)
    def expm1(self): return minidl.ops.expm1(self)
    def log(self): return minidl.ops.log(self)
    def log1p(self): return minidl.ops.log1p(self)
    def erf(self): return minidl.ops.erf(self)
    def sqrt(self): return minidl.ops.sqrt(self)
    def rsqrt(self): return minidl.ops.rsqrt(self)
    def sin(self): return minidl.ops.sin(self)
    def cos(self): return minidl.ops.cos(self)
    def tanh(self): return minidl.ops.tanh(self)
    def sigmoid(self): return minidl.ops.sigmoid(self)
    def relu(self): return minidl.ops.relu(self)
    def abs(self): return minidl.ops.abs(self)
    def sign(self): return minidl.ops.sign(self)
    def square(self): return minidl.ops.square(self)
    def clamp(self, min=None, max=None): return minidl.ops.clamp(self, min, max)
    def maximum(self, other): return minidl.ops.maximum(self, other)
    def minimum(self, other): return minidl.ops.minimum(self, other)
    def where(self, condition, other): return minidl.ops.where(condition, self, other)
    def softmax(self, dim): return minidl.ops.softmax(self, dim)
    def log_softmax(self, dim): return minidl.ops.log_softmax(self, dim)

    def sum(self, dim=None, keepdim=False, *, dtype=None): return minidl.ops.sum(self, dim, keepdim, dtype=dtype)
    def mean(self, dim=None, keepdim=False): return minidl.ops.mean(self, dim, keepdim)

    def var(self, dim=None, unbiased=None, keepdim=False, *, correction=1):
        return minidl.ops.var(self, dim, unbiased, keepdim, correction=correction)

    def std(self, dim=None, unbiased=None, keepdim=False, *, correction=1):
        return minidl.ops.std(self, dim, unbiased, keepdim, correction=correction)

    def prod(self, dim=None, keepdim=False): return minidl.ops.prod(self, dim, keepdim)
    def max(self, dim=None, keepdim=False): return minidl.ops.max(self, dim, keepdim)
    def min(self, dim=None, keepdim=False): return minidl.ops.min(self, dim, keepdim)
    def amax(self, dim=(), keepdim=False): return minidl.ops.amax(self, dim, keepdim)
    def amin(self, dim=(), keepdim=False): return minidl.ops.amin(self, dim, keepdim)
    def argmax(self, dim=None, keepdim=False): return minidl.ops.argmax(self, dim, keepdim)
    def argmin(self, dim=None, keepdim=False): return minidl.ops.argmin(self, dim, keepdim)
    def all(self, dim=None, keepdim=False): return minidl.ops.all(self, dim, keepdim)
    def any(self, dim=None, keepdim=False): return minidl.ops.any(self, dim, keepdim)
    def logsumexp(self, dim, keepdim=False): return minidl.ops.logsumexp(self, dim, keepdim)
    def cumsum(self, dim): return minidl.ops.cumsum(self, dim)
    def cumprod(self, dim): return minidl.ops.cumprod(self, dim)
    def norm(self, p=2, dim=None, keepdim=False): return minidl.ops.norm(self, p, dim, keepdim)
    def topk(self, k, dim=-1, largest=True, sorted=True): return minidl.ops.topk(self, k, dim, largest, sorted)
    def sort(self, dim=-1, descending=False, stable=False): return minidl.ops.sort(self, dim, descending, stable=stable)
    def argsort(self, dim=-1, descending=False, stable=False): return minidl.ops.argsort(self, dim, descending, stable)

    T = property(lambda self: minidl.ops.permute(self, range(self.ndim)[::-1]))
    mT = property(lambda self: minidl.ops.transpose(self, -2, -1))
    def reshape(self, *shape): return minidl.ops.reshape(self, unpack(shape))
    def view(self, *shape): return minidl.ops.view(self, unpack(shape))
    def permute(self, *dims): return minidl.ops.permute(self, unpack(dims))
    def expand(self, *size): return minidl.ops.expand(self, unpack(size))
    def expand_as(self, other): return minidl.ops.expand(self, other.shape)
    def repeat(self, *repeats): return minidl.ops.repeat(self, unpack(repeats))
    def flip(self, *dims): return minidl.ops.flip(self, unpack(dims))
    def transpose(self, dim0, dim1): return minidl.ops.transpose(self, dim0, dim1)
    def swapaxes(self, axis0, axis1): return minidl.ops.transpose(self, axis0, axis1)
    def t(self): return minidl.ops.t(self)
    def squeeze(self, dim=None): return minidl.ops.squeeze(self, dim)
    def unsqueeze(self, dim): return minidl.ops.unsqueeze(self, dim)
    def flatten(self, start_dim=0, end_dim=-1): return minidl.ops.flatten(self, start_dim, end_dim)
    def unflatten(self, dim, sizes): return minidl.ops.unflatten(self, dim, sizes)
    def narrow(self, dim, start, length): return minidl.ops.narrow(self, dim, start, length)
    def split(self, split_size, dim=0): return minidl.ops.split(self, split_size, dim)
    def chunk(self, chunks, dim=0): return minidl.ops.chunk(self, chunks, dim)
    def unbind(self, dim=0): return minidl.ops.unbind(self, dim)
    def index_select(self, dim, index): return minidl.ops.index_select(self, dim, index)
    def gather(self, dim, index): return minidl.ops.gather(self, dim, index)
    def scatter_add(self, dim, index, src): return minidl.ops.scatter_add(self, dim, index, src)
    def masked_fill(self, mask, value): return minidl.ops.masked_fill(self, mask, value)
    def contiguous(self): return minidl.ops.contiguous(self)
    def clone(self): return minidl.ops.clone(self)

    def to(self, *targets, device=None, dtype=None, non_blocking=False):
        """As another dtype, on another device, both, or as another tensor is; itself where it is so already.

        non_blocking : a copy from page-locked memory to a GPU (a loader with pin_memory makes such) is not waited for.
                       Others never are, and one to the host always is
        """
        device, dtype = minidl.creation.destination(targets, device, dtype)
        x = self if device is None else minidl.ops.to_device(self, device, non_blocking)
        return x if dtype is None else minidl.ops.cast(x, dtype)

    def pin_memory(self):
        """A copy in page-locked memory, from which x.to("cuda", non_blocking=True) copies while all else goes on."""
        if self.device != "cpu":
            raise RuntimeError(f"pin_memory: page-locked memory is the host's, and this tensor lives on {self.device}")
        return of(minidl.creation.the_gpu().pinned(self.array))

    def is_pinned(self):
        """Is it in page-locked memory, put there by `pin_memory`?"""
        return self.device == "cpu" and minidl.cuda.is_available() and minidl.creation.the_gpu().is_pinned(self.array)

    def cpu(self): return self.to("cpu")
    def cuda(self, device=0, non_blocking=False): return self.to(device, non_blocking=non_blocking)
    def type_as(self, other): return self.to(other.dtype)
    def float(self): return self.to(minidl.float32)
    def double(self): return self.to(minidl.float64)
    def half(self): return self.to(minidl.float16)
    def int(self): return self.to(minidl.int32)
    def long(self): return self.to(minidl.int64)
    def bool(self): return self.to(minidl.bool_)


class Handle:
    """Takes a hook away again: `handle.remove()`, or at the end of `with handle:`."""

    def __init__(self, hooks, hook):
        self.hooks, self.key = hooks, object()
        hooks[self.key] = hook

    def remove(self):
        self.hooks.pop(self.key, None)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


def pickled_on(device, cls, array, *settings):
    """The tensor of a pickle, on the device from which it came."""
    return cls(minidl.creation.on_device(array, device), *settings)


def of(array):
    """A Tensor around an array as it is: no checks, no copy. What ops make their results with."""
    y = Tensor.__new__(Tensor)
    y.array = array
    y.op = y.grad = y.view_at = y.hooks = None
    y.name, y._requires_grad, y.retains_grad, y.version = "", False, False, Version()
    return y


def is_operand(x):
    """Can a tensor be compared with x? With None or a list it cannot, and equals neither."""
    return isinstance(x, (Tensor, Number)) or is_array(x)


def unpack(sizes):
    """f(2, 3) and f((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list, range)) else sizes
