"""Calls of the kernels of normalization.cu."""
import numpy as np

from gpu_cases import Call

EPS = 1e-3
AFFINE = [(True, True), (False, False), (True, False), (False, True)]     # with w? with b?
FAR = 500                    # digits lost where numbers are 1000 apart from 0 and 1 from each other


def vectors(d, C, *there):
    return [d.x(C) if is_there else None for is_there in there]


def batch_norm(*shape, affine=(True, True), mean=0.0, digits=50):
    return Call("batch_norm", lambda d: (d.x(*shape) + d.dtype.type(mean), *vectors(d, shape[1], *affine), EPS), digits)


def batch_norm_gradient(*shape, weighted=True):
    def args(d):
        gy, x, (w,) = d.x(*shape), d.x(*shape), vectors(d, shape[1], weighted)
        return gy, x, w, d.x(shape[1]), 1 + d.x(shape[1]) ** 2
    return Call("batch_norm_gradient", args, digits=100)


def group_norm(*shape, groups, affine=(True, True), mean=0.0, digits=50):
    return Call("group_norm", lambda d: (
        d.x(*shape) + d.dtype.type(mean), *vectors(d, shape[1], *affine), groups, EPS), digits)


def group_norm_gradient(*shape, groups, weighted=True):
    def args(d):
        gy, x, (w,) = d.x(*shape), d.x(*shape), vectors(d, shape[1], weighted)
        return gy, x, w, d.x(shape[0], groups), 1 + d.x(shape[0], groups) ** 2
    return Call("group_norm_gradient", args, digits=100)


def lrn(*shape, size, alpha=0.5, beta=0.75):
    return Call("local_response_norm", lambda d: (d.x(*shape), size, alpha, beta, 1.5))


def lrn_gradient(*shape, size, alpha=0.5, beta=0.75):
    return Call("local_response_norm_gradient", lambda d: (
        d.x(*shape), d.x(*shape), 1 + d.x(*shape) ** 2, size, alpha, beta))


def turned(x):
    """x (N, C, H, W), with the channels last in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


IMAGES = [(3, 2, 5, 4), (1, 3, 2, 7), (1, 2, 1, 1), (2, 1, 1, 1), (9, 40, 1, 1), (2, 2, 17, 19), (300, 2, 1, 1),
          (0, 3, 2, 2), (2, 0, 3, 3), (2, 3, 0, 4)]
MANY_PARTS = (1, 1, 340, 400)          # more than a warp has lanes
MANY = (3, 2, 47, 61)        # more than a block's part of a channel; a part ends inside an image
GROUPED = [((3, 6, 5), 2), ((2, 6, 7), 6), ((3, 5, 1), 1), ((2, 300, 1), 1), ((300, 33, 1), 1), ((1, 4, 23), 4),
           ((2, 4, 90), 1), ((2, 8, 1), 2), ((2, 3, 1), 3), ((0, 4, 3), 2), ((2, 4, 0), 2)]

CALLS = [
    *[batch_norm(*shape) for shape in IMAGES],
    *[batch_norm(3, 2, 5, 4, affine=affine) for affine in AFFINE],
    batch_norm(*MANY),
    batch_norm(*MANY_PARTS),
    batch_norm(*MANY, mean=1000, digits=FAR),
    batch_norm(2, 3, 1, 1, mean=1000, digits=FAR),
    Call("batch_norm", lambda d: (turned(d.x(2, 3, 4, 5)), d.x(6)[::2], d.x(6)[::2], EPS)),
    *[batch_norm_gradient(*shape) for shape in IMAGES],
    batch_norm_gradient(3, 2, 5, 4, weighted=False),
    batch_norm_gradient(*MANY),
    batch_norm_gradient(*MANY_PARTS),
    Call("batch_norm_gradient", lambda d: (turned(d.x(2, 3, 4, 5)), d.x(2, 3, 4, 5), d.x(6)[::2], d.x(6)[::2], d.x(6)[::2])),
    *[group_norm(*shape, groups=groups) for shape, groups in GROUPED],
    *[group_norm(2, 6, 3, groups=3, affine=affine) for affine in AFFINE],
    group_norm(2, 6, 70, groups=2, mean=1000, digits=FAR),
    group_norm(5, 40, 1, groups=1, mean=1000, digits=FAR),
    Call("group_norm", lambda d: (d.x(2, 3, 4).transpose(0, 2, 1), d.x(8)[::2], d.x(8)[::2], 2, EPS)),
    *[group_norm_gradient(*shape, groups=groups) for shape, groups in GROUPED],
    group_norm_gradient(2, 6, 3, groups=3, weighted=False),
    group_norm_gradient(2, 2, 4200, groups=1),
    Call("group_norm_gradient", lambda d: (
        d.x(2, 3, 4).transpose(0, 2, 1), d.x(2, 4, 3), d.x(8)[::2], d.x(2, 2).T, d.x(2, 2).T)),
    *[call(*shape, size=size) for call in (lrn, lrn_gradient)
      for shape in [(2, 7, 3, 5), (3, 4, 2), (2, 5), (1, 3, 2, 150), (0, 3, 2, 2), (2, 0, 3)] for size in (1, 2, 5)],
    lrn(2, 3, 4, size=9, beta=1.0),
    lrn_gradient(2, 3, 4, size=4, alpha=1.0, beta=0.5),
    Call("local_response_norm", lambda d: (turned(d.x(2, 3, 4, 5)), 3, 0.5, 0.75, 1.0)),
    Call("local_response_norm_gradient", lambda d: (
        turned(d.x(2, 3, 4, 5)), d.x(2, 3, 4, 5), 1 + d.x(2, 3, 4, 5) ** 2, 3, 0.5, 0.75)),
]
