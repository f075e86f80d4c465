"""Calls of the kernels of reduction.cu, and of the sums that are left to CuPy."""
import numpy as np

from gpu_cases import Call


def zeros_in(d, *shape):
    """Factors of which some are 0."""
    return np.where(d.rng.random(shape) < 0.2, 0, d.x(*shape)).astype(d.dtype)


CALLS = [
    *[Call("sum", lambda d, axes=axes: (d.x(3, 5, 4, 7), axes))
      for axes in [(0, 2, 3), (0, 3), (0,), (0, 1), (0, -1), (1, 2), (0, 2), None]],
    *[Call("sum", lambda d, shape=shape, axes=axes: (d.x(*shape), axes)) for shape, axes in [
        ((3, 5), 0), ((3, 5), 1), ((3, 5), ()), ((0, 5), 0), ((3, 0), 0), ((), None), ((), ()), ((7,), 0), ((3, 40), 0),
        ((17, 70), 0), ((1, 3, 5), (0, 2)), ((2, 33, 3), (0, 2)), ((3, 2, 600), (0, 2)),
        ((1100, 3), 0), ((70, 2, 600), (0, 2)), ((70, 2, 601), (0, 2)),      # in more than one part
    ]],
    Call("sum", lambda d: (d.x(3, 5, 4, 7), (0, 2, 3)), settings={"keepdims": True}),
    Call("sum", lambda d: (d.x(3, 5, 4), (0, 1)), settings={"keepdims": True}),
    Call("sum", lambda d: (d.x(5, 3).T, 0)),
    Call("sum", lambda d: (d.ints(9, 3, 5), 0)),
    Call("sum", lambda d: (d.x(3, 5) > 0, 0)),
    *[Call("prod_gradient", lambda d, shape=shape: (d.x(shape[0]), zeros_in(d, *shape)))
      for shape in [(6, 5), (1, 300), (3, 1), (0, 4), (3, 0)]],
    Call("prod_gradient", lambda d: (d.x(3), zeros_in(d, 5, 3).T)),
    *[Call("cumprod_gradient", lambda d, shape=shape, axis=axis: (d.x(*shape), zeros_in(d, *shape), axis))
      for shape, axis in [((6, 5), 0), ((6, 5), 1), ((2, 4, 3), 1), ((1,), 0), ((300, 2), 1), ((0, 3), 0), ((3, 0), 0)]],
    Call("cumprod_gradient", lambda d: (d.x(5, 3).T, zeros_in(d, 5, 3).T, 1)),
]
