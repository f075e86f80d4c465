"""Activations: what stands between two linear maps."""
from dataclasses import dataclass

from minidl.fused import Fused
from minidl.op import Elementwise, Op
from minidl.ops.arithmetic import erf, exp, log, sigmoid, tanh, where
from minidl.ops.reduction import max, sum
from minidl.ops.shape import dimension, reshape

__all__ = [
    "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log_softmax", "prelu", "relu", "relu6", "selu",
    "silu", "softmax", "softplus",
]


class ReLU(Elementwise):
    """y = max(x, 0),  dy/dx = 1 where y > 0, else 0. Nair & Hinton 2010."""
    reads = "y"

    def forward(self, k, x):
        return k.relu(x)

    def backward(self, gy, y, x):
        return ReLUGradient()(gy, y)


class ReLUGradient(Op):
    """gx = gy where y > 0, else 0: linear in gy, and in y flat."""
    reads = "y"

    def forward(self, k, gy, y):
        return k.relu_gradient(gy, y)

    def backward(self, ggx, gx, gy, y):
        return ReLUGradient()(ggx, y), None


@dataclass(eq=False)
class LeakyReLU(Elementwise):
    """x where x > 0, else slope * x. Maas et al. 2013."""
    slope: float
    reads = "x"

    def forward(self, k, x):
        return k.where(x > 0, x, self.slope * x)

    def backward(self, gy, y, x):
        return where(x > 0, gy, gy * self.slope)


@dataclass(eq=False)
class ELU(Elementwise):
    """x where x > 0, else alpha (e^x - 1); its derivative there is y + alpha. Clevert et al. 2015, arXiv 1511.07289."""
    alpha: float
    reads, to_float = "x y", True

    def forward(self, k, x):
        return k.where(x > 0, x, self.alpha * k.expm1(k.minimum(x, 0)))

    def backward(self, gy, y, x):
        return where(x > 0, gy, gy * (y + self.alpha))


class GELU(Elementwise):
    """y = x F(x), F the normal distribution's cumulative function; dy/dx = F(x) + x F'(x). arXiv 1606.08415."""
    reads, to_float = "x", True

    def forward(self, k, x):
        return x * (0.5 + 0.5 * k.erf(x * 0.7071067811865476))

    def backward(self, gy, y, x):
        return gy * (0.5 + 0.5 * erf(x * 0.7071067811865476) + x * exp(x * x * -0.5) * 0.3989422804014327)


class SiLU(Elementwise):
    """y = x s(x), s the sigmoid; dy/dx = s + x s (1 - s). Also called swish: Ramachandran et al. 2017, arXiv 1710.05941."""
    reads, to_float = "x", True

    def forward(self, k, x):
        return x * k.sigmoid(x)

    def backward(self, gy, y, x):
        s = sigmoid(x)
        return gy * (s * (1 + x * (1 - s)))


@dataclass(eq=False)
class Softplus(Elementwise):
    """y = log(1 + e^(beta x)) / beta,  dy/dx = sigmoid(beta x); x itself where beta x exceeds the threshold."""
    beta: float
    threshold: float
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.where(x * self.beta > self.threshold, x, k.softplus(x * self.beta) / self.beta)

    def backward(self, gy, y, x):
        return where(x * self.beta > self.threshold, gy, gy * sigmoid(x * self.beta))


@dataclass(eq=False)
class Hardtanh(Elementwise):
    """x between min and max; the derivative at the bounds is 0 (for clamp it is 1)."""
    min: float
    max: float
    reads = "x"

    def forward(self, k, x):
        return k.clip(x, self.min, self.max)

    def backward(self, gy, y, x):
        return where((x > self.min) & (x < self.max), gy, 0.0)


class Hardsigmoid(Elementwise):
    """x / 6 + 1/2, between 0 and 1."""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.clip(x / 6 + 0.5, 0, 1)

    def backward(self, gy, y, x):
        return where((x > -3) & (x < 3), gy / 6, 0.0)


