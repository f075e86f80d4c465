"""First values: their distributions, by the formulas of the papers."""
import math

import numpy as np
import pytest
from scipy import stats

import minidl
from minidl import nn
from minidl.nn import init

WEIGHT = (64, 32, 3, 3)                  # 18,432 numbers, fan-in 288, fan-out 576


def filled(function, shape=WEIGHT, **settings):
    x = minidl.empty(shape)
    assert function(x, **settings) is x
    return x.numpy()


def is_sample_of(distribution, values):
    """Kolmogorov and Smirnov find nothing against it (the seed is fixed, so this does not change)."""
    return stats.kstest(values.ravel(), distribution.cdf).pvalue > 0.01


@pytest.mark.parametrize("function, settings, bound", [
    (init.uniform_, {"a": -0.5, "b": 0.5}, 0.5),
    (init.xavier_uniform_, {}, math.sqrt(6 / (288 + 576))),
    (init.xavier_uniform_, {"gain": 5 / 3}, 5 / 3 * math.sqrt(6 / (288 + 576))),
    (init.kaiming_uniform_, {"nonlinearity": "relu"}, math.sqrt(6 / 288)),
    (init.kaiming_uniform_, {"a": math.sqrt(5)}, 1 / math.sqrt(288)),
    (init.kaiming_uniform_, {"a": 0.2, "mode": "fan_out"}, math.sqrt(6 / (1 + 0.04) / 576)),
])
def test_uniform_first_values_fill_their_interval(function, settings, bound):
    assert is_sample_of(stats.uniform(-bound, 2 * bound), filled(function, **settings))


@pytest.mark.parametrize("function, settings, mean, std", [
    (init.normal_, {"mean": 3.0, "std": 0.1}, 3, 0.1),
    (init.xavier_normal_, {}, 0, math.sqrt(2 / (288 + 576))),
    (init.kaiming_normal_, {"nonlinearity": "relu"}, 0, math.sqrt(2 / 288)),
    (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "linear"}, 0, math.sqrt(1 / 576)),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, 0, 5 / 3 / math.sqrt(288)),
])
def test_normal_first_values_have_their_mean_and_deviation(function, settings, mean, std):
    assert is_sample_of(stats.norm(mean, std), filled(function, **settings))


@pytest.mark.parametrize("mean, std, a, b", [(0, 1, -2, 2), (1, 0.5, 1.5, 3), (0, 0.02, -0.04, 0.01),
                                             (0, 1, 3, 4), (1, 0.5, 0.5, 1.2)])
def test_the_truncated_normal_is_a_normal_cut_off(mean, std, a, b):
    values = filled(init.trunc_normal_, mean=mean, std=std, a=a, b=b)
    assert a <= values.min() and values.max() <= b
    assert is_sample_of(stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std), values)


def test_constants():
    assert np.all(filled(init.constant_, val=2.5) == 2.5)
    assert np.all(filled(init.ones_) == 1) and np.all(filled(init.zeros_) == 0)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (4, 9), (6, 2, 3, 3)])
def test_an_orthogonal_weight_has_orthonormal_rows_or_columns(shape):
    w = filled(init.orthogonal_, shape, gain=3).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-5)


def test_orthogonal_matrices_are_drawn_evenly():
    # Under Haar's measure the determinant is as often 1 as -1; without the choice of signs it is not.
    determinants = [np.linalg.det(filled(init.orthogonal_, (3, 3))) for _ in range(400)]
    np.testing.assert_allclose(np.abs(determinants), 1, rtol=1e-4)
    assert 160 < np.sum(np.array(determinants) > 0) < 240
    entries = np.array([filled(init.orthogonal_, (2, 2))[0, 0] for _ in range(400)])
    assert is_sample_of(stats.arcsine(-1, 2), entries)           # the cosine of an even angle


def test_eye_makes_a_linear_layer_hand_on_its_inputs():
    layer = nn.Linear(4, 6, bias=False)
    init.eye_(layer.weight)
    x = minidl.randn(2, 4)
    np.testing.assert_array_equal(layer(x).detach().numpy(), np.pad(x.numpy(), ((0, 0), (0, 2))))


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_makes_a_convolution_hand_on_its_channels(groups):
    layer = nn.Conv2d(4, 4, (3, 5), padding=(1, 2), groups=groups, bias=False)
    init.dirac_(layer.weight, groups)
    x = minidl.randn(2, 4, 6, 7)
    np.testing.assert_array_equal(layer(x).detach().numpy(), x.numpy())


