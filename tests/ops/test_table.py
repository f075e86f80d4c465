"""Every op: its gradient, its definition, the kernel sets and the dtypes, over the one table of calls."""
import numpy as np
import pytest

import minidl
from minidl import conv_algorithm, mode, ops, topological_order, use_kernels
from minidl.gradcheck import gradcheck
from minidl.gradcheck.check import outputs, recorded_gradients
from minidl.gradcheck.table import CONVENTIONS, EXEMPT, PROOFS, VALUES, all_cases, op_classes
from minidl.kernels.cpu import one_pass
from minidl.kernels.cpu.convolution import ALGORITHMS
from minidl.kernels.cpu.program import there_are_vectors

CASES = [case for _, case in all_cases()]
each_case = pytest.mark.parametrize("case", CASES, ids=repr)
each_call = pytest.mark.parametrize("case", CASES + CONVENTIONS, ids=repr)

ZERO = {  # inputs that an op is given but that its result does not move with
    "relu_gradient": {1},       # the sign of y decides, and no small step changes it
}


def values_and_gradients(case, dtype=np.float64, inputs=None):
    """All outputs of the call, then the gradients of its inputs, with random cotangents, as arrays."""
    xs = [minidl.Tensor(x, requires_grad=True) for x in (case.inputs(dtype) if inputs is None else inputs)]
    ys = outputs(case.in_minidl(dtype)(*xs))
    rng = np.random.default_rng(1)
    gs = [minidl.Tensor(rng.standard_normal(y.shape).astype(y.dtype)) for y in ys]
    gradients = recorded_gradients(ys, xs, gs, create_graph=False)
    return [y.array for y in ys], [g if g is None else g.array for g in gradients]


def assert_same(got, expected, **tolerance):
    for a, b in zip(got[0] + got[1], expected[0] + expected[1], strict=True):
        if a is None or b is None:                  # no gradient at all is a gradient of zero
            a, b = (np.zeros(1) if g is None else np.abs(g).max(initial=0) for g in (a, b))
        np.testing.assert_allclose(a, b, **tolerance)


# ---- nothing is left out


def test_every_class_of_op_is_in_the_table():
    classes = [cls.__name__ for cls in op_classes()]
    assert len(classes) == len(set(classes))
    assert set(classes) - set(EXEMPT) == set(PROOFS)


@pytest.mark.parametrize("name, case", [(name, case) for name, cases in PROOFS.items() for case in cases], ids=str)
def test_the_call_runs_the_op_that_it_proves(name, case):
    ys = outputs(case.in_minidl()(*[minidl.Tensor(x, requires_grad=True) for x in case.inputs()]))
    assert name in {type(node).__name__ for node in topological_order([y.node for y in ys])}


def test_every_public_function_is_called_in_the_table():
    called = {case.name for case in CASES + CONVENTIONS + VALUES} | {"getitem"}
    public = {name for name in dir(ops) if not name.startswith("_") and name in dir(minidl)
              and callable(getattr(ops, name)) and getattr(ops, name).__module__.startswith("minidl.ops")}
    assert len(public) > 100
    assert public - called - set(EXEMPT) == set()


def test_no_call_stands_in_the_table_twice():
    texts = [(name, case.text) for name, case in all_cases()]
    assert len(texts) == len(set(texts))


# ---- gradients


@each_case
def test_gradients_to_second_order_agree_with_finite_differences(case):
    with use_kernels("reference"):
        report = gradcheck(case.in_minidl(), *case.inputs(), order=2, name=repr(case))
    still = {c.input.split()[1] for c in report.checks if c.order == 1 and c.verdict == "zero"}
    assert still == {str(i) for i in ZERO.get(case.name, ())}, "a gradient that is zero proves little"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("case", [case for case in CASES if case.name in ("conv2d", "conv_transpose2d")], ids=repr)
def test_gradients_are_right_with_every_algorithm_of_convolution(case, algorithm):
    with use_kernels("cpu"), conv_algorithm(algorithm):
        gradcheck(case.in_minidl(), *case.inputs(), order=2, directions=1, name=repr(case))


@pytest.mark.slow
@each_case
def test_gradients_to_third_order_agree_with_finite_differences(case):
    with use_kernels("reference"):
        gradcheck(case.in_minidl(), *case.inputs(), order=3, directions=1, name=repr(case))