class Hardswish(Elementwise):
    """x hardsigmoid(x). Howard et al. 2019, arXiv 1905.02244, section 5.2."""
    reads, to_float = "x", True

    def forward(self, k, x):
        return x * k.clip(x / 6 + 0.5, 0, 1)

    def backward(self, gy, y, x):
        return where(x < -3, 0.0, where(x <= 3, gy * (x / 3 + 0.5), gy))


@dataclass(eq=False)
class Softmax(Fused):
    """y = e^x / sum of e^x along dim."""
    dim: int

    def forward(self, k, x):
        self.softmax = k.softmax(x, self.dim)
        return self.softmax

    def gradient(self, k, gy, x):
        return k.softmax_gradient(gy, self.softmax, self.dim)

    def definition(self, x):
        e = exp(x - max(x.detach(), self.dim, True).values)      # shifted: the same quotient, and no overflow
        return e / sum(e, self.dim, True)


@dataclass(eq=False)
class LogSoftmax(Fused):
    """y = x - log sum of e^x along dim."""
    dim: int

    def forward(self, k, x):
        self.log_softmax = k.log_softmax(x, self.dim)
        return self.log_softmax

    def gradient(self, k, gy, x):
        return k.log_softmax_gradient(gy, self.log_softmax, self.dim)

    def definition(self, x):
        x = x - max(x.detach(), self.dim, True).values
        return x - log(sum(exp(x), self.dim, True))


# ---- functions. `inplace` is PyTorch's promise not to need the old x; here the result is always new memory


def relu(input, inplace=False):
    """max(x, 0); its derivative at 0 is 0."""
    return ReLU()(input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, else negative_slope * x."""
    return LeakyReLU(negative_slope)(input)


def elu(input, alpha=1.0, inplace=False):
    """x where positive, else alpha (e^x - 1)."""
    return ELU(alpha)(input)


def selu(input, inplace=False):
    """ELU with the two constants that keep mean 0 and variance 1. Klambauer et al. 2017, arXiv 1706.02515."""
    return ELU(1.6732632423543772)(input) * 1.0507009873554805


def gelu(input, approximate="none"):
    """x times the normal cumulative function at x; approximate="tanh" uses the paper's formula with tanh."""
    if approximate == "tanh":
        return 0.5 * input * (1 + tanh(0.7978845608028654 * (input + 0.044715 * input * input * input)))
    if approximate != "none":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return GELU()(input)


def silu(input, inplace=False):
    """x sigmoid(x)."""
    return SiLU()(input)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    return Softplus(beta, threshold)(input)


def relu6(input, inplace=False):
    """x between 0 and 6."""
    return Hardtanh(0.0, 6.0)(input)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x between min_val and max_val."""
    return Hardtanh(min_val, max_val)(input)


def hardswish(input, inplace=False):
    """x hardsigmoid(x)."""
    return Hardswish()(input)


def hardsigmoid(input, inplace=False):
    """x / 6 + 1/2, between 0 and 1."""
    return Hardsigmoid()(input)


def prelu(input, weight):
    """x where positive, else a learned slope times x: weight (1,) or (C,), C being dimension 1. He et al. 2015."""
    if weight.ndim > 1 or (weight.shape not in ((), (1,)) and (input.ndim < 2 or weight.shape != input.shape[1:2])):
        raise ValueError(f"prelu: weight of shape {weight.shape} is neither one slope nor one per channel of {input.shape}")
    slope = reshape(weight, ()) if weight.numel() == 1 else per_channel(weight, input.ndim)
    return where(input > 0, input, slope * input)


def softmax(input, dim):
    """e^x / sum of e^x along `dim`: positive numbers that add up to 1."""
    return Softmax(dimension(dim, input, "softmax"))(input)


def log_softmax(input, dim):
    """The logarithm of `softmax`, computed without passing through tiny numbers."""
    return LogSoftmax(dimension(dim, input, "log_softmax"))(input)


def per_channel(v, ndim):
    """v (C,) -> (1, C, 1, ...), to meet images (N, C, ...) of `ndim` dimensions."""
    return v if v is None else reshape(v, (1, -1) + (1,) * (ndim - 2))
