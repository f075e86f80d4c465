"""Calls of the kernels of activation.cu."""
import numpy as np

from gpu_cases import Call

SHAPES = [
    ((3, 7), 1), ((2, 40), -1), ((2, 300), 1), ((1, 4099), 1),            # rows: for a warp; for two; for sixteen
    ((2, 5, 3), 1), ((4, 3, 2), 0), ((2, 3, 90), 1), ((5, 4), 0), ((5,), 0),
    ((0, 5), 1), ((5, 0), 1), ((5, 0), 0), ((0, 5), 0), ((2, 0, 3), 1), ((2, 3, 0), 1),
]


def special(d, *shape):
    """Rows with NaN, with an infinity, of infinities only, and with numbers too large for e^x."""
    x = d.x(*shape)
    x[0, 1], x[1, 2], x[2, 1], x[3] = np.nan, np.inf, -np.inf, -np.inf
    return x + 100 * np.arange(len(x), dtype=d.dtype)[:, None]


CALLS = [
    Call("relu", lambda d: (d.x(3, 5),)),
    Call("relu_gradient", lambda d: (d.x(3, 5), np.maximum(d.x(3, 5), 0))),
    Call("relu_gradient", lambda d: (d.x(5, 3).T, d.x(3, 5))),
    Call("relu_gradient", lambda d: (d.x(0, 5), d.x(0, 5))),
    Call("relu_gradient", lambda d: (d.x(2, 300), d.x(2, 300))),          # more than a block's threads
    *[Call(kernel, lambda d, shape=shape, axis=axis: (3 * d.x(*shape), axis))
      for kernel in ("softmax", "log_softmax") for shape, axis in SHAPES],
    *[Call(kernel, lambda d, shape=shape, axis=axis: (d.x(*shape), -d.x(*shape) ** 2, axis))
      for kernel in ("softmax_gradient", "log_softmax_gradient") for shape, axis in SHAPES],
    *[Call(kernel, lambda d, axis=axis: (special(d, 5, 40) if axis else special(d, 5, 40).T.copy(), axis))
      for kernel in ("softmax", "log_softmax") for axis in (0, 1)],
    *[Call(kernel, lambda d, axis=axis: (d.x(4, 3, 2).transpose(2, 0, 1), axis))
      for kernel in ("softmax", "log_softmax") for axis in (1, 2)],
    *[Call(kernel, lambda d, axis=axis: (d.x(4, 5).T, d.x(5, 4), axis))
      for kernel in ("softmax_gradient", "log_softmax_gradient") for axis in (0, 1)],
]
