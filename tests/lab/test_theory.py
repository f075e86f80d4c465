"""The lab's theory against numbers from elsewhere: papers, quadrature of another kind, plain NumPy experiments.

"E21" and the like are the experiments of the notes that the lab was planned from, made in NumPy before minidl's code.
"""
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from minidl.lab.theory import batch_norm, correlation, finite, gaussian, paths, plain, reflected, residual, spectra
from minidl.lab.theory.batch_norm import A

# ---- gaussian


@pytest.mark.parametrize("name", gaussian.ACTIVATIONS)
def test_expectations_are_those_of_adaptive_quadrature(name):
    f, slope = gaussian.ACTIVATIONS[name]
    for g in (lambda z: f(1.7 * z) ** 2, lambda z: slope(1.7 * z) ** 2):
        halves = [integrate.quad(lambda z: float(g(np.array(z))) * stats.norm.pdf(z), *ends, epsabs=1e-13, epsrel=1e-12)[0]
                  for ends in ((-13, -1e-300), (1e-300, 13))]
        assert gaussian.mean(g) == pytest.approx(sum(halves), rel=1e-10)


@pytest.mark.parametrize("name", gaussian.ACTIVATIONS)
def test_derivatives_are_those_of_finite_differences(name):
    f, slope = gaussian.ACTIVATIONS[name]
    x = np.array([-3.1, -1.2, -0.3, 0.2, 0.9, 2.7])
    np.testing.assert_allclose(slope(x), (f(x + 1e-6) - f(x - 1e-6)) / 2e-6, atol=1e-8)


def test_an_activation_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="no activation 'swish'; there are linear, relu"):
        gaussian.activation("swish")


# ---- plain

CHI = [("linear", 1, 0, 1.0), ("relu", 2, 0, 1.0), ("relu", 1, 0, 0.5), ("relu", 1 / 3, 0, 1 / 6), ("tanh", 1.3, 0.05, 0.8802),
       ("tanh", 2.5, 0.05, 1.1335), ("tanh", 4.0, 0.05, 1.3424), ("sigmoid", 1, 0, 0.0557), ("sigmoid", 16, 0, 0.3989)]


@pytest.mark.parametrize("phi, sigma_w2, sigma_b2, expected", CHI)
def test_chi_is_as_in_experiment_1(phi, sigma_w2, sigma_b2, expected):
    """The theory column of E1, there by Gauss-Hermite quadrature."""
    assert plain.rate(phi, sigma_w2, sigma_b2) == pytest.approx(expected, abs=2.5e-3)


@pytest.mark.parametrize("sigma_b2, expected", [(.001, 1.1892), (.01, 1.4242), (.05, 1.7610), (.1, 1.9861), (.2, 2.2852),
                                                (.5, 2.8432)])
def test_the_critical_line_of_tanh(sigma_b2, expected):
    """E21."""
    found = plain.critical_sigma_w2(sigma_b2)
    assert found == pytest.approx(expected, abs=2e-4)
    assert plain.rate("tanh", found, sigma_b2) == pytest.approx(1, abs=1e-6)


def test_the_critical_line_needs_biases():
    with pytest.raises(ValueError, match="above 0, not 0"):
        plain.critical_sigma_w2(0)


def test_sigmoid_at_xavier_forgets_a_gradient_within_a_third_of_a_layer():
    """E21: q* = 0.2647, chi = 0.05572, depth scale 0.35 layers."""
    assert plain.fixed_point("sigmoid", 1) == pytest.approx(0.2647, abs=1e-4)
    assert plain.rate("sigmoid", 1) == pytest.approx(0.05572, abs=1e-5)
    assert plain.depth_scale(0.05572) == pytest.approx(0.35, abs=0.005)


def test_tanh_explodes_with_the_gain_of_five_thirds():
    assert plain.rate("tanh", 25 / 9) == pytest.approx(1.2098, abs=1e-4)


def test_tanh_at_xavier_vanishes_like_one_by_depth():
    """Section 3.1: L times the product is 0.714, 0.719, 0.713, 0.709 at L = 10, 30, 100, 400."""
    scaled = [depth * plain.energies(depth + 1, "tanh", 1)[0] for depth in (10, 30, 100, 400)]
    np.testing.assert_allclose(scaled, [0.714, 0.719, 0.713, 0.709], atol=0.002)


def test_lengths_that_grow_without_end_are_inf():
    assert plain.fixed_point("linear", 1.5) == math.inf


