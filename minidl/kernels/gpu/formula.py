"""The kernel interface for numbers that a kernel will have: what acts on them is written down as CUDA C.

An expression that is called with Formulas in the place of arrays becomes lines, each of which computes a number from those
before it; one_pass.py makes a kernel of them. An expression that asks for what is not here is computed by CuPy.
"""
import contextlib
import math

import numpy as np


class Program:
    """The lines that compute numbers of `dtype`, and truth values, in a kernel."""

    def __init__(self, dtype):
        self.dtype, self.lines = np.dtype(dtype), []

    def given(self, text, dtype):
        """The Formula of what stands in memory, or in an argument."""
        return self.line(text, (), np.dtype(dtype))

    def line(self, text, terms, dtype):
        """The Formula of a line: "{0} * {1}", say, of two terms, which are Formulas or numbers of Python's."""
        terms = [term if isinstance(term, Formula) else literal(term) for term in terms]
        formula = Formula(self, f"t{len(self.lines)}", dtype)
        kind = "bool" if dtype.kind == "b" else "REAL"
        self.lines.append((formula, terms, f"const {kind} {formula} = {text.format(*terms)};"))
        return formula

    def needed(self, answers):
        """The lines, in C, that the answers cannot do without."""
        needed, found = {id(answer) for answer in answers}, []
        for formula, terms, text in reversed(self.lines):
            if id(formula) in needed:
                needed.update(map(id, terms))
                found.append(text)
        return found[::-1]


class Formula:
    """A number that a kernel will have computed; Python's operators write down how."""
    __array_ufunc__ = None               # NumPy's functions do not take it for an array

    def __init__(self, program, name, dtype):
        self.program, self.name, self.dtype = program, name, dtype

    def __str__(self):
        return self.name

    def __bool__(self):
        raise TypeError("what will be computed cannot decide what is written down")

    def number(self, text, *terms):
        """The Formula of a line that computes a number from this and others."""
        return written(text, self, *terms)

    def truth(self, text, *terms):
        """That of a line that says whether something holds."""
        return self.program.line(text, (self, *terms), np.dtype(bool))

    def with_other(self, line, text, other):
        """An operator's line; what is neither formula nor number says itself what becomes of it."""
        return line(text, other) if isinstance(other, (Formula, int, float)) else NotImplemented

    def __neg__(self): return self.number("-{0}")
    def __add__(self, other): return self.with_other(self.number, "{0} + {1}", other)
    def __sub__(self, other): return self.with_other(self.number, "{0} - {1}", other)
    def __mul__(self, other): return self.with_other(self.number, "{0} * {1}", other)
    def __truediv__(self, other): return self.with_other(self.number, "{0} / {1}", other)
    def __radd__(self, other): return self.number("{1} + {0}", other)
    def __rsub__(self, other): return self.number("{1} - {0}", other)
    def __rmul__(self, other): return self.number("{1} * {0}", other)
    def __rtruediv__(self, other): return self.number("{1} / {0}", other)
    def __pow__(self, exponent): return power(self, exponent)

    def __gt__(self, other): return self.with_other(self.truth, "{0} > {1}", other)
    def __ge__(self, other): return self.with_other(self.truth, "{0} >= {1}", other)
    def __lt__(self, other): return self.with_other(self.truth, "{0} < {1}", other)
    def __le__(self, other): return self.with_other(self.truth, "{0} <= {1}", other)
    def __eq__(self, other): return self.with_other(self.truth, "{0} == {1}", other)
    def __ne__(self, other): return self.with_other(self.truth, "{0} != {1}", other)
    __hash__ = object.__hash__

    def __and__(self, other): return self.truth("{0} && {1}", conditions(self, other))
    def __or__(self, other): return self.truth("{0} || {1}", conditions(self, other))
    def __invert__(self): return self.truth("!{0}", conditions(self))

    def astype(self, dtype):
        if dtype == self.program.dtype:
            return self.program.line("{0}", (self,), self.program.dtype)
        raise TypeError(f"numbers of {self.program.dtype} do not become {dtype} on the way")


