"""A second suite of mutants: the lines of the gradients in ops/ and kernels/, changed one by one.

Where mutants.py breaks what a rule answers, this breaks how it computes: an operator, a constant, a comparison, a term
that is dropped, a statement that is left out. Kernels written for Numba run as the plain Python that they are.
"""
import ast
import contextlib
import copy
import functools
import inspect
import pkgutil
import re
import signal
import sys
import time
from importlib import import_module
from typing import NamedTuple

import numpy as np

import minidl
from minidl.gradcheck.check import gradcheck, outputs
from minidl.gradcheck.mutants import replaced
from minidl.gradcheck.table import all_cases
from minidl.kernels import use_kernels
from minidl.kernels.cpu import (
    activation,
    columns,
    depthwise,
    direct,
    loss,
    memory,
    moves,
    normalization,
    panels,
    pointwise,
    pooling,
)
from minidl.kernels.cpu.jit import ParallelKernel, plain
from minidl.kernels.reference import convolution as reference_convolution

MUTATED = re.compile("backward|gradient|definition|col2im|scatter|spill|window|outside")
PACKAGES = {"minidl.ops": "reference", "minidl.kernels.reference": "reference", "minidl.kernels.cpu": "cpu"}
# Files and a class that no call of the table is for; tests are.
ELSEWHERE = {"batched", "direct", "fft", "sliding", "vector", "winograd", "ToDevice"}
SECONDS = 5                  # for one gradcheck; an endless loop is noticed, too

SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
         ast.Mod: ast.Add, ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or,
         ast.Or: ast.And, ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.Lt, ast.LtE: ast.Gt, ast.Eq: ast.NotEq,
         ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
NAMES = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "square": "abs"}

A_GUARD = "it keeps a 0 out of a division or an index, in a place that nothing is read from"
CHOSEN = "what holds at a tie, a bound or a zero is a convention, which no difference tells; PyTorch's values do"
ONLY_ROOM = "there is room beyond what is read; more of it changes nothing"
ONLY_SPEED = "both ways lead to the same numbers; one is faster"

