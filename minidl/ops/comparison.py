"""Comparisons, rounding and other functions whose results carry no gradient."""
from dataclasses import dataclass

from minidl.op import Elementwise

__all__ = [
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "ceil", "eq", "floor", "floor_divide", "ge", "gt",
    "isfinite", "isinf", "isnan", "le", "logical_and", "logical_not", "logical_or", "lt", "ne", "round", "sign",
]


@dataclass(eq=False)
class Untracked(Elementwise):
    """A kernel, named, on inputs that broadcast; its result is a constant to the graph."""
    kernel: str

    def forward(self, k, *xs):
        return getattr(k, self.kernel)(*xs)

    def record(self, inputs, y):
        """Nothing flows back: the derivative is 0, or there is none."""


def eq(input, other): return Untracked("equal")(input, other)
def ne(input, other): return Untracked("not_equal")(input, other)
def lt(input, other): return Untracked("less")(input, other)
def le(input, other): return Untracked("less_equal")(input, other)
def gt(input, other): return Untracked("greater")(input, other)
def ge(input, other): return Untracked("greater_equal")(input, other)
def isnan(input): return Untracked("isnan")(input)
def isinf(input): return Untracked("isinf")(input)
def isfinite(input): return Untracked("isfinite")(input)
def bitwise_and(input, other): return Untracked("bitwise_and")(input, other)
def bitwise_or(input, other): return Untracked("bitwise_or")(input, other)
def bitwise_xor(input, other): return Untracked("bitwise_xor")(input, other)
def bitwise_not(input): return Untracked("bitwise_not")(input)
def logical_and(input, other): return Untracked("logical_and")(input, other)
def logical_or(input, other): return Untracked("logical_or")(input, other)
def logical_not(input): return Untracked("logical_not")(input)
def sign(input): return Untracked("sign")(input)
def floor(input): return Untracked("floor")(input)
def ceil(input): return Untracked("ceil")(input)
def round(input): return Untracked("round")(input)
def floor_divide(input, other): return Untracked("floor_divide")(input, other)
