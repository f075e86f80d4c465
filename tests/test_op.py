"""An op: what it keeps, what its rule is given, and what becomes of a rule that is wrong."""
import re
from dataclasses import dataclass

import numpy as np
import pytest

import minidl
from minidl import Op, ops
from minidl.graph import grad
from minidl.mode import mode
from minidl.op import Outline
from tests.engine import close, leaf

# ---- what an op is given, and what it keeps


class Probe(Op):
    """y = a b + c; it notes what its rule was given."""
    reads = "b, a, "

    def forward(self, k, a, b, c):
        return a * b + c

    def backward(self, gy, y, a, b, c):
        Probe.given = gy, y, a, b, c
        return gy * b, gy * a, gy


def kinds(values):
    return [type(value) for value in values]


def test_a_plain_rule_is_called_with_arrays_and_one_to_be_differentiated_with_tensors():
    a, b, c = leaf(3), leaf(3, seed=1), leaf(3, seed=2)
    y = Probe()(a, b, c)
    grad(y, [a, b, c], minidl.ones(3), retain_graph=True)
    assert kinds(Probe.given) == [np.ndarray, Outline, np.ndarray, np.ndarray, Outline]
    ga, gb, gc = grad(y, [a, b, c], minidl.ones(3), create_graph=True)
    assert kinds(Probe.given) == [minidl.Tensor, Outline, minidl.Tensor, minidl.Tensor, Outline]
    assert Probe.given[2] is a
    close(ga, b)
    close(gb, a)


def test_reads_is_per_input_whose_gradient_is_wanted():
    b = minidl.ones(3, dtype=minidl.float64)
    y = Probe()(leaf(3), b, leaf(3))
    assert kinds(y.op.saved) == [Outline, minidl.Tensor, Outline]      # a is read only for the gradient of b
    y = Probe()(minidl.ones(3), leaf(3), leaf(3))
    assert kinds(y.op.saved) == [minidl.Tensor, Outline, Outline]


def test_an_outline_has_a_shape_and_a_dtype_and_swallows_arithmetic():
    x = Outline(np.zeros((2, 3), np.float32))
    assert (x.shape, x.ndim, x.dtype) == ((2, 3), 2, np.float32) and repr(x) == "Outline(2, 3)"
    a = np.ones((2, 3))
    for f in (lambda x: x + a, lambda x: a + x, lambda x: x * 2 - a, lambda x: a / x, lambda x: 2 ** x, lambda x: -x,
              lambda x: x @ a.T, lambda x: a.T @ x, lambda x: x[0], lambda x: x > a, lambda x: minidl.ones(2, 3) * x,
              lambda x: ops.where(x > 0, a, 0.0), lambda x: ops.exp(x), lambda x: ops.sum_to(x * a, (2, 3))):
        assert isinstance(f(x), Outline)


def test_an_unwanted_gradient_is_not_computed_from_what_was_not_kept():
    a, b = leaf(3), minidl.ones(3, dtype=minidl.float64)
    y = Probe()(a, b, b)
    gxs = list(minidl.backprop(y, minidl.ones(3)))[0].gxs
    assert gxs[1] is None and gxs[2] is None
    close(a.grad, b)


def test_a_rule_can_ask_which_gradients_are_needed():
    asked = []

    class Costly(Op):
        reads = "a b"

        def forward(self, k, a, b):
            return a * b

        def backward(self, gy, y, a, b):
            asked.append([self.needs(0), self.needs(1)])
            return gy * b if self.needs(0) else None, gy * a if self.needs(1) else None

    a, b = leaf(3), leaf(3)
    y = Costly()(a, b).sum()
    grad(y, a, retain_graph=True)
    grad(y, b, retain_graph=True)
    y.backward()
    Costly()(a, b.detach()).sum().backward()
    assert asked == [[True, False], [False, True], [True, True], [True, False]]


def test_keep_all_keeps_everything_for_the_stepper():
    with mode(keep_all=True):
        y = Probe()(leaf(3), minidl.ones(3), minidl.ones(3))
    assert kinds(y.op.saved) == [minidl.Tensor] * 3 and type(y.op.y) is np.ndarray


