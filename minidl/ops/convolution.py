"""Convolution over images (N, C, H, W), its transpose, and the patches both are made of.

"Convolution" means cross-correlation, as everywhere in deep learning: the kernel is not flipped.
"""
from dataclasses import dataclass

from minidl.fused import Fused
from minidl.kernels import kernels_for
from minidl.op import Op
from minidl.ops.activation import per_channel
from minidl.ops.matrix import matmul
from minidl.ops.shape import pad, reshape, squeeze, transpose, unsqueeze

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"]


@dataclass(eq=False)
class Im2Col(Op):
    """Every patch of x as a column: (N, C, H, W) -> (N, C, KH, KW, OH, OW)."""
    size: tuple
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)

    def forward(self, k, x):
        return k.im2col(x, self.size, self.stride, self.padding, self.dilation)

    def backward(self, gy, y, x):
        return Col2Im(x.shape, self.stride, self.padding, self.dilation)(gy)


@dataclass(eq=False)
class Col2Im(Op):
    """Im2Col's transpose: patches added back where they came from, into an image of `shape`."""
    shape: tuple
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)

    def forward(self, k, cols):
        return k.col2im(cols, self.shape, self.stride, self.padding, self.dilation)

    def backward(self, gx, x, cols):
        OH, OW = cols.shape[4:]                         # the image may have room for more windows than these
        return Im2Col(cols.shape[2:4], self.stride, self.padding, self.dilation)(gx)[..., :OH, :OW]


