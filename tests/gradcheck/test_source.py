"""Lines of the gradients in ops/ and kernels/, changed one by one: gradcheck notices."""
import ast
import inspect
import textwrap

import numpy as np
import pytest

import minidl
from minidl.gradcheck import check_source, gradcheck, source
from minidl.ops.arithmetic import Tanh

n = np.random.default_rng(0).standard_normal


def changed(text):
    """What a function can become, as text."""
    tree = ast.parse(text).body[0]
    return {change.text for change in source.changes(tree)}


@pytest.mark.slow
def test_every_changed_line_of_a_sample_is_noticed():
    rows = list(check_source(sample=240, seed=1))
    assert len(rows) == 240 and {row.place.split("/")[0] for row in rows} == {"ops", "kernels"}
    assert [row for row in rows if not row.killed and not row.exempt] == []
    assert sum(row.killed for row in rows) > 200


def test_every_kind_of_mistake_is_among_the_changes():
    assert changed("def f(x, y): return x * -y") >= {"x * -y -> x / -y", "x * -y -> x", "x * -y -> -y", "-y -> y"}
    assert changed("def f(x): return 2.0 if x > 0 else True") >= {
        "x > 0 -> x < 0", "2.0 -> 2.02", "True -> False", "0 -> 1"}
    assert changed("def f(x, y):\n    x += y") == {"x += y -> pass", "x += y -> x = y", "x += y -> x -= y"}
    assert changed("def f(x, y): return x, y") == {"return (x, y) -> return (y, x)"}
    assert "x.sum(0) -> x.mean(0)" in changed("def f(x): return x.sum(0)")
    assert "if not x: -> if not not x:" in changed("def f(x):\n    if not x:\n        g(x)")
    assert "g(x) -> pass" in changed("def f(x):\n    if not x:\n        g(x)")


def test_what_changes_nothing_is_not_among_the_changes():
    assert changed("def f(x): return x, x") == set()
    assert changed('def f(x):\n    """1 + 1"""\n    return x.reshape(-1)') == {"-1 -> 1"}
    assert changed("def f(x): return chunks(x, 8 * x)") == set()


def test_a_changed_line_takes_effect_and_is_taken_back():
    before = Tanh.backward.__code__
    tree = ast.parse(textwrap.dedent(inspect.getsource(Tanh.backward))).body[0]
    change = next(c for c in source.changes(tree) if c.text == "1 - y * y -> 1 + y * y")
    tanh = next(case for _, case in source.all_cases() if case.name == "tanh")
    row = source.tried("ops/arithmetic.py: Tanh.backward", Tanh.backward, change, [tanh])
    assert row.killed and row.killed_by == "tanh(x(2, 3))"
    assert Tanh.backward.__code__ is before
    gradcheck(minidl.tanh, n(3))


def test_a_change_without_effect_survives():
    tree = ast.parse("def backward(self, gy, y, x): return gy * (1 - y * y) + 0").body[0]
    tanh = next(case for _, case in source.all_cases() if case.name == "tanh")
    harmless = source.Change(1, "", "0 -> 0", tree)
    row = source.tried("ops/arithmetic.py: Tanh.backward", Tanh.backward, harmless, [tanh])
    assert not row.killed and row.exempt is None


def test_an_endless_loop_is_noticed(monkeypatch):
    monkeypatch.setattr(source, "SECONDS", 0.2)
    tree = ast.parse("def backward(self, gy, y, x):\n    while True: pass").body[0]
    tanh = next(case for _, case in source.all_cases() if case.name == "tanh")
    assert source.tried("", Tanh.backward, source.Change(1, "", "", tree), [tanh]).killed


def test_every_function_with_a_gradient_in_its_name_is_run_by_the_table():
    for package, kernels in source.PACKAGES.items():
        functions = list(source.functions_of(package))
        with minidl.use_kernels(kernels), source.interpreted(), source.small_blocks():
            covering = source.cases_that_run({f.__code__ for _, _, f in functions})
        assert [place for place, _, f in functions if not covering[f.__code__]] == []


def test_kernels_are_compiled_again_afterwards():
    before = dict(vars(source.columns))
    with source.interpreted():
        assert not any(type(f).__name__ == "Kernel" or hasattr(f, "py_func") for f in vars(source.columns).values())
    assert dict(vars(source.columns)) == before
