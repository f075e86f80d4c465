"""Anomaly mode blames the op in which the first NaN or Inf is born, and says where it was called."""
import re
import sys

import numpy as np
import pytest

import minidl
from minidl import Fused, Op, nn, ops
from minidl.autograd import AnomalyError, detect_anomaly, set_detect_anomaly
from minidl.graph import grad
from minidl.mode import Mode, mode
from tests.engine import leaf

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INF, NAN = float("inf"), float("nan")


def x(*numbers, **kwargs):
    return minidl.tensor(numbers, requires_grad=True, **kwargs)


def this_line(offset=0):
    return f"test_anomaly.py:{sys._getframe(1).f_lineno + offset}"


# ---- forward


@pytest.mark.parametrize("f, op, what", [
    (lambda: x(1.0, -1.0).log(), "Log()", "1 of 2 values, shape (2,), are NaN, the first at (1,)"),
    (lambda: x(1.0, 0.0, 0.0).log(), "Log()", "2 of 3 values, shape (3,), are Inf, the first at (1,)"),
    (lambda: x(1.0, 100.0).exp(), "Exp()", "1 of 2 values, shape (2,), are Inf, the first at (1,)"),
    (lambda: x(1.0) / minidl.tensor([0.0]), "Div()", "are Inf"),
    (lambda: x(0.0) / 0.0, "Div()", "are NaN"),
    (lambda: x(-1.0) ** 0.5, "Power(exponent=0.5)", "are NaN"),
    (lambda: (x(1e30) * 1e30), "Mul()", "are Inf"),
    (lambda: minidl.tensor([[1.0, 2], [3, -4.0]]).sqrt(), "Sqrt()", "1 of 4 values, shape (2, 2), are NaN"),
    (lambda: minidl.tensor(-1.0).sqrt(), "Sqrt()", "1 of 1 values, shape (), are NaN, the first at ()"),
])
def test_the_op_that_makes_it_is_named_with_how_many_and_where(f, op, what):
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        f()
    assert str(caught.value).startswith(op) and what in str(caught.value)


def test_the_message_names_the_line_of_the_user_and_the_inputs_with_shapes_dtypes_and_ranges():
    a, b = minidl.tensor([[1.0, 0.0]]), minidl.tensor([2.0, 0.0])
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        line = this_line(1)
        a / b
    message = str(caught.value)
    assert line in message
    assert "a (1, 2) float32 in [0, 1], b (2,) float32 in [0, 2]" in message


def test_the_first_op_is_blamed_and_not_those_after_it():
    with pytest.raises(AnomalyError, match=r"^Log\(\)"), detect_anomaly():
        y = x(1.0, -1.0)
        (y.log() * 2).sum().backward()


def test_numbers_that_were_never_finite_are_nobodys_fault():
    with detect_anomaly():
        y = (minidl.tensor([1.0, NAN, INF], requires_grad=True) * 2).sum()
        y.backward()
    assert np.isnan(y.item())


def test_an_infinity_that_is_meant_is_no_anomaly():
    mask = minidl.tensor([[False, True], [False, False]])
    with detect_anomaly():
        scores = leaf(2, 2).masked_fill(mask, -INF)
        y = scores.softmax(1)
        (y * y).sum().backward()
        ops.pad(leaf(2), (1, 1), value=-INF).max().backward()
        ops.max_pool2d(leaf(1, 1, 3, 3), 2, padding=1).sum().backward()
        leaf(3).clamp(-INF, INF).sum().backward()
        minidl.full((2,), INF)


def test_a_nan_that_is_born_from_infinities_is_still_an_anomaly():
    everything = minidl.tensor([[True, True], [False, False]])
    with pytest.raises(AnomalyError, match=r"^Softmax.* NaN.*in \[-inf"), detect_anomaly():
        leaf(2, 2).masked_fill(everything, -INF).softmax(1)


def test_the_path_of_the_module_is_named():
    class Bad(nn.Module):
        def forward(self, x):
            return (x - x).log()

    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), Bad()))
    with pytest.raises(AnomalyError, match=r"^Log\(\) \(1\.1 at .*test_anomaly\.py:\d+\)"), detect_anomaly():
        model(minidl.ones(1, 2))


# ---- backward


