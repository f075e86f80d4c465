"""A fused op: a kernel, its hand-written gradient, and the definition that stands for both."""
from dataclasses import dataclass

import numpy as np
import pytest

import minidl
from minidl import Fused, ops
from minidl.graph import grad
from minidl.mode import mode
from tests.engine import close, leaf

CALLS = []


@dataclass(eq=False)
class Swish(Fused):
    """y = scale a sigmoid(b): small enough to know all its derivatives, with two inputs and a setting."""
    scale: float = 1.0

    def forward(self, k, a, b):
        CALLS.append("forward")
        self.s = k.sigmoid(b)
        return self.scale * a * self.s

    def gradient(self, k, gy, a, b):
        CALLS.append(("gradient", self.needs(0), self.needs(1)))
        return self.scale * gy * self.s, self.scale * gy * a * self.s * (1 - self.s)

    def definition(self, a, b):
        CALLS.append("definition")
        return self.scale * a * ops.sigmoid(b)


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def s(x):
    return 1 / (1 + np.exp(-x))


def test_a_plain_walk_runs_the_kernel_and_its_gradient_and_no_definition():
    a, b = leaf(3), leaf(3, seed=1)
    y = Swish(2.0)(a, b)
    y.sum().backward()
    assert CALLS == ["forward", ("gradient", True, True)]
    close(y, 2 * a.array * s(b.array))
    close(a.grad, 2 * s(b.array))
    close(b.grad, 2 * a.array * s(b.array) * (1 - s(b.array)))


def test_elementary_mode_runs_the_definition_in_the_kernels_place():
    a, b = leaf(3), leaf(3, seed=1)
    with mode(elementary=True):
        y = Swish(2.0)(a, b)
    assert CALLS == ["definition"] and type(y.op).__name__ == "Mul"
    close(y, 2 * a.array * s(b.array))


def test_create_graph_differentiates_the_definition():
    a, b = leaf(3), leaf(3, seed=1)
    ga, gb = grad(Swish()(a, b).sum(), [a, b], create_graph=True)
    assert CALLS == ["forward", "definition"]
    close(ga, s(b.array))
    gg, = grad(ga.sum(), b, retain_graph=True)                         # d2y / da db
    close(gg, s(b.array) * (1 - s(b.array)))
    third, = grad(grad(gb.sum(), b, create_graph=True)[0].sum(), b)
    t = s(b.array)
    close(third, a.array * t * (1 - t) * (1 - 6 * t + 6 * t * t), rtol=1e-10)


def test_one_tensor_in_both_slots_gets_two_contributions_to_every_order():
    """y = x s(x): y' = s + x s', y'' = 2 s' + x s''."""
    x = leaf(4)
    g1, = grad(Swish()(x, x).sum(), x, create_graph=True)
    t = s(x.array)
    d1, d2 = t * (1 - t), t * (1 - t) * (1 - 2 * t)
    close(g1, t + x.array * d1)
    close(grad(g1.sum(), x)[0], 2 * d1 + x.array * d2, rtol=1e-10)


def test_an_inner_tensor_in_both_slots_too():
    x = leaf(4)
    h = x * x
    g1, = grad(Swish()(h, h).sum(), x, create_graph=True)
    plain, = grad(Swish()(x * x, h).sum(), x)
    close(g1, plain)


def test_an_array_beside_tensors_is_a_constant_at_every_order():
    a, b = leaf(3), np.array([0.5, -1.0, 2.0])
    g, = grad(Swish()(a, b).sum(), a, create_graph=True)
    close(g, s(b))
    b2 = leaf(3)
    g, = grad(Swish()(np.array([0.5, -1.0, 2.0]), b2).sum(), b2, create_graph=True)
    gg, = grad(g.sum(), b2)
    t = s(b2.array)
    close(gg, b * t * (1 - t) * (1 - 2 * t), rtol=1e-10)


def test_on_arrays_alone_only_the_kernel_runs_even_in_elementary_mode():
    with mode(elementary=True):
        y = Swish()(np.ones(2), np.zeros(2))
    assert CALLS == ["forward"] and type(y) is np.ndarray
    close(y, [0.5, 0.5])


def test_the_gradient_kernel_is_told_what_is_needed():
    a, b = leaf(3), minidl.ones(3, dtype=minidl.float64)
    Swish()(a, b).sum().backward()
    assert CALLS[-1] == ("gradient", True, False)
    b = leaf(3)
    grad(Swish()(a, b).sum(), b)
    assert CALLS[-1] == ("gradient", False, True)


