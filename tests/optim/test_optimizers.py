"""Optimizers: what their papers say, in other words; against PyTorch in test_optim_parity.py."""
import json
import math

import numpy as np
import pytest

import minidl
from minidl import nn, optim

ALL = [optim.SGD, optim.Adagrad, optim.RMSprop, optim.RMSpropTF, optim.Adam, optim.AdamW]
REMEMBER = [(optim.SGD, {"momentum": 0.9, "nesterov": True}), (optim.Adagrad, {"lr_decay": 0.1}),
            (optim.RMSprop, {"momentum": 0.9, "centered": True}), (optim.Adam, {"amsgrad": True}),
            (optim.RMSpropTF, {"momentum": 0.9}), (optim.AdamW, {})]


def parameter(*numbers, dtype=minidl.float64):
    return nn.Parameter(minidl.tensor(numbers, dtype=dtype))


def steps(make, start, gradients):
    """Where a parameter goes under the given gradients, one after the other."""
    p = parameter(*np.atleast_1d(start))
    optimizer, path = make([p]), []
    for g in gradients:
        p.grad = minidl.tensor(np.atleast_1d(g), dtype=p.dtype)
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.array(path)


# ---- the updates

def test_sgd_goes_down_the_gradient():
    np.testing.assert_allclose(steps(lambda p: optim.SGD(p, lr=0.1), [1, 2], [[3, -4]]), [[0.7, 2.4]])


def test_momentum_is_a_weighted_sum_of_all_gradients_so_far(rng):
    g = rng.standard_normal(6)
    path = steps(lambda p: optim.SGD(p, lr=0.1, momentum=0.8), 0, g)[:, 0]
    v = [sum(0.8 ** (t - s) * g[s] for s in range(t + 1)) for t in range(6)]
    np.testing.assert_allclose(path, -0.1 * np.cumsum(v))


def test_nesterov_is_momentum_with_the_gradient_taken_where_it_leads():
    """Sutskever et al. 2013, equations 3 and 4, v <- mu v - lr f'(theta + mu v), theta <- theta + v: the
    parameter here is their theta + mu v."""
    lr, mu, theta, v, places = 0.1, 0.9, 1.0, 0.0, []
    for _ in range(8):
        v = mu * v - lr * (theta + mu * v)               # f'(x) = x
        theta += v
        places.append(theta + mu * v)
    p = parameter(1.0)
    optimizer = optim.SGD([p], lr=lr, momentum=mu, nesterov=True)
    for place in places:
        p.grad = p.detach().clone()
        optimizer.step()
        assert p.item() == pytest.approx(place)


def test_weight_decay_is_the_gradient_of_half_the_squared_norm():
    path = steps(lambda p: optim.SGD(p, lr=0.1, weight_decay=0.5), 2, [0, 0, 0])
    np.testing.assert_allclose(path[:, 0], 2 * 0.95 ** np.arange(1, 4))


@pytest.mark.parametrize("cls", ALL)
def test_maximize_climbs(cls):
    up = steps(lambda p: cls(p, lr=0.1, maximize=True), 1, [2, 3, -1])
    down = steps(lambda p: cls(p, lr=0.1), 1, [-2, -3, 1])
    np.testing.assert_array_equal(up, down)


def test_adagrad_divides_by_the_norm_of_all_gradients_so_far(rng):
    g = rng.standard_normal(5)
    path = steps(lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.3), 0, g)[:, 0]
    moves = [g[t] / math.sqrt(0.3 + sum(g[:t + 1] ** 2)) for t in range(5)]
    np.testing.assert_allclose(path, -0.1 * np.cumsum(moves))


def test_rmsprop_settles_at_steps_of_the_learning_rate_whatever_the_gradients_scale():
    for scale in 1e-3, 1e3:
        path = steps(lambda p: optim.RMSprop(p, lr=0.1, alpha=0.5), 0, [scale] * 60)[:, 0]
        assert path[-2] - path[-1] == pytest.approx(0.1, rel=1e-4)


def test_centered_rmsprop_divides_by_the_deviation(rng):
    g, alpha = rng.standard_normal(4), 0.9
    path = steps(lambda p: optim.RMSprop(p, lr=0.1, alpha=alpha, centered=True), 0, g)[:, 0]
    weights = [np.array([(1 - alpha) * alpha ** (t - s) for s in range(t + 1)]) for t in range(4)]
    deviations = [math.sqrt((w * g[:t + 1] ** 2).sum() - (w * g[:t + 1]).sum() ** 2)
                  for t, w in enumerate(weights)]
    np.testing.assert_allclose(path, -0.1 * np.cumsum(g / deviations), rtol=1e-6)


