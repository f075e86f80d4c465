"""The walk back: every node once, in order, with the full gradient, and nothing changed behind your back."""
import numpy as np
import pytest

import minidl
from minidl import Op, backprop
from minidl.graph import grad
from minidl.mode import Mode, mode
from minidl.op import FREED, Outline
from tests.engine import close, leaf

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


# ---- who owns .grad


def test_two_leaves_do_not_share_a_grad():
    a, b = leaf(3), leaf(3)
    (a + b).sum().backward()
    assert not np.shares_memory(a.grad.array, b.grad.array)
    a.grad.zero_()
    close(b.grad, np.ones(3))


@pytest.mark.parametrize("size", [(3, 4), (300, 400)], ids=["small", "large"])
def test_a_gradient_that_nobody_else_has_becomes_the_leafs_own_without_a_copy(size):
    """The memory that the rule of the matrix product made."""
    made = []

    class Watched(type((leaf(3, 4) @ leaf(4, 5)).op)):
        def backward(self, gy, y, *xs):
            gxs = super().backward(gy, y, *xs)
            made[:] = [gx.__array_interface__["data"][0] for gx in gxs]
            return gxs

    a, b = leaf(*size), leaf(size[1], 5)
    Watched()(a, b).sum().backward()
    assert [x.grad.array.__array_interface__["data"][0] for x in (a, b)] == made

    a.grad = b.grad = None
    steps = list(backprop(Watched()(a, b).sum()))        # here a Step has it, too
    for x, gx in zip((a, b), steps[-1].gxs):
        assert not np.shares_memory(x.grad.array, gx.array)


def test_a_gradient_in_anothers_memory_is_copied():
    """The rule of a slice's concatenation gives views of one array, and that of a sum the same array twice."""
    a, b = leaf(300, 400), leaf(300, 400)
    minidl.cat([a, b]).sin().sum().backward()
    assert a.grad.array.base is not b.grad.array.base and not np.shares_memory(a.grad.array, b.grad.array)
    kept = []
    a, b = leaf(300, 400), leaf(300, 400)
    y = a * b
    y.register_hook(lambda g: kept.append(g.array))
    (y + a).sum().backward()
    a.grad.zero_()
    b.grad.zero_()
    close(minidl.Tensor(kept[0]), np.ones((300, 400)))


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
