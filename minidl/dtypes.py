"""Number types, under PyTorch's names: each is the NumPy dtype of that name."""
import numbers

import numpy as np

__all__ = [
    "bool_", "double", "float16", "float32", "float64", "get_default_dtype", "half", "int16", "int32", "int64", "int8",
    "long", "result_type", "set_default_dtype", "uint8",
]

float16, float32, float64 = np.dtype("float16"), np.dtype("float32"), np.dtype("float64")
int8, int16, int32, int64 = np.dtype("int8"), np.dtype("int16"), np.dtype("int32"), np.dtype("int64")
uint8, bool_ = np.dtype("uint8"), np.dtype("bool")
half, double, long = float16, float64, int64

_default = float32


def get_default_dtype():
    """The dtype of floats whose dtype nobody gave; float32 unless `set_default_dtype` was called."""
    return _default


def set_default_dtype(dtype):
    """Make float `dtype` the type of new floating-point tensors."""
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: the default must be a floating-point dtype, not {dtype}")
    _default = dtype


def category(dtype):
    """bool 0, integer 1, float 2: the order in which one kind of number gives way to the next."""
    kind = np.dtype(dtype).kind
    if kind not in "biuf":
        raise TypeError(f"minidl has tensors of bool, integer and float; not of {np.dtype(dtype)}")
    return {"b": 0, "i": 1, "u": 1, "f": 2}[kind]


def result_type(*inputs):
    """The dtype in which `inputs` meet, by PyTorch's rules.

    bool gives way to integer and integer to float. Inside one category, arrays with dimensions decide
    over 0-dimensional ones, and those over Python numbers: float32 (3,) * float64 () is float32, and
    int64 * float32 is float32 (NumPy says float64).
    """
    with_dims, without, numbers_ = [], [], []
    for x in inputs:
        if hasattr(x, "dtype"):
            (with_dims if x.ndim else without).append(x.dtype)
        elif isinstance(x, numbers.Number):
            numbers_.append(np.dtype(bool if isinstance(x, bool) else int if isinstance(x, numbers.Integral)
                                     else _default))
    result = None
    for group in with_dims, without, numbers_:
        if group:
            highest = max(map(category, group))
            if result is None or highest > category(result):
                result = np.result_type(*[d for d in group if category(d) == highest])
    return result
