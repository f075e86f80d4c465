"""gradcheck passes what is right, fails what is wrong and says why, and does not call a kink either."""
import numpy as np
import pytest

import minidl
from minidl import Fused, Op, ops
from minidl.gradcheck import GradcheckError, check_ops, gradcheck

n = np.random.default_rng(0).standard_normal
X = n((4, 5))


def op(forward, backward, reads="x"):
    """A function that is computed and differentiated as these two say, right or wrong."""
    class Given(Op):
        def forward(self, k, x):
            return forward(x)

        def backward(self, gy, y, x):
            return backward(gy, x)
    Given.reads_per_input = [set(reads.split())]
    return lambda x: Given()(x)


def fails(f, *inputs, **settings):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, *inputs, **settings)
    return str(caught.value)


# ---- what is right passes


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("mode", ["directional", "sampled", "full"])
def test_a_right_gradient_passes(mode, order):
    report = gradcheck(lambda a, b: a * b + a / (b * b + 1), n((2, 3)), n(3), mode=mode, order=order)
    assert report.passed and report.worst < 0.1
    assert {c.order for c in report.checks} == set(range(1, order + 1))


def test_full_mode_checks_every_entry_and_sampled_mode_some():
    assert [c.index for c in gradcheck(ops.exp, n((2, 2)), mode="full").checks] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({c.index for c in gradcheck(ops.exp, X, mode="sampled", samples=7).checks}) == 7


def test_each_input_has_a_verdict_of_its_own():
    report = gradcheck(lambda a, b, c: a @ b + c, n((2, 3)), n((3, 4)), n(4), directions=1)
    assert [c.input for c in report.checks] == ["input 0 (2, 3)", "input 1 (3, 4)", "input 2 (4,)"]


def test_the_report_reads_as_a_table():
    text = repr(gradcheck(ops.exp, n(3), directions=1, name="exp"))
    assert text.startswith("gradcheck of exp: 1 checks, worst error")
    assert "input 0 (3,)" in text and text.endswith("pass")


def test_a_gradient_that_is_truly_zero_passes():
    def f(x, w, b):                            # batch norm takes the mean away, and the bias with it
        return ops.batch_norm(x * w + b, None, None, training=True)
    report = gradcheck(f, n((6, 3)), n(3), n(3), order=2)
    assert {c.verdict for c in report.checks if c.input == "input 2 (3,)"} == {"zero"}


def test_several_outputs_are_checked_together_and_indices_are_left_out():
    gradcheck(lambda x: ops.split(x, 2), n((5, 2)), order=2)
    gradcheck(lambda x: ops.topk(x, 2), n(6))


def test_integers_and_other_arguments_pass_through():
    report = gradcheck(lambda x, i, how, none: x[i] if how == "by index" and none is None else None,
                       n((4, 2)), np.array([0, 3, 3]), "by index", None)
    assert {c.input for c in report.checks} == {"input 0 (4, 2)"}


def test_tensors_of_single_precision_are_checked_in_double():
    gradcheck(ops.tanh, minidl.tensor([0.3, 1.5]), order=2)


def test_a_single_number_needs_no_cotangent():
    gradcheck(lambda x: (x * x).sum(), X, cotangent=None, order=2)


def test_a_curved_function_at_its_minimum_is_no_kink():
    gradcheck(ops.square, np.zeros(3), order=2)


def test_a_kink_that_is_near_but_not_here_passes_with_a_smaller_step():
    report = gradcheck(ops.relu, np.array([1e-6, -1e-6, 1, 2]))
    assert report.passed


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_small_and_large_numbers_pass(scale):
    gradcheck(lambda x: ops.tanh(x / scale) * x, n(5) * scale, order=2)


def test_an_empty_input_passes():
    gradcheck(lambda x, y: ops.exp(x).sum() + y, np.zeros((0, 3)), n(2), order=2)


# ---- what is wrong fails, and the message says what it is


def test_an_error_of_a_tenth_of_a_percent_fails():
    message = fails(op(np.exp, lambda gy, x: gy * ops.exp(x) * 1.001), X)
    assert "input 0 (4, 5) is wrong" in message and "ratio is 1.001" in message and "1.001 times" in message


def test_an_error_of_a_tenth_of_a_percent_in_one_of_1000_entries_fails():
    bad = np.ones(1000)
    bad[123] = 1.001
    assert "wrong" in fails(op(np.sin, lambda gy, x: gy * ops.cos(x) * bad), n(1000))


def test_a_wrong_sign_is_called_that():
    assert "the sign is wrong" in fails(op(np.exp, lambda gy, x: -gy * ops.exp(x)), X)


