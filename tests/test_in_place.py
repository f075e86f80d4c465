"""Writing into a tensor: who shares its memory, which gradients it would make wrong, and who says so."""
import numpy as np
import pytest

import minidl
from tests.engine import close, leaf

# ---- memory and versions


def test_views_detach_and_data_share_one_version_counter():
    x = minidl.zeros(4, 3)
    views = [x[1], x.reshape(12), x.view(3, 4), x.t(), x.unsqueeze(0), x.expand(2, 4, 3), x.detach(), x.data,
             x[1:][0], x.flatten(), x.chunk(2)[0], x.unbind()[1], x.narrow(0, 1, 2), x.permute(1, 0)]
    assert all(view.version is x.version for view in views)
    copies = [x.clone(), x[[0, 1]], x[x == 0], x.t().reshape(12), x + 0, x.repeat(1, 1), x.flip(0),
              x.double(), minidl.tensor(x)]
    assert not any(copied.version is x.version for copied in copies)


@pytest.mark.parametrize("write", [
    lambda x: x.add_(1), lambda x: x.sub_(1), lambda x: x.mul_(2), lambda x: x.div_(2), lambda x: x.zero_(),
    lambda x: x.fill_(3), lambda x: x.copy_(minidl.ones(3)), lambda x: x.clamp_(0, 1), lambda x: x.normal_(),
    lambda x: x.uniform_(), lambda x: x.masked_fill_(x > 0, 0), lambda x: x.__setitem__(0, 5.0),
    lambda x: x.__iadd__(1), lambda x: x.__isub__(1), lambda x: x.__imul__(2), lambda x: x.__itruediv__(2)])
@pytest.mark.parametrize("through", [
    lambda x: x, lambda x: x.detach(), lambda x: x.data, lambda x: x[:], lambda x: x.view(3)])
def test_a_change_of_what_a_rule_reads_is_an_error_that_names_both_ops(write, through):
    x = leaf(3)
    h = x * 2
    y = h * h
    with minidl.no_grad():
        write(through(h))
    with pytest.raises(RuntimeError, match=r"Mul\(\) kept an input or its output .* has changed it in"):
        y.sum().backward()


def test_the_error_names_the_change_that_did_it():
    h = leaf(3).exp()
    h.detach().clamp_(0, 1)
    with pytest.raises(RuntimeError, match=r"Exp\(\).*clamp_ has changed it"):
        h.sum().backward()


def test_a_change_of_what_no_rule_reads_is_harmless():
    x = leaf(3)
    h = x * 2                                                          # reads 2, not x
    y = h + 1                                                          # reads nothing
    with minidl.no_grad():
        h.zero_()
    y.sum().backward()
    close(x.grad, np.full(3, 2.0))


def test_in_place_on_a_recorded_tensor_rebases_its_node():
    x, w = leaf(3), leaf(3, seed=1)
    h = x * 2
    h.add_(w)
    h.mul_(3)
    assert type(h.op).__name__ == "Mul" and not h.is_leaf
    h.exp().sum().backward()
    g = np.exp(3 * (2 * x.array + w.array))
    close(x.grad, 6 * g)
    close(w.grad, 3 * g)


def test_in_place_makes_a_constant_part_of_the_graph():
    w = leaf(3)
    h = minidl.zeros(3, dtype=minidl.float64)
    h += w * w
    h += 1
    assert h.requires_grad
    h.sum().backward()
    close(w.grad, 2 * w.array)


def test_what_was_computed_before_a_change_in_place_keeps_its_own_past():
    x = leaf(3)
    h = x * 2
    before = h + 0
    h.add_(1)
    (before + h).sum().backward()
    close(x.grad, np.full(3, 4.0))


def test_in_place_multiplication_by_what_needs_a_gradient_reads_the_old_value_and_says_so():
    """d(h w)/dw = h as it was; it is gone."""
    w = leaf(3)
    h = leaf(3, seed=1) * 1
    h.mul_(w)
    with pytest.raises(RuntimeError, match="Mul.*mul_ has changed it"):
        h.sum().backward()


