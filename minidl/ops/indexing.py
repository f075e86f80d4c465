"""Reading by index, and the gradients that are added back where they were read."""
from dataclasses import dataclass, field

from minidl.creation import on_device
from minidl.kernels import MixedDevices, device_of, is_array, kernels_for
from minidl.op import Op
from minidl.ops.arithmetic import cast, where
from minidl.ops.shape import dimension, reshape, sum_to, to_device
from minidl.tensor import Tensor

__all__ = ["embedding", "gather", "getitem", "index_select", "masked_fill", "one_hot", "scatter_add", "setitem"]


@dataclass(eq=False)
class GetItem(Op):
    """y = x[index], with everything that NumPy takes as an index."""
    index: object = field(repr=False)
    view = True

    def forward(self, k, x):
        y = x[self.index]
        if not is_array(y):                      # NumPy reads a single number out of x; with "..." it gives a view
            y = x[(*self.index, ...) if isinstance(self.index, tuple) else (self.index, ...)]
        return y

    def backward(self, gy, y, x):
        return GetItemGradient(self.index, x.shape)(gy)


@dataclass(eq=False)
class GetItemGradient(Op):
    """Zeros with gy added at the index; what was read twice receives twice."""
    index: object = field(repr=False)
    shape: tuple

    def forward(self, k, gy):
        return k.getitem_gradient(gy, self.shape, self.index)

    def backward(self, ggx, y, gy):
        return getitem(ggx, self.index)


@dataclass(eq=False)
class SetItem(Op):
    """x with `value` at the index."""
    index: object = field(repr=False)

    def forward(self, k, x, value):
        y = k.copy(x)
        y[self.index] = value
        return y

    def backward(self, gy, y, x, value):
        gvalue = sum_to(getitem(gy, self.index), value.shape) if self.needs(1) else None
        return SetItem(self.index)(gy, 0.0), gvalue


@dataclass(eq=False)
class Gather(Op):
    """y[i, j] = x[index[i, j], j] for dim = 0, and so on."""
    dim: int
    reads = "index"

    def forward(self, k, x, index):
        x = x[tuple([slice(None) if d == self.dim else slice(n) for d, n in enumerate(index.shape)])]
        return k.take_along_axis(x, index, self.dim)

    def backward(self, gy, y, x, index):
        return ScatterAdd(self.dim, x.shape)(gy, index), None


@dataclass(eq=False)
class ScatterAdd(Op):
    """Gather's transpose: zeros of `shape` with every gy added where the index says."""
    dim: int
    shape: tuple
    reads = "index"

    def forward(self, k, gy, index):
        return k.scatter_add(gy, index, self.shape, self.dim)

    def backward(self, ggx, y, gy, index):
        return Gather(self.dim)(ggx, index), None


def getitem(input, index):
    """input[index]: numbers, slices (negative steps too), None, ..., lists, masks and integer tensors."""
    return GetItem(plain(index, input))(input)


def setitem(input, index, value):
    """A copy of `input` with `value` at the index; what `x[index] = value` writes back into x, on whatever device it is."""
    if hasattr(value, "dtype"):
        value = to_device(value, input.device)
        ones = next((i for i, n in enumerate(value.shape) if n != 1), value.ndim)
        value = reshape(cast(value, input.dtype), value.shape[ones:])          # x[1, 2] = y of shape (1,)
    return SetItem(plain(index, input))(input, value)


def plain(index, x):
    """An index for x's array: tensors in it become their arrays. For an x on a GPU they are moved there."""
    if isinstance(index, tuple):
        return tuple([plain(part, x) for part in index])
    if isinstance(index, Tensor):
        if index.dtype.kind == "f":
            raise TypeError(f"an index must be of integers or bools, not {index.dtype} (shape {index.shape})")
        index = index.array
    if hasattr(index, "dtype") and is_array(index):              # the most are slices and numbers
        places = device_of(getattr(x, "array", x)), device_of(index)
        if places == ("cuda", "cpu"):
            return on_device(index, "cuda")
        if places == ("cpu", "cuda"):
            raise MixedDevices(f"x[index]: the index, of shape {tuple(index.shape)}, is on cuda, but x, of shape "
                               f"{tuple(x.shape)}, on cpu")
    return index


def index_select(input, dim, index):
    """The slices of `input` at `index` (integers, one dimension) along `dim`."""
    dim = dimension(dim, input, "index_select")
    if index.ndim != 1:
        raise ValueError(f"index_select: the index has one dimension, not shape {index.shape}")
    return getitem(input, (slice(None),) * dim + (index,))


def gather(input, dim, index):
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim = 0, and likewise for the others."""
    dim = dimension(dim, input, "gather")
    if index.ndim != input.ndim or any([m > n for d, (m, n) in enumerate(zip(index.shape, input.shape)) if d != dim]):
        raise ValueError(f"gather: an index of shape {index.shape} does not fit into input of shape {input.shape}; it has "
                         f"as many dimensions, and none but dimension {dim} is longer")
    return Gather(dim)(input, index) if input.ndim else input


def scatter_add(input, dim, index, src):
    """`input` with every number of `src` added at the place that `index` gives along `dim`."""
    dim = dimension(dim, input, "scatter_add")
    src = src[tuple([slice(n) for n in index.shape])]
    return input + ScatterAdd(dim, input.shape)(src, index)


def masked_fill(input, mask, value):
    """`value` where the mask (bool, broadcast) holds, `input` elsewhere."""
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_fill: the mask is of bools, not {mask.dtype}")
    return where(mask, value, input)


def embedding(input, weight, padding_idx=None):
    """Rows of weight (rows, width) by integers `input` (...): (..., width). Row padding_idx gets no gradient.

    Integers on the host go to the device of `weight`, after they were checked. On a GPU they are not.
    """
    rows = weight.shape[0]
    if input.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices are integers, not {input.dtype}")
    if input.device == "cpu" and input.numel():          # a GPU's would have to be waited for
        lowest, highest = int(input.min()), int(input.max())
        if lowest < 0 or highest >= rows:
            raise IndexError(f"embedding: indices from {lowest} to {highest} do not all name one of the {rows} rows of "
                             "weight")
    input = to_device(input, weight.device, non_blocking=True)
    y = getitem(weight, input)
    if padding_idx is None:
        return y
    constant = getitem(weight.detach(), input)
    return where((input == padding_idx % rows).unsqueeze(-1), constant, y)


def one_hot(tensor, num_classes=-1):
    """Integers (...) -> (..., num_classes): 1 at the number, 0 elsewhere. -1: as many classes as needed."""
    if tensor.dtype.kind not in "iu":
        raise TypeError(f"one_hot: class numbers are integers, not {tensor.dtype}")
    if tensor.device == "cpu" or num_classes == -1:      # to look at a GPU's would be to wait for it
        largest = int(tensor.max()) if tensor.numel() else -1
        num_classes = largest + 1 if num_classes == -1 else num_classes
        if largest >= num_classes or (tensor.numel() and int(tensor.min()) < 0):
            raise ValueError(f"one_hot: {num_classes} classes, but the numbers run from {int(tensor.min())} to {largest}")
    return Tensor(kernels_for(tensor.array).one_hot(tensor.array, num_classes))