def test_a_transposed_gradient_is_called_that():
    assert "it is transposed" in fails(op(lambda x: x * x, lambda gy, x: ops.transpose(2 * gy * x, 0, 1)), n((4, 4)))


def test_a_mirrored_gradient_is_called_that():
    assert "it is mirrored along dimension 1" in fails(op(lambda x: x * x, lambda gy, x: ops.flip(2 * gy * x, 1)), X)


def test_a_forgotten_division_by_the_batch_is_called_a_factor_of_its_size():
    message = fails(op(lambda x: x.mean(0), lambda gy, x: ops.expand(gy, x.shape)), n((7, 3)))
    assert "7 times what it should be" in message and "dimension 0 of input 0" in message


def test_a_sum_that_broadcasting_hides_is_called_that():
    # b is (3, 1): its gradient should be summed over dimension 1, whose first column is taken instead
    class Shift(Op):
        def forward(self, k, x, b):
            return x + b

        def backward(self, gy, y, x, b):
            return gy, gy[:, :1]
    message = fails(lambda x, b: Shift()(x, b), n((3, 4)), n((3, 1)))
    assert "input 1 (3, 1) is wrong" in message and "Entry" in message


def test_a_sum_too_many_is_called_that():
    f = op(lambda x: x * x, lambda gy, x: ops.expand(ops.sum(2 * gy * x, 0, True), x.shape))
    assert "summed over dimension 0" in fails(f, X)


def test_a_doubled_gradient_is_called_that():
    assert "twice what it should be" in fails(op(np.exp, lambda gy, x: 2 * gy * ops.exp(x)), n((3, 5)))


def test_a_gradient_that_never_comes_is_called_that():
    assert "No gradient came at all" in fails(lambda x: x.detach() * 2, X)
    assert "zero everywhere" in fails(op(np.exp, lambda gy, x: 0 * gy), X)


def test_a_wrong_border_is_located():
    message = fails(op(lambda x: x * x, lambda gy, x: 2 * gy * x * (np.arange(5) > 0)), X)
    assert "right in 16 of 20 entries, wrong first at (0, 0)" in message


def test_sampled_and_full_modes_name_the_entry():
    f = op(lambda x: x * x, lambda gy, x: 2 * gy * x * (np.arange(20).reshape(4, 5) != 7))
    assert "wrong: at (1, 2) backprop says 0" in fails(f, X, mode="full")
    assert "wrong: at (1, 2) backprop says 0" in fails(f, X, mode="sampled", samples=20)


@pytest.mark.parametrize("mistake", [lambda gx: 0 * gx, lambda gx: 1.001 * gx], ids=["zero", "0.1 % too large"])
@pytest.mark.parametrize("cls, f, shapes, slot", [
    (ops.activation.Softmax, lambda x: ops.softmax(x, 1), [(3, 4)], 0),
    (ops.normalization.BatchNorm, lambda x, w, b: ops.batch_norm(x, None, None, w, b, True), [(5, 3), (3,), (3,)], 0),
    (ops.normalization.BatchNorm, lambda x, w, b: ops.batch_norm(x, None, None, w, b, True), [(5, 3), (3,), (3,)], 1)])
def test_gradients_that_weights_of_one_hide_are_seen(monkeypatch, cls, f, shapes, slot, mistake):
    # softmax adds up to 1 and batch norm to 0, whatever x is: under y.sum() a gradient of zero is right
    rule = cls.gradient

    def wrong(self, *args):
        gxs = rule(self, *args)
        gxs = list(gxs) if isinstance(gxs, tuple) else [gxs]
        gxs[slot] = mistake(gxs[slot])
        return gxs
    monkeypatch.setattr(cls, "gradient", wrong)
    assert f"input {slot}" in fails(f, *[n(shape) for shape in shapes])


def test_the_second_order_is_judged_by_the_first_orders_kernel():
    class Cube(Fused):
        def forward(self, k, x):
            return x ** 3

        def gradient(self, k, gy, x):
            return 3 * gy * x * x

        def definition(self, x):
            return x * x * x * 1.001            # wrong, in agreement with itself

    gradcheck(lambda x: Cube()(x), X)
    assert "definition different from its kernel" in fails(lambda x: Cube()(x), X, order=2)


def test_a_rule_that_cannot_be_differentiated_again_fails_at_second_order():
    f = op(np.exp, lambda gy, x: gy * np.exp(x.array if isinstance(x, minidl.Tensor) else x))
    gradcheck(f, X)
    assert "order 2" in fails(f, X, order=2)