def test_tensorflows_rmsprop_is_its_update_rule_written_out(rng):
    """tf.compat.v1.train.RMSPropOptimizer as its documentation states it, with mean squares that start at 1."""
    g, rates, alpha, momentum, eps = rng.standard_normal(7), rng.uniform(0.1, 1, 7), 0.8, 0.9, 0.5
    p = parameter(2.0)
    optimizer = optim.RMSpropTF([p], alpha=alpha, momentum=momentum, eps=eps)
    moves = []
    for t in range(7):
        mean_square = alpha ** (t + 1) + sum((1 - alpha) * alpha ** (t - s) * g[s] ** 2 for s in range(t + 1))
        moves.append(rates[t] * g[t] / math.sqrt(mean_square + eps))
        optimizer.param_groups[0]["lr"], p.grad = rates[t], minidl.tensor(g[t:t + 1])
        optimizer.step()
        moved = sum(momentum ** (s - r) * moves[r] for s in range(t + 1) for r in range(s + 1))
        assert p.item() == pytest.approx(2 - moved, rel=1e-12)


def test_adams_first_step_has_the_length_of_the_learning_rate():
    """Kingma & Ba 2015, section 2.1: |step| is about lr; at t = 1 exactly, but for eps."""
    path = steps(lambda p: optim.Adam(p, lr=0.01, eps=1e-12), [0, 0, 0], [[1e-4, -3, 500]])
    np.testing.assert_allclose(path[0], [-0.01, 0.01, -0.01], rtol=1e-6)


def test_adam_is_its_averages_written_out(rng):
    g, beta1, beta2 = rng.standard_normal(6), 0.7, 0.95
    path = steps(lambda p: optim.Adam(p, lr=0.1, betas=(beta1, beta2), eps=0.01), 0, g)[:, 0]

    def average(values, beta):                           # a weighted mean, whose weights add up to 1
        weights = beta ** np.arange(len(values))[::-1]
        return (weights * values).sum() / weights.sum()

    moves = [average(g[:t], beta1) / (math.sqrt(average(g[:t] ** 2, beta2)) + 0.01) for t in range(1, 7)]
    np.testing.assert_allclose(path, -0.1 * np.cumsum(moves))


def test_amsgrad_never_forgets_a_large_gradient():
    def last_move(amsgrad):
        path = steps(lambda p: optim.Adam(p, betas=(0, 0.5), amsgrad=amsgrad), 0, [1, 100, 1, 1, 1, 1, 1, 1])
        return abs(path[-1] - path[-2])

    assert last_move(amsgrad=True) < 0.2 * last_move(amsgrad=False)


def test_adamw_shrinks_weights_by_themselves_and_adam_through_the_gradient():
    shrunk = steps(lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.2), [5, -1], [[0, 0]] * 3)
    np.testing.assert_allclose(shrunk[-1], np.array([5, -1]) * 0.98 ** 3)
    pushed = steps(lambda p: optim.Adam(p, lr=0.1, weight_decay=0.2), [5, -1], [[0, 0]])
    np.testing.assert_allclose(pushed[0], [4.9, -0.9], rtol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_every_optimizer_finds_the_bottom_of_a_bowl(cls):
    p = parameter(3.0, -2.0)
    optimizer = cls([p], lr={optim.Adagrad: 1.0}.get(cls, 0.1))
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((p - minidl.tensor([1.0, 0.5])) ** 2).sum()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), [1, 0.5], atol=0.15 if cls is optim.RMSprop else 0.03)


# ---- what may not go wrong

@pytest.mark.parametrize("cls, settings", REMEMBER)
def test_zero_and_constant_gradients_make_no_nan(cls, settings):
    for g in 0.0, 0.1:
        assert np.isfinite(steps(lambda p: cls(p, lr=0.1, **settings), 1, [g] * 400)).all()


@pytest.mark.parametrize("cls, settings", REMEMBER)
def test_a_gradient_that_is_nan_shows_in_the_weights(cls, settings):
    path = steps(lambda p: cls(p, **settings), [1, 1], [[math.nan, 1]])
    assert np.isnan(path[-1, 0]) and np.isfinite(path[-1, 1])


