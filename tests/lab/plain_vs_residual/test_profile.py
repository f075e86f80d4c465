"""Gradient profiles beside matrix products, and rates beside numbers that are known."""
import math

import numpy as np
import pytest
from scipy import stats

import minidl
from minidl.lab.nets import Design, build
from minidl.lab.plain_vs_residual.profile import interval, middle, profile, rate, total


def by_hand(net, x, seed):
    """Trunk and weight gradients of a plain ReLU network in NumPy: the forward pass, then W^T and the masks, last layer
    first."""
    layers = [net.first, *[getattr(net, f"block{b}").linear1 for b in range(1, 4)], net.last]
    ws = [layer.weight.detach().numpy().astype(float) for layer in layers]
    activations = [x]
    for w in ws[:-1]:
        activations.append(np.maximum(activations[-1] @ w.T, 0))
    g = np.random.default_rng(seed).standard_normal((len(x), 10))
    of_weights, trunk = [g.T @ activations[-1]], []
    for w, a, before in zip(ws[:0:-1], activations[:0:-1], activations[-2::-1]):
        trunk.append(g @ w)                                                     # dL/da
        g = trunk[-1] * (a > 0)                                                 # dL/dz
        of_weights.append(g.T @ before)
    return trunk[::-1], of_weights[::-1]


def test_a_profile_is_what_matrix_products_say():
    net = build(Design("mlp", 3, 12))
    x = np.random.default_rng(1).standard_normal((7, 64))
    trunk, weights = by_hand(net, x, seed=5)
    found = profile(net, x, seed=5, dtype=minidl.float64)
    np.testing.assert_allclose(found["trunk"], [np.linalg.norm(g) for g in trunk])
    np.testing.assert_allclose(found["weights"], [np.linalg.norm(g) for g in weights])
    assert found["names"] == ["first", "block1.linear1", "block2.linear1", "block3.linear1", "last"]
    assert found["zeros"] == 0


@pytest.mark.parametrize("order, norm", [("pre", "batch"), ("post", "batch"), ("pre", "none"), ("post", "none")])
def test_the_trunk_of_a_residual_network_is_where_its_blocks_meet(order, norm):
    """At the start of all blocks and behind each: one number more than there are blocks, and the last is the gradient that
    comes from what follows, whatever is inside the blocks."""
    design = Design("cnn", 6, 5, residual=True, order=order, norm=norm)
    net, x = build(design), np.random.default_rng(0).standard_normal((4, 1, 8, 8))
    found = profile(net, x, dtype=minidl.float64)
    assert len(found["trunk"]) == 4 and len(found["weights"]) == 8
    with minidl.no_grad():                                                      # branches of zeros: nothing is added
        for name, p in net.named_parameters():
            if "conv" in name:
                p.zero_()
    after = profile(net, x, dtype=minidl.float64)["trunk"]
    # x (+ 0) is handed on; and with post, relu(x) = x, except that the gradient of a 0 is taken away once.
    np.testing.assert_allclose(after if order == "pre" else after[:-1], after[0])


def test_the_norm_of_tiny_float32_numbers_is_no_zero():
    """28 layers of sqrt(0.01 / 2) make 1e-32, and (1e-32)^2 has no float32."""
    net = build(Design("mlp", 28, 8, init=0.01))
    found = profile(net, np.ones((4, 64), np.float32))
    assert 0 < found["trunk"][0] < 1e-25


@pytest.mark.parametrize("length", [4, 5, 10, 55])
def test_the_rate_of_a_geometric_trunk_is_its_factor(length):
    trunks = [7 * 1.211 ** -np.arange(length), 0.3 * 1.211 ** -np.arange(length)]
    found = rate(trunks)
    np.testing.assert_allclose(found, [1.211] * 3)
    np.testing.assert_allclose(rate(trunks, layers_per_block=2), [math.sqrt(1.211)] * 3)
    np.testing.assert_allclose(total(trunks), [1.211 ** (length - 1)] * 3)


def test_only_the_middle_is_fitted():
    assert middle(4) == slice(0, 4) and middle(10) == slice(1, 9) and middle(55) == slice(6, 49)
    trunk = 1.3 ** -np.arange(55.0)
    trunk[:6], trunk[49:] = 1e9, 1e-9
    np.testing.assert_allclose(rate([trunk]).factor, 1.3)


def test_the_interval_is_students():
    """SciPy's own interval for a mean."""
    logs = [0.19, 0.2, 0.24, 0.17]
    low, high = stats.t.interval(0.95, 3, np.mean(logs), stats.sem(logs))
    np.testing.assert_allclose(interval(logs), np.exp([np.mean(logs), low, high]))
    assert interval([0.2]).high > 1e300                                          # one net says nothing about others


def test_a_trunk_that_underflows_has_no_rate():
    assert math.isnan(rate([[0, 0, 0, 1e-30, 1]]).factor) and math.isnan(total([[0, 1]]).factor)
