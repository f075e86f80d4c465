"""Pooling: the largest or the mean of each window of an image."""
from dataclasses import dataclass

from minidl.fused import Fused
from minidl.kernels import kernels_for
from minidl.ops.convolution import Im2Col, pair, single
from minidl.ops.reduction import max, mean, sum
from minidl.ops.shape import flatten, pad, reshape, squeeze, stack, unsqueeze
from minidl.tensor import of

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d",
    "max_pool1d", "max_pool2d",
]


@dataclass(eq=False)
class MaxPool2d(Fused):
    """The largest of each window; of equals the first in row-major order wins. Outside x everything is -inf."""
    size: tuple
    stride: tuple
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    ceil_mode: bool = False

    def forward(self, k, x):
        y, self.index = k.max_pool(x, self.size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return y

    def gradient(self, k, gy, x):
        return k.max_pool_gradient(gy, self.index, x.shape)

    def definition(self, x):
        around = outside(x, self.size, self.stride, self.padding, self.dilation, self.ceil_mode)
        cols = Im2Col(self.size, self.stride, (0, 0), self.dilation)(pad(x, around, value=-float("inf")))
        N, C, KH, KW, OH, OW = cols.shape
        return max(reshape(cols, (N, C, KH * KW, OH, OW)), 2).values


@dataclass(eq=False)
class AvgPool2d(Fused):
    """The mean of each window; whether padding counts as zeros or not at all, count_include_pad says."""
    size: tuple
    stride: tuple
    padding: tuple = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    def forward(self, k, x):
        return k.avg_pool(x, self.size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                          self.divisor_override)

    def gradient(self, k, gy, x):
        return k.avg_pool_gradient(gy, x.shape, self.size, self.stride, self.padding, self.ceil_mode,
                                   self.count_include_pad, self.divisor_override)

    def definition(self, x):
        total = self.sum_of_windows(x, 0.0)
        if self.divisor_override:
            return total / self.divisor_override
        return total / self.sum_of_windows(of(kernels_for(x.array).ones_like(x.array)), float(self.count_include_pad))

    def sum_of_windows(self, x, padding_counts):
        """Padding on all sides has one value; what ceil_mode adds beyond it never counts."""
        PH, PW = self.padding
        left, right, above, below = outside(x, self.size, self.stride, self.padding, (1, 1), self.ceil_mode)
        beyond = [n - p if n > p else 0 for n, p in ((right, PW), (below, PH))]
        x = pad(pad(x, (PW, PW, PH, PH), value=padding_counts), (0, beyond[0], 0, beyond[1]))
        return sum(Im2Col(self.size, self.stride)(x), (2, 3))


@dataclass(eq=False)
class AdaptiveAvgPool2d(Fused):
    """The means of OH x OW windows that cover x: window i is floor(i H / OH) to ceil((i + 1) H / OH)."""
    out: tuple

    def forward(self, k, x):
        return k.adaptive_avg_pool(x, self.out)

    def gradient(self, k, gy, x):
        return k.adaptive_avg_pool_gradient(gy, x.shape)

    def definition(self, x):
        return windows(x, self.out, lambda window: mean(window, (2, 3)))


@dataclass(eq=False)
class AdaptiveMaxPool2d(Fused):
    """The largest of OH x OW windows that cover x: window i is floor(i H / OH) to ceil((i + 1) H / OH)."""
    out: tuple

    def forward(self, k, x):
        y, self.index = k.adaptive_max_pool(x, self.out)
        return y

    def gradient(self, k, gy, x):
        return k.max_pool_gradient(gy, self.index, x.shape)

    def definition(self, x):
        return windows(x, self.out, lambda window: max(flatten(window, 2), 2).values)


def outside(x, size, stride, padding, dilation, ceil_mode):
    """What the windows see beyond x: (left, right, above, below); negative where they leave some of x out."""
    k, around = kernels_for(x.array), []
    for n, m, s, p, d in zip(x.shape[2:], size, stride, padding, dilation):
        last = (k.pool_size(n, m, s, p, d, ceil_mode) - 1) * s + d * (m - 1) + 1
        around = [p, last - n - p, *around]
    return around


def windows(x, out, f):
    """f of each adaptive window of x (N, C, H, W), put together: (N, C, OH, OW)."""
    (H, W), (OH, OW) = x.shape[2:], out
    edges = [[(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in ((H, OH), (W, OW))]
    return stack([stack([f(x[:, :, top:bottom, left:right]) for left, right in edges[1]], 2)
                  for top, bottom in edges[0]], 2)


# ---- functions


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest of each window of input (N, C, H, W) or (C, H, W); stride None: windows side by side.

    return_indices adds where each stood, counted in its H W plane. ceil_mode keeps windows that start
    inside and end outside.
    """
    size, stride, padding, dilation = settings("max_pool2d", input, kernel_size, stride, padding, dilation)
    op = MaxPool2d(size, stride, padding, dilation, ceil_mode)
    if return_indices:
        array = input.array if input.ndim == 4 else input.array[None]
        index = of(kernels_for(array).max_pool(array, size, stride, padding, dilation, ceil_mode)[1].astype("int64"))
        return on_batch(op, input), index if input.ndim == 4 else squeeze(index, 0)
    return on_batch(op, input)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window of input (N, C, H, W) or (C, H, W); stride None: windows side by side."""
    size, stride, padding, _ = settings("avg_pool2d", input, kernel_size, stride, padding, 1)
    if divisor_override is not None and divisor_override < 1:
        raise ValueError(f"avg_pool2d: divisor_override {divisor_override} is not a positive number")
    return on_batch(AvgPool2d(size, stride, padding, ceil_mode, count_include_pad, divisor_override), input)


def adaptive_avg_pool2d(input, output_size):
    """Means of windows that cover input (N, C, H, W), as many as output_size says; None keeps a size."""
    return on_batch(AdaptiveAvgPool2d(adaptive_size("adaptive_avg_pool2d", input, output_size)), input)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest of windows that cover input (N, C, H, W), as many as output_size says; None keeps a size."""
    out = adaptive_size("adaptive_max_pool2d", input, output_size)
    y = on_batch(AdaptiveMaxPool2d(out), input)
    if return_indices:
        array = input.array if input.ndim == 4 else input.array[None]
        index = of(kernels_for(array).adaptive_max_pool(array, out)[1].astype("int64"))
        return y, index if input.ndim == 4 else squeeze(index, 0)
    return y


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """max_pool2d over sequences (N, C, L)."""
    return over_sequences(max_pool2d, input, *row(kernel_size, stride, padding), (1, single(dilation)), ceil_mode,
                          return_indices)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """avg_pool2d over sequences (N, C, L)."""
    return over_sequences(avg_pool2d, input, *row(kernel_size, stride, padding), ceil_mode, count_include_pad)


def adaptive_avg_pool1d(input, output_size):
    """adaptive_avg_pool2d over sequences (N, C, L)."""
    return over_sequences(adaptive_avg_pool2d, input, (1, single(output_size)))


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """adaptive_max_pool2d over sequences (N, C, L)."""
    return over_sequences(adaptive_max_pool2d, input, (1, single(output_size)), return_indices)


def over_sequences(pool, x, *settings):
    """A 2-d pooling on images one row high."""
    if x.ndim not in (2, 3):
        raise ValueError(f"{pool.__name__.replace('2d', '1d')}: x is (N, C, L) or (C, L), not {tuple(x.shape)}")
    y = pool(unsqueeze(x, -2), *settings)
    return tuple([squeeze(part, -2) for part in y]) if isinstance(y, tuple) else squeeze(y, -2)


def row(kernel_size, stride, padding):
    """1-d settings as pairs for images one row high."""
    stride = kernel_size if stride is None or stride == [] else stride
    return (1, single(kernel_size)), (1, single(stride)), (0, single(padding))


def on_batch(op, x):
    return op(x) if x.ndim == 4 else squeeze(op(unsqueeze(x, 0)), 0)


def settings(who, x, kernel_size, stride, padding, dilation):
    """The settings of a pooling as pairs, checked against x."""
    if x.ndim not in (3, 4):
        raise ValueError(f"{who}: x is (N, C, H, W) or (C, H, W), not {tuple(x.shape)}")
    size, dilation = pair(kernel_size, f"{who}: kernel_size", 1), pair(dilation, f"{who}: dilation", 1)
    stride = size if stride is None or stride == [] else pair(stride, f"{who}: stride", 1)
    padding = pair(padding, f"{who}: padding", 0)
    if any([2 * p > m for p, m in zip(padding, size)]):
        raise ValueError(f"{who}: padding {padding} is more than half of the kernel {size}; some windows would see nothing")
    if any([n + 2 * p < d * (m - 1) + 1 for n, p, d, m in zip(x.shape[-2:], padding, dilation, size)]):
        raise ValueError(f"{who}: x of shape {tuple(x.shape)} with padding {padding} is smaller than the kernel {size}")
    return size, stride, padding, dilation


def adaptive_size(who, x, output_size):
    if x.ndim not in (3, 4) or 0 in x.shape[-2:]:
        raise ValueError(f"{who}: x is (N, C, H, W) or (C, H, W) with at least one pixel, not {tuple(x.shape)}")
    both = (output_size, output_size) if isinstance(output_size, int) or output_size is None else tuple(output_size)
    return pair(tuple([n if m is None else m for n, m in zip(x.shape[-2:], both)]), f"{who}: output_size", 1)
