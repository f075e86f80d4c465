"""Norms of gradients and of updates, held against NumPy, Euler's theorem and a real step."""
import copy

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.lab import Design, build, observe
from minidl.lab.probes import GradientHistory, activation_gradients, updates, weight_gradients, weight_norms
from minidl.nn import functional as F


def test_norms_of_activation_gradients_through_linear_layers_are_those_of_numpy():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)).double(), np.ones((6, 3))
    gy = np.random.default_rng(0).standard_normal((6, 5))
    first, last = activation_gradients(observe(model, x, cotangent=gy))
    expected = gy @ model[1].weight.detach().numpy()
    assert (first.layer, last.layer) == ("0", "1")
    assert first.norm == pytest.approx(np.sqrt((expected ** 2).sum()), rel=1e-12)
    assert first.rms == pytest.approx(np.sqrt((expected ** 2).mean()), rel=1e-12)
    assert last.norm == pytest.approx(np.sqrt((gy ** 2).sum()), rel=1e-12)


def test_a_norm_of_float32_numbers_whose_squares_underflow_is_not_zero():
    seen = observe(nn.Linear(2, 2), minidl.randn(3, 2), cotangent=np.full((3, 2), 1e-30))
    row, = activation_gradients(seen)
    assert row.norm == pytest.approx(1e-30 * np.sqrt(6), rel=1e-6)


@pytest.mark.parametrize("init", ["he", "xavier", "pytorch"])
def test_eulers_theorem_the_product_of_weight_and_gradient_is_the_same_for_every_layer(init):
    """f is homogeneous of degree 1 in each weight, so <w, df/dw> = f; gradient_laws.md 3.2 has 4e-15 over 31 layers."""
    model = build(Design(depth=20, width=30, init=init)).double()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    seen = observe(model, np.random.default_rng(0).standard_normal((8, 64)))
    products = [(layer.w * layer.gw).sum() for layer in seen.layers if layer.weight]
    assert len(products) == 22
    np.testing.assert_allclose(products, seen.loss, rtol=1e-10)
    rows = {row.parameter: row for row in weight_gradients(seen)}
    w, gw = seen.layer("first").w, seen.layer("first").gw
    assert rows["first.weight"].norm == pytest.approx(np.sqrt((gw ** 2).sum()))
    assert rows["first.weight"].ratio == pytest.approx(np.sqrt((gw ** 2).sum() / (w ** 2).sum()))
    assert np.isnan(rows["first.bias"].ratio)                            # of a weight of 0


def test_the_update_of_gradient_descent_is_the_rate_times_the_gradient():
    model, x = nn.Linear(4, 3), minidl.randn(5, 4)
    loss = lambda y: (y * y).sum()
    seen = observe(model, x, loss=loss)
    weight, bias = updates(model, optim.SGD(model.parameters(), 0.01), x, loss)
    expected = 0.01 * np.linalg.norm(seen.layers[0].gw) / np.linalg.norm(seen.layers[0].w)
    assert (weight.parameter, bias.parameter) == ("weight", "bias")
    assert weight.ratio == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimizer", [lambda ps: optim.SGD(ps, 0.1, momentum=0.9, weight_decay=0.01),
                                       lambda ps: optim.Adam(ps, 0.01), lambda ps: optim.RMSprop(ps, 0.01)])
def test_an_update_is_the_one_that_the_next_step_makes(optimizer):
    """With the momentum of two steps before; and parameters that the optimizer does not have are not in the answer."""
    model, x = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)), minidl.randn(5, 4)
    loss = lambda y: F.cross_entropy(y, minidl.tensor([0, 1, 2, 0, 1]))
    optimizer = optimizer(model[2].parameters())
    for _ in range(2):
        model.zero_grad()
        loss(model(x)).backward()
        optimizer.step()
    rows = updates(model, optimizer, x, loss)
    before = copy.deepcopy(model)
    model.zero_grad()
    loss(model(x)).backward()
    optimizer.step()
    made = {name: np.linalg.norm(p.array - q.array)
            for (name, p), (_, q) in zip(model.named_parameters(), before.named_parameters()) if name.startswith("2")}
    assert {row.parameter: pytest.approx(row.update, rel=1e-4) for row in rows} == made


def test_a_history_has_a_row_for_each_layer_and_a_column_for_each_step():
    model, history = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), GradientHistory()
    for step in (0, 10):
        model.zero_grad()
        model(minidl.randn(4, 2)).sum().backward()
        history.add(step, weight_norms(model))
    history.add(20, {"1.weight": 7.0})
    assert history.layers == ["0.weight", "1.weight"] and history.steps == [0, 10, 20]
    assert history.matrix().shape == (2, 3) and history.matrix()[1, 2] == 7 and np.isnan(history.matrix()[0, 2])
    assert history.matrix()[0, 1] == pytest.approx(np.linalg.norm(model[0].weight.grad.array), rel=1e-6)
