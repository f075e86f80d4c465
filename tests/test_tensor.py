"""A tensor: what it is made of, how it is copied, and the conventions at ties and corners."""
import copy
import pickle

import numpy as np
import pytest

import minidl
from minidl import ops
from minidl.graph import grad
from tests.engine import close, leaf

# ---- what it is made of


def test_tensor_copies_and_Tensor_and_from_numpy_share():
    a = np.zeros(3)
    shared, from_numpy, copied = minidl.Tensor(a), minidl.from_numpy(a), minidl.tensor(a)
    a[0] = 5
    assert shared.array[0] == from_numpy.array[0] == 5 and copied.array[0] == 0
    assert shared.numpy() is a
    t = minidl.tensor(shared)
    assert not np.shares_memory(t.array, a)


def test_as_tensor_shares_where_it_can():
    a = np.zeros(3)
    assert np.shares_memory(minidl.as_tensor(a).array, a)
    t = minidl.zeros(2)
    assert minidl.as_tensor(t) is t
    assert minidl.as_tensor(t, dtype=minidl.float64).dtype == minidl.float64


def test_lists_of_lists_numbers_and_tensors():
    assert minidl.tensor([[1, 2], [3, 4]]).dtype == minidl.int64
    assert minidl.tensor([1, 2.5]).dtype == minidl.float32
    assert minidl.tensor(True).dtype == minidl.bool_
    assert minidl.tensor([minidl.tensor(1.0), 2]).tolist() == [1, 2]
    assert minidl.tensor(3).shape == ()


def test_a_ragged_list_is_an_error():
    with pytest.raises((TypeError, ValueError)):
        minidl.tensor([[1, 2], [3]])


def test_a_tensor_converts_to_numbers():
    x = minidl.tensor(2.5)
    assert float(x) == 2.5 and int(x) == 2 and bool(x) and x.item() == 2.5
    assert [10, 20, 30][minidl.tensor(1)] == 20
    assert f"{x:.2f}" == "2.50"
    with pytest.raises(TypeError, match="only integer tensors can be an index"):
        [10, 20][x]
    with pytest.raises(ValueError, match=r"shape \(2,\) has 2 elements"):
        minidl.ones(2).item()


def test_the_truth_of_several_numbers_is_ambiguous():
    with pytest.raises(ValueError, match=r"ambiguous; use .any\(\) or .all\(\)"):
        bool(minidl.ones(2))
    assert not minidl.zeros(1)


def test_iteration_and_len_go_over_the_first_dimension():
    x = leaf(3, 2)
    assert len(x) == 3
    rows = list(x)
    assert [row.shape for row in rows] == [(2,)] * 3
    rows[1].sum().backward()
    close(x.grad, [[0, 0], [1, 1], [0, 0]])
    a, b = minidl.tensor([1, 2])
    assert (a.item(), b.item()) == (1, 2)
    with pytest.raises(TypeError, match="0-dimensional"):
        len(minidl.tensor(1))
    with pytest.raises(TypeError, match="0-dimensional"):
        iter(minidl.tensor(1))


def test_equality_is_elementwise_and_the_hash_is_identity():
    x, y = minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 3.0])
    assert (x == y).tolist() == [True, False] and (x != y).tolist() == [False, True]
    assert (x == 1).tolist() == [True, False]
    assert len({x, y, x}) == 2 and hash(x) != hash(minidl.tensor([1.0, 2.0]))
    assert {x: "x"}[x] == "x"


@pytest.mark.parametrize("other", [None, "word", [1.0, 2.0], (1.0,)])
def test_equality_with_what_is_no_number_is_false(other):
    """As in PyTorch: `if x == None` and `x in [None, ...]` keep their meaning."""
    x = minidl.tensor([1.0, 2.0])
    assert (x == other) is False and (x != other) is True
    assert (other == x) is False


def test_arrays_and_tensors_mix_on_both_sides():
    x, a = leaf(2, 3), np.arange(3.0)
    for f in (lambda x, a: x + a, lambda x, a: a + x, lambda x, a: a * x, lambda x, a: a - x,
              lambda x, a: x / (a + 1), lambda x, a: a / (x * x + 1), lambda x, a: a.reshape(1, 3) @ x.T,
              lambda x, a: x @ a, lambda x, a: a < x,
              lambda x, a: a == x, lambda x, a: a ** (x * 0 + 2)):
        y = f(x, a)
        assert type(y) is minidl.Tensor
        np.testing.assert_allclose(y.array, f(x.array, a))


def test_numpy_refuses_a_tensor_in_a_graph_and_shares_memory_otherwise():
    x = leaf(3)
    with pytest.raises(RuntimeError, match=r"x.detach\(\).numpy\(\)"):
        x.numpy()
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(x)
    assert np.shares_memory(x.detach().numpy(), x.array)
    assert np.asarray(x.detach(), dtype=np.float32).dtype == np.float32


