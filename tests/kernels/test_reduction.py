from numpy.testing import assert_allclose

from tests.kernels.numerical import numerical_gradient


def test_products_have_a_gradient_where_factors_are_zero(k, rng):
    x, gy = rng.standard_normal((4, 5)), rng.standard_normal(4)
    x[1, 2] = x[2, 0] = x[2, 4] = 0
    assert_allclose(k.prod_gradient(gy, x), numerical_gradient(lambda x: x.prod(1), x, gy), 1e-6, 1e-9)
    gy = rng.standard_normal(x.shape)
    for axis in 0, 1:
        by_differences = numerical_gradient(lambda x, axis=axis: x.cumprod(axis), x, gy)
        assert_allclose(k.cumprod_gradient(gy, x, axis), by_differences, 1e-6, 1e-9)
