"""gradcheck: is this gradient right, and would we have noticed if it were not?"""
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from minidl.creation import zeros_like
from minidl.gradcheck.diagnosis import explanation
from minidl.gradcheck.line import PROVEN, Line, norm
from minidl.graph import grad
from minidl.kernels import is_array
from minidl.mode import enable_grad, no_grad
from minidl.tensor import Tensor

MODES = "directional", "sampled", "full"


class GradcheckError(AssertionError):
    """A gradient that is wrong, or that could not be proven. `report` holds what was measured until then."""

    def __init__(self, message, report=None):
        super().__init__(message)
        self.report = Report("") if report is None else report


class Check(NamedTuple):
    """One input along one direction (or, with an index, in one entry), and how it came out."""
    order: int
    input: str
    index: tuple | None
    verdict: str
    backprop: float
    numeric: float
    error: float
    tolerance: float


@dataclass(repr=False)
class Report:
    """All that one gradcheck measured."""
    name: str
    checks: list = field(default_factory=list)

    passed = property(lambda self: all(c.verdict in PROVEN for c in self.checks))
    worst = property(lambda self: max([c.error / c.tolerance for c in self.checks if c.tolerance], default=0.0),
                     doc="The largest error, as a part of its tolerance.")

    def __repr__(self):
        lines = [f"gradcheck of {self.name}: {len(self.checks)} checks, worst error {self.worst:.2g} of its tolerance",
                 f"{'order':5}  {'input':28} {'backprop':>14} {'differences':>14} {'error':>8} {'tolerance':>9}"]
        for c in self.checks:
            where = c.input if c.index is None else f"{c.input} at {c.index}"
            lines.append(f"{c.order:5}  {where:28} {c.backprop:14.8g} {c.numeric:14.8g} "
                         f"{c.error:8.1e} {c.tolerance:9.1e}  {c.verdict}")
        return "\n".join(lines)


def gradcheck(f, *inputs, cotangent="random", mode="directional", order=1, directions=2, samples=12, seed=0,
              explain=True, name=None):
    """Check the gradient of f at `inputs` in float64; raises GradcheckError, or returns a Report.

    f          takes as many tensors as there are inputs, and gives a tensor or several
    inputs     every floating-point array or tensor among them is checked, on the device where it is; the rest is passed
               to f as it is
    cotangent  weighs f's outputs: "random", an array (a list of arrays, if f gives several), or None, which stands
               for 1 and is an error unless f gives a single number: weights of 1 hide the gradients of softmax and
               batch norm, which are then 0 whatever the rule says
    mode       directional: each input moves along `directions` random directions of its own;
               sampled: in `samples` random entries of its own; full: in every entry
    order      1 checks the gradients, 2 also the gradients of the gradients, and so on. Finite differences then use
               plain gradients, the kernels', so that a wrong definition cannot agree with itself
    seed       of the random cotangents and directions
    explain    a failure names the worst entry and guesses the mistake, which takes two calls of f for every entry

    <g, df> by finite differences may differ from <vjp, u> by 1e-7 |g| |df| and by rounding. An input at a kink, where
    there is no gradient, is an error that says so, and so is a check that rounding or an unlucky cotangent leaves open
    after it was tried with other steps and directions. Also checked: f computes the same twice, leaves its inputs
    alone, and answers in float64.
    """
    if mode not in MODES:
        raise ValueError(f"gradcheck: mode {mode!r} is not one of {', '.join(MODES)}")
    if order < 1:
        raise ValueError(f"gradcheck: order {order}; the gradient itself is order 1")
    rng = np.random.default_rng(seed)
    of_floats, floats = of_floats_alone(f, inputs)
    names = [f"input {i} {x.shape}" for i, x in floats.items()]
    point = Point(of_floats, list(floats.values()), names, Report(name or getattr(f, "__name__", repr(f))))
    point.set_cotangent(cotangent, rng)
    return prove(point, order, lambda point: probes(point, mode, directions, samples, rng), rng, explain)


def prove(point, order, probes, rng, explain):
    """Check the gradients at `point` along all that `probes(point)` gives, and, order by order, theirs."""
    point.must_be_a_function()
    for level in range(1, order + 1):
        for i, u, index in probes(point):
            check(point, level, i, u, index, rng, explain)
        if level < order:
            point = point.of_the_gradients(rng)
    return point.report


