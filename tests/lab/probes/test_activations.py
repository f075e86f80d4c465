"""What layers put out: counts by hand, the walk reflected at 0, and what float16 cannot hold."""
import math

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.lab import Design, build, observe
from minidl.lab.probes import activations, batch_norm_std, ranges
from minidl.lab.probes.ranges import range_of
from minidl.nn import functional as F


def of_kind(kind, rows):
    return [row for row in rows if row.kind == kind]


class Functions(nn.Module):
    def __init__(self, *functions):
        super().__init__()
        self.functions = functions

    def forward(self, x):
        for function in self.functions:
            x = function(x)
        return x


@pytest.mark.parametrize("model", [nn.Sequential(nn.ReLU()), Functions(F.relu)], ids=["module", "function"])
def test_zeros_and_dead_units_are_counted(model):
    """Units 1 and 2 are 0 for both examples; of 6 numbers 4 are 0."""
    row, = activations(observe(model, np.array([[1., -1., 0.], [2., -3., 0.]])))
    assert row.kind == "ReLU"
    assert (row.zeros, row.dead) == (pytest.approx(4 / 6), pytest.approx(2 / 3))
    assert (row.mean, row.std) == (pytest.approx(0.5), pytest.approx(math.sqrt(5 / 6 - 0.25)))
    assert row.saturated is None


def test_a_channel_is_dead_only_if_it_is_zero_at_every_pixel():
    x = -np.ones((2, 3, 4, 4))
    x[1, 2, 3, 3] = 1
    row, = activations(observe(nn.ReLU(), x))
    assert row.dead == pytest.approx(2 / 3) and row.zeros == pytest.approx(95 / 96)


@pytest.mark.parametrize("model", [nn.Sequential(nn.Tanh(), nn.Sigmoid()), Functions(minidl.tanh, minidl.sigmoid)],
                         ids=["modules", "functions"])
def test_saturation_is_of_tanh_and_sigmoid(model):
    """tanh(2) = 0.964, tanh(3) = 0.995; no sigmoid of -1 to 1 is saturated."""
    tanh, sigmoid = activations(observe(model, np.array([[-3., -2., 0., 3.]])))
    assert (tanh.saturated, sigmoid.saturated) == (0.5, 0.0)
    row, = activations(observe(nn.Sigmoid(), np.array([[-3.4, -3.5, 3.5, 100.]])))
    assert row.saturated == 0.75                                         # ln(0.97 / 0.03) = 3.476


def test_zeros_after_the_additions_of_a_residual_network_are_those_of_a_reflected_random_walk():
    """gradient_laws.md 3.5: C(2m, m) / 4^m after block b, m = b + 1, from b = 0, the stem; E6 is .002 off at width 300."""
    model = build(Design(depth=16, width=256, residual=True, norm="batch"))
    rows = activations(observe(model, minidl.randn(64, 64)))
    after = [row.zeros for row in rows if row.layer == "act" or row.layer.endswith(".act")]
    expected = [math.comb(2 * m, m) / 4 ** m for m in range(1, 10)]
    np.testing.assert_allclose(after, expected, atol=0.02)


def test_the_std_of_a_batch_norm_is_its_weight():
    """Figure 7 of He et al. 2015; over all numbers of a channel it is |gamma| at eps = 0, and means are beta = 0."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, eps=0.0))
    model[1].weight.array[:] = 0.5
    (name, std), = batch_norm_std(observe(model, minidl.randn(4, 1, 6, 6)))
    assert name == "1" and std == pytest.approx(0.5, rel=1e-5)


def test_without_batch_norm_there_is_a_sentence():
    with pytest.raises(ValueError, match="Linear has no batch norm"):
        batch_norm_std(observe(nn.Linear(2, 2), minidl.randn(3, 2)))


def test_what_float16_cannot_hold():
    """IEEE 754: the largest is 65,504, the smallest with all digits 2^-14 = 6.1e-5, the smallest of all 2^-24 = 6e-8."""
    numbers = np.array([0, 1e-8, 1e-6, -1e-6, 1, 1e5, np.inf, np.nan])
    row = range_of("layer", "activation", numbers, np.dtype("float16"))
    assert row[2:] == ("float16", 1 / 8, 1 / 8, 2 / 8, 1 / 8, 1 / 8, 1 / 8)
    row = range_of("layer", "activation", numbers, np.dtype("float32"))
    assert row[2:] == ("float32", 1 / 8, 0, 0, 0, 1 / 8, 1 / 8)


def test_what_float32_loses_of_a_vanishing_gradient_is_seen_in_float64():
    """56 layers with PyTorch's first weights: the gradient falls by 6 in energy per layer, gradient_laws.md 3.1."""
    minidl.manual_seed(0)
    model, x = build(Design(depth=150, width=16, init="pytorch")), minidl.randn(4, 64)
    gradient = lambda seen: [row for row in ranges(seen) if row.layer == "first" and row.what == "gradient"
                             and row.dtype == "float32"][0]
    assert gradient(observe(model, x)).zeros == 1
    in_float64 = gradient(observe(model, x, dtype=minidl.float64))
    assert in_float64.underflow == 1 - in_float64.zeros > 0
