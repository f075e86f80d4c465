"""Calls of the kernels of convolution.cu, and of the products around them."""
import numpy as np

from gpu_cases import Call
from minidl.kernels.reference import out_size

# shape of x, shape of w, stride, padding, dilation, groups
CONVOLUTIONS = {
    "plain":             ((2, 3, 7, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1),
    "groups":            ((2, 4, 8, 5), (6, 2, 3, 3), (2, 1), (1, 2), (1, 2), 2),
    "mostly edge":       ((1, 2, 3, 2), (2, 2, 3, 3), (2, 1), (4, 5), (1, 3), 1),
    "rows apart":        ((2, 1, 9, 7), (3, 1, 2, 3), (1, 3), (2, 0), (3, 1), 1),
    "left over":         ((1, 2, 8, 9), (3, 2, 3, 2), (3, 4), (0, 1), (1, 1), 1),        # pixels after the last window
    "pointwise":         ((2, 3, 8, 9), (5, 3, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "small pointwise":   ((3, 2, 4, 5), (5, 2, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "skipping":          ((3, 2, 4, 5), (5, 2, 1, 1), (2, 3), (0, 0), (1, 1), 1),
    "padded pointwise":  ((1, 2, 8, 9), (3, 2, 1, 1), (1, 1), (1, 2), (1, 1), 1),
    "grouped pointwise": ((2, 4, 8, 9), (6, 2, 1, 1), (1, 1), (0, 0), (1, 1), 2),
    "whole image":       ((4, 2, 5, 3), (6, 2, 5, 3), (1, 1), (0, 0), (1, 1), 1),
    "no images":         ((0, 2, 5, 4), (3, 2, 2, 3), (1, 1), (0, 0), (1, 1), 1),
    "depthwise":         ((2, 3, 5, 9), (3, 1, 2, 3), (1, 2), (1, 0), (2, 1), 3),
    "multiplied":        ((3, 2, 6, 5), (4, 1, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "large depthwise":   ((1, 2, 7, 9), (2, 1, 4, 7), (2, 1), (1, 4), (1, 2), 2),
    "depthwise, turned": ((2, 3, 7, 5), (3, 1, 2, 4), (1, 1), (0, 3), (2, 1), 3),
    "tall depthwise":    ((1, 2, 9, 7), (2, 1, 7, 4), (1, 1), (2, 1), (1, 1), 2),
    "square depthwise":  ((2, 2, 7, 8), (2, 1, 5, 4), (2, 1), (1, 2), (1, 1), 2),
    "depthwise edge":    ((1, 2, 3, 2), (6, 1, 3, 3), (2, 1), (4, 5), (1, 3), 2),
    "depthwise on none": ((0, 3, 5, 4), (3, 1, 2, 3), (1, 1), (0, 0), (1, 1), 3),
}
# These do without columns: they have 32 filters or less in a group, or 64 taps or less, and 8192 pixels at least.
FEW_FILTERS = {
    "plain":             ((3, 2, 53, 54), (3, 2, 3, 2), (1, 1), (1, 0), (1, 1), 1),
    "tiles of filters":  ((1, 3, 92, 93), (35, 3, 1, 5), (1, 1), (0, 3), (1, 2), 1),
    "groups":            ((2, 6, 65, 68), (4, 3, 3, 2), (1, 1), (1, 2), (2, 1), 2),
    "one tap left":      ((1, 1, 92, 93), (2, 1, 3, 3), (1, 1), (0, 1), (1, 1), 1),     # of 9, where a step has 8
    "wide taps":         ((1, 12, 92, 93), (2, 12, 1, 3), (1, 1), (0, 0), (1, 1), 1),   # two tiles' warps begin inside
    "long taps":         ((1, 4, 96, 93), (2, 4, 3, 3), (1, 1), (0, 0), (1, 1), 1),     # of a channel's taps
    "two tiles of taps": ((2, 6, 130, 200), (2, 6, 3, 4), (2, 3), (2, 1), (1, 3), 1),
}


def out(x, w, stride, padding, dilation, groups):
    return [out_size(*axis) for axis in zip(x[2:], w[2:], stride, padding, dilation)]


def passes(case):
    """conv2d with a bias and without, and its gradients."""
    x, w, *where = case
    y = x[0], w[0], *out(*case)
    return [
        Call("conv2d", lambda d: (d.x(*x), d.x(*w), d.x(w[0]), *where)),
        Call("conv2d", lambda d: (d.x(*x), d.x(*w), None, *where)),
        Call("conv2d_gradient_x", lambda d: (d.x(*y), d.x(*w), x, *where)),
        Call("conv2d_gradient_w", lambda d: (d.x(*y), d.x(*x), w[2:], *where), 20 * max(1, x[0] * y[2] * y[3]) ** 0.5),
    ]


def moves(case, fill):
    x, w, *where, _ = case
    return [
        Call("im2col", lambda d: (d.x(*x), w[2:], *where, fill)),
        Call("col2im", lambda d: (d.x(*x[:2], *w[2:], *out(*case)), x, *where)),
    ]


def turn(shape):
    """An array of this shape whose numbers lie in another order."""
    return lambda d: d.x(*shape[::-1]).T


X, W, Y, WHERE = (2, 4, 8, 5), (6, 2, 3, 3), (2, 6, 4, 5), ((2, 1), (1, 2), (1, 2), 2)
DW = (4, 1, 3, 3)

CALLS = [call for case in CONVOLUTIONS.values() for call in passes(case)]
CALLS += [call for case in FEW_FILTERS.values() for call in passes(case)]
CALLS += [call for name in ("plain", "groups", "mostly edge", "rows apart", "left over", "no images")
          for call in moves(CONVOLUTIONS[name], -np.inf if name == "groups" else 0.5)]
CALLS += [
    Call("im2col", lambda d: (turn(X)(d), (3, 2), (1, 2), (1, 0), (1, 1))),
    Call("col2im", lambda d: (d.x(2, 3, 2, 2, 3, 4)[..., ::-1], (2, 3, 4, 5), (1, 1), (0, 0), (1, 1))),
    Call("conv2d", lambda d: (turn(X)(d), turn(W)(d), d.x(6), *WHERE)),
    Call("conv2d_gradient_x", lambda d: (turn(Y)(d), turn(W)(d), X, *WHERE)),
    Call("conv2d_gradient_w", lambda d: (turn(Y)(d), turn(X)(d), W[2:], *WHERE)),
    Call("conv2d", lambda d: (turn(X)(d), turn(DW)(d), d.x(4), (1, 1), (1, 1), (1, 1), 4)),
    Call("conv2d_gradient_x", lambda d: (turn(X)(d), turn(DW)(d), X, (1, 1), (1, 1), (1, 1), 4)),
    Call("conv2d_gradient_w", lambda d: (turn(X)(d), turn(X)(d), (3, 3), (1, 1), (1, 1), (1, 1), 4)),
    Call("conv2d", lambda d: (d.x(2, 0, 5, 4), d.x(3, 0, 2, 3), d.x(3), (1, 1), (0, 0), (1, 1), 1)),
    # more pixels than one block has threads, in several parts
    Call("conv2d_gradient_w", lambda d: (d.x(3, 4, 61, 47), d.x(3, 2, 61, 47), (1, 1), (1, 1), (0, 0), (1, 1), 2), 1000),
    # a transposed convolution whose image has room for more windows (output_padding)
    Call("conv2d_gradient_x", lambda d: (d.x(2, 3, 3, 4), d.x(3, 2, 3, 2), (2, 2, 8, 11), (2, 3), (0, 0), (1, 1), 1)),
    Call("conv2d_gradient_x", lambda d: (d.x(2, 2, 3, 4), d.x(2, 1, 3, 2), (2, 2, 8, 11), (2, 3), (0, 0), (1, 1), 2)),
    Call("conv2d_gradient_x", lambda d: (d.x(1, 2, 8, 9), d.x(2, 3, 1, 1), (1, 3, 9, 9), (1, 1), (0, 0), (2, 2), 1)),
]