def of_floats_alone(f, inputs):
    """f as a function of its floating-point inputs only, and these as float64 tensors, by their place."""
    fixed = [Tensor(x) if is_array(x) or isinstance(x, np.floating) else x for x in inputs]
    floats = {i: Tensor(x.array.astype(np.float64)) for i, x in enumerate(fixed)
              if isinstance(x, Tensor) and x.is_floating_point()}
    if not floats:
        raise ValueError("gradcheck: there is no floating-point array among the inputs")

    def of_floats(*xs):
        for i, x in zip(floats, xs):
            fixed[i] = x
        return f(*fixed)
    return of_floats, floats


class Point:
    """A function f and the tensors at which its gradient is checked, with the cotangents of its outputs.

    f is called with tensors on whatever device they came; all arithmetic is done on the host, on arrays:
    xs, ys, gs : inputs, outputs, cotangents
    """

    def __init__(self, f, inputs, names, report):
        self.f, self.inputs, self.names, self.report = f, inputs, names, report
        self.xs = [on_host(x) for x in inputs]
        self.before = [x.copy() for x in self.xs]
        ys = self.evaluate(inputs)
        self.ys, self.devices = [on_host(y) for y in ys], [y.device for y in ys]
        self.y = flat(self.ys)

    def evaluate(self, inputs):
        """f's outputs, with nothing recorded: what finite differences are made of."""
        with no_grad():
            ys = outputs(self.f(*[x.detach() for x in inputs]))
        for i, y in enumerate(ys):
            if y.dtype != np.float64:
                self.fail(f"output {i} is {y.dtype}, but all inputs are float64")
        return ys

    def set_cotangent(self, cotangent, rng):
        shapes = [y.shape for y in self.ys]
        if cotangent is None:
            if [y.size for y in self.ys] != [1]:
                raise ValueError(f"gradcheck: f gives {', '.join(map(str, shapes))}, not a single number, so its "
                                 "gradient needs a cotangent of that shape; the default, \"random\", draws one")
            self.gs = [np.ones(shapes[0])]
        elif isinstance(cotangent, str):
            if cotangent != "random":
                raise ValueError(f"gradcheck: cotangent {cotangent!r} is neither \"random\", nor an array, nor None")
            self.gs = [rng.standard_normal(shape) for shape in shapes]
        else:
            gs = cotangent if isinstance(cotangent, (list, tuple)) else [cotangent]
            self.gs = [np.array(on_host(g) if isinstance(g, Tensor) else g, np.float64) for g in gs]
            if [g.shape for g in self.gs] != shapes:
                raise ValueError(f"gradcheck: f gives {', '.join(map(str, shapes))}, but the cotangent has "
                                 f"{', '.join(str(g.shape) for g in self.gs)}")
        self.before += [g.copy() for g in self.gs]
        self.cotangents = [Tensor(g).to(device) for g, device in zip(self.gs, self.devices)]
        self.recorded, self.gradients = self.backprop()

    def fail(self, what):
        raise GradcheckError(f"gradcheck of {self.report.name}: {what}", self.report)

    def backprop(self):
        xs = [x.detach().requires_grad_() for x in self.inputs]
        with enable_grad():
            ys = outputs(self.f(*xs))
            gradients = recorded_gradients(ys, xs, self.cotangents, create_graph=False)
        return [on_host(y) for y in ys], [g if g is None else on_host(g) for g in gradients]

    def must_be_a_function(self):
        """The same numbers twice, bit for bit, and the inputs as they were."""
        runs = [self.backprop(), ([on_host(y) for y in self.evaluate(self.inputs)], None), (self.recorded, None)]
        for i, (x, old) in enumerate(zip(self.inputs + self.cotangents, self.before)):
            if not same_bits(on_host(x), old):
                who = self.names[i] if i < len(self.names) else f"cotangent {i - len(self.names)}"
                self.fail(f"{who} was changed by f or by its gradient; work on a copy")
        for ys, gradients in runs:
            if len(ys) != len(self.ys) or not all(map(same_bits, ys, self.ys)):
                self.fail("f gives another result the second time; if it draws random numbers, seed them inside f")
            if gradients is not None and not all(map(same_bits, gradients, self.gradients)):
                self.fail("f gives another gradient the second time")

    def of_the_gradients(self, rng):
        """The same for the function (inputs, cotangents) -> gradients: one order up."""
        n, f = len(self.xs), self.f

        def gradients(*args):
            xs, gs = args[:n], args[n:]
            create_graph = any(x.requires_grad for x in args)
            if not create_graph:
                xs = [x.detach().requires_grad_() for x in xs]
            with enable_grad():
                found = recorded_gradients(outputs(f(*xs)), xs, gs, create_graph)
            return [zeros_like(x) if g is None else g for g, x in zip(found, xs)]

        names = self.names + [f"cotangent {i} {g.shape}" for i, g in enumerate(self.gs)]
        point = Point(gradients, self.inputs + self.cotangents, names, self.report)
        point.set_cotangent("random", rng)
        difference, size = norm(flat(point.recorded) - point.y), norm(point.y)
        if difference > 1e-9 * size:
            self.fail(f"with create_graph the gradient differs by {difference:.2g} (of {size:.2g}) from the plain one; "
                      "is a definition different from its kernel, or a rule different for tensors and arrays?")
        return point

    def line(self, i, u):
        """f along x_i + t u."""
        def at(t):
            moved = Tensor(self.xs[i] + t * u).to(self.inputs[i].device)
            return flat([on_host(y) for y in self.evaluate(self.inputs[:i] + [moved] + self.inputs[i + 1:])])
        gx = self.gradients[i]
        gx = np.zeros(u.shape) if gx is None else gx
        moving = np.ones(u.shape, bool) if np.count_nonzero(u) > 1 else u != 0
        claim, scale = norm(gx[moving]), max(1.0, norm(self.xs[i][moving]))
        return Line(at, self.y, flat(self.gs), float((gx * u).sum()), claim, scale)

    def numeric_gradient(self, i, most=400):
        """The gradient in x_i by finite differences, entry by entry; None for an input too large for that."""
        if self.xs[i].size > most:
            return None
        gx = np.empty(self.xs[i].shape)
        for index in np.ndindex(gx.shape):
            gx[index] = self.line(i, unit(gx.shape, index)).measure().numeric
        return gx


