"""Arithmetic and the functions of one number: forward on arrays, backward on arrays or tensors."""
from dataclasses import dataclass

from minidl.dtypes import category, get_default_dtype, result_type
from minidl.kernels import kernels_for
from minidl.op import Elementwise, Op
from minidl.ops.comparison import floor_divide, sign

__all__ = [
    "abs", "add", "cast", "clamp", "cos", "div", "erf", "exp", "expm1", "log", "log1p", "maximum",
    "minimum", "mul", "neg", "pow", "remainder", "rsqrt", "sigmoid", "sin", "sqrt", "square", "sub", "tanh", "where",
]


class Add(Elementwise):
    """y = a + b"""

    def forward(self, k, a, b):
        return k.add(a, b)

    def backward(self, gy, y, a, b):
        return gy, gy


class Sub(Elementwise):
    """y = a - b"""

    def forward(self, k, a, b):
        return k.subtract(a, b)

    def backward(self, gy, y, a, b):
        return gy, -gy


class Mul(Elementwise):
    """y = a b"""
    reads = "b, a"

    def forward(self, k, a, b):
        return k.multiply(a, b)

    def backward(self, gy, y, a, b):
        return gy * b, gy * a


class Div(Elementwise):
    """y = a / b,  dy/db = -y / b"""
    reads = "b, y b"
    to_float = True

    def forward(self, k, a, b):
        return k.divide(a, b)

    def backward(self, gy, y, a, b):
        return gy / b, -gy * y / b


class Remainder(Elementwise):
    """y = a - b floor(a / b), with the sign of b;  dy/db = -floor(a / b)"""
    reads = ", a b"

    def forward(self, k, a, b):
        return k.remainder(a, b)

    def backward(self, gy, y, a, b):
        return gy, -gy * floor_divide(a, b) if self.needs(1) else None


class Neg(Elementwise):
    """y = -x"""

    def forward(self, k, x):
        return -x

    def backward(self, gy, y, x):
        return -gy


@dataclass(eq=False)
class Power(Elementwise):
    """y = x^p for a number p,  dy/dx = p x^(p-1), which is 0 everywhere for p = 0"""
    exponent: float
    reads = "x"

    def forward(self, k, x):
        return x ** self.exponent

    def backward(self, gy, y, x):
        if self.exponent == 0:
            return gy * 0
        return gy * (self.exponent * x ** (self.exponent - 1))


class Pow(Elementwise):
    """y = a^b,  dy/da = b a^(b-1),  dy/db = y log a, which is 0 for a = 0 and b >= 0 (as in PyTorch)"""
    reads = "a b, a b y"

    def forward(self, k, a, b):
        return k.power(a, b)

    def backward(self, gy, y, a, b):
        ga = gy * b * pow(where((a == 0) & (b == 0), 1.0, a), b - 1) if self.needs(0) else None
        gb = gy * where((a == 0) & (b >= 0), 0.0, y * log(where(a == 0, 1.0, a))) if self.needs(1) else None
        return ga, gb


class Exp(Elementwise):
    """y = e^x,  dy/dx = y"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.exp(x)

    def backward(self, gy, y, x):
        return gy * y


class Expm1(Elementwise):
    """y = e^x - 1, exact also near 0;  dy/dx = y + 1"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.expm1(x)

    def backward(self, gy, y, x):
        return gy * (y + 1)


class Log(Elementwise):
    """y = ln x,  dy/dx = 1 / x"""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.log(x)

    def backward(self, gy, y, x):
        return gy / x


class Log1p(Elementwise):
    """y = ln(1 + x), exact also near 0;  dy/dx = 1 / (1 + x)"""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.log1p(x)

    def backward(self, gy, y, x):
        return gy / (1 + x)


class Sqrt(Elementwise):
    """y = x^(1/2),  dy/dx = 1 / (2y)"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.sqrt(x)

    def backward(self, gy, y, x):
        return gy / (2 * y)


class Rsqrt(Elementwise):
    """y = x^(-1/2),  dy/dx = -y^3 / 2"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.rsqrt(x)

    def backward(self, gy, y, x):
        return gy * (-0.5 * y * y * y)


class Square(Elementwise):
    """y = x^2,  dy/dx = 2x"""
    reads = "x"

    def forward(self, k, x):
        return k.square(x)

    def backward(self, gy, y, x):
        return gy * (2 * x)


class Sin(Elementwise):
    """y = sin x,  dy/dx = cos x"""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.sin(x)

    def backward(self, gy, y, x):
        return gy * cos(x)


class Cos(Elementwise):
    """y = cos x,  dy/dx = -sin x"""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.cos(x)

    def backward(self, gy, y, x):
        return -gy * sin(x)


