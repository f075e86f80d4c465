import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu
from minidl.kernels.cpu import jit, reduction
from tests.kernels.numerical import numerical_gradient


def test_products_have_a_gradient_where_factors_are_zero(k, rng):
    x, gy = rng.standard_normal((4, 5)), rng.standard_normal(4)
    x[1, 2] = x[2, 0] = x[2, 4] = 0
    assert_allclose(k.prod_gradient(gy, x), numerical_gradient(lambda x: x.prod(1), x, gy), 1e-6, 1e-9)
    gy = rng.standard_normal(x.shape)
    for axis in 0, 1:
        by_differences = numerical_gradient(lambda x, axis=axis: x.cumprod(axis), x, gy)
        assert_allclose(k.cumprod_gradient(gy, x, axis), by_differences, 1e-6, 1e-9)


@pytest.mark.parametrize("on_all_threads", [False, True])
def test_sums_of_channels_are_numpys(on_all_threads, rng, monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if on_all_threads else 2 ** 40)
    monkeypatch.setattr(reduction, "LARGE", 0)
    monkeypatch.setattr(reduction, "MANY", 0)
    monkeypatch.setattr(reduction, "SHARE", 100)
    x = rng.standard_normal((3, 5, 7, 33)) + 2
    for dtype, error in (np.float32, 1e-5), (np.float64, 1e-13):
        for part in x.astype(dtype), x.astype(dtype)[:, ::2], x.astype(dtype)[:, :, :, :0]:
            y = cpu.sum(part, (0, 2, 3))
            assert y.dtype == dtype
            assert_allclose(y, part.astype(np.float64).sum((0, 2, 3)), error)
            for axes, shape in (None, ()), ((0, 1, 2, 3), (1, 1, 1, 1)), ((0, 2, 3), (1, part.shape[1], 1, 1)):
                y = cpu.sum(part, axes, keepdims=bool(shape))
                assert y.dtype == dtype and y.shape == shape
                assert_allclose(y, part.astype(np.float64).sum(axes).reshape(shape), error)
    assert cpu.sum(x, (0, 2, 3), keepdims=True).shape == (1, 5, 1, 1)
    assert_allclose(cpu.sum(x), x.sum())
