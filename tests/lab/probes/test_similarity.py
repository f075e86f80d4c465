"""How alike inputs and their gradients are: closed forms of wide ReLU layers, and matrices made by hand."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.lab import Design, build
from minidl.lab.probes import cosines, gradient_line, gram_spectra
from minidl.lab.probes.gram import spectrum
from minidl.lab.probes.shattering import autocorrelation
from minidl.lab.probes.similarity import mean_cosine


def test_a_mean_cosine_is_the_mean_over_pairs():
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    flat = x.reshape(5, -1)
    pairs = [flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j]) for i in range(5) for j in range(i)]
    assert mean_cosine(x) == pytest.approx(np.mean(pairs))
    assert mean_cosine(np.concatenate([x, 0 * x])) == pytest.approx(np.mean(pairs))       # zeros have no direction
    assert np.isnan(mean_cosine(np.zeros((3, 2))))
    assert mean_cosine(1e-200 * x) == pytest.approx(np.mean(pairs))


def test_a_wide_relu_layer_maps_angles_as_the_arc_cosine_kernels_say():
    """Cho & Saul 2009, "Kernel methods for deep learning": forward kappa_1 = (sin t + (pi - t) cos t) / pi, backward, for
    the gradient in the layer's input, kappa_0 = (pi - t) / pi, at an angle t = 1.2."""
    minidl.manual_seed(0)
    t, model = 1.2, nn.Sequential(nn.Linear(2, 40_000, bias=False), nn.ReLU(), nn.Linear(40_000, 1, bias=False))
    for layer in model[0], model[2]:
        nn.init.normal_(layer.weight)
    rows = cosines(model, np.array([[1, 0], [np.cos(t), np.sin(t)]]))
    linear, relu, last = rows
    assert relu.forward == pytest.approx((np.sin(t) + (np.pi - t) * np.cos(t)) / np.pi, abs=0.015)
    assert linear.backward == pytest.approx((np.pi - t) / np.pi, abs=0.015)
    assert linear.forward == pytest.approx(np.cos(t), abs=0.015)
    assert relu.backward == last.backward == pytest.approx(1)


def test_gradients_of_a_plain_network_with_batch_norm_lose_half_of_their_correlation_per_layer():
    """gradient_laws.md 3.6: 2^-L, measured .0297 at L = 5; here over 12 networks."""
    c = []
    for seed in range(12):
        minidl.manual_seed(seed)
        rows = cosines(build(Design(depth=3, width=128, norm="batch")), minidl.randn(32, 64))
        c.append([row.backward for row in rows if row.kind == "Linear"][::-1])
    np.testing.assert_allclose(np.mean(c, 0)[:4], [1, 1 / 2, 1 / 4, 1 / 8], atol=0.04)


def test_spectra_of_orthogonal_and_of_parallel_gradients():
    eigenvalues, rank, whiteness = spectrum(3 * np.eye(4, 9))
    np.testing.assert_allclose([*eigenvalues, rank, whiteness], [1, 1, 1, 1, 4, 1])
    eigenvalues, rank, whiteness = spectrum(np.outer([1, -2, 3, 4], np.ones(5)))
    np.testing.assert_allclose([*eigenvalues, rank, whiteness], [4, 0, 0, 0, 1, 1 / 4], atol=1e-12)
    eigenvalues, rank, whiteness = spectrum(np.array([[1., 0], [1, 0], [0, 1]]))          # eigenvalues 2, 1, 0
    assert rank == pytest.approx(np.exp(np.log(3) - 2 / 3 * np.log(2))) and whiteness == pytest.approx(9 / (3 * 5))


def test_gradients_of_a_linear_model_are_all_parallel():
    """A shared cotangent gives every example the same gradient."""
    row, = gram_spectra(nn.Linear(3, 5), minidl.randn(6, 3))
    assert row.effective_rank == pytest.approx(1, abs=1e-4)


class Square(nn.Module):
    """One output: the sum of the squares."""

    def forward(self, x):
        return (x * x).sum(1, keepdim=True)


def test_the_slope_on_a_line_is_the_derivative():
    """f(a + t (b - a)) = sum (a + t (b - a))^2, times the random weight of the one output."""
    a, b = np.array([1., -2.]), np.array([0., 3.])
    line = gradient_line(Square(), a, b, points=20, lags=3)
    t = np.linspace(0, 1, 20)
    f = ((a + t[:, None] * (b - a)) ** 2).sum(1)
    weight = line.f[0] / f[0]
    np.testing.assert_allclose(line.f, weight * f)
    np.testing.assert_allclose(line.slope, weight * 2 * ((a + t[:, None] * (b - a)) * (b - a)).sum(1))
    d = line.slope - line.slope.mean()
    np.testing.assert_allclose(line.acf, [np.correlate(d, d, "full")[19 + k] / (d ** 2).sum() for k in range(4)])


def test_autocorrelation_of_a_wave_is_a_wave():
    """cos(w i) over many periods: cos(w k), but for (n - k) / n at the end."""
    n, w = 10_000, 2 * np.pi / 100
    np.testing.assert_allclose(autocorrelation(np.cos(w * np.arange(n)), 30), np.cos(w * np.arange(31)), atol=0.01)


def test_the_slope_of_a_deep_plain_network_is_noise_and_that_of_a_residual_one_is_not():
    """gradient_laws.md 3.6, with 256 inputs from -2 to 2 and width 200: lag 1 of plain-24 with batch norm -0.007, of
    residual-24 0.793."""
    lag1 = {}
    for residual in False, True:
        minidl.manual_seed(0)
        model = build(Design(depth=24, width=200, norm="batch", residual=residual, branch=1, order="pre", in_features=1))
        lag1[residual] = gradient_line(model, [-2.0], [2.0]).acf[1]
    assert abs(lag1[False]) < 0.25 and lag1[True] > 0.6


@pytest.mark.parametrize("probe", [cosines, gram_spectra])
def test_one_example_is_compared_with_nothing(probe):
    with pytest.raises(ValueError, match="the batch has 1"):
        probe(nn.Linear(2, 2), minidl.randn(1, 2))