def test_a_leaf_that_requires_grad_cannot_be_changed_in_place_but_under_no_grad():
    x = leaf(3)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="leaf that requires grad cannot be changed in place"):
            write()
    before = x.array.copy()
    with minidl.no_grad():
        x.sub_(1)
    close(x, before - 1)
    assert x.is_leaf and x.requires_grad


def test_a_parameter_step_after_backward_harms_nothing_and_before_backward_is_an_error():
    w, x = leaf(3), leaf(3, seed=1)
    y = (w * x).sum()
    y.backward()
    with minidl.no_grad():
        w -= 0.1 * w.grad
    y = (w * x).sum()
    with minidl.no_grad():
        w.sub_(0.1)
    with pytest.raises(RuntimeError, match="sub_ has changed it"):
        y.backward()


def test_a_recorded_change_of_a_view_is_refused():
    base = leaf(3) * 1
    view = base[:2]
    with pytest.raises(RuntimeError, match="view; a recorded change in place of a view"):
        view.mul_(2)
    with pytest.raises(RuntimeError, match="view"):
        minidl.zeros(4)[1:].add_(leaf(3))
    base = leaf(3) * 1
    with pytest.raises(RuntimeError, match=r"base\[i\] = base\[i\] \+ x"):
        base[0] += 1
    base[0] = base[0] + 1
    assert base.requires_grad
    constant = minidl.zeros(4)
    constant[2] += 1
    constant[2] -= 1
    constant[1:].add_(1)                                               # nothing is recorded: allowed
    assert constant.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("use", [lambda v: v * 2, lambda v: v.sum(), lambda v: v.reshape(2, 1)])
@pytest.mark.parametrize("base_requires", [True, False])
def test_a_view_made_before_a_recorded_change_of_its_base_must_be_taken_again(use, base_requires):
    base = leaf(3) * 1 if base_requires else minidl.zeros(3, dtype=minidl.float64)
    view = base[:2]
    base.add_(leaf(3, seed=1))
    with pytest.raises(RuntimeError, match="take the\\s+view again"):
        use(view)
    use(base[:2]).sum().backward()


def test_an_unrecorded_change_of_the_base_shows_in_the_view():
    base = minidl.zeros(3)
    view = base[:2]
    base.add_(1)
    assert (view + 0).tolist() == [1, 1]


def test_setitem_is_part_of_the_graph():
    x, w = leaf(3, 4), leaf(4, seed=1)
    h = x * 1
    h[1] = w
    h[0, ::2] = 5.0
    (h * h).sum().backward()
    gx = 2 * x.array
    gx[1], gx[0, ::2] = 0, 0
    close(x.grad, gx)
    close(w.grad, 2 * w.array)


@pytest.mark.parametrize("index, value, gradient", [
    (np.s_[:], (), lambda u: u.sum()),
    (np.s_[1], (4,), lambda u: u[1]),
    (np.s_[:, 1:3], (3, 1), lambda u: u[:, 1:3].sum(1, keepdims=True)),
    (np.s_[0], (1, 4), lambda u: u[:1]),
    (np.s_[[0, 2], 1:], (2, 3), lambda u: u[[0, 2], 1:]),
    (np.s_[[0, 2], 1:], (1, 3), lambda u: u[[0, 2], 1:].sum(0, keepdims=True)),
    (np.s_[::-1], (3, 4), lambda u: u[::-1]),
    (np.s_[1, 2], (), lambda u: u[1, 2]),
    (np.s_[1, 2], (1,), lambda u: u[1, 2:3])])
def test_setitem_broadcasts_its_value_and_sums_the_gradient_back(index, value, gradient):
    x, v = leaf(3, 4), leaf(*value, seed=1)
    u = np.random.default_rng(2).standard_normal((3, 4))
    h = x * 1
    h[index] = v
    assert (h.array[index] == (v.array if value != (1,) else v.array[0])).all()
    (h * minidl.tensor(u)).sum().backward()
    close(v.grad, gradient(u))
    u[index] = 0
    close(x.grad, u)


def test_setitem_with_a_mask_and_a_tensor_index():
    x = leaf(3)
    h = x * 1
    h[minidl.tensor([True, False, True])] = 0.0
    h[minidl.tensor([1])] = 7.0
    assert h.tolist() == [0, 7, 0]
    h.sum().backward()
    close(x.grad, np.zeros(3))


