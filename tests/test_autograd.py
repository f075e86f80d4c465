"""minidl.autograd: backward from several tensors, and the derivatives of functions."""
import numpy as np
import pytest

import minidl
from minidl.autograd import backward, functional
from tests.engine import close, leaf

V3, V23 = np.random.default_rng(5).standard_normal(3), np.random.default_rng(6).standard_normal((2, 3))


def f(x, w):
    """(3,), (2, 3) -> (2,) and a single number."""
    return (x * w).sum(1).exp(), (x * x.sin()).sum()


def energy(x, w):
    return (x.exp() * w ** 3).sum()


def test_backward_from_several_tensors_sums_what_they_send():
    x = leaf(3)
    h = x.exp()
    backward([h, x.sin().sum(), h.sum()], [minidl.Tensor(V3), None, None])
    close(x.grad, np.exp(x.array) * (V3 + 1) + np.cos(x.array))


def test_backward_of_one_tensor():
    x = leaf(3)
    backward(x.exp(), minidl.Tensor(V3))
    close(x.grad, np.exp(x.array) * V3)


def test_grad_is_the_one_of_the_graph():
    assert minidl.autograd.grad is minidl.graph.grad


# ---- by their definitions, on a quadratic form


A = np.random.default_rng(7).standard_normal((3, 3))
S = A + A.T


def quadratic(x):
    """x^T A x / 2 has gradient S x / 2 and Hessian S / 2."""
    return x @ minidl.Tensor(A) @ x / 2


def test_the_hessian_of_a_quadratic_form_is_its_symmetric_matrix():
    x = leaf(3)
    close(functional.hessian(quadratic, x), S / 2)
    y, product = functional.hvp(quadratic, x, minidl.Tensor(V3))
    close(y, x.array @ A @ x.array / 2)
    close(product, S @ V3 / 2)
    close(functional.vhp(quadratic, x, minidl.Tensor(V3))[1], V3 @ S / 2)


def test_the_jacobian_of_a_linear_map_is_its_matrix_from_both_sides():
    x = leaf(3)

    def linear(x): return minidl.Tensor(A) @ x

    close(functional.jacobian(linear, x), A)
    y, jv = functional.jvp(linear, x, minidl.Tensor(V3))
    close(y, A @ x.array)
    close(jv, A @ V3)
    close(functional.vjp(linear, x, minidl.Tensor(V3))[1], V3 @ A)


# ---- form, shapes, what may be left out


def test_one_tensor_in_one_out_and_tuples_for_tuples():
    x, w = leaf(3), leaf(2, 3)
    y, gx = functional.vjp(lambda x: x.exp(), x, minidl.Tensor(V3))
    assert y.shape == gx.shape == (3,)
    ys, gxs = functional.vjp(f, (x, w), (minidl.ones(2), minidl.tensor(1.0)))
    assert [y.shape for y in ys] == [(2,), ()] and [g.shape for g in gxs] == [(3,), (2, 3)]
    ys, gys = functional.jvp(f, (x, w), (minidl.Tensor(V3), minidl.Tensor(V23)))
    assert [g.shape for g in gys] == [(2,), ()]
    blocks = functional.jacobian(f, (x, w))
    assert [[b.shape for b in row] for row in blocks] == [[(2, 3), (2, 2, 3)], [(3,), (2, 3)]]
    blocks = functional.hessian(energy, (x, w))
    assert [[b.shape for b in row] for row in blocks] == [[(3, 3), (3, 2, 3)], [(2, 3, 3), (2, 3, 2, 3)]]
    assert [g.shape for g in functional.hvp(energy, (x, w), (minidl.Tensor(V3), minidl.Tensor(V23)))[1]] == [(3,), (2, 3)]
    assert isinstance(functional.jacobian(lambda x, w: x * w[0], (x, w)), tuple)
    assert isinstance(functional.jacobian(lambda x: (x, x * 2), x), tuple)


def test_the_weight_of_a_single_number_is_one():
    x = leaf(3)
    close(functional.vjp(lambda x: (x * x).sum(), x)[1], 2 * x.array)
    t = leaf()
    close(functional.jvp(lambda t: (t * minidl.Tensor(V3)).exp(), t)[1], V3 * np.exp(t.array * V3))


def test_a_function_of_nothing_has_an_empty_jacobian():
    assert functional.jacobian(lambda x: x.exp(), minidl.zeros(0)).shape == (0, 0)
    assert functional.jacobian(lambda x: x[:0], minidl.ones(3)).shape == (0, 3)


def test_inputs_need_not_require_grad_and_stay_as_they_are():
    x = minidl.Tensor(V3.copy())
    close(functional.jacobian(lambda x: x.exp(), x), np.diag(np.exp(V3)))
    assert not x.requires_grad and x.grad is None
    with minidl.no_grad():
        close(functional.hessian(lambda x: x.exp().sum(), x), np.diag(np.exp(V3)))
    assert minidl.is_grad_enabled()


def test_nobodys_grad_is_touched():
    x, w = leaf(3), leaf(3)
    functional.hessian(lambda x: (x * x * w).sum(), x)
    assert x.grad is None and w.grad is None


# ---- independence


