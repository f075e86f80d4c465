"""Would gradcheck notice? Every rule of every op is broken in every way below, and each time gradcheck must fail.

A mutant is one op's gradient for one input, changed: set to zero, 1 % too large, of the wrong sign, ... Of a fused op
the gradient kernel is broken, and then its definition, which only second order sees. ENGINE are mistakes in the walk.
"""
import contextlib
import time
from typing import NamedTuple

import numpy as np

import minidl
from minidl import graph, op, ops
from minidl.gradcheck import calls
from minidl.gradcheck.case import Case, Draw
from minidl.gradcheck.check import GradcheckError, gradcheck, outputs, recorded_gradients
from minidl.gradcheck.table import PROOFS, op_classes
from minidl.kernels import use_kernels
from minidl.op import Op, Outline


def longest(gx): return int(np.argmax(gx.shape))
def from_largest(gx):
    """Every entry's number, counted from the largest."""
    gx = np.abs(gx.array if isinstance(gx, minidl.Tensor) else gx)
    return np.arange(gx.size).reshape(gx.shape) - gx.argmax()


def is_long(gx): return max(gx.shape, default=1) > 1
def squares(gx): return [(i, j) for i in range(gx.ndim) for j in range(i) if gx.shape[i] == gx.shape[j] > 1]


MUTATIONS = {  # how a gradient is broken, and, where not every gradient can be broken so, which can
    "zero": (lambda gx: gx * 0.0, None),
    "1 % too large": (lambda gx: gx * 1.01, None),
    "wrong sign": (lambda gx: -gx, None),
    "wrong mask": (lambda gx: gx * (from_largest(gx) % 3 > 0), None),
    "one entry forgotten": (lambda gx: gx * (from_largest(gx) != 0), None),
    "a stray term": (lambda gx: gx + 0.01, None),
    "mirrored": (lambda gx: ops.flip(gx, None), is_long),
    "transposed": (lambda gx: ops.transpose(gx, *squares(gx)[0]), squares),
    "summed over a dimension": (lambda gx: ops.expand(ops.sum(gx, longest(gx), True), gx.shape), is_long),
    "not given (None)": (lambda gx: None, None),
    "constant at second order": (lambda gx: gx.detach(), lambda gx: isinstance(gx, minidl.Tensor)),
}

EXEMPT = {  # (op, input) -> why nobody could notice
    ("Pass", 1): "the signal is a 0 that tells the Gate that a gradient has passed; nothing is computed from it",
}


class Row(NamedTuple):
    """One mutant, and what killed it: the call, and the order it took; None if it survived."""
    op: str
    input: int | None
    where: str
    mutation: str
    killed_by: str | None
    order: int | None
    exempt: str | None
    seconds: float

    killed = property(lambda self: self.killed_by is not None)
    survived = property(lambda self: not self.killed and self.exempt is None)


def total(rows):
    """All rows in one sentence: killed N of N."""
    rows = list(rows)
    killed, exempt = sum(row.killed for row in rows), sorted({row.exempt for row in rows if row.exempt})
    excused = sum(row.exempt is not None for row in rows)
    return f"killed {killed} of {len(rows) - excused}" + (f"; {excused} exempt: {'; '.join(exempt)}" if excused else "")


def check_mutants(names=None):
    """A Row for every mutant, or for those of the ops called `names`, one after the other."""
    with use_kernels("reference"):
        for cls in op_classes():
            if cls.__name__ in PROOFS and (names is None or cls.__name__ in names):
                yield from mutants_of(cls, PROOFS[cls.__name__])
        if names is None:
            yield from mutants_of_the_engine()


def mutants_of(cls, cases):
    fused = issubclass(cls, minidl.Fused)
    for slot, its_cases in slots(cls, cases).items():
        for name in MUTATIONS:
            for where in ("gradient", "definition") if fused else ("backward",):
                fault = Fault(name, slot)
                broken = (broken_definition if where == "definition" else broken_rule)(cls, where, fault)
                row = tried(cls.__name__, slot, where, name, its_cases, replaced(cls, where, broken))
                if fault.occurred:
                    yield row


def mutants_of_the_engine():
    for name, broken, cases in ENGINE:
        yield tried("the walk", None, broken[1], name, cases, replaced(*broken))


def slots(cls, cases):
    """input of the op -> the calls in which it has a gradient; each passes as long as nothing is broken."""
    found = {}
    for case in cases:
        gradcheck(case.in_minidl(), *case.inputs(), order=2, directions=1, name=repr(case))
        seen = {}
        with replaced(cls, "gradients", noting(cls, seen)):
            xs = [minidl.Tensor(x, requires_grad=True) for x in case.inputs()]
            ys = outputs(case.in_minidl()(*xs))
            recorded_gradients(ys, xs, [minidl.Tensor(np.ones(y.shape)) for y in ys], create_graph=False)
        for slot in seen:
            found.setdefault(slot, []).append(case)
    return dict(sorted(found.items()))


