import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit
from tests.kernels.numerical import numerical_gradient

IMAGES = [(3, 2, 4, 5), (5, 3, 1, 1), (1, 2, 3, 7)]      # 4 x 5 takes the Numba path of the cpu set, 1 x 1 the other


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_its_definition_and_its_gradient_what_trying_finds(k, shape, affine, rng):
    x, gy = 3 + 2 * rng.standard_normal(shape), rng.standard_normal(shape)
    w, b = rng.standard_normal((2, shape[1])) if affine else (None, None)
    y, mean, var, inv_std = k.batch_norm(x, w, b, 0.1)
    for c in range(shape[1]):
        values = x[:, c]
        wanted = (values - np.mean(values)) / np.sqrt(np.mean((values - np.mean(values)) ** 2) + 0.1)
        assert_allclose(y[:, c], wanted * w[c] + b[c] if affine else wanted, atol=1e-13)
        assert_allclose([mean[c], var[c], inv_std[c]], [values.mean(), values.var(), (values.var() + 0.1) ** -0.5])
    gx, gw, gb = k.batch_norm_gradient(gy, x, w, mean, inv_std)
    assert_allclose(gx, numerical_gradient(lambda x: k.batch_norm(x, w, b, 0.1)[0], x, gy), 1e-6, 1e-8)
    if affine:
        assert_allclose(gw, numerical_gradient(lambda w: k.batch_norm(x, w, b, 0.1)[0], w, gy), 1e-6, 1e-8)
        assert_allclose(gb, numerical_gradient(lambda b: k.batch_norm(x, w, b, 0.1)[0], b, gy), 1e-6, 1e-8)
    else:
        assert gw is None and gb is None


def test_in_float32_a_large_mean_does_not_drown_the_variance(k, rng):
    x = (1000 + rng.standard_normal((16, 2, 32, 32))).astype(np.float32)
    y, mean, var, inv_std = k.batch_norm(x, None, None, 0.0)
    assert y.dtype == mean.dtype == var.dtype == inv_std.dtype == np.float32
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean((0, 2, 3)), 1e-7)
    assert_allclose(var, exact.var((0, 2, 3)), 1e-5)
    rows = x.reshape(32, -1)
    y, inv_std = k.standardize(rows, 0.0)
    assert y.dtype == inv_std.dtype == np.float32
    assert_allclose(inv_std[:, 0], rows.astype(np.float64).std(1) ** -1, 1e-5)
    assert_allclose(y.mean(1), 0, atol=1e-3)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 1, 2)])
def test_the_sets_agree_in_float32_on_batch_norm(k, shape, rng):
    x, gy = rng.standard_normal((2, *shape)).astype(np.float32)
    w, b = rng.standard_normal((2, 3)).astype(np.float32)
    y, mean, _, inv_std = k.batch_norm(x, w, b, 1e-5)
    gx, gw, gb = k.batch_norm_gradient(gy, x, w, mean, inv_std)
    wanted = cpu.batch_norm_gradient(*(a.astype(np.float64) for a in (gy, x, w, mean, inv_std)))
    for got, exact in zip((gx, gw, gb), wanted):
        assert got.dtype == np.float32
        assert_allclose(got, exact, 1e-4, 1e-5)


@pytest.mark.parametrize("shape", [(5, 3, 12, 11), (1, 2, 13, 15), (4, 37, 3, 3), (9, 70, 1, 1), (2, 1, 40, 30)])
@pytest.mark.parametrize("on_all_threads", [False, True])
def test_channels_in_long_and_in_short_runs_are_normalized_alike(shape, on_all_threads, rng, monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if on_all_threads else 10 ** 9)
    x, gy = 3 + rng.standard_normal((2, *shape))
    w, b = rng.standard_normal((2, shape[1]))
    for short, cache in (10 ** 6, 1), (10 ** 6, 10 ** 6), (0, 1), (0, 10 ** 6):
        monkeypatch.setattr(cpu.normalization, "SHORT", short)
        monkeypatch.setattr(cpu.normalization, "CACHE", cache)           # 1: one channel at a time
        y, mean, var, inv_std = cpu.batch_norm(x, w, b, 0.1)
        for got, wanted in zip((y, mean, var, inv_std), reference.batch_norm(x, w, b, 0.1)):
            assert_allclose(got, wanted, 1e-10, 1e-12)
        gradients = cpu.batch_norm_gradient(gy, x, w, mean, inv_std)
        for got, wanted in zip(gradients, reference.batch_norm_gradient(gy, x, w, mean, inv_std)):
            assert_allclose(got, wanted, 1e-10, 1e-11)


