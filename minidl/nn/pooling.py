"""Pooling layers: for every window, its largest number or its mean."""
from minidl.nn import functional as F
from minidl.nn.module import Module


class _Pool(Module):
    """Settings are numbers, or one number per direction; a stride that is not given is the kernel size."""
    settings = ()

    def extra_repr(self):
        return ", ".join([f"{name}={getattr(self, name)}" for name in self.settings])


class _MaxPool(_Pool):
    settings = "kernel_size", "stride", "padding", "dilation", "ceil_mode"

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False,
                 ceil_mode=False):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """The largest number of every window: (N, C, L) -> (N, C, OL). Pads with -inf."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False):
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)

    def forward(self, input):
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool2d(_MaxPool):
    """The largest number of every window: (N, C, H, W) -> (N, C, OH, OW). Pads with -inf.

    return_indices : also where it was found, counted row by row in the image
    ceil_mode      : a window that begins inside the image, or its left padding, may end outside
    """

    def forward(self, input):
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                            self.return_indices)


class _AvgPool(_Pool):
    settings = "kernel_size", "stride", "padding"

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad


class AvgPool1d(_AvgPool):
    """The mean of every window: (N, C, L) -> (N, C, OL)."""

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                            self.count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of every window: (N, C, H, W) -> (N, C, OH, OW).

    count_include_pad : the zeros of the padding count as numbers of the window
    divisor_override  : divide the sum by this, rather than by how many numbers there are
    """

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 divisor_override=None):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input):
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                            self.count_include_pad, self.divisor_override)


class _AdaptivePool(_Pool):
    settings = ("output_size",)

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of output_size windows that cover the sequence: (N, C, L) -> (N, C, output_size)."""

    def forward(self, input):
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of windows that cover the image, output_size of them: a number, or a pair; None: as it is."""

    def forward(self, input):
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest numbers of windows that cover the image, output_size of them: a number, or a pair."""

    def __init__(self, output_size, return_indices=False):
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)
