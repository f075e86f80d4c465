"""Calls of the kernels of pooling.cu."""
import numpy as np

from gpu_cases import Call
from minidl.kernels.reference.pooling import pool_sizes

# shape of x, size, stride, padding, dilation (max pooling only), ceil_mode
POOLINGS = {
    "halving":       ((2, 3, 6, 4), (2, 2), (2, 2), (0, 0), (1, 1), False),
    "overlapping":   ((2, 3, 7, 8), (3, 2), (2, 1), (1, 1), (1, 1), False),
    "ceil":          ((1, 2, 6, 8), (3, 2), (2, 3), (1, 0), (1, 1), True),
    "ceil, padded":  ((2, 1, 5, 5), (2, 3), (3, 2), (1, 1), (1, 1), True),
    "dilated":       ((1, 3, 8, 9), (3, 2), (1, 2), (1, 1), (2, 3), True),
    "rows apart":    ((1, 2, 8, 9), (2, 3), (2, 1), (1, 1), (3, 2), False),
    "many windows":  ((1, 2, 9, 8), (3, 3), (1, 1), (1, 1), (1, 1), False),     # more than a warp for a plane
    "left over":     ((1, 2, 8, 9), (2, 3), (3, 4), (0, 1), (1, 1), False),     # cells after the last window
    "many planes":   ((3, 3, 4, 3), (2, 2), (2, 1), (1, 0), (1, 1), False),     # more than a block has warps
    "no images":     ((0, 2, 5, 4), (2, 3), (1, 1), (0, 0), (1, 1), False),
    "nothing there": ((1, 2, 1, 2), (2, 2), (1, 1), (1, 1), (2, 3), False),     # windows with no cell inside
}
ADAPTIVE = [((2, 3, 7, 5), (1, 1)), ((2, 3, 7, 5), (3, 2)), ((1, 2, 7, 5), (2, 7)), ((1, 2, 4, 3), (4, 3)),
            ((1, 1, 4, 9), (2, 1)), ((2, 2, 3, 2), (7, 5)), ((1, 3, 11, 6), (2, 1)), ((0, 2, 4, 4), (3, 2)),
            ((5, 2, 8, 9), (1, 1)), ((1, 2, 6, 3), (3, 3))]


def few(d, *shape):
    """Many equal numbers, NaN and -inf."""
    x = d.ints(3, *shape).astype(d.dtype)
    x[d.rng.random(shape) < 0.1] = np.nan
    x[d.rng.random(shape) < 0.1] = -np.inf
    return x


def places(d, shape, cells):
    """Winners' places, some of them those of several windows, some -1."""
    return (d.ints(cells + 1, *shape) - 1).astype(np.int32)


def maxima(x, *how):
    y = *x[:2], *pool_sizes(x, *how)
    cells = x[2] * x[3]
    return [
        Call("max_pool", lambda d: (d.x(*x), *how)),
        Call("max_pool", lambda d: (few(d, *x), *how)),
        Call("max_pool_gradient", lambda d: (d.x(*y), places(d, y, cells), x)),
        Call("max_pool_gradient", lambda d: (d.x(*y), places(d, y, min(4, cells)), x)),
    ]


def means(x, size, stride, padding, _, ceil_mode):
    how, y = (size, stride, padding, ceil_mode), (*x[:2], *pool_sizes(x, size, stride, padding, (1, 1), ceil_mode))
    return [call for divided in ((True, None), (False, None), (True, 5)) for call in (
        Call("avg_pool", lambda d, divided=divided: (d.x(*x), *how, *divided)),
        Call("avg_pool_gradient", lambda d, divided=divided: (d.x(*y), x, *how, *divided)))]


def adaptive(x, out):
    return [
        Call("adaptive_avg_pool", lambda d: (d.x(*x), out)),
        Call("adaptive_avg_pool_gradient", lambda d: (d.x(*x[:2], *out), x)),
        Call("adaptive_max_pool", lambda d: (d.x(*x), out)),
        Call("adaptive_max_pool", lambda d: (few(d, *x), out)),
    ]


def turn(*shape):
    """An array of this shape whose numbers lie in another order."""
    return lambda d: d.x(*shape[::-1]).T


X, Y, WINDOW = (2, 3, 6, 5), (2, 3, 5, 2), ((2, 3), (1, 2), (0, 0))

CALLS = [call for case in POOLINGS.values() for call in (*maxima(*case), *means(*case))]
CALLS += [call for case in ADAPTIVE for call in adaptive(*case)]
CALLS += [
    Call("max_pool", lambda d: (turn(*X)(d), *WINDOW, (1, 1), False)),
    Call("max_pool_gradient", lambda d: (turn(*Y)(d), places(d, Y[::-1], 30).T, X)),
    Call("avg_pool", lambda d: (turn(*X)(d), *WINDOW, False, True)),
    Call("avg_pool_gradient", lambda d: (turn(*Y)(d), X, *WINDOW, False, True)),
    Call("avg_pool_gradient", lambda d: (np.broadcast_to(d.x(2, 1, 1, 1), Y), X, *WINDOW, False, True)),
    Call("adaptive_avg_pool", lambda d: (turn(*X)(d), (2, 3))),
    Call("adaptive_max_pool", lambda d: (turn(*X)(d), (2, 3))),
    Call("adaptive_avg_pool_gradient", lambda d: (turn(*Y)(d), X)),
]