def test_a_rule_that_makes_it_is_named_with_the_input_and_the_line_of_the_forward_call():
    a = x(4.0, 0.0)
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        line = this_line(1)
        y = a.sqrt()
        y.sum().backward()
    message = str(caught.value)
    assert message.startswith("Sqrt() (") and line in message
    assert "of the gradient of its input x, 1 of 2 values, shape (2,), are Inf, the first at (1,)" in message
    assert "gy (2,) float32 in [1, 1], y (2,) float32 in [0, 2]" in message


def test_a_rule_may_make_nan_of_what_is_finite():
    class NotANumber(Op):
        def forward(self, k, x):
            return x + 0

        def backward(self, gy, y, x):
            return gy * 0 / 0

    with pytest.raises(AnomalyError, match=r"NotANumber\(\).*gradient of its input x.*NaN"), detect_anomaly():
        NotANumber()(leaf(3)).sum().backward()


def test_the_second_of_two_inputs_is_told_from_the_first():
    with pytest.raises(AnomalyError, match="gradient of its input b"), detect_anomaly():
        (minidl.tensor([1e25]) / x(1e-10)).backward()


def test_an_upstream_gradient_that_is_not_finite_is_not_the_rules_fault():
    a = leaf(3)
    with detect_anomaly():
        (a * 2).backward(minidl.tensor([1.0, NAN, INF]))
    assert np.isnan(a.grad.array[1])


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_rule_is_blamed_and_not_an_op_that_it_is_written_in(create_graph):
    a = x(1.0, 0.0)
    with pytest.raises(AnomalyError, match=r"^Sqrt\(\)"), detect_anomaly():
        grad(a.sqrt().sum(), a, create_graph=create_graph)


def test_a_second_derivative_names_the_line_of_the_first_call():
    a = x(1e-14)
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        line = this_line(1)
        y = a.log()
        g, = grad(y.sum(), a, create_graph=True)
        gg, = grad(g.sum(), a, create_graph=True)
        grad(gg.sum() * 1e10, a)
    assert line in str(caught.value)


def test_a_fused_op_is_blamed_by_its_own_name_at_second_order():
    class Root(Fused):
        def forward(self, k, x):
            return k.sqrt(x)

        def gradient(self, k, gy, x):
            return gy / (2 * k.sqrt(x))

        def definition(self, x):
            return ops.sqrt(x)

    a = x(1.0, 0.0)
    with pytest.raises(AnomalyError, match=r"^Root\(\)"), detect_anomaly():
        grad(Root()(a).sum(), a, create_graph=True)


# ---- the switch


def test_it_is_off_by_default_and_leaves_no_trace():
    y = x(-1.0).log()
    assert np.isnan(y.item()) and y.op.origin is None


def test_detect_anomaly_ends_with_its_block_and_set_detect_anomaly_with_its_own():
    with detect_anomaly():
        assert Mode.anomaly
    assert not Mode.anomaly
    with set_detect_anomaly(True):
        assert Mode.anomaly
    assert not Mode.anomaly
    try:
        set_detect_anomaly(True)
        with pytest.raises(AnomalyError):
            x(-1.0).log()
    finally:
        set_detect_anomaly(False)


def test_meta_tensors_have_no_numbers_to_look_at():
    with detect_anomaly():
        assert minidl.zeros(3, device="meta").log().shape == (3,)


def test_integers_are_never_anomalous():
    with detect_anomaly():
        assert (minidl.tensor([1, 2]) * 2).sum().item() == 6


def test_every_number_is_checked_also_with_other_kernels():
    with minidl.use_kernels("reference"), pytest.raises(AnomalyError), detect_anomaly():
        x(-1.0).log()


def test_an_anomaly_passes_for_a_floating_point_error():
    assert issubclass(AnomalyError, FloatingPointError)


def test_the_line_is_shortened_to_where_we_are(tmp_path, monkeypatch):
    script = tmp_path / "train.py"
    script.write_text("def f(x):\n    return x.log()\n")
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(compile(script.read_text(), str(script), "exec"), namespace)
    with mode(anomaly=True):
        y = namespace["f"](x(1.0))
    assert y.op.origin == ("", "train.py:2")
    assert re.search(r"test_anomaly\.py", str(sys._getframe().f_code.co_filename))
