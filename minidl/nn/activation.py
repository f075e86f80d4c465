"""Activations as layers, for a Sequential. Each is the function of its name in nn.functional.

`inplace` is accepted, as in PyTorch, and makes no difference: the result is always new memory, so use it.
"""
import minidl
from minidl.nn import functional as F
from minidl.nn.module import Module
from minidl.nn.parameter import Parameter


class _Activation(Module):
    settings = ()                # the attributes that its repr shows
    inplace = False

    def extra_repr(self):
        shown = [f"{name}={getattr(self, name)}" for name in self.settings]
        return ", ".join(shown + ["inplace=True"] * self.inplace)


class _Plain(_Activation):
    """An activation without settings."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class ReLU(_Plain):
    """max(x, 0); its derivative at 0 is 0."""

    def forward(self, input):
        return F.relu(input)


class ReLU6(_Plain):
    """x between 0 and 6."""

    def forward(self, input):
        return F.relu6(input)


class SELU(_Plain):
    """Scaled ELU, which keeps mean 0 and variance 1: Klambauer et al. 2017, arXiv 1706.02515."""

    def forward(self, input):
        return F.selu(input)


class SiLU(_Plain):
    """x sigmoid(x), also called swish."""

    def forward(self, input):
        return F.silu(input)


class Hardswish(_Plain):
    """x hardsigmoid(x): Howard et al. 2019, arXiv 1905.02244."""

    def forward(self, input):
        return F.hardswish(input)


class Hardsigmoid(_Plain):
    """x / 6 + 1/2, between 0 and 1."""

    def forward(self, input):
        return F.hardsigmoid(input)


class Sigmoid(_Activation):
    """1 / (1 + e^-x)"""

    def forward(self, input):
        return F.sigmoid(input)


class Tanh(_Activation):
    """The hyperbolic tangent."""

    def forward(self, input):
        return F.tanh(input)


class LeakyReLU(_Activation):
    """x where positive, else negative_slope * x."""
    settings = ("negative_slope",)

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope)


class ELU(_Activation):
    """x where positive, else alpha (e^x - 1): Clevert et al. 2015, arXiv 1511.07289."""
    settings = ("alpha",)

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input):
        return F.elu(input, self.alpha)


class GELU(_Activation):
    """x times the normal cumulative function at x: Hendrycks & Gimpel 2016, arXiv 1606.08415."""

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Softplus(_Activation):
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    settings = "beta", "threshold"

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)


class Hardtanh(_Activation):
    """x between min_val and max_val."""
    settings = "min_val", "max_val"

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False):
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: nothing lies between min_val={min_val} and max_val={max_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val)


class PReLU(_Activation):
    """x where positive, else a learned slope times x: He et al. 2015, arXiv 1502.01852.

    num_parameters : one slope for all, or one for each channel (dimension 1); all start at `init`
    """
    settings = ("num_parameters",)

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(minidl.full((num_parameters,), float(init)))

    def forward(self, input):
        return F.prelu(input, self.weight)


class _Softmax(_Activation):
    settings = ("dim",)

    def __init__(self, dim=None):
        super().__init__()
        if dim is None:
            raise ValueError(f"{type(self).__name__}: say along which dimension; dim=1 for scores (N, C)")
        self.dim = dim


class Softmax(_Softmax):
    """e^x / sum of e^x along `dim`: positive numbers that add up to 1."""

    def forward(self, input):
        return F.softmax(input, self.dim)


class LogSoftmax(_Softmax):
    """The logarithm of softmax."""

    def forward(self, input):
        return F.log_softmax(input, self.dim)