class Tanh(Elementwise):
    """y = tanh x,  dy/dx = 1 - y^2"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.tanh(x)

    def backward(self, gy, y, x):
        return gy * (1 - y * y)


class Sigmoid(Elementwise):
    """y = 1 / (1 + e^-x),  dy/dx = y (1 - y)"""
    reads, to_float = "y", True

    def forward(self, k, x):
        return k.sigmoid(x)

    def backward(self, gy, y, x):
        return gy * y * (1 - y)


class Erf(Elementwise):
    """y = 2 / sqrt(pi) integral of e^(-t^2) from 0 to x,  dy/dx = 2 / sqrt(pi) e^(-x^2)"""
    reads, to_float = "x", True

    def forward(self, k, x):
        return k.erf(x)

    def backward(self, gy, y, x):
        return gy * (1.1283791670955126 * exp(-x * x))


class Abs(Elementwise):
    """y = |x|,  dy/dx = sign x, 0 at 0"""
    reads = "x"

    def forward(self, k, x):
        return k.abs(x)

    def backward(self, gy, y, x):
        return gy * sign(x)


class Maximum(Elementwise):
    """The larger of a and b; equals share the gradient. NaN wins."""
    reads = "a b"

    def forward(self, k, a, b):
        return k.maximum(a, b)

    def backward(self, gy, y, a, b):
        shared = where(a == b, gy / 2, 0.0)
        return where(a > b, gy, shared), where(b > a, gy, shared)


class Minimum(Elementwise):
    """The smaller of a and b; equals share the gradient. NaN wins."""
    reads = "a b"

    def forward(self, k, a, b):
        return k.minimum(a, b)

    def backward(self, gy, y, a, b):
        shared = where(a == b, gy / 2, 0.0)
        return where(a < b, gy, shared), where(b < a, gy, shared)


@dataclass(eq=False)
class Clamp(Elementwise):
    """x, but no less than min and no more than max; dy/dx = 1 at the bounds, too."""
    min: float | None = None
    max: float | None = None
    reads = "x"

    def forward(self, k, x):
        return k.clip(x, self.min, self.max)

    def backward(self, gy, y, x):
        if self.min is not None:
            gy = where(x < self.min, 0.0, gy)
        if self.max is not None:
            gy = where(x > self.max, 0.0, gy)
        return gy


class Where(Elementwise):
    """a where the condition holds, else b. The condition is a constant, whatever its dtype."""
    reads = "condition, condition, condition"

    def prepare(self, inputs):
        condition, a, b = inputs
        return [condition, *super().prepare([a, b])]

    def forward(self, k, condition, a, b):
        return k.where(condition, a, b)

    def backward(self, gy, y, condition, a, b):
        return None, where(condition, gy, 0.0), where(condition, 0.0, gy)


@dataclass(eq=False)
class Cast(Op):
    """The same numbers in another dtype; the gradient is cast back."""
    dtype: object

    def forward(self, k, x):
        return x.astype(self.dtype)

    def backward(self, gy, y, x):
        return cast(gy, x.dtype)


def add(input, other, *, alpha=1): return Add()(input, other if alpha == 1 else other * alpha)
def sub(input, other, *, alpha=1): return Sub()(input, other if alpha == 1 else other * alpha)
def mul(input, other): return Mul()(input, other)
def div(input, other): return Div()(input, other)
def remainder(input, other): return Remainder()(input, other)
def neg(input): return Neg()(input)
def exp(input): return Exp()(input)
def expm1(input): return Expm1()(input)
def log(input): return Log()(input)
def log1p(input): return Log1p()(input)
def sqrt(input): return Sqrt()(input)
def rsqrt(input): return Rsqrt()(input)
def square(input): return Square()(input)
def sin(input): return Sin()(input)
def cos(input): return Cos()(input)
def tanh(input): return Tanh()(input)
def sigmoid(input): return Sigmoid()(input)
def erf(input): return Erf()(input)
def abs(input): return Abs()(input)
def maximum(input, other): return Maximum()(input, other)
def minimum(input, other): return Minimum()(input, other)


def pow(input, exponent):
    """input ^ exponent; the exponent may be a number or a tensor."""
    if hasattr(exponent, "dtype"):
        return Pow()(input, exponent)
    return Power(exponent)(cast(input, result_type(input, exponent)))


def clamp(input, min=None, max=None):
    """`input`, no less than `min` and no more than `max`, numbers or tensors; at a bound the gradient is input's."""
    if min is None and max is None:
        raise ValueError("clamp: needs min, max or both")
    if not hasattr(min, "dtype") and not hasattr(max, "dtype"):
        if category(input.dtype) < 2 and (isinstance(min, float) or isinstance(max, float)):
            input = cast(input, get_default_dtype())
        return Clamp(min, max)(input)
    input = input if min is None else where(input < min, min, input)
    return input if max is None else where(input > max, max, input)


def where(condition, input, other):
    """`input` where the condition (bool) holds, `other` elsewhere; all three broadcast."""
    if not hasattr(input, "dtype") and not hasattr(other, "dtype"):
        k = kernels_for(getattr(condition, "array", condition))
        input = k.full((), input, dtype=result_type(input, other))
    return Where()(condition, input, other)


def cast(input, dtype):
    """`input` in another dtype; itself where it has that dtype already."""
    return input if input.dtype == dtype else Cast(dtype)(input)