# ---- batch norm


@pytest.mark.parametrize("phi, expected", [("relu", 1.4669), ("tanh", 1.1778), ("gelu", 1.3188), ("silu", 1.2121),
                                           ("elu", 1.0790), ("sigmoid", 1.0336), ("abs", 2.7519), ("linear", 1.0)])
def test_rates_with_batch_norm(phi, expected):
    """E21."""
    assert batch_norm.rate(phi) == pytest.approx(expected, abs=1e-4)


def test_the_rate_of_a_leaky_relu_given_as_functions():
    """E21: slope 0.2, 1.2436."""
    leaky = lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1.0, 0.2)
    assert batch_norm.rate(leaky) == pytest.approx(1.2436, abs=1e-4)


@pytest.mark.parametrize("batch", [5, 6, 8, 32, 128, 512, 10_000])
def test_the_rate_of_any_activation_is_theorem_8_where_that_has_a_formula(batch):
    assert batch_norm.rate("relu", batch) == pytest.approx(batch_norm.rate_relu(batch), rel=1e-9)
    assert batch_norm.rate("linear", batch) == pytest.approx(batch_norm.rate_linear(batch), rel=1e-9)


def test_theorem_8_in_numbers():
    """Row 9 of the notes: 1.788 (B = 8), 1.522 (32), 1.480 (128), 1.470 (512); the limit pi / (pi - 1)."""
    assert [round(batch_norm.rate_relu(b), 3) for b in (8, 32, 128, 512)] == [1.788, 1.522, 1.480, 1.470]
    assert batch_norm.rate_relu(1e9) == pytest.approx(A) and pytest.approx(1.466942, abs=1e-6) == A


@pytest.mark.parametrize("phi", ["tanh", "relu", "gelu"])
def test_the_rate_of_a_small_batch_is_that_of_one_layer_in_numpy(phi, rng):
    """20,000 units of one batch of 12, their z normal with the covariance that the derivation starts from, and batch norm's
    gradient by Ioffe & Szegedy's formula. What a gradient's energy is multiplied by has a standard error of 1.2 %."""
    B, units = 12, 20_000
    f, slope = gaussian.ACTIVATIONS[phi]
    centre = lambda a: a - a.mean(0)
    normed = lambda z: centre(z) / centre(z).std(0)
    phi_u = f(normed(rng.standard_normal((B, units))))
    gram = centre(centre(phi_u @ phi_u.T / units).T)                          # of the next layer's z, by sigma_w^2
    s2 = np.trace(gram) / (B - 1)
    z = math.sqrt(s2) * centre(rng.standard_normal((B, units)))
    u = normed(z)
    g = slope(u) * centre(rng.standard_normal((B, units)))                    # what W' delta is, by sigma_w^2
    gz = (g - g.mean(0) - u * (g * u).mean(0)) / z.std(0)
    assert (gz ** 2).sum() / (units * (B - 1)) == pytest.approx(batch_norm.rate(phi, B), rel=0.04)


def test_batches_of_three_have_no_rate():
    with pytest.raises(ValueError, match="infinite for batches of 3 or less, not 3"):
        batch_norm.rate("relu", 3)


# ---- residual


def test_residual_growth():
    """Zhang et al. 2019: 2 per block; section 3.5: (1 + 1/50)^50 = 2.69 for alpha = 1/sqrt(50)."""
    assert residual.growth() == 2
    assert residual.total_growth(50, 50 ** -0.5) == pytest.approx(2.6916, abs=1e-4)


def test_the_power_law_of_residual_networks_with_batch_norm():
    """Section 3.5: slope (pi - 1) / pi = 0.6817, exponents -1.467 and -2.152, and the product has that slope far up."""
    assert np.diff(residual.variances(9)) == pytest.approx(0.68169)
    assert [residual.exponent(k) for k in (1, 2)] == pytest.approx([-1.467, -2.152], abs=1e-3)
    energies = residual.energies(4000, 2)
    assert math.log(energies[4000] / energies[1000]) / math.log(4) == pytest.approx(-2.152, abs=0.01)


@pytest.mark.parametrize("block, expected", [(50, 0.0191)])
def test_the_share_of_a_branch(block, expected):
    """Row 12 of the notes, v0 = 1."""
    assert residual.share(block) == pytest.approx(expected, abs=1e-4)
    v = residual.variances(block + 1)
    assert residual.share(block) == pytest.approx((v[-1] - v[-2]) / v[-1])


