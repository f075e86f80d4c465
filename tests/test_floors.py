"""The floors of the building: imports point down, or sideways inside a folder. A failure names the line."""
import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import minidl
from minidl import Elementwise, Fused, Op

ROOT = Path(__file__).parents[1]
FLOORS = ["kernels", "dtypes mode", "random", "tensor", "op creation", "graph cuda", "expression fused anomaly", "ops", "nn",
          "optim utils footprint", "gradcheck autograd profiler summary", "interop drawing", "trace train", "lab",
          "architectures", "bench", "cli", "__main__"]
HEIGHT = {name: i for i, names in enumerate(FLOORS) for name in names.split()}
# These may call upwards, but not import upwards.
KNOT = {"tensor", "op", "creation", "graph", "fused", "anomaly"}
ARRAY_LIBRARIES = {"numpy", "cupy", "numba", "scipy", "torch", "jax"}


def sources():
    for path in [*ROOT.glob("minidl/**/*.py"), *ROOT.glob("architectures/**/*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        unit = "architectures" if parts[0] == "architectures" else parts[1]
        if unit != "__init__":                                         # minidl/__init__.py hands all names on
            yield path, unit, ast.parse(path.read_text())


def references(tree):
    """(line, dotted name, is it reached at call time?) of all that is imported or read from `minidl`."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))]
    at_call_time = {id(inner) for node in functions for inner in ast.walk(node)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "minidl":
            names = [f"minidl.{node.attr}"]
        for name in names:
            yield node.lineno, name, id(node) in at_call_time


def unit_of(name):
    """The unit of the building a dotted name belongs to: minidl.exp is made in ops, minidl.tensor in creation."""
    first, *rest = name.split(".")
    if first != "minidl" or not rest:
        return first if first == "architectures" else None
    if rest[0] in HEIGHT and (len(rest) > 1 or not callable(getattr(minidl, rest[0], None))):
        return rest[0]
    made_in = getattr(getattr(minidl, rest[0], None), "__module__", "").split(".")
    return made_in[1] if made_in[0] == "minidl" and len(made_in) > 1 else None


def upward(tree, unit):
    """The references of a file that point up, or across to another unit of the same floor."""
    for line, name, at_call_time in references(tree):
        target = unit_of(name)
        if target not in (None, unit) and HEIGHT[target] >= HEIGHT[unit] and not (at_call_time and unit in KNOT):
            yield f"line {line}: {unit} (floor {HEIGHT[unit]}) uses {name} (floor {HEIGHT[target]})"


def test_imports_point_down():
    wrong = [f"{path.relative_to(ROOT)}, {fault}" for path, unit, tree in sources() for fault in upward(tree, unit)]
    assert not wrong, "\n".join(wrong)


def test_every_file_has_a_floor():
    assert {unit for _, unit, _ in sources()} <= set(HEIGHT)


def test_kernels_import_nothing_of_minidl_but_kernels():
    wrong = [f"{path.relative_to(ROOT)}, line {line}: {name}" for path, unit, tree in sources() if unit == "kernels"
             for line, name, _ in references(tree) if name.split(".")[0] == "minidl"
             and name.split(".")[:2] != ["minidl", "kernels"]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("floor", ["ops", "graph", "fused", "nn", "optim", "architectures"])
def test_no_array_library_is_imported_above_the_kernels(floor):
    wrong = [f"{path.relative_to(ROOT)}, line {line}: {name}" for path, unit, tree in sources() if unit == floor
             if path.name != "init.py"                                 # weights are drawn on the host
             for line, name, _ in references(tree) if name.split(".")[0] in ARRAY_LIBRARIES]
    assert not wrong, "\n".join(wrong)


def test_layers_compute_no_gradient():
    """But for the identities through which backward hooks look."""
    wrong = [f"{path.relative_to(ROOT)}, line {node.lineno}: {node.name}" for path, unit, tree in sources()
             if unit in ("nn", "architectures") and path.name != "hooks.py" for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef) and node.name in ("backward", "gradient")]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source, unit, fault", [
    ("from minidl.nn import Module", "ops", "line 1: ops (floor 7) uses minidl.nn.Module (floor 8)"),
    ("import minidl\ndef f(): return minidl.nn.Linear", "ops", "line 2: ops (floor 7) uses minidl.nn (floor 8)"),
    ("import minidl\ny = minidl.exp(x)", "graph", "line 2: graph (floor 5) uses minidl.exp (floor 7)"),
    ("import architectures.lenet", "train", "line 1: train (floor 12) uses architectures.lenet (floor 14)"),
    ("from minidl import utils", "optim", "line 1: optim (floor 9) uses minidl.utils (floor 9)"),
    ("from minidl import ops", "kernels", "line 1: kernels (floor 0) uses minidl.ops (floor 7)"),
])
def test_a_reference_that_points_up_is_found(source, unit, fault):
    assert list(upward(ast.parse(source), unit)) == [fault]


def test_import_minidl_loads_no_compiler_no_pictures_and_no_other_engine():
    loaded = subprocess.run([sys.executable, "-c", "import sys, minidl; print(*sys.modules)"], capture_output=True,
                            text=True, check=True).stdout.split()
    heavy = {"numba", "llvmlite", "matplotlib", "scipy", "torch", "cupy", "rich", "typer", "pandas", "threadpoolctl"}
    assert not heavy & {name.split(".")[0] for name in loaded}


# ---- words


def public(module):
    """(name, object) of the functions and classes that a module makes and hands out."""
    for name, value in vars(module).items():
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "").startswith("minidl"):
            yield name, value


def test_what_users_call_has_a_docstring():
    """Or is one line that makes an op, whose class has one."""
    from minidl import autograd, nn, ops, optim
    from minidl.autograd import functional
    namesakes = {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"}
    bare = [f"{module.__name__}.{name}" for module in (minidl, autograd, functional, ops, nn, optim)
            for name, value in public(module) if not value.__doc__ and name not in namesakes
            and len(inspect.getsource(value).splitlines()) > 1]
    assert not bare, bare
    assert not [op for op in Op.__subclasses__() + Elementwise.__subclasses__() + Fused.__subclasses__()
                if op.__module__.startswith("minidl.ops") and not op.__doc__]


def test_every_file_says_in_one_sentence_what_it_is_for():
    wrong = []
    for path, _, tree in sources():
        doc = ast.get_docstring(tree) or ""
        if path.read_text().strip() and not doc.split("\n\n")[0].strip():
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, wrong