@dataclass(eq=False)
class Conv2d(Fused):
    """y (N, F, OH, OW) from x (N, C, H, W), w (F, C/groups, KH, KW), b (F,) or None."""
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1

    def forward(self, k, x, w, b):
        return k.conv2d(x, w, b, self.stride, self.padding, self.dilation, self.groups)

    def gradient(self, k, gy, x, w, b):
        how = self.stride, self.padding, self.dilation, self.groups
        gx = k.conv2d_gradient_x(gy, w, x.shape, *how) if self.needs(0) else None
        gw = k.conv2d_gradient_w(gy, x, w.shape[2:], *how) if self.needs(1) else None
        gb = k.sum(gy, (0, 2, 3)) if self.needs(2) else None
        return gx, gw, gb

    def definition(self, x, w, b):
        N, C, G = x.shape[0], x.shape[1], self.groups
        F, _, KH, KW = w.shape
        cols = Im2Col((KH, KW), self.stride, self.padding, self.dilation)(x)
        OH, OW = cols.shape[4:]
        cols = reshape(cols, (N, G, C // G * KH * KW, OH * OW))
        filters = reshape(w, (G, F // G, C // G * KH * KW))
        y = reshape(matmul(filters, cols), (N, F, OH, OW))
        return y if b is None else y + per_channel(b, 4)


@dataclass(eq=False)
class ConvTranspose2d(Fused):
    """The gradient of a convolution in its input, as an op of its own: it makes images larger.

    x (N, C, H, W), w (C, F/groups, KH, KW), b (F,) or None -> y of `shape` (N, F, OH, OW).
    """
    shape: tuple
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1

    def forward(self, k, x, w, b):
        y = k.conv2d_gradient_x(x, w, self.shape, self.stride, self.padding, self.dilation, self.groups)
        return y if b is None else y + b.reshape(1, -1, 1, 1)

    def gradient(self, k, gy, x, w, b):
        how = self.stride, self.padding, self.dilation, self.groups
        H, W = x.shape[2:]
        more = [k.out_size(*axis) - n for n, *axis in zip((H, W), gy.shape[2:], w.shape[2:], *how[:3])]
        if any(more):                                   # output_padding made room for windows that x has no pixels for
            x = k.pad(x, ((0, 0), (0, 0), (0, more[0]), (0, more[1])))
        gx = k.conv2d(gy, w, None, *how)[:, :, :H, :W] if self.needs(0) else None
        gw = k.conv2d_gradient_w(x, gy, w.shape[2:], *how) if self.needs(1) else None
        gb = k.sum(gy, (0, 2, 3)) if self.needs(2) else None
        return gx, gw, gb

    def definition(self, x, w, b):
        (N, C, H, W), G = x.shape, self.groups
        _, F, KH, KW = w.shape                                              # F of each group
        filters = transpose(reshape(w, (G, C // G, F * KH * KW)), 1, 2)
        cols = matmul(filters, reshape(x, (N, G, C // G, H * W)))
        cols = reshape(cols, (N, G * F, KH, KW, H, W))
        y = Col2Im(self.shape, self.stride, self.padding, self.dilation)(cols)
        return y if b is None else y + per_channel(b, 4)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlate images with filters.

    input  : (N, C, H, W), or (C, H, W) for one image
    weight : (F, C / groups, KH, KW);  bias : (F,)
    padding: a number, a pair, "valid" (none) or "same" (with stride 1: the result is as large as the input)
    Returns (N, F, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.
    """
    if input.ndim == 3:
        return squeeze(conv2d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups), 0)
    stride, dilation = pair(stride, "conv2d: stride", 1), pair(dilation, "conv2d: dilation", 1)
    check_filters("conv2d", input, weight, bias, groups, in_channels=weight.shape[1] * groups, out_channels=weight.shape[0])
    size = weight.shape[2:]
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"conv2d: padding='same' needs stride 1, not {stride}")
        total = [d * (n - 1) for d, n in zip(dilation, size)]
        if any([n % 2 for n in total]):                                     # the odd one goes to the right and below
            input = pad(input, (0, total[1] % 2, 0, total[0] % 2))
        padding = (total[0] // 2, total[1] // 2)
    padding = (0, 0) if padding == "valid" else pair(padding, "conv2d: padding", 0)
    window = [d * (n - 1) + 1 for d, n in zip(dilation, size)]
    if any([n + 2 * p < w for n, p, w in zip(input.shape[2:], padding, window)]):
        raise ValueError(f"conv2d: input of shape {tuple(input.shape)} with padding {padding} is smaller than the kernel, "
                         f"which with dilation {dilation} covers {tuple(window)}")
    return Conv2d(stride, padding, dilation, groups)(input, weight, bias)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Convolution's transpose (sometimes "deconvolution"): input (N, C, H, W), weight (C, F / groups, KH, KW).

    Returns (N, F, OH, OW) with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
    """
    if input.ndim == 3:
        y = conv_transpose2d(unsqueeze(input, 0), weight, bias, stride, padding, output_padding, groups, dilation)
        return squeeze(y, 0)
    who = "conv_transpose2d"
    stride, dilation = pair(stride, f"{who}: stride", 1), pair(dilation, f"{who}: dilation", 1)
    padding, output_padding = pair(padding, f"{who}: padding", 0), pair(output_padding, f"{who}: output_padding", 0)
    check_filters(who, input, weight, bias, groups, in_channels=weight.shape[0], out_channels=weight.shape[1] * groups)
    if any([extra >= max(s, d) for extra, s, d in zip(output_padding, stride, dilation)]):
        raise ValueError(f"{who}: output_padding {output_padding} must be smaller than stride {stride} or dilation "
                         f"{dilation}")
    size = [(n - 1) * s - 2 * p + d * (m - 1) + extra + 1 for n, s, p, d, m, extra in
            zip(input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding)]
    if min(size) < 1:
        raise ValueError(f"{who}: input of shape {tuple(input.shape)} would give an image of {tuple(size)}")
    shape = (input.shape[0], weight.shape[1] * groups, *size)
    return ConvTranspose2d(shape, stride, padding, dilation, groups)(input, weight, bias)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv2d over sequences: input (N, C, L), weight (F, C / groups, K)."""
    check_dims("conv1d", input, (2, 3), weight, 3)
    padding = padding if isinstance(padding, str) else (0, single(padding))
    y = conv2d(unsqueeze(input, -2), unsqueeze(weight, 2), bias, (1, single(stride)), padding, (1, single(dilation)), groups)
    return squeeze(y, -2)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """conv_transpose2d over sequences: input (N, C, L), weight (C, F / groups, K)."""
    check_dims("conv_transpose1d", input, (2, 3), weight, 3)
    y = conv_transpose2d(unsqueeze(input, -2), unsqueeze(weight, 2), bias, (1, single(stride)), (0, single(padding)),
                         (0, single(output_padding)), groups, (1, single(dilation)))
    return squeeze(y, -2)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Every patch of input (N, C, H, W) as a column: (N, C KH KW, OH OW)."""
    size, how = pair(kernel_size, "unfold: kernel_size", 1), (pair(stride, "unfold: stride", 1),
                 pair(padding, "unfold: padding", 0), pair(dilation, "unfold: dilation", 1))
    cols = Im2Col(size, *how)(input)
    N, C, KH, KW, OH, OW = cols.shape
    return reshape(cols, (N, C * KH * KW, OH * OW))


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """unfold's transpose: columns (N, C KH KW, OH OW) added up into images (N, C, *output_size)."""
    size, (H, W) = pair(kernel_size, "fold: kernel_size", 1), pair(output_size, "fold: output_size", 1)
    how = pair(stride, "fold: stride", 1), pair(padding, "fold: padding", 0), pair(dilation, "fold: dilation", 1)
    k = kernels_for(getattr(input, "array", input))
    out = [k.out_size(*n) for n in zip((H, W), size, *how)]
    N, C = input.shape[0], input.shape[1] // (size[0] * size[1])
    if input.shape[1:] != (C * size[0] * size[1], out[0] * out[1]):
        raise ValueError(f"fold: columns of shape {tuple(input.shape)} are not (N, C {size[0]} {size[1]}, "
                         f"{out[0]} {out[1]})")
    return Col2Im((N, C, H, W), *how)(reshape(input, (N, C, *size, *out)))


# ---- settings, checked


def pair(n, what, least):
    """One number for both directions, or a pair (vertical, horizontal); none less than `least`."""
    both = (n, n) if isinstance(n, int) else tuple(n)
    if len(both) != 2 or any([not isinstance(m, int) or m < least for m in both]):
        raise ValueError(f"{what} is a whole number of at least {least} or a pair of them, not {n!r}")
    return both


def single(n):
    """The one number of a 1-d setting, which may come as (n,)."""
    return n if isinstance(n, int) else n[0]


def check_dims(who, x, ndims, w, w_ndim):
    if x.ndim not in ndims or w.ndim != w_ndim:
        raise ValueError(f"{who}: x has shape {tuple(x.shape)} and the filters {tuple(w.shape)}; wanted are "
                         f"{' or '.join(map(str, ndims))} dimensions and {w_ndim}")


def check_filters(who, x, w, b, groups, in_channels, out_channels):
    """Do the channels of x, the filters and the bias fit together?"""
    check_dims(who, x, (3, 4), w, 4)
    if groups < 1 or x.shape[1] % groups or out_channels % groups:
        raise ValueError(f"{who}: {groups} groups do not divide {x.shape[1]} input and {out_channels} output channels")
    if x.shape[1] != in_channels:
        raise ValueError(f"{who}: x has {x.shape[1]} channels in shape {tuple(x.shape)}, but the filters of shape "
                         f"{tuple(w.shape)} with {groups} group(s) read {in_channels}")
    if b is not None and b.shape != (out_channels,):
        raise ValueError(f"{who}: bias of shape {tuple(b.shape)} for {out_channels} output channels")
    if x.dtype != w.dtype:
        raise TypeError(f"{who}: x is {x.dtype}, but the filters are {w.dtype}")