def test_the_slider_from_plain_to_residual():
    """Row 4: 1.864, 1.415, 1.219 at lambda = .5, .8, .9 with two layers in a branch."""
    assert [residual.slider(s) for s in (0.5, 0.8, 0.9)] == pytest.approx([1.864, 1.415, 1.219], abs=1e-3)
    assert residual.slider(0, 3) == A ** 3 and residual.slider(1) == 1


@pytest.mark.parametrize("sigma_w2, recursion, limit", [(1, 15.17, 15.05), (0.25, 7.52, 7.52)])
def test_tanh_residuals_grow_with_the_root_of_the_depth(sigma_w2, recursion, limit):
    """Row 8, L = 200: the recursion and its limit."""
    assert math.log(residual.tanh_energies(200, sigma_w2, sigma_w2)[0]) == pytest.approx(recursion, rel=0.02)
    assert residual.tanh_log_growth(200, sigma_w2) == pytest.approx(limit, abs=0.01)


# ---- reflected


def test_reflected_walks_in_numpy(rng):
    """20,000 walks with a floor, steps uniform (their distribution should not matter): zeros, and uncut paths."""
    x, blocks = np.zeros(20_000), 20
    states = []
    for _ in range(blocks + 1):
        x = np.maximum(0, x + rng.uniform(-1, 1, len(x)))
        states.append(x > 0)
    alive = np.array(states)                                                  # (blocks + 1, walks)
    for b in (0, 1, 2, 5, 20):
        assert reflected.zero_fraction(b) == pytest.approx(1 - alive[b].mean(), abs=0.012)
    for start in (0, 5, 15, 20):
        assert reflected.survival(start, blocks) == pytest.approx(alive[start + 1:].all(0).mean(), abs=0.014)


def test_zeros_and_survival_in_numbers():
    """Section 3.5, 54 blocks: .5, .375, .3125, .0759; survival .1142 from 0, .3044 from 10, .6683 from 40."""
    np.testing.assert_allclose(reflected.zero_fraction([0, 1, 2, 54]), [0.5, 0.375, 0.3125, 0.0759], atol=5e-5)
    assert [reflected.survival(s, 54) for s in (0, 10, 40)] == pytest.approx([0.1142, 0.3044, 0.6683], abs=5e-5)
    assert reflected.survival(54, 54) == pytest.approx(1)


# ---- paths


def test_the_arithmetic_of_veit():
    """Veit et al. 2016, section 4.3: of 54 blocks, paths of 5 to 17 are 0.45 % of all; most have 19 to 35."""
    assert paths.share_of_paths(54, 5, 17) == pytest.approx(0.00454, abs=5e-6)
    assert paths.share_of_paths(54, 19, 35) == pytest.approx(0.980, abs=5e-4)


def test_equal_trials_are_binomial():
    np.testing.assert_allclose(paths.without_norm(24, 0.5), stats.binom.pmf(np.arange(25), 24, 0.2), rtol=1e-10)


@pytest.mark.parametrize("blocks, k, expected", [(10, 1, 2.4), (54, 1, 4.6), (100, 1, 5.5), (500, 1, 7.8), (1000, 1, 8.8),
                                                 (24, 1, 3.49), (24, 2, 4.65), (54, 2, 6.25), (1000, 2, 12.4)])
def test_mean_path_lengths(blocks, k, expected):
    """Section 3.9."""
    assert paths.mean_length(paths.with_batch_norm(blocks, k)) == pytest.approx(expected, abs=0.06)


def test_path_lengths_grow_like_the_logarithm_of_the_depth():
    mean = lambda blocks: paths.mean_length(paths.with_batch_norm(blocks, 1))
    grown = paths.mean_length_for_many(8000, 1) - paths.mean_length_for_many(2000, 1)
    assert grown == pytest.approx(A * math.log(4)) and mean(8000) - mean(2000) == pytest.approx(grown, rel=0.01)


# ---- correlation


def test_the_kernels_are_those_of_correlated_normals(rng):
    """Cho & Saul's integrals, by 400,000 pairs in NumPy."""
    u, v = rng.standard_normal((2, 400_000))
    for c in (-0.6, 0.0, 0.3, 0.9):
        w = c * u + math.sqrt(1 - c * c) * v
        assert correlation.kappa0(c) == pytest.approx(2 * ((u > 0) & (w > 0)).mean(), abs=0.008)
        assert correlation.kappa1(c) == pytest.approx(2 * (np.maximum(u, 0) * np.maximum(w, 0)).mean(), abs=0.015)


