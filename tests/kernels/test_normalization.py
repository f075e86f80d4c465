import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit, normalization, threads
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
    w, b = (w, b) if affine else (np.ones(shape[1]), np.zeros(shape[1]))
    assert_allclose(gw, numerical_gradient(lambda w: k.batch_norm(x, w, b, 0.1)[0], w, gy), 1e-6, 1e-8)
    assert_allclose(gb, numerical_gradient(lambda b: k.batch_norm(x, w, b, 0.1)[0], b, gy), 1e-6, 1e-8)


def test_in_float32_a_large_mean_does_not_drown_the_variance(k, rng):
    x = (1000 + rng.standard_normal((16, 2, 32, 32))).astype(np.float32)
    y, mean, var, inv_std = k.batch_norm(x, None, None, 0.0)
    assert y.dtype == mean.dtype == var.dtype == inv_std.dtype == np.float32
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean((0, 2, 3)), 1e-7)
    assert_allclose(var, exact.var((0, 2, 3)), 1e-5)
    for images in x.reshape(16, 2, 1024), x.reshape(16, 2048, 1):
        y, mean, inv_std = k.group_norm(images, None, None, 1, 0.0)
        assert y.dtype == mean.dtype == inv_std.dtype == np.float32
        assert_allclose(inv_std[:, 0], exact.reshape(16, 2048).std(1) ** -1, 1e-5)
        assert_allclose(y.mean((1, 2)), 0, atol=1e-3)


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
        monkeypatch.setattr(normalization, "SHORT", short)
        monkeypatch.setattr(normalization, "CACHE", cache)           # 1: one channel at a time
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


@pytest.mark.parametrize("shape, groups", [((3, 6, 4), 1), ((2, 6, 4), 2), ((2, 3, 5), 3), ((4, 7, 1), 1)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_is_its_definition_and_its_gradient_what_trying_finds(k, shape, groups, affine, rng):
    x, gy = 5 + rng.standard_normal((2, *shape))
    w, b = rng.standard_normal((2, shape[1])) if affine else (None, None)
    y, mean, inv_std = k.group_norm(x, w, b, groups, 0.1)
    for n, channels in itertools.product(range(len(x)), np.split(np.arange(shape[1]), groups)):
        group, g = x[n, channels], channels[0] * groups // shape[1]
        wanted = (group - group.mean()) / np.sqrt(group.var() + 0.1)
        assert_allclose(y[n, channels], wanted * w[channels, None] + b[channels, None] if affine else wanted, atol=1e-13)
        assert_allclose([mean[n, g], inv_std[n, g]], [group.mean(), (group.var() + 0.1) ** -0.5])
    gx, gw, gb = k.group_norm_gradient(gy, x, w, mean, inv_std)
    assert_allclose(gx, numerical_gradient(lambda x: k.group_norm(x, w, b, groups, 0.1)[0], x, gy), 1e-6, 1e-8)
    w, b = (np.ones(shape[1]), np.zeros(shape[1])) if w is None else (w, b)
    assert_allclose(gw, numerical_gradient(lambda w: k.group_norm(x, w, b, groups, 0.1)[0], w, gy), 1e-6, 1e-8)
    assert_allclose(gb, numerical_gradient(lambda b: k.group_norm(x, w, b, groups, 0.1)[0], b, gy), 1e-6, 1e-8)


def group_norm_and_gradients(k, x, gy, w, b, groups):
    y, mean, inv_std = k.group_norm(x, w, b, groups, 1e-5)
    return y, mean, inv_std, *k.group_norm_gradient(gy, x, w, mean, inv_std)


@pytest.mark.parametrize("shape, groups", [((5, 6, 40), 2), ((3, 4, 33), 4), ((1, 6, 7), 3),
                                           ((200, 70, 1), 1)])
@pytest.mark.parametrize("threads_there", [1, 3])
def test_groups_in_long_and_in_short_runs_are_normalized_alike(shape, groups, threads_there, rng, monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(threads, "thread_count", lambda: threads_there)
    monkeypatch.setattr(normalization, "thread_count", lambda: threads_there)
    x, gy = 3 + rng.standard_normal((2, *shape))
    w, b = rng.standard_normal((2, shape[1]))
    wanted = group_norm_and_gradients(reference, x, gy, w, b, groups)
    for short in 0, 10 ** 6:
        monkeypatch.setattr(normalization, "SHORT", short)
        for answer, expected in zip(group_norm_and_gradients(cpu, x, gy, w, b, groups), wanted, strict=True):
            assert_allclose(answer, expected, 1e-10, 1e-11)


@pytest.mark.parametrize("shape, groups", [((100_000, 16, 1), 1), ((16, 32, 1600), 8)])
def test_in_float32_group_norm_is_exact_to_two_millionths(k, shape, groups, rng):
    x, gy = rng.standard_normal(shape) + 1, rng.random(shape)                # sums of gy grow with every image
    w, b = rng.standard_normal((2, shape[1]))
    single = [a.astype(np.float32) for a in (x, gy, w, b)]
    wanted = group_norm_and_gradients(reference, *[a.astype(np.float64) for a in single], groups)
    for got, exact in zip(group_norm_and_gradients(k, *single, groups), wanted, strict=True):
        assert got.dtype == np.float32
        assert np.abs(got - exact).max() < 2e-6 * np.abs(exact).max()


def test_weights_of_another_dtype_do_not_decide_the_results(k, rng):
    x, w = rng.standard_normal((2, 6, 5)).astype("f"), rng.standard_normal(6)
    y, mean, inv_std = k.group_norm(x, w.astype("f"), w.astype("f"), 2, 0.1)
    assert_allclose(k.group_norm(x, w, w, 2, 0.1)[0], y, 1e-6, 1e-6)
    for gradient in k.group_norm_gradient(x, x, w.astype("f"), mean, inv_std):
        assert gradient.dtype == np.float32


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
    for shape, groups in ((0, 3, 20), 3), ((2, 0, 20), 1), ((2, 4, 0), 2):
        nothing, w = np.zeros(shape), np.ones(shape[1])
        y, mean, inv_std = k.group_norm(nothing, w, w, groups, 1.0)
        gx, gw, gb = k.group_norm_gradient(nothing, nothing, w, mean, inv_std)
        assert y.shape == gx.shape == shape and gw.shape == gb.shape == w.shape and not gw.any() and not gb.any()
    y, scale = k.local_response_norm(empty, 3, 1.0, 0.75, 1.0)
    assert k.local_response_norm_gradient(y, empty, scale, 3, 1.0, 0.75).shape == empty.shape
    w, turned = np.ones(3), rng.standard_normal((4, 5, 3, 2)).transpose(3, 2, 0, 1)
    straight = np.ascontiguousarray(turned)
    assert_allclose(k.batch_norm(turned, w, w, 1.0)[0], k.batch_norm(straight, w, w, 1.0)[0])
    turned = rng.standard_normal((4, 5, 3)).transpose(2, 1, 0)
    got, wanted = (group_norm_and_gradients(k, x, x, None, None, 1) for x in (turned, np.ascontiguousarray(turned)))
    for a, b in zip(got, wanted, strict=True):
        assert_allclose(a, b, 1e-12, 1e-12)
    where = 3, 1.0, 0.75, 1.0
    assert_allclose(k.local_response_norm(turned, *where)[0], k.local_response_norm(np.ascontiguousarray(turned), *where)[0])


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