def check(point, level, i, u, index, rng, explain):
    """Judge one direction (a new one, where it was left unproven) and report; raise unless it is proven."""
    for _ in range(3):
        verdict, m = point.line(i, u).judge()
        if verdict in (*PROVEN, "wrong") or index is not None:
            break
        u = direction(point.xs[i].shape, rng)
    report = point.report
    report.checks.append(Check(level, point.names[i], index, verdict, m.backprop, m.numeric, m.error, m.tolerance))
    if verdict not in PROVEN:
        raise GradcheckError(explanation(point, level, i, index, verdict, m, explain), report)


def probes(point, mode, directions, samples, rng):
    """(input, u, index) for everything that is to be tried: u has length 1, and an index where it is an axis."""
    for i, x in enumerate(point.xs):
        if mode == "directional":
            yield from ((i, direction(x.shape, rng), None) for _ in range(directions if x.size > 1 else 1))
        else:
            places = np.arange(x.size) if mode == "full" else rng.permutation(x.size)[:samples]
            for place in places:
                index = tuple(map(int, np.unravel_index(place, x.shape)))
                yield i, unit(x.shape, index), index


def direction(shape, rng):
    u = rng.standard_normal(shape)
    return u / max(norm(u.ravel()), 1e-300)


def unit(shape, index):
    u = np.zeros(shape)
    u[index] = 1.0
    return u


def outputs(y):
    """What f gave, as a list of tensors; those of integers, such as indices, have no gradient and do not count."""
    ys = list(y) if isinstance(y, (list, tuple)) else [y]
    for y in ys:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: f must give tensors, not {type(y).__name__}")
    return [y for y in ys if y.dtype.kind == "f"]


def recorded_gradients(ys, xs, gs, create_graph):
    """The gradients of <g, y> in each x; None where there is none."""
    recorded = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
    if not recorded:
        return [None] * len(xs)
    ys, gs = zip(*recorded)
    try:
        return grad(ys, xs, gs, create_graph=create_graph, allow_unused=True)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise GradcheckError(f"gradcheck: no gradient, but an error: {error}") from error


def on_host(x):
    """The numbers of a tensor, wherever they are, as a NumPy array."""
    return x.detach().cpu().array


def flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays]) if arrays else np.zeros(0)


def same_bits(a, b):
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.tobytes() == b.tobytes()
