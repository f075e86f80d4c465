"""The walk back: every node once, in order, with the full gradient, and nothing changed behind your back."""
import gc
import sys
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import minidl
from minidl import Fused, Op, backprop, ops
from minidl.graph import grad
from minidl.mode import Mode, mode
from minidl.op import FREED, Outline


def leaf(*shape, seed=0, dtype=np.float64):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return minidl.Tensor(np.asarray(numbers, dtype), requires_grad=True)


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(a.array if isinstance(a, minidl.Tensor) else a,
                               b.array if isinstance(b, minidl.Tensor) else b, rtol=rtol, atol=1e-14)


# ---- one walk


def test_gradients_that_meet_are_added():
    """micrograd #64: a = 1, b = a + a, c = b + b, so dc/da = 4."""
    a = minidl.tensor(1.0, requires_grad=True)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4


def test_a_node_waits_for_all_its_consumers():
    """y = e^x sin(e^x) + e^x: three uses of e^x at different depths."""
    x = leaf(4)
    e = x.exp()
    (e * e.sin() + e).sum().backward()
    ex = np.exp(x.array)
    close(x.grad, (np.sin(ex) + ex * np.cos(ex) + 1) * ex)


def test_every_node_is_visited_once_though_there_are_two_to_the_forty_paths():
    x = leaf(2)
    y = x
    for _ in range(40):
        y = y * 0.5 + y * 0.5
    steps = list(backprop(y.sum()))
    assert len(steps) == 121                       # three ops a round, and the sum
    close(x.grad, np.ones(2))


def test_a_step_shows_the_full_gradient_and_what_became_of_it():
    x, w = leaf(3, seed=1), leaf(3, seed=2)
    y = x * w
    z = y + y.sin()
    gz = np.array([1.0, -2.0, 0.5])
    steps = {type(step.op).__name__: step for step in backprop(z, minidl.tensor(gz))}
    gy = gz * (1 + np.cos(x.array * w.array))
    close(steps["Mul"].gy, gy)
    close(steps["Mul"].gxs[0], gy * w.array)
    close(steps["Mul"].gxs[1], gy * x.array)
    assert isinstance(steps["Mul"].y, Outline) and steps["Mul"].y.shape == (3,)


def test_keep_all_shows_a_step_its_result():
    x = leaf(3)
    with mode(keep_all=True):
        y = (x * x).sum()
    steps = list(backprop(y))
    close(steps[1].y, x.array ** 2)


def test_the_walk_starts_from_several_outputs():
    x = leaf(3)
    a, b = x.exp(), x.sin()
    for _ in backprop([a, b], [minidl.ones(3, dtype=minidl.float64), None if b.numel() == 1 else b.detach()]):
        pass
    close(x.grad, np.exp(x.array) + np.sin(x.array) * np.cos(x.array))


def test_an_output_that_leads_to_the_other_gets_both_gradients():
    x = leaf(3)
    a = x * 2
    b = a * 3
    gx, = grad([a.sum(), b.sum()], x)
    close(gx, np.full(3, 8.0))


def test_the_same_output_twice_counts_twice():
    x = leaf(3)
    y = x.exp().sum()
    gx, = grad([y, y], x)
    close(gx, 2 * np.exp(x.array))


def test_backward_of_a_leaf_is_its_own_gradient():
    x = leaf()
    x.backward()
    assert x.grad.item() == 1 and x.grad.shape == ()


# ---- walked half, walked twice


def test_a_second_backward_is_an_error_that_says_so():
    x = leaf(3)
    y = x.exp().sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"walked before.*retain_graph=True"):
        y.backward()
    close(x.grad, np.exp(x.array))


def test_a_second_loss_over_freed_nodes_is_an_error_and_loses_no_gradient_in_silence():
    x = leaf(3)
    h = x.exp()
    h.sum().backward()
    second = (h * 2).sum()
    with pytest.raises(RuntimeError, match="Exp.*walked before"):
        second.backward()


def test_retain_graph_lets_the_walk_be_repeated_and_the_gradients_add_up():
    x = leaf(3)
    y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    close(x.grad, 3 * np.exp(x.array))
    with pytest.raises(RuntimeError, match="walked before"):
        y.backward()