def test_a_gradient_of_the_wrong_shape_fails():
    assert "gradient of shape" in fails(op(lambda x: x * x, lambda gy, x: (2 * gy * x)[0]), X)


# ---- what cannot be proven is not passed


def test_a_kink_at_the_point_is_named():
    for f in (ops.relu, ops.abs, lambda x: ops.clamp(x, 0.0)):
        assert "not proven: there is a kink" in fails(f, np.array([0.0, 1, 2]))


def test_a_kink_in_one_of_1000_entries_is_named():
    x = np.random.default_rng(3).uniform(0.1, 1, 1000)
    x[500] = 0
    assert "not proven: there is a kink" in fails(ops.relu, x)


def test_a_tie_in_a_maximum_is_named():
    assert "not proven: there is a kink" in fails(ops.amax, np.array([1.0, 3, 3, 2]))
    assert "not proven: there is a kink" in fails(lambda x: ops.max_pool2d(x, 2), np.ones((1, 1, 4, 4)))


def test_a_kink_does_not_excuse_a_wrong_gradient():
    assert "is wrong" in fails(op(np.abs, lambda gy, x: 5 * gy), np.array([0.0, 1, 2]))


def test_a_step_is_not_passed():
    assert "not proven" in fails(op(np.floor, lambda gy, x: 0 * gy), np.array([1.0, 2.5]))


def test_rounding_that_drowns_the_slope_is_not_passed():
    assert "not proven: rounding" in fails(lambda x: x.sum() + 1e12, X)
    assert "not proven: rounding" in fails(lambda x: x.float().double() * 2, X)


def test_a_cotangent_that_does_not_see_the_output_move_is_not_passed():
    assert "Use cotangent=\"random\"" in fails(lambda x: ops.softmax(x, 1), X, cotangent=np.ones((4, 5)))


# ---- what is no function, or asked wrongly


def test_a_result_that_is_not_a_single_number_needs_a_cotangent():
    with pytest.raises(ValueError, match=r"f gives \(4, 5\), not a single number"):
        gradcheck(ops.exp, X, cotangent=None)


def test_a_cotangent_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"f gives \(4, 5\), but the cotangent has \(3,\)"):
        gradcheck(ops.exp, X, cotangent=np.ones(3))


def test_a_function_that_gives_another_result_the_second_time_fails():
    assert "another result the second time" in fails(lambda x: ops.dropout(x, 0.5), X)


def test_a_gradient_that_is_another_the_second_time_fails():
    random = np.random.default_rng(0)
    f = op(np.exp, lambda gy, x: gy * ops.exp(x) * (1 + 1e-12 * random.random()))
    assert "another gradient the second time" in fails(f, X)


def test_a_function_that_changes_its_input_fails():
    def f(x):
        x.array *= 1.0000001
        return x * 2
    assert "input 0 (4, 5) was changed" in fails(f, X)


def test_a_rule_that_changes_the_gradient_it_is_given_fails():
    def double_in_place(gy, x):
        gy = gy.array if isinstance(gy, minidl.Tensor) else gy
        gy *= 2
        return gy * ops.exp(x) / 2
    assert "cotangent 0 was changed" in fails(op(np.exp, double_in_place), X)


def test_the_callers_arrays_are_left_alone():
    x, before = X.copy(), X.copy()
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.array.fill(0) or x * 1, x)
    assert (x == before).all()


def test_a_result_in_single_precision_fails():
    assert "output 0 is float32, but all inputs are float64" in fails(lambda x: x.float() * 2, X)


def test_there_must_be_something_to_check():
    with pytest.raises(ValueError, match="no floating-point array"):
        gradcheck(lambda i: i * 1.0, np.arange(3))


def test_an_unknown_mode_is_an_error():
    with pytest.raises(ValueError, match="mode 'fast' is not one of directional, sampled, full"):
        gradcheck(ops.exp, X, mode="fast")


# ---- the table, as the command line shows it


def test_check_ops_gives_a_row_per_call_and_says_which_failed(monkeypatch):
    rows = list(check_ops(["Exp", "Sin"]))
    assert [row.op for row in rows] == ["Sin", "Exp"] or [row.op for row in rows] == ["Exp", "Sin"]
    assert all(row.passed and row.order == 2 and row.error < 1 for row in rows)
    monkeypatch.setattr(ops.arithmetic.Exp, "backward", lambda self, gy, y, x: gy * y * 2)
    row, = check_ops(["Exp"])
    assert row.verdict == "wrong" and "twice" in row.message