def test_where_nothing_depends_the_answer_is_zeros_or_with_strict_an_error():
    x, w = leaf(3), leaf(2)
    close(functional.vjp(lambda x, w: x.exp(), (x, w), minidl.Tensor(V3))[1][1], np.zeros(2))
    close(functional.jvp(lambda x, w: minidl.ones(2), (x, w), (x, w))[1], np.zeros(2))
    close(functional.jacobian(lambda x, w: x.exp(), (x, w))[1], np.zeros((3, 2)))
    close(functional.hessian(lambda x: x.sum(), x), np.zeros((3, 3)))
    close(functional.hvp(lambda x: x.sum(), x, x)[1], np.zeros(3))
    with pytest.raises(RuntimeError, match=r"vjp: strict, and the output does not depend on input 1 of shape \(2,\)"):
        functional.vjp(lambda x, w: x.exp(), (x, w), minidl.Tensor(V3), strict=True)
    with pytest.raises(RuntimeError, match="jvp: strict, and an output does not depend on the inputs"):
        functional.jvp(lambda x: x.detach(), x, x, strict=True)
    with pytest.raises(RuntimeError, match="jacobian: strict"):
        functional.jacobian(lambda x, w: x.exp(), (x, w), strict=True)
    with pytest.raises(RuntimeError, match="hessian: strict, and its gradient does not depend on input 0"):
        functional.hessian(lambda x: x.sum(), x, strict=True)


# ---- create_graph


def test_without_create_graph_answers_are_constants_and_with_it_they_are_not():
    x = leaf(3)
    for name, function in [("vjp", lambda x: x.exp().sum()), ("hvp", lambda x: x.exp().sum())]:
        v = {} if name == "vjp" else {"v": minidl.Tensor(V3)}
        assert not any(t.requires_grad for t in getattr(functional, name)(function, x, **v))
        assert all(t.requires_grad for t in getattr(functional, name)(function, x, create_graph=True, **v))
    assert not functional.jacobian(lambda x: x.exp(), x).requires_grad
    assert functional.jacobian(lambda x: x.exp(), x, create_graph=True).requires_grad


def test_a_differentiable_answer_leads_to_the_inputs_and_to_what_the_function_reads():
    x, w = leaf(3), leaf(3, seed=1)
    _, gx = functional.vjp(lambda x: (x ** 3 * w).sum(), x, create_graph=True)        # 3 x^2 w
    gx.sum().backward()
    close(x.grad, 6 * x.array * w.array)
    close(w.grad, 3 * x.array ** 2)


def test_the_jacobian_of_a_jacobian_is_the_second_derivative():
    x = leaf(3)
    second = functional.jacobian(lambda x: functional.jacobian(lambda x: (x ** 4).sum(), x, create_graph=True), x)
    close(second, np.diag(12 * x.array ** 2))


def test_an_input_that_is_computed_from_another_counts_only_in_its_own_slot():
    x = leaf(3)
    h = x * 2
    gx, gh = functional.vjp(lambda x, h: (x * h).sum(), (x, h), create_graph=True)[1]
    close(gx, h)
    close(gh, x)


# ---- mistakes


@pytest.mark.parametrize("call, error", [
    (lambda: functional.vjp(lambda x: x, 3.0), "inputs must be a tensor or a tuple of tensors, not float"),
    (lambda: functional.vjp(lambda x: 3.0, minidl.ones(2)), "what func gives must be a tensor .* not float"),
    (lambda: functional.jvp(lambda x: x, minidl.ones(2), 3.0), "v must be a tensor .* not float"),
])
def test_what_is_no_tensor_is_an_error_that_says_where(call, error):
    with pytest.raises(TypeError, match=error):
        call()


@pytest.mark.parametrize("call, error", [
    (lambda: functional.vjp(lambda x: x * 2, minidl.ones(2)), r"shape \(2,\) needs a gradient"),
    (lambda: functional.vjp(lambda x: x * 2, minidl.ones(2), minidl.ones(3)), r"shape \(3,\), but the tensor has \(2,\)"),
    (lambda: functional.vjp(lambda x: x, minidl.ones(2), (minidl.ones(2),) * 2), "v has 2 tensors, where 1 are"),
    (lambda: functional.hessian(lambda x: x * 2, minidl.ones(2)), r"must give a single number, not shape \(2,\)"),
    (lambda: functional.hvp(lambda x: (x, x), minidl.ones(1)), "single number, not tuple"),
])
def test_weights_and_outputs_that_do_not_fit_are_errors(call, error):
    with pytest.raises(ValueError, match=error):
        call()


# ---- against PyTorch


@pytest.mark.parity
@pytest.mark.parametrize("name, function, arrays, v", [
    ("vjp", f, (V3, V23), (np.array([1.0, -2]), np.array(0.5))), ("jvp", f, (V3, V23), (V3 * 2, V23 - 1)),
    ("hvp", energy, (V3, V23), (V3 * 2, V23 - 1)), ("vhp", energy, (V3, V23), (V3 * 2, V23 - 1)),
    ("jacobian", f, (V3, V23), None), ("hessian", energy, (V3, V23), None),
    ("hessian", lambda x: x.prod(), V3, None), ("hvp", lambda x: x.logsumexp(0), V3, V3),
    ("jacobian", lambda x: x.softmax(1), V23, None), ("jvp", lambda x: x.softmax(1), V23, V23 ** 2),
    ("vhp", lambda x: x.sigmoid().prod(), V3, V3)])
def test_answers_are_pytorchs(name, function, arrays, v):
    torch = pytest.importorskip("torch")

    def call(lib, module):
        args = [tuple(map(lib.tensor, x)) if isinstance(x, tuple) else lib.tensor(x) for x in (arrays, v) if x is not None]
        return getattr(module, name)(function, *args)

    same(call(minidl, functional), call(torch, torch.autograd.functional))


def same(ours, theirs):
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    if isinstance(theirs, tuple):
        for mine, yours in zip(ours, theirs, strict=True):
            same(mine, yours)
    else:
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-9, atol=1e-12)
