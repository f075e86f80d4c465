import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu, reference
from minidl.kernels.cpu.exponential import exp_of_run
from tests.kernels.numerical import numerical_gradient

SETTINGS = [(False, 0.0), (True, 0.0), (False, 0.2), (True, 0.3)]        # class weights or none, label smoothing


def scores(rng, dtype=np.float64):
    x, labels = rng.standard_normal((3, 4, 5)), rng.integers(0, 4, (3, 5))
    labels[1, 2] = labels[0, 0] = -100
    return x.astype(dtype), labels, rng.random(4) + 0.5, rng.standard_normal((3, 5)).astype(dtype)


@pytest.mark.parametrize("weighted, smoothing", SETTINGS)
def test_cross_entropy_is_its_definition_and_its_gradient_what_trying_finds(k, weighted, smoothing, rng):
    x, labels, weight, g = scores(rng)
    setting = labels, weight if weighted else None, -100, smoothing
    loss, logp = k.cross_entropy(x, *setting)
    for n, d in np.ndindex(loss.shape):
        e = [math.exp(v) for v in x[n, :, d]]
        p = [v / sum(e) for v in e]
        w = weight if weighted else [1, 1, 1, 1]
        wanted = 0.0
        for c in range(4) if labels[n, d] != -100 else ():
            target = (1 - smoothing) * (c == labels[n, d]) + smoothing / 4
            wanted -= target * w[c] * math.log(p[c])
        assert_allclose(loss[n, d], wanted)
    gx = k.cross_entropy_gradient(g, logp, *setting)
    assert_allclose(gx, numerical_gradient(lambda x: k.cross_entropy(x, *setting)[0], x, g), 1e-6, 1e-9)


def test_cross_entropy_keeps_float32_and_takes_no_row_at_all(k, rng):
    x, labels, weight, g = scores(rng, np.float32)
    loss, logp = k.cross_entropy(x, labels, weight, -100, 0.1)
    assert loss.dtype == logp.dtype == np.float32
    assert k.cross_entropy_gradient(g, logp, labels, weight, -100, 0.1).dtype == np.float32
    assert k.cross_entropy(x[:0], labels[:0], None, -100, 0.0)[0].shape == (0, 5)


@pytest.mark.filterwarnings("error")
def test_an_impossible_class_costs_nothing_while_it_is_not_the_label(k):
    x = np.array([[0.0, 0.0, -np.inf]])[:, :, None]
    loss, logp = k.cross_entropy(x, np.array([[1]]), None, -100, 0.0)
    assert_allclose(loss, [[math.log(2)]])
    gx = k.cross_entropy_gradient(np.ones((1, 1)), logp, np.array([[1]]), None, -100, 0.0)
    assert_allclose(gx[0, :, 0], [0.5, -0.5, 0])


def agree(x, g, *setting, rtol=1e-11, atol=1e-12):
    """The kernels compute what the reference does, in float64, from these scores."""
    with np.errstate(all="ignore"):
        loss, logp = cpu.cross_entropy(x, *setting)
        gx = cpu.cross_entropy_gradient(g, logp, *setting)
        wanted, logs = reference.cross_entropy(x.astype(np.float64), *setting)
        gradient = reference.cross_entropy_gradient(g, logs, *setting)
    for got, expected in (loss, wanted), (logp, logs), (gx, gradient):
        assert got.dtype == x.dtype and got.shape == expected.shape
        assert_allclose(got, expected, rtol, atol)


@pytest.mark.parametrize("dtype, rtol, atol", [(np.float32, 1e-5, 1e-6), (np.float64, 1e-11, 1e-12)])
@pytest.mark.parametrize("N, C, D", [(1, 1, 1), (5, 2, 1), (3, 15, 1), (4, 16, 1), (3, 17, 2), (2, 63, 1), (3, 64, 1),
                                     (2, 65, 3), (2, 129, 1), (70, 1003, 1), (33, 1000, 2)])
