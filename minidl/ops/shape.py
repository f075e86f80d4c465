"""Moving numbers about. Each op's gradient is the op that moves them back."""
from dataclasses import dataclass, field
from math import prod

from minidl.creation import Device, on_device
from minidl.kernels import device_of, kernels_for
from minidl.op import Elementwise, Op

__all__ = [
    "alias", "cat", "chunk", "clone", "contiguous", "expand", "flatten", "flip", "narrow", "pad", "permute", "repeat",
    "reshape", "split", "squeeze", "stack", "sum_to", "t", "to_device", "transpose", "unbind", "unflatten", "unsqueeze",
    "view",
]


@dataclass(eq=False)
class Reshape(Op):
    shape: tuple
    view = True

    def forward(self, k, x):
        return x.reshape(self.shape)

    def backward(self, gy, y, x):
        return Reshape(x.shape)(gy)


@dataclass(eq=False)
class Permute(Op):
    dims: tuple
    view = True

    def forward(self, k, x):
        return x.transpose(self.dims)

    def backward(self, gy, y, x):
        return permute(gy, sorted(range(len(self.dims)), key=self.dims.__getitem__))


@dataclass(eq=False)
class Expand(Op):
    """Broadcasting, spelled out; its gradient sums what was repeated."""
    shape: tuple
    view = True

    def forward(self, k, x):
        return k.broadcast_to(x, self.shape)

    def backward(self, gy, y, x):
        return sum_to(gy, x.shape)


@dataclass(eq=False)
class SumTo(Op):
    """Broadcasting undone: sums the dimensions that expanding `shape` to x's shape would stretch."""
    shape: tuple

    def forward(self, k, x):
        lead = x.ndim - len(self.shape)
        stretched = [lead + i for i, n in enumerate(self.shape) if n == 1 and x.shape[lead + i] != 1]
        return k.sum(x, (*range(lead), *stretched), keepdims=True).reshape(self.shape)

    def backward(self, gy, y, x):
        return expand(gy, x.shape)


@dataclass(eq=False)
class Flip(Op):
    dims: tuple

    def forward(self, k, x):
        return k.copy(k.flip(x, self.dims))      # a copy, as in PyTorch: changing it must not change x

    def backward(self, gy, y, x):
        return flip(gy, self.dims)


@dataclass(eq=False)
class Pad(Op):
    """Numbers around x: widths ((before, after), ...), one pair per dimension."""
    widths: tuple
    value: float = 0.0

    def forward(self, k, x):
        y = k.full([before + n + after for n, (before, after) in zip(x.shape, self.widths)], self.value, dtype=x.dtype)
        y[self.middle(x.shape)] = x
        return y

    def backward(self, gy, y, x):
        return gy[self.middle(x.shape)]

    def middle(self, shape):
        return tuple([slice(before, before + n) for n, (before, _) in zip(shape, self.widths)])


@dataclass(eq=False)
class Cat(Elementwise):
    """One behind the other along `dim`; each input's gradient is its own piece of gy."""
    dim: int
    number_by_number = False

    def forward(self, k, *xs):
        return k.concatenate(xs, self.dim)

    def backward(self, gy, y, *xs):
        start, gxs = 0, []
        for x in xs:
            n = x.shape[self.dim]
            gxs.append(narrow(gy, self.dim, start, n))
            start += n
        return gxs


class Clone(Op):
    """The same numbers in memory of their own."""

    def forward(self, k, x):
        return k.copy(x)

    def backward(self, gy, y, x):
        return gy


@dataclass(eq=False)
class ToDevice(Op):
    """The same numbers on another device; the gradient comes back to where x is."""
    device: str
    non_blocking: bool = field(default=False, repr=False)

    def forward(self, k, x):
        self.home = device_of(x)
        return on_device(x, self.device, self.non_blocking)

    def backward(self, gy, y, x):
        return to_device(gy, self.home)


class Alias(Op):
    """The same numbers in the same memory, as a node of its own."""
    view = True

    def forward(self, k, x):
        return x

    def backward(self, gy, y, x):
        return gy


# ---- functions: PyTorch's words for the ops above