def test_a_first_gradient_in_one_input_can_be_differentiated_in_the_other():
    a, b = leaf(3), leaf(3, seed=1)
    ga, = grad(Swish()(a, b).sum(), a, create_graph=True)              # b is not asked for, but ga depends on it
    gb, = grad(ga.sum(), b)
    close(gb, s(b.array) * (1 - s(b.array)))


def test_a_gradient_of_an_ancestor_passes_through_the_definition():
    x = leaf(3)
    h = x.exp()
    gh, gx = grad(Swish()(h, x).sum(), [h, x], create_graph=True)
    t, e = s(x.array), np.exp(x.array)
    close(gh, t)
    close(gx, e * t + e * t * (1 - t))


def test_an_input_may_be_missing():
    x, w = leaf(2, 3), leaf(4, 3, seed=1)
    y = ops.linear(x, w)
    assert y.op.edges == [x, w, None]
    gx, gw = grad((y * y).sum(), [x, w], create_graph=True)
    close(gx, 2 * x.array @ w.array.T @ w.array)
    grad(gx.sum() + gw.sum(), [x, w])


def test_what_forward_stores_is_there_for_the_gradient_only_while_the_graph_stands():
    y = Swish()(leaf(3), leaf(3))
    op = y.op
    y.sum().backward(retain_graph=True)
    assert op.s.shape == (3,)
    y.sum().backward()
    assert not hasattr(op, "s") and op.scale == 1.0


def test_a_second_plain_walk_after_a_differentiable_one_gives_the_same():
    """The definition may set what forward stored, but nothing that the gradient kernel would miss."""
    x, w, b = leaf(4, 3, 2, 2), leaf(3, seed=1), leaf(3, seed=2)
    u = minidl.tensor(np.random.default_rng(3).standard_normal((4, 3, 2, 2)))
    y = ops.batch_norm(x, None, None, w, b, training=True)
    first = grad(y, [x, w, b], u, retain_graph=True)
    differentiable = grad(y, [x, w, b], u, create_graph=True)
    again = grad(y, [x, w, b], u)
    for g, h, i in zip(first, differentiable, again):
        close(g, h, rtol=1e-9)
        close(g, i, rtol=1e-12)


def test_a_change_in_place_of_a_result_that_the_op_stored_is_noticed():
    for f in (lambda x: ops.softmax(x, 1), lambda x: ops.log_softmax(x, 1)):
        y = f(leaf(2, 3))
        y.mul_(2.0)
        with pytest.raises(RuntimeError, match=r"kept an input or its output .* mul_ has changed it"):
            y.sum().backward()


def test_a_fused_op_without_a_gradient_or_definition_says_so():
    class Half(Fused):
        def forward(self, k, x):
            return x / 2

    y = Half()(leaf(3)).sum()
    with pytest.raises(NotImplementedError, match="Half has no gradient"):
        y.backward(retain_graph=True)
    with pytest.raises(NotImplementedError, match="Half has no definition"):
        y.backward(create_graph=True)


def test_the_first_convolution_never_computes_the_gradient_of_the_images(monkeypatch):
    from minidl.kernels import reference
    asked = []

    def noting(kernel):
        return lambda *args: asked.append(kernel.__name__) or kernel(*args)

    for name in ("conv2d_gradient_x", "conv2d_gradient_w"):
        monkeypatch.setattr(reference, name, noting(getattr(reference, name)))
    images, w1, w2 = minidl.randn(2, 3, 6, 5), minidl.randn(4, 3, 3, 3).requires_grad_(), minidl.randn(2, 4, 3, 2)
    with minidl.use_kernels("reference"):
        ops.conv2d(ops.conv2d(images, w1), w2.requires_grad_()).sum().backward()
    assert sorted(asked) == ["conv2d_gradient_w", "conv2d_gradient_w", "conv2d_gradient_x"]


def test_float32_stays_float32_at_second_order():
    a, b = leaf(3, dtype=np.float32), leaf(3, seed=1, dtype=np.float32)
    ga, = grad(Swish(0.7)(a, b).sum(), a, create_graph=True)
    gb, = grad(ga.sum(), b)
    assert ga.dtype == gb.dtype == np.float32
