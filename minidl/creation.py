"""New tensors: from lists and arrays, of constants, of random numbers."""
import numpy as np

from minidl import dtypes
from minidl.kernels import device_of, gpu_kernels, is_array, meta
from minidl.kernels.meta import MetaArray
from minidl.mode import Mode, switch
from minidl.random import default_generator
from minidl.tensor import Tensor, unpack

__all__ = [
    "arange", "as_tensor", "device", "empty", "empty_like", "eye", "from_numpy", "full", "full_like", "linspace", "ones",
    "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "tensor", "zeros", "zeros_like",
]
DEVICES = "cpu", "cuda", "meta"


class device(str):
    """A place for tensors: "cpu", "cuda" or "meta". As a with-block: where tensors are made that are not told where.

        with minidl.device("meta"):
            model = vgg19()                  144 million parameters, of which only the shapes are there

    "cuda:0" and 0 are "cuda": of several GPUs, CUDA_VISIBLE_DEVICES says which one is the first.
    """

    def __new__(cls, name):
        kind, _, number = (f"cuda:{name}" if isinstance(name, int) else str(name)).partition(":")
        if kind not in DEVICES:
            raise RuntimeError(f"there is no device {str(name)!r}; there are {', '.join(DEVICES)}")
        if number not in ("", "0"):
            raise RuntimeError(f"there is no device {str(name)!r} here: the first {kind} is used alone; of several GPUs, "
                               "CUDA_VISIBLE_DEVICES says which one is the first")
        return super().__new__(cls, kind)

    def __enter__(self):
        self.switch = switch(device=str(self))
        return self

    def __exit__(self, *exception):
        self.switch.__exit__(*exception)


Device = device              # where a parameter has that name


def as_array(data, dtype=None):
    """Lists and numbers as an array: floats in the default dtype, integers in int64."""
    if isinstance(data, (list, tuple)):
        data = [x.tolist() if isinstance(x, Tensor) else x for x in data]
    array = np.asarray(data)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a tensor is made of numbers in a rectangle; {data!r:.60} is not one")
    if dtype is None and array.dtype == np.float64 and not is_array(data) and not isinstance(data, np.generic):
        dtype = dtypes.get_default_dtype()
    return array.astype(dtype or array.dtype, copy=False)


def tensor(data, *, dtype=None, device=None, requires_grad=False):
    """A leaf with a copy of `data`: a number, nested lists, an array or a tensor (detached)."""
    array = data.array if isinstance(data, Tensor) else data
    array = array.astype(dtype or array.dtype) if is_array(array) else np.array(as_array(array, dtype))
    return Tensor(on_device(array, device), requires_grad)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory where it can; a tensor of that dtype on that device comes back as it is."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    array = data if is_array(data) else as_array(data, dtype)
    return Tensor(on_device(array.astype(dtype or array.dtype, copy=False), device))


