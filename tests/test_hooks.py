"""Hooks see the full gradient before it is used; retain_grad keeps it."""
import numpy as np
import pytest

import minidl
from minidl.graph import grad
from tests.engine import close, leaf

# ---- hooks


def test_a_hook_runs_once_on_the_full_sum_before_the_rule():
    x, seen = leaf(3), []
    h = x * 2
    h.register_hook(lambda g: seen.append(g.array.copy()))
    (h + h.exp()).sum().backward()
    assert len(seen) == 1
    close(seen[0], 1 + np.exp(2 * x.array))


@pytest.mark.parametrize("where", ["leaf", "inside"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_a_hook_returns_takes_the_gradients_place(where, create_graph):
    x = leaf(3)
    h = x * 2
    (x if where == "leaf" else h).register_hook(lambda g: g * 10)
    gx, = grad(h.exp().sum(), x, create_graph=create_graph)
    close(gx, 20 * np.exp(2 * x.array))
    h = x * 2
    h.exp().sum().backward(create_graph=create_graph)
    close(x.grad, gx.array if where == "leaf" else gx.array / 10)


def test_hooks_run_in_order_and_each_sees_what_the_one_before_made():
    x = leaf(3)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 2)
    x.sum().backward()
    close(x.grad, np.full(3, 4.0))


def test_a_removed_hook_does_not_run():
    x = leaf(3)
    handle = x.register_hook(lambda g: g * 0)
    handle.remove()
    with x.register_hook(lambda g: g * 5):
        pass
    x.sum().backward()
    close(x.grad, np.ones(3))


def test_a_hook_may_remove_itself_while_it_runs():
    x = leaf(3)
    handle = x.register_hook(lambda g: handle.remove())
    x.sum().backward()
    x.sum().backward()
    close(x.grad, np.full(3, 2.0))


def test_a_hook_that_changes_shape_or_dtype_is_an_error():
    x = leaf(3)
    with x.register_hook(lambda g: g.sum()):
        with pytest.raises(ValueError, match=r"float64 gradient of shape \(\) for a float64 one of \(3,\)"):
            x.sum().backward()
    with x.register_hook(lambda g: g.float()):
        with pytest.raises(ValueError, match=r"float32 gradient of shape \(3,\) for a float64 one"):
            x.sum().backward()


def test_hooks_of_a_tensor_without_grad_are_refused():
    with pytest.raises(RuntimeError, match="requires no grad"):
        minidl.ones(3).register_hook(print)


def test_a_hook_under_create_graph_is_differentiated_too():
    x = leaf(3)
    h = x * 1
    with h.register_hook(lambda g: g * x):
        gx, = grad((h * h).sum(), x, create_graph=True)              # 2 x * x
    close(gx, 2 * x.array ** 2)
    close(grad(gx.sum(), x)[0], 4 * x.array)


def test_a_hook_costs_no_recording_without_create_graph():
    x, seen = leaf(3), []
    x.register_hook(lambda g: seen.append((g * x).requires_grad))
    x.sum().backward()
    assert seen == [False]


# ---- retain_grad


def test_a_non_leaf_keeps_its_gradient_if_asked():
    x = leaf(3)
    h, other = x * 2, x * 3
    h.retain_grad()
    h.retain_grad()                                                  # twice is once
    (h.exp() + other).sum().backward()
    close(h.grad, np.exp(2 * x.array))
    assert other.grad is None


def test_retained_gradients_add_up_over_walks():
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    y = h.sum()
    y.backward(retain_graph=True)
    y.backward()
    close(h.grad, np.full(3, 2.0))


def test_a_retained_gradient_is_what_the_hooks_made_of_it():
    """As in PyTorch since 2.0."""
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    h.register_hook(lambda g: g * 7)
    h.sum().backward()
    close(h.grad, np.full(3, 7.0))


def test_retaining_follows_a_change_in_place():
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    h.mul_(3)
    h.exp().sum().backward()
    close(h.grad, np.exp(6 * x.array))
    close(x.grad, 6 * np.exp(6 * x.array))


def test_a_tensor_that_is_gone_retains_nothing():
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    y = h.sum()
    del h
    y.backward()
    close(x.grad, np.full(3, 2.0))


def test_retain_grad_where_none_will_come_is_an_error():
    with pytest.raises(RuntimeError, match="requires no grad"):
        minidl.ones(3).retain_grad()