def test_dirac_fills_weights_of_any_number_of_directions():
    assert filled(init.dirac_, (2, 3, 5)).nonzero() == pytest.approx(np.array([[0, 1], [0, 1], [2, 2]]))
    assert filled(init.dirac_, (1, 1, 3, 4, 5))[0, 0, 1, 2, 2] == 1


def test_layers_that_read_nothing_have_first_values_too():
    layer = nn.Linear(0, 3)
    np.testing.assert_array_equal(layer(minidl.zeros(2, 0)).detach().numpy()[0], layer.bias.detach().numpy())


def test_the_same_seed_draws_the_same_weights_and_a_generator_of_ones_own_leaves_the_default_alone():
    minidl.manual_seed(5)
    first, after = nn.Linear(3, 3), minidl.rand(1)
    minidl.manual_seed(5)
    init.normal_(minidl.empty(2, 2), generator=minidl.Generator().manual_seed(1))
    again = nn.Linear(3, 3)
    np.testing.assert_array_equal(first.weight.detach().numpy(), again.weight.detach().numpy())
    assert after.item() == minidl.rand(1).item()
    draws = [filled(init.kaiming_normal_, generator=minidl.Generator().manual_seed(1)) for _ in range(2)]
    np.testing.assert_array_equal(*draws)


def test_parameters_are_filled_without_being_recorded_and_the_change_is_counted():
    p = nn.Parameter(minidl.zeros(3, 3))
    y = (p * p).sum()
    init.xavier_normal_(p)
    assert p.is_leaf and p.requires_grad
    with pytest.raises(RuntimeError, match="normal_ has changed it"):
        y.backward()


def test_float64_weights_have_float64_digits():
    x = minidl.empty(10, 10, dtype=minidl.float64)
    assert init.orthogonal_(x).dtype == minidl.float64
    np.testing.assert_allclose(x.numpy() @ x.numpy().T, np.eye(10), atol=1e-14)


@pytest.mark.parametrize("call, sentence", [
    (lambda: init.kaiming_normal_(minidl.empty(3)), r"a weight \(out, in, ...\), not one of shape \(3,\)"),
    (lambda: init.kaiming_normal_(minidl.empty(3, 3), mode="fan"), "mode is \"fan_in\" or .* not 'fan'"),
    (lambda: init.calculate_gain("gelu"), "no gain is known for 'gelu', only for leaky_relu, linear"),
    (lambda: init.eye_(minidl.empty(3)), r"fills matrices, and this tensor has shape \(3,\)"),
    (lambda: init.dirac_(minidl.empty(3, 3)), r"out divisible by groups=1; this one has shape \(3, 3\)"),
    (lambda: init.dirac_(minidl.empty(3, 3, 1), groups=2), "out divisible by groups=2"),
    (lambda: init.dirac_(minidl.empty(1, 1, 1, 1, 1, 1)), "fills weights"),
    (lambda: init.orthogonal_(minidl.empty(3)), r"fills matrices and weights .* not shape \(3,\)"),
    (lambda: init.trunc_normal_(minidl.empty(3), a=1, b=1), "the interval from a=1 to b=1 is empty"),
])
def test_a_shape_or_a_name_that_does_not_fit_is_an_error(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("layer, bound", [
    (lambda: nn.Linear(100, 300), 1 / math.sqrt(100)), (lambda: nn.Linear(1, 300), 1),
    (lambda: nn.Conv2d(8, 64, 5, groups=2), 1 / math.sqrt(4 * 25)),
    (lambda: nn.Conv1d(20, 64, 5), 1 / math.sqrt(100)),
    (lambda: nn.ConvTranspose2d(40, 32, 5, groups=2), 1 / math.sqrt(16 * 25)),   # its "in" is out / groups
])
def test_layers_start_uniform_in_one_over_the_root_of_fan_in(layer, bound):
    layer = layer()
    assert is_sample_of(stats.uniform(-bound, 2 * bound), layer.weight.detach().numpy())
    assert is_sample_of(stats.uniform(-bound, 2 * bound), layer.bias.detach().numpy())


def test_an_embedding_starts_normal_with_a_row_of_zeros_for_padding():
    layer = nn.Embedding(200, 50, padding_idx=-3)
    assert layer.padding_idx == 197 and not layer.weight[197].detach().numpy().any()
    assert is_sample_of(stats.norm(), np.delete(layer.weight.detach().numpy(), 197, 0))
