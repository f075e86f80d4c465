import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu, naive, reference

# shape of x, size, stride, padding, dilation (max pooling only), ceil_mode
CASES = {
    "halving":      ((2, 3, 6, 4), (2, 2), (2, 2), (0, 0), (1, 1), False),
    "overlapping":  ((2, 3, 7, 8), (3, 2), (2, 1), (1, 1), (1, 1), False),
    "ceil":         ((1, 2, 6, 8), (3, 2), (2, 3), (1, 0), (1, 1), True),
    "ceil, padded": ((2, 1, 5, 5), (2, 3), (3, 2), (1, 1), (1, 1), True),
    "dilated":      ((1, 3, 8, 9), (3, 2), (1, 2), (1, 1), (2, 3), True),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    return request.param


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_max_pooling_and_its_gradient_are_the_loops(k, case, dtype, rng):
    shape, *where = case
    x = rng.standard_normal(shape).astype(dtype)
    y, index = k.max_pool(x, *where)
    wanted, places = naive.max_pool(x, *where)
    assert y.dtype == dtype
    assert_array_equal(y, wanted)
    assert_array_equal(index, places)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = k.max_pool_gradient(gy, index, shape)
    assert gx.dtype == dtype
    assert_allclose(gx, naive.max_pool_gradient(gy, index, shape), 1e-6, 1e-6)


@pytest.mark.parametrize("shape", [(3, 5, 40, 22), (2, 1, 2, 4200), (7, 1, 4, 2)])
@pytest.mark.parametrize("divisor", [None, 3])
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_means_of_squares_are_the_references_in_many_rows_and_in_long_ones(shape, divisor, dtype, error, rng):
    x, gy = (rng.standard_normal((*shape[:2], shape[2] // n, shape[3] // n)).astype(dtype) for n in (1, 2))
    how = (2, 2), (2, 2), (0, 0), False, True, divisor
    for got, wanted in [(cpu.avg_pool(x, *how), reference.avg_pool(x, *how)),
                        (cpu.avg_pool_gradient(gy, shape, *how), reference.avg_pool_gradient(gy, shape, *how))]:
        assert got.dtype == dtype
        assert_allclose(got, wanted, error, error)


@pytest.mark.parametrize("width", [1, 7, 31, 32, 33, 70])
@pytest.mark.parametrize("size, stride", [(3, 2), (2, 2), (3, 1), (2, 3), (5, 4)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_first_of_many_equal_values_and_nan_wins_in_rows_of_any_length(size, stride, width, dtype, rng):
    x = rng.integers(0, 3, (2, 2, 9, width)).astype(dtype)
    x[rng.random(x.shape) < 0.1] = np.nan
    where = (size, size), (stride, stride), (size // 2, size // 2), (1, 1), True
    y, index = cpu.max_pool(x, *where)
    wanted, places = reference.max_pool(x, *where)
    assert_array_equal(y, wanted)
    assert_array_equal(index, places)


def test_of_equal_values_the_first_wins_and_nan_beats_them_all(k):
    x = np.array([[5, 5, 1, np.nan, 2], [5, 0, 7, 7, np.nan]])[None, None]
    y, index = k.max_pool(x, (2, 2), (1, 1), (0, 0), (1, 1), False)
    assert_array_equal(y[0, 0, 0], [5, 7, np.nan, np.nan])
    assert_array_equal(index[0, 0, 0], [0, 7, 3, 3])         # of two NaN, too, the first


def test_the_padding_never_wins(k):
    x = np.full((1, 1, 2, 2), -np.inf)
    y, index = k.max_pool(x, (2, 2), (2, 2), (1, 1), (1, 1), False)
    assert_array_equal(index[0, 0], [[0, 1], [2, 3]])
    y, index = k.max_pool(x[:, :, :1, :1], (2, 2), (1, 1), (1, 1), (2, 2), False)        # no window has a cell
    assert (y.ravel(), index.ravel()) == (-np.inf, -1)
    assert_array_equal(k.max_pool_gradient(np.ones_like(y), index, (1, 1, 1, 1)), np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("count_include_pad, divisor", [(True, None), (False, None), (True, 5)])
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_average_pooling_and_its_gradient_are_the_loops(k, case, count_include_pad, divisor, dtype, error, rng):
    shape, *window, _, ceil_mode = case
    where = *window, ceil_mode, count_include_pad, divisor
    x = rng.standard_normal(shape).astype(dtype)
    y = k.avg_pool(x, *where)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = k.avg_pool_gradient(gy, shape, *where)
    assert y.dtype == gx.dtype == dtype
    assert_allclose(y, naive.avg_pool(x, *where), error, error)
    assert_allclose(gx, naive.avg_pool_gradient(gy, shape, *where), error, error)


# For x of 7 x 5, the windows that PyTorch's documentation of AdaptiveAvgPool2d and its source give.
@pytest.mark.parametrize("out, rows, columns", [
    ((1, 1), [(0, 7)], [(0, 5)]),
    ((3, 2), [(0, 3), (2, 5), (4, 7)], [(0, 3), (2, 5)]),
    ((2, 7), [(0, 4), (3, 7)], [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 5), (4, 5)]),
])
def test_adaptive_pooling_takes_windows_that_cover_the_image_evenly(k, out, rows, columns, rng):
    x = rng.standard_normal((2, 3, 7, 5)).astype(np.float32)
    mean, (top, index) = k.adaptive_avg_pool(x, out), k.adaptive_max_pool(x, out)
    gy = rng.standard_normal(mean.shape).astype(np.float32)
    gx = np.zeros_like(x)
    for oy, (y0, y1) in enumerate(rows):
        for ox, (x0, x1) in enumerate(columns):
            window = x[:, :, y0:y1, x0:x1]
            assert_allclose(mean[:, :, oy, ox], window.mean((2, 3)), 1e-5, 1e-6)
            assert_array_equal(top[:, :, oy, ox], window.max((2, 3)))
            gx[:, :, y0:y1, x0:x1] += gy[:, :, oy, ox, None, None] / ((y1 - y0) * (x1 - x0))
    assert mean.dtype == top.dtype == np.float32
    assert_array_equal(np.take_along_axis(x.reshape(2, 3, -1), index.reshape(2, 3, -1), 2), top.reshape(2, 3, -1))
    assert_allclose(k.adaptive_avg_pool_gradient(gy, x.shape), gx, 1e-5, 1e-6)


def test_an_empty_batch_and_turned_images_are_pooled(k, rng):
    window = (2, 2), (2, 2), (0, 0)
    empty = np.zeros((0, 2, 4, 4))
    y, index = k.max_pool(empty, *window, (1, 1), False)
    assert y.shape == index.shape == k.avg_pool(empty, *window, False, True).shape == (0, 2, 2, 2)
    assert k.max_pool_gradient(y, index, empty.shape).shape == empty.shape
    assert k.adaptive_max_pool(empty, (3, 2))[1].shape == k.adaptive_avg_pool(empty, (3, 2)).shape == (0, 2, 3, 2)
    assert k.avg_pool_gradient(y, empty.shape, *window, False, True).shape == empty.shape
    x = rng.standard_normal((4, 6, 3, 2)).transpose(3, 2, 0, 1)
    assert_allclose(k.avg_pool(x, *window, False, True), naive.avg_pool(x, *window, False, True))
    y, index = k.max_pool(x, *window, (1, 1), False)
    assert_array_equal(y, naive.max_pool(x, *window, (1, 1), False)[0])
    one = np.broadcast_to(1.5, y.shape)
    assert_array_equal(k.max_pool_gradient(one, index, x.shape), naive.max_pool_gradient(one, index, x.shape))


@pytest.mark.parametrize("size, kernel, stride, padding, floor, ceil", [
    (5, 2, 2, 0, 2, 3),         # the last window has one column of two
    (6, 2, 2, 0, 3, 3),         # it fits: ceil_mode changes nothing
    (7, 1, 3, 0, 3, 3),
    (4, 2, 3, 1, 2, 2),         # a third window would start in the padding behind the image
    (5, 3, 3, 1, 2, 2),
])
def test_ceil_mode_adds_a_window_that_sticks_out_but_starts_inside(k, size, kernel, stride, padding, floor, ceil):
    """torch.nn.functional.max_pool1d gave the numbers."""
    assert k.pool_size(size, kernel, stride, padding, 1, False) == floor
    assert k.pool_size(size, kernel, stride, padding, 1, True) == ceil


@pytest.mark.parity
def test_pooling_is_pytorchs(k, case, rng):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    shape, size, stride, padding, dilation, ceil_mode = case
    x = torch.tensor(rng.standard_normal(shape), requires_grad=True)

    def check(wanted, got, gradient):
        gy = rng.standard_normal(wanted.shape)
        x.grad = None
        wanted.backward(torch.tensor(gy))
        assert_allclose(got, wanted.detach().numpy(), atol=1e-15)
        assert_allclose(gradient(gy), x.grad.numpy(), atol=1e-15)

    wanted, places = F.max_pool2d(x, size, stride, padding, dilation, ceil_mode, return_indices=True)
    y, index = k.max_pool(x.detach().numpy(), size, stride, padding, dilation, ceil_mode)
    assert_array_equal(index, places.numpy())
    check(wanted, y, lambda gy: k.max_pool_gradient(gy, index, shape))
    for include, divisor in (True, None), (False, None), (True, 7):
        where = size, stride, padding, ceil_mode, include, divisor
        check(F.avg_pool2d(x, *where), k.avg_pool(x.detach().numpy(), *where),
              lambda gy, where=where: k.avg_pool_gradient(gy, shape, *where))
    for out in (1, 1), (3, 5), (9, 4):
        check(F.adaptive_avg_pool2d(x, out), k.adaptive_avg_pool(x.detach().numpy(), out),
              lambda gy: k.adaptive_avg_pool_gradient(gy, shape))
        wanted, places = F.adaptive_max_pool2d(x, out, return_indices=True)
        y, found = k.adaptive_max_pool(x.detach().numpy(), out)
        assert_array_equal(found, places.numpy())
        check(wanted, y, lambda gy, found=found: k.max_pool_gradient(gy, found, shape))


@pytest.mark.parity
def test_there_are_as_many_windows_as_in_pytorch(k):
    torch = pytest.importorskip("torch")
    for size, kernel, stride, padding, dilation in np.ndindex(9, 4, 4, 3, 2):
        size, kernel, stride, dilation = size + 1, kernel + 1, stride + 1, dilation + 1
        if padding <= kernel // 2 and k.pool_size(size, kernel, stride, padding, dilation, False) > 0:
            for ceil_mode in False, True:
                where = size, kernel, stride, padding, dilation, ceil_mode
                y = torch.nn.functional.max_pool1d(torch.zeros(1, 1, size), *where[1:])
                assert k.pool_size(*where) == y.shape[2]
