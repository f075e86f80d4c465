"""Calls of kernels that must give on a GPU what the reference gives: one file for each topic, as the kernels have.

A call's arrays are drawn anew for each dtype. Shapes are odd, images not square, batches of one and of none among them;
strides, groups and dilation are such that an index that is swapped or one off is seen.
"""
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Draw:
    """What a call's arguments are drawn from."""
    rng: np.random.Generator
    dtype: np.dtype

    def x(self, *shape):
        """Normal numbers."""
        return self.rng.standard_normal(shape).astype(self.dtype)

    def ints(self, limit, *shape):
        """Integers from 0 to limit - 1."""
        return self.rng.integers(0, limit, shape)


@dataclass
class Call:
    """kernel(*args(draw)), args being drawn as often as they are needed.

    Results, and what becomes of the arguments, agree with the reference's to `digits` times the dtype's precision, of each
    number and of the largest one in its array; bit for bit, if `digits` is 0. In float16 the reference rounds sums, which
    are computed in float32 on the GPU, so there `digits` is no less than its default.

    settings : arguments by their names
    waits    : may the host wait for the GPU?
    """
    kernel: str
    args: Callable
    digits: float = 50
    settings: dict = field(default_factory=dict)
    waits: bool = False

    def drawn(self, dtype):
        return list(self.args(Draw(np.random.default_rng(len(self.kernel)), np.dtype(dtype))))

    def agrees(self, kernels, reference, dtype):
        """The results and the arguments after the call, in NumPy's arrays; an AssertionError where they are wrong."""
        import cupy
        import cupyx
        expected, got = self.drawn(dtype), [on_gpu(x) for x in self.drawn(dtype)]
        with np.errstate(all="ignore"):
            wanted = getattr(reference, self.kernel)(*expected, **self.settings)
        with cupyx.allow_synchronize(self.waits):
            answer = getattr(kernels, self.kernel)(*got, **self.settings)
        found = []
        for a, b in zip(flat((answer, got)), flat((wanted, expected)), strict=True):
            if not isinstance(b, np.ndarray):
                assert a is b or a == b, f"{self.kernel}: {a!r} instead of {b!r}"
                continue
            assert isinstance(a, cupy.ndarray), f"{self.kernel}: {type(a)} instead of an array on the GPU"
            assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{self.kernel}: {a.dtype} {a.shape}, not {b.dtype} {b.shape}"
            digits = max(self.digits, Call.digits) if b.dtype == np.float16 else self.digits
            precision = digits * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
            scale = max(1, np.abs(b[np.isfinite(b)]).max(initial=0)) if precision else 0
            a = cupy.asnumpy(a)
            np.testing.assert_allclose(a, b, rtol=precision, atol=precision * scale, err_msg=self.kernel)
            found.append(a)
        return found


def on_gpu(x):
    """An argument for the GPU: arrays as they lie, transposed ones, too, and parts of tuples and lists."""
    import cupy
    if isinstance(x, (tuple, list)):
        return type(x)([on_gpu(part) for part in x])
    if not isinstance(x, np.ndarray):
        return x
    order = sorted(range(x.ndim), key=lambda d: -abs(x.strides[d]))         # of the dimensions in memory
    return cupy.asarray(x.transpose(order).copy()).transpose(np.argsort(order).tolist())


def flat(parts):
    """The leaves of lists and tuples in each other; NumPy's scalars as the arrays of no dimension that a GPU has."""
    if isinstance(parts, (tuple, list)):
        return [leaf for part in parts for leaf in flat(part)]
    return [np.asarray(parts) if isinstance(parts, np.generic) else parts]


def topics():
    """topic -> its calls"""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"gpu_cases.{name}").CALLS for name in names}