def from_numpy(ndarray):
    """A tensor on the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expects a NumPy array, not {type(ndarray).__name__}")
    dtypes.category(ndarray.dtype)
    return Tensor(ndarray)


def destination(targets, device, dtype):
    """Which device and which dtype are meant by x.to(device), x.to(dtype), x.to(device, dtype) or x.to(another tensor)?

    None stands for what is to stay as it is.
    """
    for target in targets:
        if isinstance(target, Tensor):
            device, dtype = target.device, target.dtype
        elif isinstance(target, int) or (isinstance(target, str) and target.split(":")[0] in DEVICES):
            device = Device(target)
        elif target is not None:
            dtype = target
    return device, None if dtype is None else np.dtype(dtype)


def on_device(array, device, non_blocking=False):
    """`array` where it was asked to be: itself, or a copy. On "meta" it has a shape and a dtype but no numbers.

    non_blocking : do not wait for a copy from page-locked memory to a GPU, which until it is done must stay as it is
    """
    device = device or Mode.device
    if device is None or (here := device_of(array)) == device:
        return array
    there = Device(device)
    if there == here:
        return array
    if there == "meta":
        return MetaArray(array.shape, array.dtype)
    if here == "meta":
        raise RuntimeError(f"device {str(device)!r}, for an array on 'meta', of shape {array.shape}: it has no numbers that "
                           "could be copied")
    return the_gpu().from_host(array, non_blocking) if there == "cuda" else gpu_kernels().to_host(array)


def the_gpu():
    """The kernel set of the GPU; a RuntimeError that says what is missing, if there is none to use."""
    gpu = gpu_kernels()
    gpu.check_there_is_one()
    return gpu


def maker(device):
    """The module that makes arrays on a device, by full and empty."""
    device = device or Mode.device or "cpu"
    return np if device == "cpu" else meta if Device(device) == "meta" else the_gpu()


def is_meta(device):
    return str(device or Mode.device) == "meta"


def zeros(*size, dtype=None, device=None, requires_grad=False):
    """A tensor of zeros: zeros(2, 3) or zeros((2, 3))."""
    return full(unpack(size), 0.0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones(*size, dtype=None, device=None, requires_grad=False):
    """A tensor of ones."""
    return full(unpack(size), 1.0, dtype=dtype, device=device, requires_grad=requires_grad)


def empty(*size, dtype=None, device=None, requires_grad=False):
    """A tensor of whatever the memory holds."""
    return Tensor(maker(device).empty(unpack(size), dtype or dtypes.get_default_dtype()), requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A tensor of one number; without a dtype, of that number's kind."""
    dtype = dtype or as_array(fill_value).dtype
    return Tensor(maker(device).full(unpack((size,)), fill_value, dtype), requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """start, start + step, ..., before `end`; arange(n) counts from 0."""
    start, end = (0, start) if end is None else (start, end)
    if dtype is None and any(isinstance(n, float) for n in (start, end, step)):
        dtype = dtypes.get_default_dtype()
    return Tensor(on_device(np.arange(start, end, step, dtype=dtype), device), requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False):
    """`steps` numbers from start to end, both included."""
    array = np.linspace(start, end, steps, dtype=dtype or dtypes.get_default_dtype())
    return Tensor(on_device(array, device), requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False):
    """n rows (and m columns) with ones on the diagonal."""
    return Tensor(on_device(np.eye(n, m, dtype=dtype or dtypes.get_default_dtype()), device), requires_grad)


def rand(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Uniform random numbers in [0, 1)."""
    if is_meta(device):
        return empty(*size, dtype=dtype, device=device, requires_grad=requires_grad)
    array = (generator or default_generator).uniform(unpack(size), dtype)
    return Tensor(on_device(array, device), requires_grad)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Standard normal random numbers."""
    if is_meta(device):
        return empty(*size, dtype=dtype, device=device, requires_grad=requires_grad)
    array = (generator or default_generator).normal(unpack(size), dtype)
    return Tensor(on_device(array, device), requires_grad)


def drawn(what, like, first, second, generator):
    """Numbers for the place of `like`: "normal" (mean, standard deviation) or "uniform" (from, to)."""
    if is_meta(like.device):
        return empty_like(like)
    array = getattr(generator or default_generator, what)(like.shape, like.dtype, first, second)
    return Tensor(on_device(array, like.device))


def randint(low, high, size, *, generator=None, dtype=None, device=None):
    """Random integers from low to high - 1."""
    array = (generator or default_generator).integers(low, high, size)
    return Tensor(on_device(array.astype(dtype or np.int64), device))


def randperm(n, *, generator=None, device=None):
    """0 ... n-1 in random order."""
    return Tensor(on_device((generator or default_generator).permutation(n), device))


def zeros_like(input, *, dtype=None, device=None, requires_grad=False):
    return full(input.shape, 0, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def ones_like(input, *, dtype=None, device=None, requires_grad=False):
    return full(input.shape, 1, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False):
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=device or input.device,
                requires_grad=requires_grad)


def empty_like(input, *, dtype=None, device=None, requires_grad=False):
    return empty(input.shape, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def rand_like(input, *, generator=None, dtype=None, device=None):
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype, device=device or input.device)


def randn_like(input, *, generator=None, dtype=None, device=None):
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype, device=device or input.device)