@pytest.mark.parametrize("values, layers, expected", [
    (correlation.plain(40), (10, 20, 40), (.0337, .0082, .0016)),
    (correlation.residual(20), (5, 10, 20), (.3095, .140, .046)),
    (correlation.residual_batch_norm(40, 1), (5, 10, 20, 40), (.407, .275, .177, .110)),
    (correlation.residual_batch_norm(40, 2), (5, 10, 20, 40), (.153, .066, .025, .009)),
    (correlation.plain_batch_norm(10), (5, 10), (0.03125, 0.000977)),
])
def test_correlations_of_gradients(values, layers, expected):
    """Section 3.6."""
    np.testing.assert_allclose([values[n] for n in layers], expected, atol=6e-4)


def test_plain_correlations_fall_like_a_power_in_the_end():
    """Section 3.6: about 196 / L^3."""
    assert correlation.plain(4000)[-1] * 4000 ** 3 == pytest.approx(196, rel=0.05)


# ---- spectra


@pytest.mark.parametrize("activation, weights, expected", [("linear", "gaussian", 4), ("linear", "orthogonal", 0),
                                                           ("relu", "gaussian", 8), ("relu", "orthogonal", 4)])
def test_spreads_of_jacobian_spectra(activation, weights, expected, rng):
    """Four layers of 200 units in NumPy; a finite width adds about layers^2 / width."""
    n, J = 200, np.eye(200)
    for _ in range(4):
        W = rng.standard_normal((n, n)) / math.sqrt(n)
        J = (np.linalg.qr(W)[0] if weights == "orthogonal" else W) @ J
        J *= (rng.random(n) < 0.5)[:, None] if activation == "relu" else 1
    values = np.linalg.svd(J, compute_uv=False) ** 2
    assert spectra.spread(4, activation, weights) == expected
    assert values.var() / values.mean() ** 2 == pytest.approx(expected, rel=0.25, abs=1e-9)


def test_the_mean_singular_value_of_a_square_matrix(rng):
    """Row 1: 0.849 at sigma_w = 1 and 0.490 at 1/sqrt 3; and in NumPy."""
    assert [spectra.mean_singular_value(v) for v in (1, 1 / 3)] == pytest.approx([0.849, 0.490], abs=5e-4)
    drawn = np.linalg.svd(rng.uniform(-1, 1, (300, 300)) / math.sqrt(300), compute_uv=False).mean()
    assert spectra.mean_singular_value(1 / 3) == pytest.approx(drawn, rel=0.01)


# ---- finite


def test_the_fluctuations_of_a_narrow_network_in_numpy(rng):
    """4000 products of 30 factors (2 / n) sum b g^2, n = 50: mean log -1.5 and variance 3.0, by E8 -1.54 and 3.27."""
    n, layers = 50, 30
    logs = np.zeros(4000)
    for _ in range(layers):
        open_, g = rng.random((4000, n)) < 0.5, rng.standard_normal((4000, n))
        logs += np.log(2 / n * (open_ * g ** 2).sum(1))
    assert (finite.log_mean(layers, n), finite.log_variance(layers, n)) == (-1.5, 3.0)
    assert logs.mean() == pytest.approx(-1.5, rel=0.12) and logs.var() == pytest.approx(3.0, rel=0.18)


@pytest.mark.parametrize("size, expected", [(4, .7616), (8, .9212), (16, .9774), (32, .9943)])
def test_zero_padding_takes_energy(size, expected):
    """E15; and by powers of the map that takes the energy at each pixel to the next layer's, in NumPy."""
    energy = np.ones((size, size))
    for _ in range(3000):
        before = energy.sum()
        padded = np.pad(energy, 1)
        energy = sum(padded[i:i + size, j:j + size] for i in range(3) for j in range(3)) / 9
        factor, energy = energy.sum() / before, energy / energy.sum()
    assert finite.zero_padding(size) == pytest.approx(factor, rel=1e-6) and factor == pytest.approx(expected, abs=1e-4)


def test_central_binomial_coefficients_do_not_overflow():
    assert reflected.central(2000) == pytest.approx(1 / math.sqrt(math.pi * 2000), rel=1e-3)
    assert reflected.central(7) == pytest.approx(special.comb(14, 7) / 4 ** 7)
