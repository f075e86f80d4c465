import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels.cpu import threads


@pytest.mark.parametrize("worth", [1, 2 ** 16])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("a, b", [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((7, 3), (3, 4)), ((2, 3), (3, 9)), ((5, 1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((0, 2, 3), (3, 5))])
def test_a_product_is_numpys_whatever_the_shapes(k, worth, dtype, a, b, rng, monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", worth)
    a, b = (10 * rng.standard_normal(a)).astype(dtype), (10 * rng.standard_normal(b)).astype(dtype)
    y = k.matmul(a, b)
    assert y.dtype == dtype
    assert_allclose(y, np.matmul(a, b), 1e-5)
    if a.ndim > 1 and b.ndim > 1:
        a, b = a.swapaxes(-1, -2).copy().swapaxes(-1, -2), b[..., ::-1, :].copy()[..., ::-1, :]
        assert_allclose(k.matmul(a, b), np.matmul(a, b), 1e-5)


def test_a_product_that_does_not_fit_is_refused(k):
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        k.matmul(np.zeros((2, 3)), np.zeros((4, 5)))
