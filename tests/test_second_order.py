"""Gradients of gradients."""
import numpy as np
import pytest

import minidl
from minidl.graph import grad
from tests.engine import close, leaf


def test_third_derivatives():
    x = minidl.tensor([0.3, -1.2, 2.0], dtype=minidl.float64, requires_grad=True)
    y = (x ** 5 + x.sin()).sum()
    g1, = grad(y, x, create_graph=True)
    g2, = grad(g1.sum(), x, create_graph=True)
    g3, = grad(g2.sum(), x, create_graph=True)
    a = x.array
    close(g1, 5 * a ** 4 + np.cos(a))
    close(g2, 20 * a ** 3 - np.sin(a))
    close(g3, 60 * a ** 2 - np.cos(a))


def test_backward_with_create_graph_leaves_a_grad_that_can_be_differentiated():
    x = leaf(3)
    (x ** 3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    close(grad(x.grad.sum(), x)[0], 6 * x.array)


def test_a_gradient_penalty_trains():
    """|dy/dx|^2 for y = sum tanh(x w), as WGAN-GP takes it; the gradient in w against differences."""
    x, w = leaf(4, 3), leaf(3, 2, seed=1)

    def penalty(w):
        x.grad = None
        gx, = grad((x @ w).tanh().sum(), x, create_graph=True)
        return (gx * gx).sum()

    gw, = grad(penalty(w), w)
    u, h = np.random.default_rng(3).standard_normal(w.shape), 1e-6
    up, down = penalty(leaf_of(w.array + h * u)), penalty(leaf_of(w.array - h * u))
    difference = (up - down).item() / (2 * h)
    np.testing.assert_allclose((gw.array * u).sum(), difference, rtol=1e-7)


def leaf_of(array):
    return minidl.Tensor(array, requires_grad=True)


def test_create_graph_keeps_the_graph_unless_told_otherwise():
    x = leaf(3)
    y = x.exp().sum()
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="walked before"):
        grad(y, x)


def test_a_plain_second_walk_after_create_graph_adds_up():
    x = leaf(3)
    (x * x).sum().backward(create_graph=True)
    (x * x).sum().backward()
    close(x.grad, 4 * x.array)


def test_a_gradient_that_is_differentiable_carries_into_grad_outputs():
    """u^T J is linear in u: its gradient in u is J v."""
    x, u = leaf(3), leaf(3, seed=1)
    gx, = grad(x.exp(), x, u, create_graph=True)
    v = np.array([1.0, -2.0, 0.5])
    close(grad(gx, u, minidl.tensor(v))[0], np.exp(x.array) * v)
