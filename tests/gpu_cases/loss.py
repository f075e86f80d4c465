"""Calls of the kernels of loss.cu."""
import numpy as np

from gpu_cases import Call

SETTINGS = [(False, -100, 0.0), (True, 1, 0.0), (False, 2, 0.1), (True, -100, 0.3)]     # weighted?, ignored, smoothing
SHAPES = [(5, 4, 1), (3, 40, 1), (2, 300, 1), (2, 5, 3), (2, 3, 150), (1, 1, 1), (0, 5, 1), (2, 5, 0)]


def labels(d, shape, dtype=np.int64):
    N, C, D = shape
    return d.ints(C, N, D).astype(dtype)


def weights(d, shape, weighted):
    return d.x(shape[1]) ** 2 if weighted else None


def loss(shape, weighted, *settings, dtype=np.int64):
    return Call("cross_entropy", lambda d: (
        3 * d.x(*shape), labels(d, shape, dtype), weights(d, shape, weighted), *settings))


def gradient(shape, weighted, *settings, dtype=np.int64):
    return Call("cross_entropy_gradient", lambda d: (
        d.x(shape[0], shape[2]), -d.x(*shape) ** 2, labels(d, shape, dtype), weights(d, shape, weighted), *settings))


def impossible(d, *shape):
    """Scores with probabilities of 0: of a class that is not the label, and of one that is."""
    x = d.x(*shape)
    x[:2, 1] = -np.inf
    return x


STRANGE = np.array([[5, -1, 10 ** 12], [0, -100, 4]])                     # labels that are no classes of (2, 4, 3)

CALLS = [
    *[call(shape, *settings) for call in (loss, gradient) for shape in SHAPES for settings in SETTINGS],
    *[call((3, 5, D), True, 2, 0.1, dtype=dtype) for call in (loss, gradient) for D in (1, 2)
      for dtype in (np.int32, np.uint8)],
    *[Call("cross_entropy", lambda d, D=D: (impossible(d, 3, 4, D), np.array([[0], [1], [2]]).repeat(D, 1), None, -100, 0.0))
      for D in (1, 2)],
    *[Call("cross_entropy", lambda d, D=D: (3000 * d.x(3, 4, D), d.ints(4, 3, D), None, -100, 0.0))   # e^x would overflow
      for D in (1, 2)],
    *[Call("cross_entropy", lambda d, smoothing=smoothing: (d.x(2, 4, 3), STRANGE, d.x(4) ** 2, -100, smoothing))
      for smoothing in (0.0, 0.1)],
    *[Call("cross_entropy_gradient", lambda d, smoothing=smoothing: (
        d.x(2, 3), d.x(2, 4, 3), STRANGE, None, -100, smoothing))
      for smoothing in (0.0, 0.1)],
    # numbers that do not lie one after the other; a gradient that is one number for all; weights of another type
    Call("cross_entropy", lambda d: (d.x(3, 2, 5).transpose(0, 2, 1), d.ints(5, 2, 3).T, d.x(10)[::2] ** 2, 1, 0.1)),
    Call("cross_entropy", lambda d: (d.x(5, 3).T[:, :, None], d.ints(5, 6)[::2, None], None, 1, 0.1)),
    Call("cross_entropy_gradient", lambda d: (np.broadcast_to(d.x(1, 1), (3, 2)), -d.x(3, 2, 5).transpose(0, 2, 1) ** 2,
                                              d.ints(5, 2, 3).T, d.x(10)[::2] ** 2, 1, 0.1)),
    Call("cross_entropy_gradient", lambda d: (np.broadcast_to(d.x(1, 1), (3, 1)), -d.x(3, 5, 1) ** 2, d.ints(5, 3, 1),
                                              (d.x(5) ** 2).astype(np.float64), 1, 0.1)),
]