def literal(number):
    """A number of Python's in C, which would take 0.5 for a double."""
    number = float(number)
    if math.isinf(number):
        return "INFINITE" if number > 0 else "(-INFINITE)"
    if math.isnan(number):
        raise TypeError("NaN has no name in CUDA C")
    return f"(REAL){number!r}"


def conditions(*terms):
    """The last of these truth values; bits of numbers are no formula's business."""
    for term in terms:
        if not (isinstance(term, Formula) and term.dtype == bool):
            raise TypeError(f"{term} is no truth value")
    return terms[-1]


def written(text, *terms):
    """The Formula of a line that computes a number. A product of truth values, say, is none."""
    formulas = [term for term in terms if isinstance(term, Formula)]
    if all([term.dtype == bool for term in formulas]):
        raise TypeError("arithmetic with nothing but truth values")
    program = formulas[0].program
    return program.line(text, terms, program.dtype)


def add(a, b): return a + b
def subtract(a, b): return a - b
def multiply(a, b): return a * b
def divide(a, b): return a / b
def negative(x): return -x
def square(x): return x * x
def reciprocal(x): return 1 / x
def abs(x): return x.number("fabs({0})")
def exp(x): return x.number("exp({0})")
def expm1(x): return x.number("expm1({0})")
def log(x): return x.number("log({0})")
def log1p(x): return x.number("log1p({0})")
def sqrt(x): return x.number("sqrt({0})")
def rsqrt(x): return x.number("1 / sqrt({0})")
def sin(x): return x.number("sin({0})")
def cos(x): return x.number("cos({0})")
def tanh(x): return x.number("tanh({0})")
def erf(x): return x.number("erf({0})")
def sigmoid(x): return x.number("sigmoid({0})")
def softplus(x): return x.number("softplus({0})")
def floor(x): return x.number("floor({0})")
def ceil(x): return x.number("ceil({0})")
def round(x): return x.number("rint({0})")
def sign(x): return x.number("{0} > 0 ? 1 : {0} < 0 ? -1 : {0}")
def maximum(a, b): return written("larger({0}, {1})", a, b)
def minimum(a, b): return written("smaller({0}, {1})", a, b)
def remainder(a, b): return written("modulo({0}, {1})", a, b)
def floor_divide(a, b): return written("whole_quotient({0}, {1})", a, b)
def relu(x): return maximum(x, 0)
def relu_gradient(gy, y): return y.number("{0} > 0 ? {1} : 0", gy)
def equal(a, b): return a == b
def not_equal(a, b): return a != b
def greater(a, b): return a > b
def greater_equal(a, b): return a >= b
def less(a, b): return a < b
def less_equal(a, b): return a <= b
def isnan(x): return x != x
def isfinite(x): return x - x == 0
def isinf(x): return (x == x) & (x - x != 0)
def logical_and(a, b): return a.truth("{0} && {1}", b)
def logical_or(a, b): return a.truth("{0} || {1}", b)
def logical_not(x): return x.truth("!{0}")


def power(x, exponent):
    """Products for a small whole exponent, a root for half of one; else what CUDA calls pow."""
    twice = 2 * exponent if isinstance(exponent, (int, float)) else None
    if twice is None or twice != int(twice) or twice not in range(-8, 9):
        return written("pow({0}, {1})", x, exponent)
    whole, half = divmod(int(math.fabs(twice)), 2)
    product = " * ".join(["{0}"] * whole + ["sqrt({0})"] * half)
    if not product:
        return x.program.line("1", (), x.program.dtype)
    return x.number(f"1 / ({product})" if exponent < 0 else product)


def where(condition, a, b):
    """a where the condition holds, else b: numbers."""
    if any([isinstance(term, Formula) and term.dtype == bool for term in (a, b)]):
        raise TypeError("a choice between truth values is none of numbers")
    return condition.program.line("{0} ? {1} : {2}", (condition, a, b), condition.program.dtype)


def clip(x, least, most):
    """x between the two, of which None is no bound; NaN stays."""
    x = x if least is None else x.number("{0} < {1} ? {1} : {0}", least)
    return x if most is None else x.number("{0} > {1} ? {1} : {0}", most)


def full(shape, number, dtype):
    """A number fits everywhere."""
    return number


def errstate(**_):
    """Nothing is reported from here."""
    return contextlib.nullcontext()
