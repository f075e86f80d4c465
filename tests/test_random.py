"""Random numbers: seeded, saved and continued; and randomness is an input, so that what was drawn can be replayed."""
import json

import numpy as np
import pytest

import minidl
from minidl import Generator, nn, ops
from minidl.graph import grad
from minidl.mode import mode
from tests.engine import close, leaf


def draws(generator=None):
    kwargs = {} if generator is None else {"generator": generator}
    return [minidl.rand(3, **kwargs).tolist(), minidl.randn(2, 2, **kwargs).tolist(),
            minidl.randint(0, 9, (4,), **kwargs).tolist(), minidl.randperm(5, **kwargs).tolist()]


def test_the_same_seed_draws_the_same_and_another_does_not():
    minidl.manual_seed(7)
    first = draws()
    minidl.manual_seed(7)
    assert draws() == first
    minidl.manual_seed(8)
    assert draws() != first
    assert minidl.initial_seed() == 8


def test_a_generator_of_ones_own_does_not_touch_the_default_one():
    minidl.manual_seed(0)
    first = draws()
    minidl.manual_seed(0)
    mine = draws(Generator().manual_seed(5))
    assert draws() == first
    assert mine == draws(Generator().manual_seed(5)) != first


def test_a_saved_state_continues_where_it_was_even_through_json():
    minidl.manual_seed(3)
    minidl.randn(5)
    state = json.loads(json.dumps(minidl.get_rng_state()))
    ahead = draws()
    minidl.manual_seed(99)
    minidl.set_rng_state(state)
    assert draws() == ahead and minidl.initial_seed() == 3


def test_what_is_drawn_has_the_range_dtype_and_moments_it_should():
    x = minidl.rand(50_000)
    assert x.dtype == np.float32 and 0 <= x.min().item() and x.max().item() < 1 and abs(x.mean().item() - 0.5) < 0.01
    x = minidl.randn(50_000, dtype=minidl.float64)
    assert x.dtype == np.float64 and abs(x.mean().item()) < 0.02 and abs(x.std().item() - 1) < 0.02
    assert set(minidl.randint(-2, 3, (1000,)).tolist()) == {-2, -1, 0, 1, 2}
    assert sorted(minidl.randperm(100).tolist()) == list(range(100))
    assert minidl.rand(4, dtype=minidl.float16).dtype == np.float16


def test_two_generators_without_a_seed_differ():
    assert draws(Generator()) != draws(Generator())


# ---- dropout: the mask is an input, drawn once


def test_backward_draws_nothing_and_uses_the_mask_of_forward():
    x = leaf(200)
    y = ops.dropout(x, 0.4)
    mask = np.where(y.array != 0, 1 / 0.6, 0)
    state = minidl.get_rng_state()
    gx, = grad(y.sum(), x, retain_graph=True)
    g2, = grad((y * y).sum(), x, create_graph=True)
    gg, = grad(g2.sum(), x)
    assert minidl.get_rng_state() == state
    np.testing.assert_allclose(gx.array, mask, rtol=1e-6)
    np.testing.assert_allclose(gg.array, 2 * mask ** 2, rtol=1e-6)


@pytest.mark.parametrize("drop", [ops.dropout, ops.dropout2d, ops.drop_path])
def test_kernel_and_definition_drop_the_same_and_so_do_all_kernel_sets(drop):
    x, found = leaf(8, 5, 3, 2), []
    for settings, kernels in [({}, "cpu"), ({"elementary": True}, "cpu"), ({}, "reference")]:
        minidl.manual_seed(4)
        with mode(**settings), minidl.use_kernels(kernels):
            found.append(drop(x, 0.5).array)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_every_call_drops_something_else_and_eval_and_zero_drop_nothing_and_draw_nothing():
    x = minidl.ones(100)
    assert ops.dropout(x).tolist() != ops.dropout(x).tolist()
    state = minidl.get_rng_state()
    assert ops.dropout(x, training=False).tolist() == x.tolist()
    assert nn.Dropout(0.5).eval()(x).tolist() == x.tolist()
    assert minidl.get_rng_state() == state


def test_a_seed_decides_a_whole_training_bit_for_bit():
    def train():
        minidl.manual_seed(11)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                              nn.Dropout(0.3), nn.Linear(36, 3))
        optimizer = minidl.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(4):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(minidl.randn(16, 1, 8, 8)), minidl.randint(0, 3, (16,))).backward()
            optimizer.step()
        return [x.numpy().copy() for x in model.state_dict().values()]

    for a, b in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- batch norm's running statistics: changed by the layer, once


@pytest.mark.parametrize("elementary", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_running_statistics_move_once_per_forward_whatever_runs(elementary, create_graph):
    layer, x = nn.BatchNorm2d(3, momentum=0.25).double(), leaf(4, 3, 2, 5)
    with mode(elementary=elementary):
        y = layer(x)
    y.square().sum().backward(create_graph=create_graph)
    a = x.array
    close(layer.running_mean, 0.25 * a.mean((0, 2, 3)))
    close(layer.running_var, 0.75 + 0.25 * a.var((0, 2, 3), ddof=1))
    assert layer.num_batches_tracked.item() == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_drawn_in_pieces_is_what_numpy_draws_at_once(dtype):
    n, rng = 2 * minidl.random.PIECE + 77, np.random.default_rng(4)
    single = np.float32 if dtype == np.float32 else np.float64
    wanted = [rng.random(n, single).astype(dtype), rng.standard_normal(n).astype(dtype),
              rng.random(n, single).astype(dtype) * dtype(0.75) + dtype(-0.5),
              rng.standard_normal(n).astype(dtype) * dtype(0.25) + dtype(3)]
    minidl.manual_seed(4)
    x = minidl.empty(n, dtype=dtype)
    drawn = [minidl.rand(n, dtype=dtype), minidl.randn(n, dtype=dtype), x.uniform_(-0.5, 0.25).clone(), x.normal_(3, 0.25)]
    for found, expected in zip(drawn, wanted):
        np.testing.assert_array_equal(found.numpy(), expected)