@pytest.mark.parametrize("cls, settings", REMEMBER)
def test_float32_stays_float32_also_with_numpys_numbers_for_settings(cls, settings):
    p, scalar = parameter(1.0, 2.0, dtype=minidl.float32), nn.Parameter(minidl.tensor(1.0))
    memory = p.array
    optimizer = cls([p, scalar], lr=np.float64(0.1), weight_decay=np.float32(0.1), **settings)
    for _ in range(3):
        p.grad, scalar.grad = minidl.ones(2), minidl.tensor(1.0)
        optimizer.step()
    assert p.array is memory and p.dtype == minidl.float32 and scalar.shape == () and scalar.item() < 1
    for state in optimizer.state.values():
        assert all(x.dtype == np.float32 for name, x in state.items() if name != "step")
    assert optimizer.state[scalar].get("momentum_buffer", np.zeros(())).shape == ()


@pytest.mark.parametrize("cls, settings", REMEMBER)
def test_a_step_leaves_gradients_alone_and_skips_parameters_without_one(cls, settings):
    p, idle, g = parameter(1.0), parameter(5.0), minidl.tensor([2.0], dtype=minidl.float64)
    p.grad = g
    optimizer = cls([p, idle], weight_decay=0.1, maximize=True, **settings)
    optimizer.step()
    optimizer.step()
    assert p.grad is g and g.item() == 2 and idle.item() == 5 and idle not in optimizer.state


def test_a_step_between_forward_and_backward_is_caught():
    p = parameter(1.0)
    optimizer = optim.SGD([p])
    loss = (p ** 2).sum()
    p.grad = minidl.ones(1, dtype=p.dtype)
    optimizer.step()
    with pytest.raises(RuntimeError, match="SGD.step has changed it in place"):
        loss.backward()


def test_gradients_are_forgotten_or_zeroed():
    p = parameter(1.0)
    optimizer = optim.SGD([p])
    p.grad = minidl.ones(1, dtype=p.dtype)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0
    optimizer.zero_grad()
    assert p.grad is None


def test_a_closure_computes_the_loss_before_the_step_with_recording_on():
    p = parameter(2.0)
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p ** 2).sum()
        loss.backward()
        return loss

    with minidl.no_grad():
        assert optimizer.step(closure).item() == 4
    assert p.item() == 0


# ---- groups and settings

def test_groups_have_settings_of_their_own():
    a, b, c = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    optimizer.add_param_group({"params": (c,), "lr": 0.5, "weight_decay": 1.0})
    for p in a, b, c:
        p.grad = minidl.ones(1, dtype=p.dtype)
    optimizer.step()
    assert [round(p.item(), 12) for p in (a, b, c)] == [0.9, 0, 0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 1.0, 0.5]


@pytest.mark.parametrize("make, error, sentence", [
    (lambda p: optim.SGD([]), ValueError, "SGD: there are no parameters"),
    (lambda p: optim.SGD(p), TypeError, "SGD: parameters come as a list .* not as one Parameter"),
    (lambda p: optim.SGD([p, p]), ValueError, r"SGD: a parameter of shape \(1,\) comes twice"),
    (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), ValueError, "comes twice"),
    (lambda p: optim.SGD([p * 2]), ValueError, r"was computed by Mul\(\); only leaves"),
    (lambda p: optim.SGD([("w", p)]), TypeError, "SGD: parameters are tensors, not tuple"),
    (lambda p: optim.SGD([p], lr=-1), ValueError, "SGD: lr is a number of at least 0, not -1"),
    (lambda p: optim.SGD([p], lr=math.nan), ValueError, "SGD: lr is a number of at least 0, not nan"),
    (lambda p: optim.SGD([p], lr="0.1"), ValueError, "SGD: lr is a number of at least 0, not '0.1'"),
    (lambda p: optim.SGD([{"params": p, "momentum": -0.1}]), ValueError, "SGD: momentum is a number"),
    (lambda p: optim.SGD([p], nesterov=True), ValueError, "SGD: nesterov needs momentum and no dampening"),
    (lambda p: optim.SGD([p], momentum=1, dampening=0.1, nesterov=True), ValueError, "SGD: nesterov needs"),
    (lambda p: optim.Adam([p], betas=(0.9, 1)), ValueError, r"Adam: betas are two numbers .* not \(0.9, 1\)"),
    (lambda p: optim.AdamW([p], eps=-1e-8), ValueError, "AdamW: eps is a number"),
    (lambda p: optim.RMSprop([p], lr=-1), ValueError, "RMSprop: lr is a number"),
    (lambda p: optim.RMSprop([p], alpha=1.1), ValueError, "RMSprop: alpha is a number from 0 to 1, not 1.1"),
    (lambda p: optim.Adagrad([p], lr_decay=-1), ValueError, "Adagrad: lr_decay is a number"),
])
def test_what_cannot_be_is_refused_with_a_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make(parameter(1.0))


