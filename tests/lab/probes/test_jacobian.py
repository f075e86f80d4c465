"""Jacobians: products of matrices, Lanczos against dense, the laws of linear networks, the nonlinearity coefficient."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.lab.linearized import Linearized
from minidl.lab.probes import nonlinearity_coefficient, singular_values, spread
from tests.lab.probes.awkward import awkward


def test_products_with_the_jacobian_of_a_linear_network_are_products_of_its_matrices():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)).double()
    W = model[1].weight.detach().numpy() @ model[0].weight.detach().numpy()
    rng = np.random.default_rng(0)
    J, u, v = Linearized(model, rng.standard_normal((2, 4))), rng.standard_normal((2, 3)), rng.standard_normal((2, 4))
    np.testing.assert_allclose(J.vjp(u), u @ W)
    np.testing.assert_allclose(J.jvp(v), v @ W.T)


def test_products_are_finite_differences_and_each_others_transposes():
    """Of a network with convolutions, in-place additions, dropout and batch norm over the batch."""
    model, x = awkward()
    model.eval()
    rng = np.random.default_rng(0)
    J, v = Linearized(model, x, minidl.float64), rng.standard_normal((6, 2, 5, 5))
    u = rng.standard_normal((6, 3))
    np.testing.assert_allclose((u * J.jvp(v)).sum(), (J.vjp(u) * v).sum(), rtol=1e-10)
    model.double()
    f = lambda x: model(minidl.tensor(x)).detach().numpy()
    h, x = 1e-6, x.array.astype(float)
    np.testing.assert_allclose(J.jvp(v), (f(x + h * v) - f(x - h * v)) / (2 * h), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5)], ids=["wide", "tall"])
def test_singular_values_of_a_linear_layer_are_those_of_its_matrix(sizes):
    model = nn.Linear(*sizes).double()
    expected = np.linalg.svd(model.weight.detach().numpy(), compute_uv=False)
    np.testing.assert_allclose(singular_values(model, np.zeros((1, sizes[0]))), expected)
    np.testing.assert_allclose(singular_values(model, np.zeros((1, sizes[0])), 2), expected[:2])


def test_lanczos_finds_the_largest_of_the_dense_ones():
    model, x = awkward()
    everything = singular_values(model, x)
    assert len(everything) == 18 and (np.diff(everything) <= 0).all()
    np.testing.assert_allclose(singular_values(model, x, 4), everything[:4], rtol=1e-6)


def test_the_spread_of_deep_linear_networks():
    """Pennington et al. 2017, gradient_laws.md row 14: L for Gaussian layers, 0 for orthogonal ones; at n = 300 and L = 8
    it was 7.99."""
    minidl.manual_seed(0)
    model = nn.Sequential(*[nn.Linear(200, 200, bias=False) for _ in range(4)])
    x = np.zeros((1, 200))
    for layer in model:
        nn.init.normal_(layer.weight, 0.0, 200 ** -0.5)
    assert spread(singular_values(model, x)) == pytest.approx(4, rel=0.15)
    for layer in model:
        nn.init.orthogonal_(layer.weight)
    assert spread(singular_values(model, x)) < 1e-10


def test_more_than_lanczos_can_find_is_answered_with_a_sentence():
    with pytest.raises(ValueError, match="Jacobian of 3 x 4, Lanczos's method finds 1 to 2 singular values, not 3"):
        singular_values(nn.Linear(4, 3), np.zeros((1, 4)), 3)
    with pytest.raises(ValueError, match="3,000 x 3,000 numbers; say how many"):
        singular_values(nn.ReLU(), np.zeros((1, 3000)))


def test_the_coefficient_of_an_affine_network_is_1():
    model, x = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)), np.random.default_rng(0).exponential(size=(20, 4))
    assert nonlinearity_coefficient(model, x) == pytest.approx(1, abs=1e-10)


class Square(nn.Module):
    def forward(self, x):
        return x * x


def test_the_coefficient_of_a_square_by_its_definition():
    """sqrt(E[(2x)^2] Var x / Var x^2), of these very numbers."""
    x = np.random.default_rng(0).standard_normal((50, 1))
    expected = np.sqrt((4 * x ** 2).mean() * x.var() / (x ** 2).var())
    assert nonlinearity_coefficient(Square(), x) == pytest.approx(expected, rel=1e-10)


def test_the_coefficient_of_relu_on_gaussian_inputs():
    """sqrt(pi / (pi - 1)) = 1.2112, gradient_laws.md row 16; with 5 outputs, and with 3 random combinations of them."""
    x = np.random.default_rng(0).standard_normal((4000, 5))
    for draws in 100, 3:
        assert nonlinearity_coefficient(nn.ReLU(), x, draws) == pytest.approx(1.2112, rel=0.03)


def test_the_coefficient_of_an_affine_network_is_1_also_through_batch_norm_over_the_batch():
    """Whose rule subtracts what all examples' gradients have in common."""
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    x = np.random.default_rng(0).standard_normal((200, 4))
    assert nonlinearity_coefficient(model, x) == pytest.approx(1, abs=0.02)


def test_a_constant_output_has_no_coefficient():
    with pytest.raises(ValueError, match="puts out the same for all inputs"):
        nonlinearity_coefficient(nn.ReLU(), -np.ones((3, 2)))
