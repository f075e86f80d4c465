import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

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