def test_settings_at_their_bounds_are_accepted():
    p = parameter(1.0)
    optim.SGD([p], lr=0, momentum=0, weight_decay=0)
    optim.RMSprop([p], alpha=1)
    optim.Adam([p], betas=(0, 0), eps=0)


# ---- the state, out and in

def through_a_file(tree, path):
    """The tree as JSON, with its arrays in an npz file: what pickle-free saving does."""
    arrays = {}

    def packed(x):
        if isinstance(x, dict):
            return {key: packed(value) for key, value in x.items()}
        if isinstance(x, np.ndarray):
            arrays[str(len(arrays))] = x
            return {"array": str(len(arrays) - 1)}
        return [packed(value) for value in x] if isinstance(x, (list, tuple)) else x

    text = json.dumps(packed(tree))
    np.savez(path, **arrays)
    loaded = np.load(path, allow_pickle=False)
    return json.loads(text, object_hook=lambda d: loaded[d["array"]] if list(d) == ["array"] else d)


@pytest.mark.parametrize("cls, settings", REMEMBER)
def test_training_continues_bit_for_bit_from_a_state_dict_in_a_file(cls, settings, tmp_path, rng):
    gradients = rng.standard_normal((6, 3))

    def run(p, optimizer, gradients):
        for g in gradients:
            p.grad = minidl.tensor(g)
            optimizer.step()

    p = parameter(1.0, 2.0, 3.0)
    optimizer = cls([p], lr=0.1, **settings)
    run(p, optimizer, gradients[:3])
    again = nn.Parameter(p.detach().clone())
    resumed = cls([{"params": [again]}], lr=99, **settings)
    state = through_a_file(optimizer.state_dict(), tmp_path / "state.npz")
    resumed.load_state_dict(state)
    run(p, optimizer, gradients[3:])
    run(again, resumed, gradients[3:])
    np.testing.assert_array_equal(p.detach().numpy(), again.detach().numpy())
    assert resumed.param_groups[0]["lr"] == 0.1


def test_a_state_dict_that_does_not_fit_changes_nothing():
    def trained(*shapes):
        optimizer = optim.SGD([parameter(*np.ones(n)) for n in shapes], lr=0.1, momentum=0.9)
        for p in optimizer.param_groups[0]["params"]:
            p.grad = minidl.ones(p.shape, dtype=p.dtype)
        optimizer.step()
        return optimizer

    optimizer = trained(2, 3)
    before = dict(optimizer.state)
    with pytest.raises(ValueError, match=r"groups of \[3\] parameters, this optimizer of \[2\]"):
        optimizer.load_state_dict(trained(2, 3, 1).state_dict())
    with pytest.raises(ValueError, match=r"momentum_buffer has shape \(4,\) .* but its parameter \(3,\)"):
        optimizer.load_state_dict(trained(2, 4).state_dict())
    with pytest.raises(ValueError, match="nothing about dampening, momentum, nesterov; is it another"):
        optimizer.load_state_dict(optim.Adam([parameter(1.0), parameter(1.0)]).state_dict())
    wrong = trained(2, 3).state_dict()
    wrong["param_groups"][0]["lr"] = -1
    with pytest.raises(ValueError, match="SGD: lr is a number"):
        optimizer.load_state_dict(wrong)
    assert optimizer.state == before and optimizer.param_groups[0]["lr"] == 0.1


def test_a_loaded_state_has_memory_of_its_own():
    first, second = optim.SGD([parameter(1.0)], momentum=0.9), optim.SGD([parameter(1.0)], momentum=0.9)
    for optimizer in first, second:
        optimizer.param_groups[0]["params"][0].grad = minidl.ones(1, dtype=minidl.float64)
    first.step()
    second.load_state_dict(first.state_dict())
    second.step()
    (state,) = first.state.values()
    assert state["momentum_buffer"].tolist() == [1]
