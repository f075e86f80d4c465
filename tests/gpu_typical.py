"""Calls of the GPU's kernels as networks make them, small: of these it is measured what a kernel moves.

Images have whole rows of 32 pixels and channels enough, so that what is moved beyond the least is the kernel's doing.
"""
import numpy as np
from gpu_cases import Call

HOW = (1, 1), (1, 1), (1, 1)                             # stride, padding, dilation
IMAGES = (4, 16, 32, 32)
ROWS, COLUMNS = (64, 1000), (4, 21, 32, 32)              # scores of classes: of images, and of pixels
WEIGHTS = (256, 64)
POOLED = (4, 16, 16, 16)


def square(d, *shape):
    return 1 + d.x(*shape) ** 2


def statistics(d, *shape):
    """A mean, and something like 1 / (standard deviation)."""
    return d.x(*shape), square(d, *shape)


CALLS = [
    Call("relu_gradient", lambda d: (d.x(*IMAGES), d.x(*IMAGES))),
    *[Call(name, lambda d, shape=shape, axis=axis: (d.x(*shape), axis))
      for name in ("softmax", "log_softmax") for shape, axis in ((ROWS, 1), (COLUMNS, 1))],
    *[Call(name, lambda d, shape=shape, axis=axis: (d.x(*shape), d.x(*shape), axis))
      for name in ("softmax_gradient", "log_softmax_gradient") for shape, axis in ((ROWS, 1), (COLUMNS, 1))],

    Call("im2col", lambda d: (d.x(*IMAGES), (3, 3), *HOW)),
    Call("col2im", lambda d: (d.x(4, 16, 3, 3, 32, 32), IMAGES, *HOW)),
    Call("conv2d", lambda d: (d.x(*IMAGES), d.x(16, 1, 3, 3), None, *HOW, 16)),
    Call("conv2d_gradient_x", lambda d: (d.x(*POOLED), d.x(16, 1, 3, 3), IMAGES, (2, 2), (1, 1), (1, 1), 16)),
    Call("conv2d_gradient_w", lambda d: (d.x(*IMAGES), d.x(*IMAGES), (3, 3), *HOW, 16)),
    Call("conv2d", lambda d: (d.x(8, 16, 32, 32), d.x(16, 16, 3, 3), None, *HOW, 1)),            # few filters, many pixels
    Call("conv2d_gradient_w", lambda d: (d.x(8, 16, 32, 32), d.x(8, 16, 32, 32), (3, 3), *HOW, 1)),

    Call("getitem_gradient", lambda d: (d.x(256, 64), (1000, 64), d.ints(1000, 256))),
    Call("getitem_gradient", lambda d: (d.x(128, 64), (256, 64), np.arange(256) % 2 == 0)),
    Call("scatter_add", lambda d: (d.x(64, 1), d.ints(1000, 64, 1), (64, 1000), 1)),

    *[Call("cross_entropy", lambda d, N=N, C=C, D=D: (d.x(N, C, D), d.ints(C, N, D), None, -100, 0.0))
      for N, C, D in ((64, 1000, 1), (4, 21, 1024))],
    *[Call("cross_entropy_gradient", lambda d, N=N, C=C, D=D: (d.x(N, D), d.x(N, C, D), d.ints(C, N, D), None, -100, 0.0))
      for N, C, D in ((64, 1000, 1), (4, 21, 1024))],

    Call("batch_norm", lambda d: (d.x(*IMAGES), d.x(16), d.x(16), 1e-5)),
    Call("batch_norm_gradient", lambda d: (d.x(*IMAGES), d.x(*IMAGES), d.x(16), *statistics(d, 16))),
    Call("group_norm", lambda d: (d.x(4, 16, 1024), d.x(16), d.x(16), 4, 1e-5)),
    Call("group_norm_gradient", lambda d: (d.x(4, 16, 1024), d.x(4, 16, 1024), d.x(16), *statistics(d, 4, 4))),
    Call("group_norm_gradient", lambda d: (d.x(256, 256, 1), d.x(256, 256, 1), d.x(256), *statistics(d, 256, 1))),
    Call("local_response_norm", lambda d: (d.x(*IMAGES), 5, 1e-4, 0.75, 1.0)),
    Call("local_response_norm_gradient", lambda d: (d.x(*IMAGES), d.x(*IMAGES), square(d, *IMAGES), 5, 1e-4, 0.75)),

    Call("max_pool", lambda d: (d.x(*IMAGES), (2, 2), (2, 2), (0, 0), (1, 1), False)),
    Call("max_pool_gradient", lambda d: (d.x(*POOLED), winners(d), IMAGES)),
    Call("avg_pool", lambda d: (d.x(*IMAGES), (2, 2), (2, 2), (0, 0), False, True)),
    Call("avg_pool_gradient", lambda d: (d.x(*POOLED), IMAGES, (2, 2), (2, 2), (0, 0), False, True)),
    Call("adaptive_avg_pool", lambda d: (d.x(*IMAGES), (1, 1))),
    Call("adaptive_avg_pool_gradient", lambda d: (d.x(4, 16, 1, 1), IMAGES)),
    Call("adaptive_max_pool", lambda d: (d.x(*IMAGES), (1, 1))),

    Call("philox", lambda d: (7, 2 ** 16)),
    Call("uniform", lambda d: (7, (2 ** 16,), d.dtype)),
    Call("dropout_mask", lambda d: (7, (2 ** 16,), 0.5, d.dtype)),

    Call("sum", lambda d: (d.x(*IMAGES), (0, 2, 3))),
    Call("sum", lambda d: (d.x(*ROWS), 0)),
    Call("cumprod_gradient", lambda d: (d.x(16, 1024), d.x(16, 1024), 0)),

    Call("sgd_step", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), d.x(*WEIGHTS), 0.1, 0.9, 0.0, 1e-4, False)),
    Call("adam_step", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), d.x(*WEIGHTS), square(d, *WEIGHTS), None, 2, 0.1, 0.9, 0.99,
                                 1e-8, 0.0, False)),
    Call("rmsprop_step", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), square(d, *WEIGHTS), None, d.x(*WEIGHTS), 0.1, 0.9, 1e-8,
                                    0.0, 0.9)),
    Call("rmsprop_tf_step", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), square(d, *WEIGHTS), d.x(*WEIGHTS), 0.1, 0.9, 1e-3,
                                       0.0, 0.9)),
    Call("adagrad_step", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), square(d, *WEIGHTS), 0.1, 1e-10, 0.0)),
    Call("running_average", lambda d: (d.x(*WEIGHTS), d.x(*WEIGHTS), 0.1, 1.0)),
]


def winners(d):
    """Which pixel of IMAGES won each 2x2 window: one of its four."""
    y, x = np.divmod(np.arange(16 * 16), 16)
    corner = d.ints(4, *POOLED).reshape(4, 16, -1)
    return ((2 * y + corner // 2) * 32 + 2 * x + corner % 2).reshape(POOLED).astype(np.int32)