def test_a_half_walked_graph_cannot_be_taken_for_a_whole_one():
    x = leaf(3)
    h = x.exp()
    y = (h * h).sum()
    steps = backprop(y)
    next(steps)
    next(steps)                                     # Sum is freed, Mul has run, Exp has not
    assert y.op.edges is FREED and x.grad is None
    with pytest.raises(RuntimeError, match="walked before"):
        y.backward()
    close(grad(h, x, minidl.ones_like(h))[0], np.exp(x.array))      # what was not reached still stands


def test_a_paused_walk_goes_on_where_it_stopped():
    x = leaf(3)
    steps = backprop((x.exp() * 2).sum())
    names = [type(next(steps).op).__name__]
    minidl.tensor([1.0], requires_grad=True).exp().backward()       # something else in between
    names += [type(step.op).__name__ for step in steps]
    assert names == ["Sum", "Mul", "Exp"]
    close(x.grad, 2 * np.exp(x.array))


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_paused_walk_changes_no_mode(create_graph):
    x = leaf(3)
    before = {name: getattr(Mode, name) for name in vars(type(Mode)) if not name.startswith("_")}
    steps = backprop(x.exp().sum(), create_graph=create_graph)
    for _ in range(2):
        next(steps)
        assert {name: getattr(Mode, name) for name in before} == before
        assert (x * 2).requires_grad
    with minidl.no_grad():
        pass
    del steps                                       # never finished
    assert {name: getattr(Mode, name) for name in before} == before


def test_a_rule_that_fails_leaves_the_mode_as_it_was():
    class Fails(Op):
        def forward(self, k, x):
            return x + 1

        def backward(self, gy, y, x):
            raise ZeroDivisionError

    y = Fails()(leaf(3))
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert Mode.recording and Mode.rule is None


def test_a_generator_that_yields_inside_no_grad_leaks_nothing_when_it_is_dropped():
    """What a with-block around a yield would do wrong, the walk must not: it holds none."""
    x = leaf(2)
    walk = backprop((x * x).sum())
    next(walk)
    with minidl.no_grad():
        next(walk)
        assert not minidl.is_grad_enabled()
    assert minidl.is_grad_enabled()
    walk.close()
    assert minidl.is_grad_enabled()


# ---- grad


def test_grad_reaches_a_tensor_and_its_ancestor():
    x = leaf(3)
    h = x * x
    y = h.exp().sum()
    gx, gh = grad(y, [x, h])
    close(gh, np.exp(x.array ** 2))
    close(gx, np.exp(x.array ** 2) * 2 * x.array)


def test_grad_in_the_output_itself_is_one():
    x = leaf()
    y = x * x
    gy, gx = grad(y, [y, x])
    assert gy.item() == 1
    close(gx, 2 * x.array)


def test_grad_of_the_same_input_twice_answers_twice():
    x = leaf(3)
    a, b = grad((x * x).sum(), [x, x])
    close(a, 2 * x.array)
    close(b, 2 * x.array)


def test_grad_touches_no_leafs_grad():
    x, w = leaf(3), leaf(3, seed=1)
    w.grad = minidl.ones(3)
    grad((x * w).sum(), x)
    assert x.grad is None
    close(w.grad, np.ones(3))


def test_grad_walks_only_what_leads_to_the_inputs():
    walked = []

    class Seen(Op):
        def forward(self, k, x):
            return x * 1

        def backward(self, gy, y, x):
            walked.append(self)
            return gy

    x, w = leaf(3), leaf(3, seed=1)
    y = (Seen()(x) + Seen()(w)).sum()
    grad(y, x)
    assert len(walked) == 1


def test_an_unused_input_is_an_error_or_none():
    x, other = leaf(3), leaf(2)
    with pytest.raises(RuntimeError, match=r"do not depend on input 1 of shape \(2,\); allow_unused=True"):
        grad((x * x).sum(), [x, other])
    gx, nothing = grad((x * x).sum(), [x, other], allow_unused=True)
    assert nothing is None
    close(gx, 2 * x.array)