def test_repr_shows_numbers_dtype_and_origin():
    assert repr(minidl.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(minidl.tensor([1.0], dtype=minidl.float64, requires_grad=True)) \
        == "tensor([1.], dtype=float64, requires_grad=True)"
    assert "op=Exp()" in repr(leaf(1).exp())
    assert "..." in repr(minidl.zeros(1000))


def test_a_typing_mistake_in_an_attribute_is_an_error():
    with pytest.raises(AttributeError):
        minidl.ones(2).require_grad = True


# ---- requires_grad, leaves


def test_requires_grad_of_a_result_cannot_be_switched_off():
    y = leaf(3) * 2
    with pytest.raises(RuntimeError, match=r"made by Mul\(\) cannot be switched off; use x.detach\(\)"):
        y.requires_grad = False
    assert not y.is_leaf and leaf(3).is_leaf and y.detach().is_leaf


def test_a_leaf_can_stop_and_start_to_require_grad():
    x = leaf(3)
    assert not (x.requires_grad_(False) * 2).requires_grad
    assert (x.requires_grad_() * 2).requires_grad


def test_a_tensor_with_grad_does_not_leak_into_what_was_computed_without():
    x = leaf(3)
    with minidl.no_grad():
        y = x * 2
    assert not y.requires_grad and y.is_leaf


def test_detach_cuts_and_shares():
    x = leaf(3)
    y = x * 2
    z = y.detach()
    assert not z.requires_grad and np.shares_memory(z.array, y.array)
    (x * z).sum().backward()
    close(x.grad, 2 * x.array)                                        # z is a constant


# ---- copies


def test_deepcopy_of_a_leaf_is_independent():
    x = leaf(3)
    x.name = "w"
    x.sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.name == "w"
    close(y.grad, x.grad)
    assert not np.shares_memory(x.array, y.array) and not np.shares_memory(x.grad.array, y.grad.array)
    assert y.version is not x.version
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]


def test_deepcopy_of_a_view_owns_its_memory():
    x = minidl.zeros(4)
    y = copy.deepcopy(x[1:])
    y.fill_(1)
    assert x.tolist() == [0] * 4 and y.version is not x.version


def test_pickle_of_a_leaf_keeps_numbers_dtype_and_requires_grad():
    x = leaf(3)
    x.name = "w"
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad and y.name == "w" and y.dtype == minidl.float64
    close(x, y)
    half = pickle.loads(pickle.dumps(minidl.ones(2, dtype=minidl.float16)))
    assert half.dtype == minidl.float16 and not half.requires_grad


def test_a_parameter_survives_copy_and_pickle_as_a_parameter():
    from minidl import nn
    p = nn.Parameter(minidl.ones(2))
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(q) is nn.Parameter and q.requires_grad and q.tolist() == [1, 1]


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_non_leaf_is_not_copied_whole(copied):
    with pytest.raises(RuntimeError, match=r"only leaves can be copied whole, .* made by Exp\(\)"):
        copied(leaf(3).exp())


# ---- several outputs


def test_split_and_chunk_share_one_node():
    x = leaf(6)
    pieces = x.chunk(3)
    assert len({piece.op.edges[0] for piece in pieces}) == 1
    assert pieces[0].op.edges[0] is not x
    (pieces[0] * 2 + pieces[2]).sum().backward()
    close(x.grad, [2, 2, 0, 0, 1, 1])


def test_indices_of_extremes_are_plain_tensors():
    x = leaf(3, 4)
    for values, indices in (x.max(1), x.min(0), x.sort(1), x.topk(2)):
        assert values.requires_grad and not indices.requires_grad and indices.dtype == minidl.int64


def test_grad_in_one_piece_of_a_split():
    x = leaf(4)
    a, b = x.split(2)
    y = (a * b).sum()
    ga, gx = grad(y, [a, x])
    close(ga, b)
    close(gx, np.concatenate([b.array, a.array]))


# ---- ties and corners, as stated


def test_ties_share_or_the_first_wins():
    x = minidl.tensor([[2.0, 1.0, 2.0]], requires_grad=True)
    close(grad(x.amax(1).sum(), x)[0], [[0.5, 0, 0.5]])
    close(grad(x.max(), x)[0], [[0.5, 0, 0.5]])
    close(grad(x.max(1).values.sum(), x)[0], [[1, 0, 0]])
    y = x.detach().clone().requires_grad_()
    gx, gy = grad(ops.maximum(x, y).sum(), [x, y])
    close(gx, np.full((1, 3), 0.5))
    close(gy, np.full((1, 3), 0.5))


def test_derivatives_at_corners():
    x = minidl.tensor([0.0, 1.0, -1.0], requires_grad=True)
    close(grad(x.abs().sum(), x)[0], [0, 1, -1])
    close(grad(x.clamp(-1, 1).sum(), x)[0], [1, 1, 1])
    close(grad(x.relu().sum(), x)[0], [0, 1, 0])
    close(grad((x ** 0).sum(), x)[0], [0, 0, 0])
    zero = minidl.zeros(2, requires_grad=True)
    close(grad(zero.norm(), zero)[0], [0, 0])
    close(grad(zero.prod(), zero)[0], [0, 0])
