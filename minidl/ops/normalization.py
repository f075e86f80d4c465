"""Normalisation: batch, layer, group and instance norm, and local response normalisation."""
from dataclasses import dataclass
from math import prod

from minidl.fused import Fused
from minidl.kernels import kernels_for
from minidl.ops.activation import per_channel
from minidl.ops.arithmetic import pow, rsqrt, square
from minidl.ops.reduction import mean
from minidl.ops.shape import narrow, pad, reshape

__all__ = [
    "batch_norm", "batch_norm_with_statistics", "group_norm", "instance_norm", "layer_norm", "local_response_norm",
]


@dataclass(eq=False)
class BatchNorm(Fused):
    """Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1: x, y (N, C, H, W), w and b (C,) or None.

    After forward, `batch_mean` and `batch_var` (biased) are arrays (C,) that the layer may average.
    """
    eps: float = 1e-5

    def forward(self, k, x, w, b):
        y, self.batch_mean, self.batch_var, self.inv_std = k.batch_norm(x, w, b, self.eps)
        return y

    def gradient(self, k, gy, x, w, b):
        return k.batch_norm_gradient(gy, x, w, self.batch_mean, self.inv_std)

    def definition(self, x, w, b):
        center = mean(x, (0, 2, 3), keepdim=True)
        variance = mean(square(x - center), (0, 2, 3), keepdim=True)
        self.batch_mean, self.batch_var = center.array.reshape(-1), variance.array.reshape(-1)
        return affine((x - center) * rsqrt(variance + self.eps), w, b)