def test_grad_in_a_tensor_that_requires_none_is_an_error():
    with pytest.raises(RuntimeError, match=r"input 0 of shape \(3,\) requires no grad"):
        grad(leaf(3).sum(), minidl.ones(3))


def test_grad_of_several_weighted_outputs():
    x = leaf(3)
    w = np.array([1.0, 2.0, -1.0])
    gx, = grad([x.exp(), x.sin().sum()], [x], [minidl.tensor(w), None])
    close(gx, w * np.exp(x.array) + np.cos(x.array))


# ---- starting points that are wrong


def test_a_loss_that_is_not_a_number_needs_a_gradient():
    with pytest.raises(ValueError, match=r"shape \(3,\) needs a gradient"):
        (leaf(3) * 2).backward()


def test_a_gradient_of_the_wrong_shape_is_an_error_with_both_shapes():
    with pytest.raises(ValueError, match=r"gradient has shape \(2,\), but the tensor has \(3,\)"):
        (leaf(3) * 2).backward(minidl.ones(2))


def test_backward_from_what_requires_no_grad_says_why():
    with minidl.no_grad():
        y = leaf(3).sum()
    with pytest.raises(RuntimeError, match="requires no grad"):
        y.backward()


def test_the_number_of_gradients_must_match():
    x = leaf(3)
    with pytest.raises(ValueError, match="2 outputs were given 1 gradients"):
        grad([x.sum(), x.exp().sum()], x, [None])


def test_a_gradient_in_another_dtype_is_cast_to_the_outputs():
    x = leaf(3, dtype=np.float32)
    (x * 2).backward(np.ones(3))
    assert x.grad.dtype == np.float32


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


# ---- who owns .grad


def test_two_leaves_do_not_share_a_grad():
    a, b = leaf(3), leaf(3)
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad.array, b.grad.array)
    a.grad.zero_()
    close(b.grad, np.ones(3))


def test_grad_is_writable_and_not_the_gradient_that_was_passed():
    x, g = leaf(3), np.ones(3)
    (x + 0).backward(minidl.Tensor(g))
    x.grad.mul_(5)
    close(g, np.ones(3))


def test_a_second_walk_adds_into_the_same_memory_and_leaves_an_old_gradient_of_someone_else_alone():
    x = leaf(3)
    x.sum().backward()
    first = x.grad.array
    x.exp().sum().backward()
    assert x.grad.array is first
    close(first, 1 + np.exp(x.array))


def test_what_a_step_shows_is_never_changed_later():
    x = leaf(3)
    h = x * 1.0
    y = (h.exp() + h.sin() + h).sum()
    steps = list(backprop(y))
    shown = [[g.array.copy() for g in step.gxs if g is not None] for step in steps]
    x.exp().sum().backward()
    for step, gxs in zip(steps, shown):
        for g, kept in zip([g for g in step.gxs if g is not None], gxs):
            close(g, kept)


def test_hooks_that_keep_a_gradient_see_it_unchanged():
    x, kept = leaf(3), []
    h = x * 2
    h.register_hook(kept.append)
    (h.exp() + h).sum().backward()
    before = kept[0].array.copy()
    x.grad.zero_()
    close(kept[0], before)


# ---- zero dimensions


def test_a_gradient_without_dimensions_stays_an_array():
    x = leaf()
    y = x * x + x.exp() * x + 3 * x
    y.backward()
    assert type(x.grad.array) is np.ndarray and x.grad.shape == ()
    close(x.grad, 2 * x.array + np.exp(x.array) * (1 + x.array) + 3)
    gx, = grad(x * x + x, x)
    assert type(gx.array) is np.ndarray


def test_second_derivatives_without_dimensions():
    x = leaf()
    gx, = grad(x * x * x + x * x, x, create_graph=True)
    close(gx, 3 * x.array ** 2 + 2 * x.array)
    gg, = grad(gx + gx, x)
    close(gg, 12 * x.array + 4)


def test_steps_without_dimensions_hold_arrays_too():
    x = leaf()
    h = x.exp()
    for step in backprop(h * h + h + h.sin()):
        assert all(type(g.array) is np.ndarray for g in [step.gy, *step.gxs] if g is not None)


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