@pytest.mark.slow
@each_case
def test_every_entry_of_the_gradient_agrees_with_finite_differences(case):
    gradcheck(case.in_minidl(), *case.inputs(), mode="full", name=repr(case))


# ---- definitions, kernel sets, dtypes, memory


@each_call
def test_an_op_equals_its_definition(case):
    with use_kernels("reference"):
        kernel = values_and_gradients(case)
        with mode(elementary=True):
            definition = values_and_gradients(case)
    assert_same(kernel, definition, rtol=1e-10, atol=1e-12)


def test_in_elementary_mode_no_fused_op_runs():
    for case in CASES:
        with mode(elementary=True):
            ys = outputs(case.in_minidl()(*[minidl.Tensor(x, requires_grad=True) for x in case.inputs()]))
        assert not any(isinstance(op, minidl.Fused) for op in topological_order([y.node for y in ys]))


@each_call
def test_the_kernel_sets_agree(case):
    with use_kernels("reference"):
        reference = values_and_gradients(case)
    with use_kernels("cpu"):
        assert_same(values_and_gradients(case), reference, rtol=1e-10, atol=1e-12)


# Ops that ask for functions that there are no vectors for, or that are not number by number.
BY_NUMPY = {"Cos", "Pow", "Remainder", "Sin", "Untracked", "MatMul", "Einsum", "Cat", "LogSumExp"}
ELEMENTWISE = {cls.__name__ for cls in op_classes(minidl.Elementwise)}


@pytest.fixture
def compiled(monkeypatch):
    """Elementwise ops are compiled, however few their numbers; the names of those that were, and "forward" or "backward"."""
    found, plan_for = set(), one_pass.plan_for

    def seen(expression, *layouts):
        plan = plan_for(expression, *layouts)
        if plan and hasattr(expression, "kind"):
            found.add((expression.kind.__name__, "forward" if expression.wanted is None else "backward"))
        return plan
    monkeypatch.setattr(one_pass, "plan_for", seen)
    monkeypatch.setattr(one_pass, "SHORT", 2)
    monkeypatch.setattr(minidl.op, "LARGE", 0)
    plan_for.cache_clear()
    yield found
    plan_for.cache_clear()


@pytest.mark.skipif(not there_are_vectors(), reason="kernels are plain loops")
@pytest.mark.parametrize("name", sorted(ELEMENTWISE & set(PROOFS)))
def test_an_elementwise_op_compiled_is_the_same(name, compiled, monkeypatch):
    dtypes = {np.float64: 1e-12, np.float32: 3e-5}
    for case in PROOFS[name]:
        for dtype, error in dtypes.items():
            with use_kernels("cpu"):
                got = values_and_gradients(case, dtype)
            with use_kernels("reference"):
                assert_same(got, values_and_gradients(case, dtype), rtol=error, atol=error)
    done = {direction for cls, direction in compiled if cls == name}
    assert "forward" not in done if name in BY_NUMPY else done == {"forward", "backward"}


@each_call
def test_float32_in_gives_float32_out_and_float32_gradients(case):
    with use_kernels("reference"):
        exact = values_and_gradients(case)
        got = values_and_gradients(case, np.float32)
    if case.name != "cast_to_itself":
        assert {str(a.dtype) for a in got[0] + got[1] if a is not None} == {"float32"}
    assert_same(got, exact, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
@each_call
def test_inputs_that_are_not_contiguous_are_read_right(case, kernels):
    inputs = case.inputs()
    with use_kernels(kernels):
        if case.name != "view":                          # which promises not to copy, and so refuses
            assert_same(values_and_gradients(case, inputs=[spread(x) for x in inputs]), values_and_gradients(case),
                        rtol=1e-10, atol=1e-12)


def spread(x):
    """The same numbers, backwards and with gaps, in another array's memory."""
    room = np.full(tuple(2 * n for n in x.shape), np.nan)
    y = room[tuple(slice(None, None, -2) for _ in x.shape)] if x.ndim else np.array(x)
    y[...] = x
    return y


@pytest.mark.parametrize("case", VALUES, ids=repr)
def test_a_function_without_a_gradient_gives_a_constant(case):
    xs = [minidl.Tensor(x, requires_grad=True) for x in case.inputs()]
    assert not case.in_minidl()(*xs).requires_grad

