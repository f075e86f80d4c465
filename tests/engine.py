"""What the tests of the engine have in common."""
import sys

import numpy as np

import minidl


def leaf(*shape, seed=0, dtype=np.float64):
    """Normal random numbers that require grad."""
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return minidl.Tensor(np.asarray(numbers, dtype), requires_grad=True)


def close(a, b, rtol=1e-12):
    """Equal but for the last bits; tensors or arrays."""
    np.testing.assert_allclose(a.array if isinstance(a, minidl.Tensor) else a,
                               b.array if isinstance(b, minidl.Tensor) else b, rtol=rtol, atol=1e-14)


def calls_of(f):
    """How many functions are called in f(): what it costs, whatever the machine."""
    count = 0

    def seen(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count