def reshape(input, shape):
    """The same numbers in row-major order in another shape; one size may be -1, and is what remains."""
    shape = tuple([int(n) for n in shape])
    size = prod(input.shape)
    if shape.count(-1) == 1:
        known = prod([n for n in shape if n != -1])
        if known == 0 or size % known:
            raise ValueError(f"reshape: {size} numbers of shape {input.shape} do not fit into {shape}")
        shape = tuple([size // known if n == -1 else n for n in shape])
    if prod(shape) != size or min(shape, default=0) < 0:
        raise ValueError(f"reshape: {size} numbers of shape {input.shape} do not fit into {shape}")
    return input if shape == input.shape else Reshape(shape)(input)


def view(input, shape):
    """`reshape` that never copies; an error where the memory is not laid out for it."""
    y = reshape(input, shape)
    if prod(y.shape) and not kernels_for(y.array).may_share_memory(y.array, input.array):
        raise RuntimeError(f"view: a tensor of shape {input.shape} with this memory order (was it transposed?) cannot be "
                           f"seen as {tuple(y.shape)} without a copy; use reshape")
    return y


def permute(input, dims):
    """Dimension i of the result is dimension dims[i] of `input`."""
    dims = tuple([dimension(d, input, "permute") for d in dims])
    if sorted(dims) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} do not name each dimension of shape {input.shape} once")
    return Permute(dims)(input)


def transpose(input, dim0, dim1):
    """Dimensions dim0 and dim1 change places."""
    dims = list(range(input.ndim))
    a, b = dimension(dim0, input, "transpose"), dimension(dim1, input, "transpose")
    if input.ndim == 0:
        return input
    dims[a], dims[b] = dims[b], dims[a]
    return Permute(tuple(dims))(input)


def t(input):
    """The transpose of a matrix; vectors and numbers stay as they are."""
    if input.ndim > 2:
        raise ValueError(f"t: expects a matrix, not shape {input.shape}; use transpose(dim0, dim1)")
    return input if input.ndim < 2 else Permute((1, 0))(input)


def squeeze(input, dim=None):
    """Without its dimensions of size 1: all of them, or those in `dim` that are."""
    dims = () if dim == () else dimensions(dim, input, "squeeze")
    return reshape(input, [n for i, n in enumerate(input.shape) if n != 1 or i not in dims])


def unsqueeze(input, dim):
    """A dimension of size 1, put in at `dim` (negative: counted from the end of the result)."""
    if not -input.ndim - 1 <= dim <= input.ndim:
        raise IndexError(f"unsqueeze: dim {dim} is out of range for shape {input.shape}")
    dim %= input.ndim + 1
    return reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions start_dim to end_dim, both included, become one."""
    if input.ndim == 0:
        return reshape(input, (1,))
    start, end = dimension(start_dim, input, "flatten"), dimension(end_dim, input, "flatten")
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, (*input.shape[:start], prod(input.shape[start:end + 1]), *input.shape[end + 1:]))


def unflatten(input, dim, sizes):
    """Dimension `dim` becomes several, of `sizes`; one may be -1."""
    dim = dimension(dim, input, "unflatten")
    known = prod([n for n in sizes if n != -1])
    sizes = [input.shape[dim] // known if n == -1 else n for n in sizes]
    return reshape(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1:]))


def expand(input, size):
    """Broadcast to `size` without copying; -1 leaves a dimension as it is."""
    size = tuple(size)
    lead = len(size) - input.ndim
    shape = tuple([input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(size)])
    if lead < 0 or any([n not in (1, shape[lead + i]) for i, n in enumerate(input.shape)]):
        raise ValueError(f"expand: shape {input.shape} does not broadcast to {size}")
    return input if shape == input.shape else Expand(shape)(input)


def sum_to(input, shape):
    """Sum the dimensions along which `shape` would be broadcast to become input's."""
    return input if input.shape == tuple(shape) else SumTo(tuple(shape))(input)


def flip(input, dims):
    """The order of the numbers reversed along `dims`."""
    return Flip(() if dims == () else dimensions(dims, input, "flip"))(input)


def repeat(input, repeats):
    """Copies of the whole, side by side: `repeats` times along each dimension, new ones in front."""
    lead = len(repeats) - input.ndim
    if lead < 0:
        raise ValueError(f"repeat: {len(repeats)} repeats for the {input.ndim} dimensions of shape {input.shape}")
    shape = (1,) * lead + input.shape
    twice = reshape(input, [m for n in shape for m in (1, n)])
    copies = clone(expand(twice, [m for r, n in zip(repeats, shape) for m in (r, n)]))
    return reshape(copies, [r * n for r, n in zip(repeats, shape)])


def pad(input, pad, mode="constant", value=None):
    """Numbers around `input`: pad = (before, after) of the last dimension, then of the one before it, ...

    mode : constant (`value`, default 0), reflect, replicate or circular. Negative widths cut off.
    """
    if len(pad) % 2 or len(pad) // 2 > input.ndim:
        raise ValueError(f"pad: {tuple(pad)} is not a pair of widths for each of the last dimensions of {input.shape}")
    widths = [(0, 0)] * (input.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2]))[::-1]
    if mode == "constant":
        cut = tuple([slice(max(0, -before), n + min(0, after)) for n, (before, after) in zip(input.shape, widths)])
        if any([n + before + after < 0 for n, (before, after) in zip(input.shape, widths)]):
            raise ValueError(f"pad: {tuple(pad)} cuts off more than shape {input.shape} has")
        input = input if all([before >= 0 <= after for before, after in widths]) else input[cut]
        widths = tuple([(max(0, before), max(0, after)) for before, after in widths])
        return Pad(widths, 0.0 if value is None else value)(input) if any(map(any, widths)) else input
    if mode not in PAD_MODES:
        raise ValueError(f"pad: mode {mode!r} is not one of constant, {', '.join(PAD_MODES)}")
    for dim, (before, after) in enumerate(widths):
        if before or after:
            input = pad_by_index(input, dim, before, after, mode)
    return input


PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}      # PyTorch's word: NumPy's


def pad_by_index(x, dim, before, after, mode):
    """Every number of the padding is one of x's: where it comes from, NumPy's padding of 0 ... n-1 tells."""
    n, widest = x.shape[dim], max(before, after)
    if min(before, after) < 0 or (mode == "reflect" and widest >= n) or (mode == "circular" and widest > n) or n == 0:
        raise ValueError(f"pad: widths {before, after} are too large (or negative) for {mode} padding of dimension {dim} "
                         f"of shape {x.shape}")
    k = kernels_for(getattr(x, "array", x))
    return x[(slice(None),) * dim + (k.pad(k.arange(n), (before, after), PAD_MODES[mode]),)]


def cat(tensors, dim=0):
    """Tensors one behind the other along `dim`; their other sizes agree."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: needs at least one tensor")
    tensors = [x for x in tensors if x.shape != (0,)] or tensors[:1]         # as in PyTorch, (0,) joins anything
    dim = dimension(dim, tensors[0], "cat")
    for x in tensors:
        if x.ndim != tensors[0].ndim or any([m != n for i, (m, n) in enumerate(zip(x.shape, tensors[0].shape)) if i != dim]):
            raise ValueError(f"cat: shapes {[tuple(x.shape) for x in tensors]} differ elsewhere than in dimension {dim}")
    return Cat(dim)(*tensors)


def stack(tensors, dim=0):
    """Tensors of one shape side by side, along a new dimension `dim`."""
    tensors = list(tensors)
    if any([x.shape != tensors[0].shape for x in tensors]):
        raise ValueError(f"stack: shapes {[tuple(x.shape) for x in tensors]} are not all the same")
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def narrow(input, dim, start, length):
    """The part from `start`, `length` long, of dimension `dim`; a view."""
    dim = dimension(dim, input, "narrow")
    if start < 0:
        start += input.shape[dim]
    if not 0 <= start <= start + length <= input.shape[dim]:
        raise IndexError(f"narrow: {start} to {start + length} is out of range in dimension {dim} of shape {input.shape}")
    return input[(slice(None),) * dim + (slice(start, start + length),)]


def split(tensor, split_size_or_sections, dim=0):
    """Pieces along `dim`: of one size (the last may be smaller), or of the sizes given. Views of one node."""
    dim = dimension(dim, tensor, "split")
    n, sizes = tensor.shape[dim], split_size_or_sections
    if isinstance(sizes, int):
        if sizes <= 0:
            raise ValueError(f"split: a piece of size {sizes}")
        sizes = [min(sizes, n - start) for start in range(0, n, sizes)] or [0]
    if sum(sizes) != n:
        raise ValueError(f"split: sizes {tuple(sizes)} do not add up to the {n} of dimension {dim} of {tensor.shape}")
    whole, starts = alias(tensor), [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple([narrow(whole, dim, start, size) for start, size in zip(starts, sizes)])


def chunk(input, chunks, dim=0):
    """At most `chunks` pieces of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise ValueError(f"chunk: {chunks} pieces")
    n = input.shape[dimension(dim, input, "chunk")]
    return split(input, max(1, -(-n // chunks)), dim)


def unbind(input, dim=0):
    """All slices along `dim`, which goes away."""
    return tuple([squeeze(x, dim) for x in split(input, 1, dim)]) if input.shape[dim] else ()


def clone(input): return Clone()(input)
def alias(input): return Alias()(input)


def to_device(input, device, non_blocking=False):
    """`input` on a device, as in input.to(device); itself where it is there."""
    here = device_of(getattr(input, "array", input))
    if device == here or (device := Device(device)) == here:
        return input
    return ToDevice(str(device), non_blocking)(input)


def contiguous(input):
    """`input` in row-major memory; itself where it is."""
    array = getattr(input, "array", input)
    return input if array.flags.c_contiguous else Clone()(input)


# ---- dimensions, checked


def dimension(dim, x, who):
    """`dim` counted from the front, for a dimension that x has."""
    ndim = x.ndim or 1
    if not -ndim <= dim < ndim:
        raise IndexError(f"{who}: there is no dimension {dim} in shape {tuple(x.shape)}")
    return dim % ndim


def dimensions(dim, x, who):
    """Dimensions as a tuple, counted from the front; None and () mean all."""
    if dim is None or dim == () or dim == []:
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    dims = tuple([dimension(d, x, who) for d in dims])
    if len(set(dims)) != len(dims):
        raise ValueError(f"{who}: dimensions {dims} repeat one")
    return dims if x.ndim else ()
