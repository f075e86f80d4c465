"""Convolution layers."""
import minidl
from minidl.nn import functional as F
from minidl.nn.linear import first_values
from minidl.nn.module import Module
from minidl.nn.parameter import Parameter


class _Conv(Module):
    """What all convolutions share: settings as tuples, one number per direction, and first values."""
    directions = 2
    transposed = False

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1,
                 bias=True, padding_mode="zeros"):
        super().__init__()
        who = f"{type(self).__name__}({in_channels}, {out_channels}, ...)"
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{who}: {groups} groups do not divide both numbers of channels")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"{who}: padding_mode {padding_mode!r} is not zeros, reflect, replicate or "
                             "circular")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{who}: padding {padding!r} is not a number, 'same' or 'valid'")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = self.per_direction(kernel_size)
        self.stride = self.per_direction(stride)
        self.padding = padding if isinstance(padding, str) else self.per_direction(padding)
        self.dilation = self.per_direction(dilation)
        self.output_padding = self.per_direction(0)
        self.groups, self.padding_mode = groups, padding_mode
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"{who}: padding 'same' needs stride 1, not {self.stride}")
        reads, writes = in_channels, out_channels
        if self.transposed:
            reads, writes = writes, reads
        self.weight = Parameter(minidl.empty(writes, reads // groups, *self.kernel_size))
        self.register_parameter("bias", Parameter(minidl.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def per_direction(self, n):
        return (n,) * self.directions if isinstance(n, int) else tuple(n)

    def reset_parameters(self):
        first_values(self.weight, self.bias)

    def padded(self, input):
        """`input` with a border, and the padding left to do: none where the border is not of zeros."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "valid":
            return input, 0
        if self.padding == "same":
            totals = [d * (n - 1) for d, n in zip(self.dilation, self.kernel_size)]
            border = [(total // 2, total - total // 2) for total in totals]
        else:
            border = [(p, p) for p in self.padding]
        widths = [n for pair in reversed(border) for n in pair]      # the last dimension first
        return F.pad(input, widths, mode=self.padding_mode), 0

    def extra_repr(self):
        extras = [f"{self.in_channels}, {self.out_channels}",
                  f"kernel_size={self.kernel_size}, stride={self.stride}"]
        for name, usual in ("padding", 0), ("dilation", 1), ("output_padding", 0):
            if getattr(self, name) != self.per_direction(usual):
                extras.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            extras.append(f"groups={self.groups}")
        if self.bias is None:
            extras.append("bias=False")
        if self.padding_mode != "zeros":
            extras.append(f"padding_mode={self.padding_mode}")
        return ", ".join(extras)


class Conv1d(_Conv):
    """Convolution over sequences: (N, in_channels, L) -> (N, out_channels, OL); the rest as Conv2d."""
    directions = 1

    def forward(self, input):
        input, padding = self.padded(input)
        return F.conv1d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Convolution over images: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    weight (out_channels, in_channels / groups, KH, KW), bias (out_channels,); both start uniform in
    ±1 / sqrt(fan_in), as in PyTorch. OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    padding      : a number, a pair (vertical, horizontal), "valid" (none) or "same" (OH = H, with stride 1)
    groups       : output group i reads input group i only; groups = in_channels is a depthwise convolution
    padding_mode : what the border holds: zeros, or pixels by reflect, replicate or circular
    """

    def forward(self, input):
        input, padding = self.padded(input)
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """The transpose of a convolution, which makes images larger.

    weight (in_channels, out_channels / groups, KH, KW);
    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.
    """
    transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0,
                 groups=1, bias=True, dilation=1, padding_mode="zeros"):
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ValueError("ConvTranspose2d: padding is a number or a pair, and of zeros, "
                             f"not {padding!r} of {padding_mode}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.output_padding = self.per_direction(output_padding)

    def forward(self, input):
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding,
                                  self.output_padding, self.groups, self.dilation)