EQUIVALENT = [  # (function, statement) -> why changing it changes no gradient; both are patterns
    ("Pow.backward|Norm.backward|LogSumExp.backward", "where", CHOSEN),
    ("(Maximum|Minimum).backward", "shared =", CHOSEN),
    ("Extreme.backward|Abs.backward", "return", CHOSEN),
    ("BinaryCrossEntropy.backward", "1e-12 -> ", A_GUARD),
    ("CrossEntropy.definition", "rows = .* 0 -> 1", A_GUARD),
    ("Prod.definition", "return reshape.* 1 -> 2", A_GUARD),
    ("batch_norm_gradient", "M = .* 1 -> 2", A_GUARD),
    ("reference/normalization.py: group_norm_gradient", "count = .* 1 -> 2", A_GUARD),
    ("max_pool_gradient", "np.add.at.* 0 -> 1", A_GUARD),
    ("window_sum", "0 -> 1", ONLY_ROOM),
    ("LocalResponseNorm.definition", "squares = ", ONLY_ROOM),
    ("col2im", "(height|width|padded) = ", ONLY_ROOM),
    ("ConvTranspose2d.gradient", "x = k.pad.* 0 -> 1", "one more image, of zeros, adds nothing"),
    ("cpu/activation.py: log_softmax_gradient", "C . LANES -> ", ONLY_ROOM),
    ("cpu/columns.py: col2im", "reshape", "the kernel takes the columns as one row of numbers, whatever their shape"),
    ("cpu/columns.py: conv2d_gradient|col2im", "plan, work = |image_size", ONLY_ROOM),
    ("cpu/columns.py", "image, cols, block, more = .* // -> \\*|image, cols, block, more = .*len", ONLY_ROOM),
    ("cpu/columns.py|cpu/pointwise.py", "(multiply|product).* 0 -> 1", "one run has no next one to jump to"),
    ("cpu/columns.py: _spill", "add.cols, at, 1, image, start, 1", "what is added too far on are zeros from between rows"),
    ("cpu/convolution.py", "w_shape = |how = ", ONLY_SPEED),
    ("cpu/depthwise.py: conv2d_gradient_w", "nothing = .*max|work = ", ONLY_ROOM),
    ("cpu/depthwise.py: _conv2d_gradient", "small = .* (3 -> 4|1 -> 2)", ONLY_SPEED),
    ("cpu/depthwise.py: _conv2d_gradient_x", "correlate_1.* 0 -> 1", "the number that sums begin with is one of many zeros"),
    ("cpu/indexing.py: getitem_gradient", "if ", ONLY_SPEED),
    ("cpu/loss.py: cross_entropy_gradient", "if logp.dtype", ONLY_SPEED),
    ("cpu/loss.py: cross_entropy_gradient", "total = .* 0 -> 1", "without smoothing it is multiplied with 0"),
    ("cpu/loss.py: _cross_entropy_gradient", "if smoothing", ONLY_SPEED),
    ("cpu/loss.py: _cross_entropy_gradient", "np.empty.* 1 -> 2", ONLY_ROOM),
    ("cpu/loss.py: _cross_entropy_gradient", "0 . share -> |at_label = .*0 -> 1", "the op looks at the labels before"),
    ("cpu/normalization.py: _channels_gradient", "k = min.* -> max", "blocks overlap, and the memory for one has room"),
    ("cpu/normalization.py: _channels_gradient", "sums = .*(last - first|2) -> ", ONLY_ROOM),
    ("cpu/normalization.py: _channels_gradient", "if streaming", ONLY_SPEED),
    ("cpu/normalization.py: (_batch_norm_gradient|_gradient_of_short_runs)", "for first in range|min.first", ONLY_SPEED),
    ("cpu/normalization.py: _(channels|group)_gradient", "max.1, N . P.* 1 -> 2", A_GUARD),
    ("cpu/normalization.py: _group_gradient", "scales.*room.* (2 -> 3|4 -> 5)", ONLY_ROOM),
    ("cpu/pooling.py: avg_pool_gradient", "workspace", ONLY_ROOM),
    ("cpu/pooling.py: adaptive_avg_pool_gradient", "if gy.shape", ONLY_SPEED),
    ("cpu/pooling.py: adaptive_avg_pool_gradient", "max.* -> ", A_GUARD),
    ("cpu/normalization.py: batch_norm_gradient", "SHORT|streaming =|workspace|group_size", ONLY_SPEED),
    ("cpu/normalization.py: group_norm_gradient", "if x.size|if P < SHORT", ONLY_SPEED),
    ("cpu/normalization.py: group_norm_gradient", "2 . C . P -> |2 . C -> |2 -> 3", ONLY_ROOM),
    ("cpu/normalization.py: _group_norm_gradient", "_sums_gradient.* 1 -> 2", "the sums go as far as x does"),
]


class Row(NamedTuple):
    """One changed line, and the call whose gradcheck failed for it; None if it survived."""
    place: str
    change: str
    killed_by: str | None
    exempt: str | None
    seconds: float

    killed = property(lambda self: self.killed_by is not None)