def noting(cls, seen):
    rule = cls.gradients

    def gradients(self, gy, wanted, create_graph):
        gxs = rule(self, gy, wanted, create_graph)
        seen.update({i: True for i, gx in enumerate(gxs) if gx is not None} if type(self) is cls else {})
        return gxs
    return gradients


def tried(name, slot, where, mutation, cases, broken):
    """Is there a call, and an order, at which gradcheck fails with the op broken like this?"""
    start, killer, at_order = time.perf_counter(), None, None
    with broken:
        for order, case in [(order, case) for order in (1, 2) for case in cases]:
            if killer is None and noticed(case, order):
                killer, at_order = repr(case), order
    exempt = None if killer else EXEMPT.get((name, slot))
    return Row(name, slot, where, mutation, killer, at_order, exempt, time.perf_counter() - start)


def noticed(case, order):
    try:
        gradcheck(case.in_minidl(), *case.inputs(), order=order, directions=1, explain=False)
    except GradcheckError:
        return True
    return False


# ---- how an op is broken


@contextlib.contextmanager
def replaced(owner, name, value):
    """An attribute of a class or module, for the length of a with-block."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


class Fault:
    """A mutation of the gradient of one input; `occurred` tells whether there ever was a gradient to break."""

    def __init__(self, name, slot):
        self.slot, self.occurred = slot, False
        self.mutation, self.applies = MUTATIONS[name]

    def __call__(self, gx):
        if gx is None or isinstance(gx, Outline) or (self.applies is not None and not self.applies(gx)):
            return gx
        self.occurred = True
        return self.mutation(gx)


def broken_rule(cls, method, fault):
    rule = getattr(cls, method)

    def broken(self, *args):
        gxs = rule(self, *args)
        gxs = list(gxs) if isinstance(gxs, (tuple, list)) else [gxs]
        if fault.slot < len(gxs):
            gxs[fault.slot] = fault(gxs[fault.slot])
        return gxs
    return broken


def broken_definition(cls, method, fault):
    definition = cls.definition

    class Break(Op):
        """x, with its gradient broken."""

        def forward(self, k, x):
            return x

        def backward(self, gy, y, x):
            return fault(gy)

    def broken(self, *xs):
        return definition(self, *[Break()(x) if i == fault.slot and isinstance(x, minidl.Tensor) else x
                                  for i, x in enumerate(xs)])
    return broken


# ---- how the walk is broken


def overwrite(walk, node, gx):
    walk.grads[node] = gx


def keep_the_first(walk, node, gx):
    walk.grads.setdefault(node, gx)


def first_of_what_was_broadcast(self, i, gx, x):
    if gx is not None and not isinstance(gx, Outline) and gx.shape != x.shape:
        lead = gx.ndim - len(x.shape)
        gx = gx[(0,) * lead + tuple([slice(0, 1) if n == 1 else slice(None) for n in x.shape])]
    return Op.checked(self, i, gx, x)


def mean_of_what_was_broadcast(self, i, gx, x):
    ratio = int(np.prod(x.shape)) / max(1, int(np.prod(gx.shape))) if gx is not None else 1
    return checked(self, i, gx if gx is None or isinstance(gx, Outline) else gx * ratio, x)


def in_the_order_found(nodes):
    """Every node before its inputs, but not after all that use it."""
    order, stack = [], list(nodes)
    while stack:
        node = stack.pop(0)
        if node not in order:
            order.append(node)
            stack.extend([edge for edge in getattr(node, "edges", None) or () if edge is not None])
    return order[::-1]


def without_aliases(self, gy, *xs):
    asked = [x for x, wanted in zip(xs, self.wanted) if wanted]
    found = iter(graph.grad(self.definition(*xs), asked, gy, create_graph=True, allow_unused=True))
    return [next(found) if wanted else None for wanted in self.wanted]


def nothing_is_needed(self, i):
    return False


checked = op.Elementwise.checked
x = Draw("x", (3, 3))


def with_itself(x): return ops.linear(x, x)
def long_and_short(x): return ops.exp(ops.sin(x)) * x


BROADCAST = [*PROOFS["Add"], *PROOFS["Mul"]]
ENGINE = [  # what goes wrong, what is replaced by what, and the calls that should notice
    ("gradients that meet overwrite each other", (graph.Walk, "add", overwrite), [Case(calls.twice, x)]),
    ("of gradients that meet the first stays", (graph.Walk, "add", keep_the_first), [Case(calls.twice, x)]),
    ("of a broadcast input's gradient one part is taken",
     (op.Elementwise, "checked", first_of_what_was_broadcast), BROADCAST),
    ("a broadcast input's gradient is averaged",
     (op.Elementwise, "checked", mean_of_what_was_broadcast), BROADCAST),
    ("a node is left before all that use it",
     (graph, "topological_order", in_the_order_found), [Case(long_and_short, x)]),
    ("one tensor in two slots counts as one",
     (minidl.Fused, "gradient_of_definition", without_aliases), [Case(with_itself, x)]),
    ("costly gradients are never needed", (Op, "needs", nothing_is_needed), PROOFS["Conv2d"]),
]
