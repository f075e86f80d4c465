"""Dropout and its relatives: a random mask, drawn once, is an input of the op."""
from minidl.kernels import kernels_for
from minidl.op import Elementwise
from minidl.ops.arithmetic import mul
from minidl.random import default_generator

__all__ = ["drop_path", "dropout", "dropout1d", "dropout2d"]


class Dropout(Elementwise):
    """y = x mask. The mask holds 0 and 1 / (1 - p), so that the mean stays; it is a constant and can be replayed."""
    reads = "mask, mask"

    def forward(self, k, x, mask):
        return k.multiply(x, mask)

    def backward(self, gy, y, x, mask):
        return mul(gy, mask), None


def dropout(input, p=0.5, training=True, inplace=False, *, generator=None):
    """Each number becomes 0 with probability p; the others grow by 1 / (1 - p). Srivastava et al. 2014."""
    return masked("dropout", input, input.shape, p, training, generator)


def dropout2d(input, p=0.5, training=True, inplace=False, *, generator=None):
    """Whole channels of input (N, C, H, W) become 0 with probability p. Tompson et al. 2015, arXiv 1411.4280."""
    if input.ndim not in (3, 4):
        raise ValueError(f"dropout2d: x is (N, C, H, W) or (C, H, W), not {tuple(input.shape)}")
    return masked("dropout2d", input, input.shape[:-2] + (1, 1), p, training, generator)


def dropout1d(input, p=0.5, training=True, inplace=False, *, generator=None):
    """Whole channels of input (N, C, L) become 0 with probability p."""
    if input.ndim not in (2, 3):
        raise ValueError(f"dropout1d: x is (N, C, L) or (C, L), not {tuple(input.shape)}")
    return masked("dropout1d", input, input.shape[:-1] + (1,), p, training, generator)


def drop_path(input, p=0.5, training=True, *, generator=None):
    """Whole examples of a residual branch (N, ...) become 0 with probability p. Huang et al. 2016, arXiv 1603.09382."""
    return masked("drop_path", input, input.shape[:1] + (1,) * (input.ndim - 1), p, training, generator)


def masked(who, x, mask_shape, p, training, generator):
    """x times a fresh mask of `mask_shape`, in training."""
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: p is a probability from 0 to 1, not {p}")
    if not training or p == 0:
        return x
    key = (generator or default_generator).key()
    return Dropout()(x, kernels_for(x.array).dropout_mask(key, mask_shape, p, x.dtype))