def test_rows_of_any_length_are_as_in_the_reference(N, C, D, dtype, rtol, atol, rng):
    x, labels, g = 3 * rng.standard_normal((N, C, D)), rng.integers(0, C, (N, D)), rng.standard_normal((N, D))
    weight = rng.random(C)
    weight[rng.random(C) < 0.2] = 0
    for w, ignored, smoothing in ((None, -100, 0.0), (weight, C // 2, 0.0), (None, 0, 0.1), (weight, -100, 0.3),
                                  (weight, 0, 1)):
        agree(x.astype(dtype), g.astype(dtype), labels, w, ignored, smoothing, rtol=rtol, atol=atol)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_scores_that_are_large_or_no_numbers_are_as_in_the_reference(smoothing, rng):
    x, g = rng.standard_normal((9, 21, 1)), rng.standard_normal((9, 1))
    x[0, 3] = x[1, 20] = x[2] = -np.inf
    x[3, 3] = np.inf
    x[4, 20], x[5, 2] = np.nan, np.nan
    x[6, 5], x[7], x[8, :] = 1e5, x[7] * 1e30, -1e30
    weight = np.ones(21)
    weight[3] = 0                                        # 0 times the logarithm of 0 is 0
    for w, ignored in (None, -100), (weight, -100), (weight, 3):
        agree(x, g, np.full((9, 1), 3), w, ignored, smoothing)
        agree(x.astype("f"), g.astype("f"), np.full((9, 1), 3), w, ignored, smoothing, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_score_is_found_wherever_it_is(dtype):
    x = 1e4 * np.eye(131, dtype=dtype)[:, :, None]       # less any other, its e^x is no number
    loss, logp = cpu.cross_entropy(x, np.arange(131)[:, None], None, -100, 0.0)
    assert not loss.any()
    np.testing.assert_array_equal(logp, x - dtype(1e4))


def test_labels_of_other_types_and_arrays_in_other_orders_are_as_in_the_reference(rng):
    x, labels, g = rng.standard_normal((8, 6, 7)), rng.integers(0, 7, (8, 6)), rng.standard_normal((8, 6))
    for kind in np.uint8, np.int32:
        agree(x.swapaxes(1, 2), g, labels.astype(kind), rng.random(7).astype("f"), -100, 0.1)
    agree(x[::2].swapaxes(1, 2), np.broadcast_to(np.array(0.5), (4, 6)), labels[::2], None, 0, 0.1)
    agree(x.swapaxes(1, 2), g, np.full((8, 6), 7), None, -100, 0.1)          # no such class: nothing is at the label


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_e_are_exact_to_the_last_bits(dtype, rng):
    x = np.concatenate([rng.uniform(-800, 720, 5000), rng.uniform(-110, 90, 5000), rng.uniform(-1, 1, 5001),
                        [0, -0.0, np.inf, -np.inf, np.nan, 88.72, -103.9, 709.78, -745.1]]).astype(dtype)
    y = np.empty(len(x) + 40, dtype)
    exp_of_run(x, 0, y, 3, len(x))
    y = y[3:3 + len(x)]
    with np.errstate(all="ignore"):
        wanted = np.exp(x.astype(np.longdouble))
        near = wanted.astype(dtype)
        far = np.abs(y - wanted) / np.spacing(near)
    assert far[np.isfinite(near)].max() < 2              # 0.6 in vectors, 1.6 in NumPy
    np.testing.assert_array_equal(y[~np.isfinite(near)], near[~np.isfinite(near)])


@pytest.mark.parity
@pytest.mark.parametrize("weighted, smoothing", SETTINGS)
def test_cross_entropy_is_pytorchs(k, weighted, smoothing, rng):
    torch = pytest.importorskip("torch")
    x, labels, weight, g = scores(rng)
    setting = labels, weight if weighted else None, -100, smoothing
    loss, logp = k.cross_entropy(x, *setting)
    tx = torch.tensor(x, requires_grad=True)
    wanted = torch.nn.functional.cross_entropy(tx, torch.tensor(labels), torch.tensor(weight) if weighted else None,
                                               reduction="none", label_smoothing=smoothing)
    assert_allclose(loss, wanted.detach().numpy())
    gradient, = torch.autograd.grad(wanted, tx, torch.tensor(g))
    assert_allclose(k.cross_entropy_gradient(g, logp, *setting), gradient.numpy(), atol=1e-14)
