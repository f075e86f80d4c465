"""What the tests of all algorithms for convolution do: draw arrays for a case, run the passes, and compare them.

A case is (shape of x, shape of w, stride, padding, dilation, groups).
"""
import numpy as np

from minidl.kernels import reference

SMALL = {
    "plain":         ((2, 3, 7, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1),
    "groups":        ((2, 4, 8, 5), (6, 2, 3, 3), (2, 1), (1, 2), (1, 2), 2),
    "one channel":   ((1, 3, 5, 9), (3, 1, 2, 3), (1, 2), (1, 0), (2, 1), 3),
    "skipping":      ((3, 2, 4, 5), (5, 2, 1, 1), (2, 3), (0, 0), (1, 1), 1),
    "mostly edge":   ((1, 2, 3, 2), (2, 2, 3, 3), (2, 1), (4, 5), (1, 3), 1),
}
LARGE = {
    "33 channels":   ((3, 33, 13, 11), (17, 33, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    "wide":          ((3, 17, 5, 31), (65, 17, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "large stride":  ((2, 34, 13, 31), (66, 17, 3, 3), (3, 2), (1, 1), (1, 1), 2),
    "tall":          ((2, 5, 57, 30), (33, 5, 7, 7), (2, 2), (3, 3), (1, 1), 1),
}


def arrays(case, rng, dtype=np.float64):
    """x, w, b, and a gradient of the result."""
    x_shape, w_shape, stride, padding, dilation, groups = case
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[0]))
    out = (reference.out_size(*axis) for axis in zip(x_shape[2:], w_shape[2:], stride, padding, dilation))
    return x, w, b, rng.standard_normal((x_shape[0], w_shape[0], *out)).astype(dtype)


def passes(k, case, x, w, b, gy):
    """The output with a bias and without, gx and gw."""
    where = case[2:]
    return [k.conv2d(x, w, b, *where), k.conv2d(x, w, None, *where), k.conv2d_gradient_x(gy, w, x.shape, *where),
            k.conv2d_gradient_w(gy, x, w.shape[2:], *where)]


def agree(results, wanted, error):
    """`error` is the largest difference over the largest result."""
    for got, right in zip(results, wanted, strict=True):
        assert got.flags.c_contiguous and got.shape == right.shape
        assert np.abs(got - right).max() <= error * np.abs(right).max()