def test_constants_pass_through_as_they_are():
    class Scaled(Op):
        def forward(self, k, x, by, how):
            assert type(by) is float and how == "twice"
            return x * by * 2

        def backward(self, gy, y, x, by, how):
            return gy * by * 2, None, None

    x = leaf(3)
    Scaled()(x, 3.0, "twice").sum().backward()
    close(x.grad, np.full(3, 6.0))


def test_an_op_called_on_arrays_computes_and_records_nothing():
    a = np.array([1.0, 2.0])
    op = ops.arithmetic.Exp()
    y = op(a)
    assert type(y) is np.ndarray and op.edges is None
    assert type(ops.mul(np.float64(2), np.ones(()))) is np.ndarray     # NumPy alone would give a scalar
    assert type(ops.sum(np.ones((2, 2)))) is np.ndarray


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.detach(), lambda x: minidl.tensor([1, 2])])
def test_nothing_is_recorded_where_no_input_requires_grad(make):
    x = minidl.ones(2)
    y = make(x) + 1
    assert y.op is None and not y.requires_grad


def test_an_integer_result_is_a_constant():
    class Signs(Op):
        def forward(self, k, x):
            return (x > 0).astype("int64")

    y = Signs()(leaf(3))
    assert y.op is None and not y.requires_grad


def test_numpys_scalars_inside_a_rule_become_arrays_again():
    """0-d times 0-d is a scalar in NumPy; what follows in a rule must not mind."""
    x, w = leaf(), leaf(seed=1)
    y = ((x * w).tanh() / w).exp() ** 2 - x.sigmoid() * w.abs().sqrt() + x.square().clamp(0, 9)
    plain = grad(y, [x, w], retain_graph=True)
    grads = grad(y, [x, w], create_graph=True)
    seconds = grad(grads[0] + grads[1], [x, w])
    for g in (*grads, *seconds, *plain):
        assert type(g.array) is np.ndarray and g.shape == () and g.dtype == np.float64
    close(plain[0], grads[0])
    close(plain[1], grads[1])


def test_float32_without_dimensions_stays_float32_through_a_rule():
    x = leaf(dtype=np.float32)
    ((x * 2.5).exp() / 3 + x ** 3).backward()
    assert x.grad.dtype == np.float32


# ---- broadcasting, undone once


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (1, 1, 1), (4, 1, 3)])
@pytest.mark.parametrize("other", [(3,), (2, 3), (4, 2, 3), (), (2, 1)])
def test_gradients_are_summed_back_to_the_shape_that_was_broadcast(shape, other):
    """The gradient of sum(u (a + b)) in a is u, summed where a was repeated; NumPy's own sum of copies tells."""
    a, b = leaf(*shape), leaf(*other, seed=1)
    y = a + b
    u = np.asarray(np.random.default_rng(2).standard_normal(y.shape))
    y.backward(minidl.Tensor(u))
    for x in (a, b):
        want = np.zeros(x.shape)
        places = np.broadcast_to(np.arange(x.numel()).reshape(x.shape), y.shape)
        np.add.at(want.reshape(-1), places.reshape(-1), u.reshape(-1))
        assert x.grad.shape == x.shape
        close(x.grad, want)


def test_shapes_that_do_not_broadcast_are_an_error():
    with pytest.raises(ValueError, match=r"Add\(\): .* could not be broadcast together with shapes \(2,\) \(3,\)"):
        leaf(2) + leaf(3)


# ---- what an op is called


def test_the_repr_of_an_op_is_its_class_and_its_settings():
    assert repr(leaf(2).exp().op) == "Exp()"
    assert repr(leaf(2, 3).sum(1).op) == "Sum(dims=(1,), keepdim=False)"


def test_the_origin_is_noted_only_where_someone_asks():
    assert leaf(2).exp().op.origin is None
    with mode(anomaly=True):
        y = leaf(2).exp()
    path, line = y.op.origin
    assert path == "" and re.fullmatch(r".*test_op\.py:\d+", line)