def test_an_image_unlike_all_others_does_not_cost_the_variance_its_digits(k, rng):
    x = rng.standard_normal((64, 2, 12, 12)).astype(np.float32)
    x[0] += 1000                                         # the first: eight standard deviations from the mean of all
    _, mean, var, _ = k.batch_norm(x, None, None, 0.0)
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean((0, 2, 3)), 1e-5)
    assert_allclose(var, exact.var((0, 2, 3)), 1e-5)


def test_standardize_is_its_definition_and_its_gradient_what_trying_finds(k, rng):
    x, gy = 5 + rng.standard_normal((2, 4, 7))
    y, inv_std = k.standardize(x, 0.1)
    for row, standard in zip(x, y):
        assert_allclose(standard, (row - row.mean()) / np.sqrt(row.var() + 0.1))
    gx = k.standardize_gradient(gy, y, inv_std)
    assert_allclose(gx, numerical_gradient(lambda x: k.standardize(x, 0.1)[0], x, gy), 1e-6, 1e-8)
    assert_allclose(k.standardize_gradient(gy.astype("f"), y.astype("f"), inv_std.astype("f")), gx, 1e-4, 1e-5)


# 0.75 is the exponent of the paper, for which the cpu set has a formula of its own.
@pytest.mark.parametrize("size, beta", [(5, 0.75), (4, 0.6), (1, 0.75), (9, 0.6)])
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-7), (np.float32, 1e-4)])
def test_local_response_norm_is_its_definition_and_its_gradient_what_trying_finds(k, size, beta, dtype, error, rng):
    x, gy = rng.standard_normal((2, 2, 6, 3, 2))
    where = size, 1.3, beta, 1.5
    definition = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        window = x[n, max(0, c - size // 2):c + (size - 1) // 2 + 1, i, j]
        definition[n, c, i, j] = x[n, c, i, j] / (1.5 + 1.3 / size * (window ** 2).sum()) ** beta
    y, scale = k.local_response_norm(x.astype(dtype), *where)
    assert y.dtype == scale.dtype == dtype
    assert_allclose(y, definition, error, error)
    gx = k.local_response_norm_gradient(gy.astype(dtype), x.astype(dtype), scale, *where[:3])
    assert gx.dtype == dtype
    tried = numerical_gradient(lambda x: k.local_response_norm(x, *where)[0], x, gy)
    assert_allclose(gx, tried, error, error)


def test_an_empty_batch_and_turned_images_are_normalized(k, rng):
    empty, w = np.zeros((0, 3, 4, 5)), np.ones(3)
    y, mean, var, inv_std = k.batch_norm(empty, w, w, 1.0)
    assert y.shape == empty.shape and (mean == 0).all() and (inv_std == 1).all()
    gx, gw, gb = k.batch_norm_gradient(empty, empty, w, mean, inv_std)
    assert gx.shape == empty.shape and not gw.any() and not gb.any()
    assert k.standardize(empty.reshape(0, 60), 1.0)[0].shape == (0, 60)
    y, scale = k.local_response_norm(empty, 3, 1.0, 0.75, 1.0)
    assert k.local_response_norm_gradient(y, empty, scale, 3, 1.0, 0.75).shape == empty.shape
    turned = rng.standard_normal((4, 5, 3, 2)).transpose(3, 2, 0, 1)
    straight = np.ascontiguousarray(turned)
    assert_allclose(k.batch_norm(turned, w, w, 1.0)[0], k.batch_norm(straight, w, w, 1.0)[0])
    where = 3, 1.0, 0.75, 1.0
    assert_allclose(k.local_response_norm(turned, *where)[0], k.local_response_norm(straight, *where)[0])


@pytest.mark.parity
def test_normalization_is_pytorchs(k, rng):
    torch = pytest.importorskip("torch")
    x, gy = rng.standard_normal((2, 3, 6, 4, 5))
    w, b = rng.standard_normal((2, 6))
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, w, b))
    wanted = torch.nn.functional.batch_norm(tx, None, None, tw, tb, training=True, eps=0.1)
    y, mean, _, inv_std = k.batch_norm(x, w, b, 0.1)
    assert_allclose(y, wanted.detach().numpy())
    gradients = torch.autograd.grad(wanted, (tx, tw, tb), torch.tensor(gy))
    for got, gradient in zip(k.batch_norm_gradient(gy, x, w, mean, inv_std), gradients):
        assert_allclose(got, gradient.numpy(), atol=1e-13)
    for size in 1, 2, 5:
        wanted = torch.nn.functional.local_response_norm(tx, size, 0.9, 0.75, 2.0)
        y, scale = k.local_response_norm(x, size, 0.9, 0.75, 2.0)
        assert_allclose(y, wanted.detach().numpy())
        gradient, = torch.autograd.grad(wanted, tx, torch.tensor(gy))
        assert_allclose(k.local_response_norm_gradient(gy, x, scale, size, 0.9, 0.75), gradient.numpy(), atol=1e-13)