@dataclass(eq=False)
class GroupNorm(Fused):
    """Wu & He 2018, arXiv 1803.08494, section 3: x, y (N, C, ...), w and b (C,) or None; each image's channels in groups.

    With C groups it is instance norm.
    """
    groups: int
    eps: float = 1e-5

    def forward(self, k, x, w, b):
        y, self.mean, self.inv_std = k.group_norm(flat_images(x), w, b, self.groups, self.eps)
        return y.reshape(x.shape)

    def gradient(self, k, gy, x, w, b):
        gx, gw, gb = k.group_norm_gradient(flat_images(gy), flat_images(x), w, self.mean, self.inv_std)
        return gx.reshape(x.shape), gw, gb

    def definition(self, x, w, b):
        N, C, P = flat_images(x).shape
        rows = reshape(x, (N, self.groups, C // self.groups * P))
        return affine(reshape(standardized(rows, 2, self.eps), x.shape), w, b)


@dataclass(eq=False)
class LayerNorm(Fused):
    """Ba, Kiros & Hinton 2016, arXiv 1607.06450, section 3: the last `dims` dimensions of x, of which w and b are, or None.

    For a kernel that is one group, of channels that have one pixel.
    """
    dims: int
    eps: float = 1e-5

    def forward(self, k, x, w, b):
        w, b = (v if v is None else v.reshape(-1) for v in (w, b))
        y, self.mean, self.inv_std = k.group_norm(self.rows(x), w, b, 1, self.eps)
        return y.reshape(x.shape)

    def gradient(self, k, gy, x, w, b):
        shape = x.shape[-self.dims:]
        w = w if w is None else w.reshape(-1)
        gx, gw, gb = k.group_norm_gradient(self.rows(gy), self.rows(x), w, self.mean, self.inv_std)
        return gx.reshape(x.shape), gw.reshape(shape), gb.reshape(shape)

    def rows(self, x):
        D = prod(x.shape[-self.dims:])
        return x.reshape(prod(x.shape) // max(1, D), D, 1)

    def definition(self, x, w, b):
        y = standardized(x, tuple(range(-self.dims, 0)), self.eps)
        y = y if w is None else y * w
        return y if b is None else y + b


@dataclass(eq=False)
class LocalResponseNorm(Fused):
    """y_c = x_c / (k + alpha / size * sum of x_i^2 over the `size` channels around c)^beta.

    Krizhevsky et al. 2012, section 3.3, who do not divide alpha by the size: their 1e-4 with 5 is 5e-4 here.
    """
    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def forward(self, k, x):
        y, self.scale = k.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        return y

    def gradient(self, k, gy, x):
        return k.local_response_norm_gradient(gy, x, self.scale, self.size, self.alpha, self.beta)

    def definition(self, x):
        before, C = self.size // 2, x.shape[1]
        squares = pad(square(x), (0, 0) * (x.ndim - 2) + (before, self.size - 1 - before))
        window = narrow(squares, 1, 0, C)
        for i in range(1, self.size):
            window = window + narrow(squares, 1, i, C)
        return x * pow(self.k + self.alpha / self.size * window, -self.beta)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Each channel to mean 0 and variance 1, then times weight plus bias: input (N, C, ...), weight and bias (C,).

    training: by the batch's own statistics (biased variance), which are also averaged into running_mean and
    running_var (unbiased variance; momentum weighs the new value). Otherwise by the running ones: then it is
    an affine map. Ioffe & Szegedy 2015, arXiv 1502.03167.
    """
    check_channels("batch_norm", input, weight, bias, running_mean, running_var)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: without training there must be running_mean and running_var to normalise by")
        scale = rsqrt(running_var + eps)
        scale = scale if weight is None else weight * scale
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * per_channel(scale, input.ndim) + per_channel(shift, input.ndim)
    y, batch_mean, batch_var = batch_norm_with_statistics(input, weight, bias, eps)
    count = prod(input.shape) // max(1, input.shape[1])
    average_into("batch_norm", running_mean, batch_mean, momentum)
    average_into("batch_norm", running_var, batch_var, momentum, count / max(1, count - 1))
    return y


def batch_norm_with_statistics(input, weight=None, bias=None, eps=1e-5):
    """Batch norm by the batch's own statistics, and these: (y, mean (C,), biased variance (C,)), the last two arrays."""
    check_channels("batch_norm", input, weight, bias)
    N, C = input.shape[:2]
    if prod(input.shape) // max(1, C) == 1:
        raise ValueError(f"batch_norm: one value per channel in shape {tuple(input.shape)} has no variance to normalise by; "
                         "train with a larger batch, or switch to eval()")
    op = BatchNorm(eps)
    y = op(reshape(input, (N, C, prod(input.shape[2:]), 1)) if input.ndim != 4 else input, weight, bias)
    return reshape(y, input.shape), op.batch_mean, op.batch_var


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """The last dimensions, of `normalized_shape`, to mean 0 and variance 1, then times weight plus bias.

    Ba, Kiros & Hinton 2016, arXiv 1607.06450, section 3; weight and bias have normalized_shape.
    """
    shape = tuple(normalized_shape)
    if not shape or input.shape[-len(shape):] != shape:
        raise ValueError(f"layer_norm: input of shape {tuple(input.shape)} does not end in normalized_shape {shape}")
    for name, v in ("weight", weight), ("bias", bias):
        if v is not None and v.shape != shape:
            raise ValueError(f"layer_norm: {name} of shape {tuple(v.shape)}; wanted is normalized_shape {shape}")
    return LayerNorm(len(shape), eps)(input, weight, bias)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Each image's channels, in `num_groups` groups, to mean 0 and variance 1 per group; weight and bias (C,).

    Wu & He 2018, arXiv 1803.08494.
    """
    check_channels("group_norm", input, weight, bias)
    N, C = input.shape[:2]
    if num_groups < 1 or C % num_groups:
        raise ValueError(f"group_norm: {num_groups} groups do not divide {C} channels (shape {tuple(input.shape)})")
    return GroupNorm(num_groups, eps)(input, weight, bias)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
                  eps=1e-5):
    """Each channel of each image to mean 0 and variance 1; weight and bias (C,). Ulyanov et al. 2016, arXiv 1607.08022."""
    check_channels("instance_norm", input, weight, bias, running_mean, running_var)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    N, C = input.shape[:2]
    pixels = prod(input.shape[2:])
    if pixels == 1:
        raise ValueError(f"instance_norm: one value per channel in shape {tuple(input.shape)} has no variance")
    if running_mean is not None:
        rows = input.array.reshape(N, C, pixels)
        average_into("instance_norm", running_mean, rows.mean(2).mean(0), momentum)
        average_into("instance_norm", running_var, rows.var(2, ddof=1).mean(0), momentum)
    return GroupNorm(C, eps)(input, weight, bias)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each number divided by the activity of the `size` channels around it: input (N, C, ...).

    alpha is divided by size, as in PyTorch and Caffe; Krizhevsky et al. 2012 do not divide.
    """
    if input.ndim < 3 or size < 1:
        raise ValueError(f"local_response_norm: needs input (N, C, ...) and size >= 1, not {tuple(input.shape)} and {size}")
    return LocalResponseNorm(size, alpha, beta, k)(input)


def average_into(who, running, new, momentum, factor=1.0):
    """running <- (1 - momentum) running + momentum factor new, in place, where there is a running statistic."""
    if running is not None:
        kernels_for(running.array).running_average(running.array, new, momentum, factor)
        running.version.bump(who)


def flat_images(x):
    """(N, C, ...) -> (N, C, P)"""
    return x.reshape(*x.shape[:2], prod(x.shape[2:]))


def standardized(x, dims, eps):
    """Mean 0 and variance 1 in these dimensions."""
    deviation = x - mean(x, dims, keepdim=True)
    return deviation * rsqrt(mean(square(deviation), dims, keepdim=True) + eps)


def affine(x, w, b):
    """x (N, C, ...) times w plus b, channel by channel; either may be None."""
    x = x if w is None else x * per_channel(w, x.ndim)
    return x if b is None else x + per_channel(b, x.ndim)


def check_channels(who, x, *vectors):
    if x.ndim < 2:
        raise ValueError(f"{who}: x is (N, C, ...), not {tuple(x.shape)}")
    for v in vectors:
        if v is not None and v.shape != (x.shape[1],):
            raise ValueError(f"{who}: x has {x.shape[1]} channels in shape {tuple(x.shape)}, but a weight, bias or running "
                             f"statistic has shape {tuple(v.shape)}; wanted is ({x.shape[1]},)")