def test_a_version_error_says_where_the_op_was_called():
    with mode(anomaly=True):
        y = leaf(2).exp()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match=r"Exp\(\) kept .*test_op\.py:\d+"):
        y.sum().backward()


# ---- rules that are wrong


def faulty(answer, **attributes):
    """An op whose backward gives `answer(gy, y, *xs)`."""
    return type("Faulty", (Op,), {"forward": lambda self, k, a, b: a + b,
                                  "backward": lambda self, gy, y, a, b: answer(gy, y, a, b), **attributes})()


def test_a_gradient_of_the_wrong_shape_names_the_op():
    y = faulty(lambda gy, y, a, b: (gy, gy[:2]))(leaf(3), leaf(3))
    with pytest.raises(ValueError, match=r"Faulty\(\).backward gave a gradient of shape \(2,\) to an input of"):
        y.sum().backward()


def test_too_few_gradients_are_counted():
    y = faulty(lambda gy, y, a, b: gy)(leaf(3), leaf(3))
    with pytest.raises(ValueError, match="gave 1 gradients for 2 inputs"):
        y.sum().backward()


def test_reading_what_was_not_kept_names_reads():
    y = faulty(lambda gy, y, a, b: (gy * b, gy))(leaf(3), leaf(3))
    with pytest.raises(RuntimeError, match="numbers that were not kept"):
        y.sum().backward()


def test_reads_that_names_nothing_is_found_when_the_class_is_made():
    with pytest.raises(TypeError, match="Faulty.reads names 'c'"):
        faulty(None, reads="c")


def test_a_rule_may_answer_none_and_the_walk_goes_on():
    x, h0 = leaf(3), leaf(3, seed=1)
    h = h0.exp()
    y = faulty(lambda gy, y, a, b: (gy, None))(x, h)
    y.sum().backward()
    close(x.grad, np.ones(3))
    assert h0.grad is None


def test_one_call_of_an_op_is_one_node():
    op = ops.arithmetic.Exp()
    x = leaf(3)
    op(x)
    with pytest.raises(RuntimeError, match="one call of an op is one node"):
        op(x)


def test_a_dataclass_with_equality_cannot_be_a_node():
    @dataclass
    class Scale(Op):
        by: float

        def forward(self, k, x):
            return x * self.by

    with pytest.raises(TypeError, match=r"write @dataclass\(eq=False\)"):
        Scale(2.0)(leaf(3))


# ---- one tensor in two slots


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("f, gradient", [
    (lambda x: (x * x).sum(), lambda x: 2 * x),
    (lambda x: (x / x * x).sum(), lambda x: np.ones_like(x)),
    (lambda x: ops.cat([x, x * 2, x]).sum(), lambda x: np.full_like(x, 4)),
    (lambda x: ops.where(minidl.tensor([True, False, True]), x, x).sum(), lambda x: np.ones_like(x)),
    (lambda x: (x.unsqueeze(0) @ x.unsqueeze(1)).sum(), lambda x: 2 * x),
    (lambda x: ops.einsum("i,i->", x, x), lambda x: 2 * x),
    (lambda x: x @ x, lambda x: 2 * x),
    (lambda x: ops.linear(x, x.unsqueeze(0)).sum(), lambda x: 2 * x),
])
def test_each_slot_is_its_own_contribution(f, gradient, create_graph):
    x = leaf(3)
    gx, = grad(f(x), x, create_graph=create_graph)
    close(gx, gradient(x.array))


def test_a_fused_op_with_one_tensor_in_two_slots_has_the_right_second_gradient():
    """y = sum (x x^T)_ij v_ij for x (2, 2): its Hessian is v's symmetric part twice, once per row."""
    x, v = leaf(2, 2), np.array([[1.0, 2.0], [-3.0, 0.5]])
    y = (ops.linear(x, x) * minidl.tensor(v)).sum()
    gx, = grad(y, x, create_graph=True)
    close(gx, (v + v.T) @ x.array)
    u = np.array([[0.3, -1.0], [2.0, 0.7]])
    gg, = grad(gx, x, minidl.tensor(u))
    close(gg, (v + v.T) @ u)