def test_a_value_in_another_dtype_is_cast_to_the_tensors_own():
    h = minidl.zeros(3)
    h[0] = minidl.tensor(1.5, dtype=minidl.float64)
    h.copy_(minidl.tensor([1, 2, 3]))
    assert h.dtype == minidl.float32 and h.tolist() == [1, 2, 3]
    i = minidl.zeros(2, dtype=minidl.int64)
    i[0] = 2.7
    assert i.tolist() == [2, 0]


@pytest.mark.parametrize("write, error", [
    (lambda: minidl.zeros(3, dtype=minidl.int64).add_(0.5), "float32 result does not fit into int64"),
    (lambda: minidl.zeros(3).add_(minidl.ones(2, 3)), r"shape \(2, 3\), which does not fit into x of shape"),
    (lambda: minidl.zeros(3).copy_(minidl.ones(2, 3)), r"expand|does not"),
    (lambda: minidl.zeros(3, dtype=minidl.int64).div_(2), "does not fit into int64"),
])
def test_what_does_not_fit_in_place_is_an_error(write, error):
    with pytest.raises((TypeError, ValueError), match=error):
        write()


def test_in_place_methods_keep_the_memory_and_return_the_tensor():
    x = minidl.ones(3)
    array = x.array
    assert x.add_(1, alpha=2) is x and x.mul_(2) is x and x.sub_(1) is x and x.div_(5) is x
    assert x.clamp_(max=0.5) is x
    assert x.array is array and x.tolist() == [0.5] * 3
    assert x.fill_(2).zero_().tolist() == [0] * 3
    assert x.copy_(minidl.arange(3)).tolist() == [0, 1, 2]
    assert x.masked_fill_(x > 1, -1).tolist() == [0, 1, -1]


def test_the_random_fills_draw_what_they_say():
    x = minidl.zeros(20_000)
    x.normal_(2, 3)
    assert abs(x.mean().item() - 2) < 0.1 and abs(x.std().item() - 3) < 0.1
    x.uniform_(-1, 3)
    assert -1 <= x.min().item() < -0.99 and 2.99 < x.max().item() < 3 and abs(x.mean().item() - 1) < 0.05
    a, b = minidl.zeros(5), minidl.zeros(5)
    a.normal_(generator=minidl.Generator().manual_seed(1))
    b.normal_(generator=minidl.Generator().manual_seed(1))
    assert a.tolist() == b.tolist()


def test_in_place_chains_alias_nothing_of_the_other_operand():
    x = minidl.ones(3)
    y = x.clone()
    y += x
    assert x.tolist() == [1] * 3 and y.tolist() == [2] * 3
    y[0] = x[1]
    x[1] = 9.0
    assert y.tolist() == [1, 2, 2]


def test_overlapping_memory_is_read_before_it_is_written():
    x = minidl.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    m = minidl.arange(4).reshape(2, 2)
    m.add_(m.t())
    assert m.tolist() == [[0, 3], [3, 6]]


# ---- .data


def test_data_is_detached_on_the_same_memory():
    x = leaf(3)
    assert not x.data.requires_grad and np.shares_memory(x.data.array, x.array)
    x.data[0] = 4.0
    assert x.array[0] == 4 and x.is_leaf and x.requires_grad


def test_assigning_data_replaces_the_memory_and_nothing_else():
    x = leaf(3)
    hook = x.register_hook(lambda g: g * 2)
    x.data = minidl.ones(3, dtype=minidl.float64)
    x.sum().backward()
    assert x.requires_grad and x.tolist() == [1, 1, 1]
    close(x.grad, np.full(3, 2.0))
    hook.remove()


def test_data_of_another_shape_or_dtype_is_an_error():
    with pytest.raises(ValueError, match=r"y is float32 \(2,\), but x is float64 \(3,\)"):
        leaf(3).data = minidl.ones(2)


def test_data_replaced_before_backward_is_an_error_where_the_old_numbers_are_read():
    x = leaf(3)
    y = (x * x).sum()
    x.data = minidl.ones(3, dtype=minidl.float64)
    with pytest.raises(RuntimeError, match=r"Mul\(\).*x.data = "):
        y.backward()