def check_source(sample=None, seed=0, packages=PACKAGES):
    """A Row for every change of a line, or for a random `sample` of them, one after the other."""
    for package in packages:
        functions = list(functions_of(package))
        with use_kernels(PACKAGES[package]), interpreted(), small_blocks():
            covering = cases_that_run({f.__code__ for _, _, f in functions})
            mutants = [(place, f, change) for place, tree, f in functions for change in changes(tree)]
            if sample is not None:
                chosen = np.random.default_rng(seed).permutation(len(mutants))[:sample // len(packages)]
                mutants = [mutants[i] for i in sorted(chosen)]
            for place, f, change in mutants:
                yield tried(place, f, change, covering[f.__code__])


def tried(place, f, change, cases):
    start, killer, code = time.perf_counter(), None, f.__code__
    f.__code__ = compiled(change.tree, f)
    try:
        killer = next((repr(case) for case in cases if fails(case)), None)
    finally:
        f.__code__ = code
    why = next((why for function, statement, why in EQUIVALENT if re.search(function, place)
                and re.search(statement, f"{change.statement} | {change.text}")), None)
    return Row(f"{place}, line {change.line}", change.text, killer, None if killer else why,
               time.perf_counter() - start)


def fails(case):
    try:
        with time_limit(SECONDS), np.errstate(all="ignore"):
            gradcheck(case.in_minidl(), *case.inputs(), order=2, directions=1, explain=False)
            return definition_differs(case)
    except Exception:              # whatever the change leads to: a wrong gradient, a wrong shape, no end
        return True
    return False


def definition_differs(case):
    """No gradient tells whether a definition is off by a constant; its values do."""
    xs = [minidl.Tensor(x) for x in case.inputs()]
    kernel = outputs(case.in_minidl()(*xs))
    with minidl.mode(elementary=True):
        definition = outputs(case.in_minidl()(*xs))
    return not all(np.allclose(a.array, b.array, rtol=1e-9, atol=1e-11) for a, b in zip(kernel, definition))


def cases_that_run(codes):
    """code of a function -> the calls of the table that run it in a gradcheck to second order, the quickest first."""
    found = {code: [] for code in codes}
    for _, case in all_cases():
        ran, start = set(), time.perf_counter()
        sys.setprofile(lambda frame, event, _, ran=ran: ran.add(frame.f_code) if frame.f_code in codes else None)
        try:
            gradcheck(case.in_minidl(), *case.inputs(), order=2, directions=1, name=repr(case))
        finally:
            sys.setprofile(None)
        for code in ran:
            found[code].append((time.perf_counter() - start, len(found[code]), case))
    return {code: [case for *_, case in sorted(cases)] for code, cases in found.items()}


# ---- the functions


def functions_of(package):
    """(place, syntax tree, function) of every function to be changed in the files of a package."""
    for info in pkgutil.iter_modules(import_module(package).__path__):
        if info.name in ELSEWHERE:
            continue
        module = import_module(f"{package}.{info.name}")
        for top in ast.parse(inspect.getsource(module)).body:
            is_class = isinstance(top, ast.ClassDef)
            if is_class and top.name in ELSEWHERE:
                continue
            owner = getattr(module, top.name) if is_class else module
            for node in top.body if is_class else [top]:
                if (isinstance(node, ast.FunctionDef) and MUTATED.search(node.name) and node.name in vars(owner)
                        and node.name not in getattr(owner, "__all__", ())):
                    path = f"{module.__name__.removeprefix('minidl.').replace('.', '/')}.py"
                    name = f"{owner.__name__}.{node.name}" if is_class else node.name
                    yield f"{path}: {name}", node, plain(vars(owner)[node.name])


@contextlib.contextmanager
def interpreted():
    """Kernels written for Numba run as plain Python, so that their code can be exchanged."""
    before = []
    for info in pkgutil.iter_modules(import_module("minidl.kernels.cpu").__path__):
        names = vars(import_module(f"minidl.kernels.cpu.{info.name}"))
        for name, f in list(names.items()):
            if plain(f) is not f:
                before.append((names, name, f))
                names[name] = functools.partial(f.one_by_one, plain(f)) if isinstance(f, ParallelKernel) else plain(f)
    try:
        yield
    finally:
        for names, name, f in before:
            names[name] = f


@contextlib.contextmanager
def small_blocks():
    """Kernels work in threads and on a few rows or images at a time, as on images larger than those of the table."""
    def pairs(N, _):
        return [slice(i, min(i + 2, N)) for i in range(0, N, 2)]
    with (replaced(reference_convolution, "chunks", pairs), replaced(columns, "IN_CACHE", 440),
          replaced(columns, "PRODUCT", 1), replaced(normalization, "SHORT", 7), replaced(memory, "SMALL", 0),
          replaced(moves, "LARGE", 200), replaced(normalization, "BLOCK", 16), replaced(normalization, "TOGETHER", 2),
          replaced(panels, "multiply", multiply), replaced(columns, "multiply", multiply), contextlib.ExitStack() as stack):
        for module in (activation, columns, depthwise, direct, loss, normalization, pointwise, pooling):
            stack.enter_context(replaced(module, "empty", nothing))
        yield


def nothing(shape, dtype):
    """Memory in which no earlier result is found by chance."""
    x = memory.empty(shape, dtype)
    x.fill(np.nan if x.dtype.kind == "f" else 0)
    return x


def multiply(a, a_at, b, b_at, turned, c, c_at, rows, columns, K, more, streaming, work):
    """kernels.cpu.panels.multiply by definition: NumPy's, as its own loops take their time in plain Python."""
    def places(at, i, j):
        return i[:, None] * at[0] + j // at[1] * at[2] + j % at[1]
    i, j, k = np.arange(*rows), np.arange(*columns), np.arange(K)
    y = a[places(a_at, i, k)] @ (b[places(b_at, j, k)].T if turned else b[places(b_at, k, j)])
    c[places(c_at, i, j)] = y + c[places(c_at, i, j)] if more else y


# ---- the changes


class Change(NamedTuple):
    """One change of a function: where, in which statement, what became what, and the whole function, changed."""
    line: int
    statement: str
    text: str
    tree: ast.FunctionDef


def changes(function):
    """Every Change of a function's tree."""
    for path, node, statement in nodes_below(function):
        for new in instead_of(node):
            if new is None or ast.dump(new) != ast.dump(node):
                new = ast.copy_location(new or ast.Pass(), node)
                what = f"{text(node)} -> {text(new)}"
                yield Change(node.lineno, text(statement), what, with_node(function, path, new))


def text(node):
    """One line of Python; of an `if`, that is its head."""
    return ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]


