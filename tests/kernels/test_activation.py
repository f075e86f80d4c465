import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu, reference
from tests.kernels.numerical import numerical_gradient


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_relu_keeps_what_is_positive_and_nan_and_its_gradient_at_0_is_0(k, dtype):
    x = np.array([[-np.inf, -2, 0, 3], [np.inf, np.nan, -0.0, 1e-30]], dtype).T          # not contiguous
    y = k.relu(x)
    gx = k.relu_gradient(np.broadcast_to(dtype(7), y.shape), y)
    assert y.dtype == gx.dtype == dtype
    assert_array_equal(y, np.array([[0, 0, 0, 3], [np.inf, np.nan, 0, 1e-30]], dtype).T)
    assert_array_equal(gx, np.array([[0, 0, 0, 7], [7, 0, 0, 7]], dtype).T)
    assert k.relu(np.zeros((0, 3), dtype)).shape == (0, 3)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_and_its_logarithm_are_their_definitions(k, axis, rng):
    x, gy = rng.standard_normal((2, 4, 3, 5))
    e = np.exp(x)
    y, logy = k.softmax(x, axis), k.log_softmax(x, axis)
    assert_allclose(y, e / e.sum(axis, keepdims=True))
    assert_allclose(logy, np.log(e / e.sum(axis, keepdims=True)))
    assert_allclose(k.softmax_gradient(gy, y, axis),
                    numerical_gradient(lambda x: k.softmax(x, axis), x, gy), 1e-6, 1e-9)
    assert_allclose(k.log_softmax_gradient(gy, logy, axis),
                    numerical_gradient(lambda x: k.log_softmax(x, axis), x, gy), 1e-6, 1e-9)
    for empty in np.zeros((3, 0)), np.zeros((0, 3)):
        assert k.softmax(empty, 1).shape == k.log_softmax(empty, 1).shape == empty.shape
    one = np.array(3.0)
    assert (k.softmax(one, 0), k.log_softmax(one, 0), k.softmax_gradient(one, one, 0)) == (1, 0, 3 * (3 - 3 * 3))
    assert_allclose(k.log_softmax_gradient(one, one, 0), 3 - math.exp(3) * 3)
    assert k.softmax(x.astype("f"), axis).dtype == k.log_softmax(x.astype("f"), axis).dtype == np.float32


@pytest.mark.filterwarnings("error")
def test_softmax_of_large_numbers_does_not_overflow(k):
    x = np.array([[1e4, 1e4 - 1, -1e4], [-1e4, -1e4 - 1, -np.inf]], np.float32)
    assert_allclose(k.softmax(x, 1), [[0.73105858, 0.26894142, 0]] * 2, 1e-4)                        # e / (e + 1)
    assert_allclose(k.log_softmax(x, 1), [[-0.31326169, -1.31326169, -20000.3], [-0.31326169, -1.31326169, -np.inf]],
                    1e-4)


@pytest.mark.parametrize("dtype, error", [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("C", [1, 3, 16, 17, 70, 129])
def test_rows_of_any_length_are_as_in_the_reference(C, dtype, error, rng):
    x, gy = (rng.standard_normal((2, 7, C)) * 3).astype(dtype)
    x[0, -1], x[1, 0], x[2, C // 2] = -np.inf, 700, np.nan
    for name in "softmax", "log_softmax":
        y, wanted = getattr(cpu, name)(x, 1), getattr(reference, name)(x, 1)
        gx, wanted_gx = getattr(cpu, name + "_gradient")(gy, y, 1), getattr(reference, name + "_gradient")(gy, wanted, 1)
        assert y.dtype == gx.dtype == dtype
        assert_allclose(y, wanted, error, error)
        assert_allclose(gx, wanted_gx, 10 * error, 10 * error)
        assert_allclose(getattr(cpu, name)(x.astype(x.dtype.newbyteorder()), 1), wanted, error, error)
        lying = np.asfortranarray(x)
        assert_allclose(getattr(cpu, name)(lying, -1), wanted, error, error)
        assert_allclose(getattr(cpu, name)(x[:, :, None, None], 1)[:, :, 0, 0], wanted, error, error)
