"""Tensors with nothing in them, through every reduction and back."""
import numpy as np
import pytest

import minidl
from minidl import ops

EMPTY = [(0,), (0, 3), (3, 0), (2, 0, 4)]


@pytest.mark.parametrize("shape", EMPTY)
def test_sums_and_products_of_nothing(shape):
    x = minidl.zeros(shape, requires_grad=True)
    assert x.sum().item() == 0 and x.prod().item() == 1 and x.all().item() and not x.any().item()
    assert np.isnan(x.mean().item()) and x.logsumexp(tuple(range(len(shape)))).item() == -np.inf
    assert x.norm().item() == 0
    (x.sum() + x.prod() + x.norm() + (x * 2).exp().sum()).backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("shape", EMPTY)
@pytest.mark.parametrize("dim", [0, -1])
def test_reductions_of_nothing_along_a_dimension_are_numpys(shape, dim):
    x, a = minidl.zeros(shape, requires_grad=True), np.zeros(shape, np.float32)
    for name in ("sum", "prod", "cumsum", "cumprod", "all", "any"):
        want = getattr(np, name)(a, axis=dim)
        y = getattr(x, name)(dim)
        assert y.shape == want.shape, name
        np.testing.assert_array_equal(y.detach().numpy(), want, err_msg=name)
        if y.requires_grad:
            y.sum().backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("f", [
    lambda x: x.max(), lambda x: x.amin(), lambda x: x.argmax(), lambda x: x.amax(0), lambda x: x.min(0),
    lambda x: x.argmin(0)])
def test_an_extreme_of_nothing_is_an_error_with_the_shape(f):
    with pytest.raises(ValueError, match=r"shape \(0, 3\) has nothing"):
        f(minidl.zeros(0, 3))


def test_an_extreme_along_a_dimension_that_is_there_is_allowed():
    x = minidl.zeros(0, 3)
    assert x.amax(1).shape == x.max(1).values.shape == x.argmin(1).shape == (0,)


CALLS = [
    (lambda x: x + 1, (0, 3)), (lambda x: x.reshape(3, 0), (3, 0)), (lambda x: x.reshape(0), (0,)),
    (lambda x: x.t(), (3, 0)), (lambda x: x[:, 1], (0,)), (lambda x: x @ minidl.ones(3, 2), (0, 2)),
    (lambda x: x.t() @ x, (3, 3)), (lambda x: ops.cat([x, minidl.ones(2, 3)]), (2, 3)),
    (lambda x: x.softmax(1), (0, 3)), (lambda x: x.sort(1).values, (0, 3)), (lambda x: x.flatten(), (0,)),
    (lambda x: x.unbind(1)[0], (0,)), (lambda x: x.expand(2, 0, 3), (2, 0, 3)), (lambda x: x.var(1), (0,)),
    (lambda x: x.masked_fill(x > 0, 1.0), (0, 3)), (lambda x: ops.stack([x, x]), (2, 0, 3)),
    (lambda x: x.clone().contiguous(), (0, 3)), (lambda x: x.relu().tanh().clamp(0, 1), (0, 3)),
    (lambda x: x.repeat(2, 2), (0, 6)), (lambda x: x[x > 0], (0,)), (lambda x: x.split(1)[0], (0, 3)),
    (lambda x: x.view(-1), (0,)),
]


@pytest.mark.parametrize("f, shape", CALLS)
def test_ops_of_nothing_give_nothing_and_back(f, shape):
    x = minidl.zeros(0, 3, requires_grad=True)
    y = f(x)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == (0, 3)


def test_a_mean_of_nothing_is_nan_and_its_gradient_empty():
    x = minidl.zeros(0, requires_grad=True)
    y = x.mean()
    assert np.isnan(y.item())
    y.backward()
    assert x.grad.shape == (0,)