def instead_of(node):
    """What could stand in a node's place by mistake; None: nothing at all."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPS:
            yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            yield node.left
            yield node.right
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(SWAPS[type(node.op)](), node.values)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        yield ast.Compare(node.left, [SWAPS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value, kind = node.value, type(node.value)
        yield ast.Constant(not value if kind is bool else value + 1 if kind is int else value * 1.01 or 0.01)
    elif isinstance(node, ast.AugAssign):
        yield None
        yield ast.Assign([node.target], node.value)
        yield ast.AugAssign(node.target, SWAPS[type(node.op)](), node.value)
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield None
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        first, second, *rest = node.value.elts
        yield ast.Return(ast.Tuple([second, first, *rest], ast.Load()))
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield ast.Call(ast.Name(NAMES[node.func.id], ast.Load()), node.args, node.keywords)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NAMES:
        yield ast.Call(ast.Attribute(node.func.value, NAMES[node.func.attr], ast.Load()), node.args, node.keywords)


def nodes_below(node, path=(), statement=None):
    """(path, node, statement it is in) for all nodes below."""
    statement = node if isinstance(node, ast.stmt) else statement
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return                             # -1 is a number to lose its sign, and no 1 to become a 2
    fields = list(ast.iter_fields(node))
    if isinstance(node, ast.FunctionDef):
        fields = [("body", node.body)]     # defaults are the caller's
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "chunks":
        fields = [("args", node.args[:-1])]          # the last says how much work it is, on which no number depends
    for field, value in fields:
        for i, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(child, ast.AST):
                yield (*path, (field, i)), child, child if isinstance(child, ast.stmt) else statement
                yield from nodes_below(child, (*path, (field, i)), statement)


def with_node(tree, path, new):
    tree = node = copy.deepcopy(tree)
    *way, (field, i) = path
    for step, j in way:
        node = getattr(node, step) if j is None else getattr(node, step)[j]
    if i is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[i] = new
    return tree


def compiled(tree, f):
    """The code of the function that `tree` defines, with f's globals."""
    tree.decorator_list = []
    names = dict(f.__globals__)
    exec(compile(ast.fix_missing_locations(ast.Module([tree], [])), "<mutant>", "exec"), names)
    return names[tree.name].__code__


@contextlib.contextmanager
def time_limit(seconds):
    def stop(*_):
        raise TimeoutError
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
