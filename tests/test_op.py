"""An op: what it keeps, what its rule is given, and what becomes of a rule that is wrong."""
from dataclasses import dataclass

import numpy as np
import pytest

import minidl
from minidl import Op, ops
from minidl.graph import grad
from tests.engine import close, leaf

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