def test_a_hook_that_changes_the_shape_is_an_error():
    x = leaf(3)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"gradient of shape \(\) for one of \(3,\)"):
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


# ---- gradients of gradients


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


# ---- costs: linear, iterative, freed


def calls_of(f):
    """How many functions are called in f(): what it costs, whatever the machine."""
    count = 0

    def seen(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count


def chain(n):
    x = leaf(2)
    y = x
    for _ in range(n):
        y = y * 1.0
    return y.sum()


def residual(blocks):
    x, w = leaf(4), leaf(4, 4, seed=1)
    y = x
    for _ in range(blocks):
        y = y + ((y @ w).tanh() @ w) * 0.01
    return y.sum()


def test_a_chain_of_5000_ops_takes_5000_rules_and_no_recursion():
    assert sys.getrecursionlimit() < 5000
    assert len(list(backprop(chain(5000)))) == 5001


@pytest.mark.parametrize("network, n, ops_each", [(chain, 2500, 1), (residual, 100, None)])
def test_back_propagation_costs_twice_as_much_for_twice_the_length(network, n, ops_each):
    costs = {}
    for length in (n, 2 * n):
        y = network(length)
        costs[length] = calls_of(lambda y=y: y.backward())
    assert costs[2 * n] < 2.01 * costs[n]


def test_two_hundred_residual_blocks_call_each_rule_once():
    y = residual(200)
    order = minidl.topological_order([y.node])
    assert len(order) == len(set(order))
    rules = [step.op for step in backprop(y)]
    assert len(rules) == len(set(rules)) == sum(isinstance(node, Op) for node in order)


def test_a_topological_order_has_every_node_after_its_inputs():
    order = minidl.topological_order([residual(5).node])
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        for edge in getattr(node, "edges", ()):
            assert edge is None or place[edge] < place[node]


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_graph_is_freed_when_its_last_name_goes(no_gc):
    x = leaf(3)
    y = (ops.softmax(x.exp() * x, 0).reshape(3, 1) @ x.unsqueeze(0)).sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    assert len(nodes) >= 6
    del y
    assert [node() for node in nodes] == [None] * len(nodes)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_walked_graph_is_freed_too(no_gc, create_graph):
    x = leaf(3)
    y = ops.linear(x.exp().unsqueeze(0), leaf(2, 3)).tanh().sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    gx, = grad(y, x, create_graph=create_graph)
    del y
    if create_graph:
        assert any(node() for node in nodes)
        del gx
    assert not any(node() for node in nodes)


def test_a_long_chain_is_freed_without_recursion(no_gc):
    y = chain(20_000)
    node = weakref.ref(y.op)
    del y
    assert node() is None


def test_activations_are_freed_on_the_way(no_gc):
    x = leaf(3)
    h = x.exp()
    kept = weakref.ref(h.op)
    array = weakref.ref(h.array)
    y = (h * h).sum()
    del h
    steps = backprop(y)
    next(steps), next(steps)
    assert array() is not None
    assert len(list(steps)) == 1
    del steps
    assert array() is None and kept() is None


def test_a_half_walked_generator_that_is_dropped_frees_its_graph(no_gc):
    x = leaf(3)
    y = (x.exp() * x).sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    steps = backprop(y)
    next(steps)
    del steps, y
    assert not any(node() for node in nodes)


def test_what_a_fused_op_stores_goes_with_the_walk():
    class Keeps(Fused):
        def forward(self, k, x):
            self.mask = x > 0
            return x * self.mask

        def gradient(self, k, gy, x):
            return gy * self.mask

        def definition(self, x):
            return x * (x > 0)

    y = Keeps()(leaf(5))
    op = y.op
    y.sum().backward(retain_graph=True)
    assert op.mask is not None
    y.sum().backward()
    assert not hasattr(op, "mask") and not hasattr(op, "saved")


def test_the_settings_of_an_op_outlive_the_walk():
    y = ops.sum(leaf(2, 3), 1)
    op = y.op
    y.sum().backward()
    assert repr(op) == "Sum(dims=(1,), keepdim=False)"
