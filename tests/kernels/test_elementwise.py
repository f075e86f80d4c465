import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu
from minidl.kernels.cpu import elementwise, moves

EXTREME = np.array([-np.inf, -1e4, -80, -1, -1e-9, 0, 1e-9, 1, 100, 1e4, np.inf, np.nan])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_overflows_at_either_end(k, dtype):
    x = EXTREME.astype(dtype)
    sigmoid = [0, 0, 1.8048513878e-35, 0.2689414214, 0.5, 0.5, 0.5, 0.7310585786, 1, 1, 1, np.nan]     # 1 / (1 + e^-x)
    softplus = [0, 0, 1.8048513878e-35, 0.3132616875, math.log(2), math.log(2), math.log(2), 1.3132616875, 100, 1e4,
                np.inf, np.nan]                                                                      # log(1 + e^x)
    for y, wanted in (k.sigmoid(x), sigmoid), (k.softplus(x), softplus), (k.erf(x), [math.erf(v) for v in EXTREME]):
        assert y.dtype == dtype
        assert_allclose(y, wanted, 1e-6, 1e-9)
    assert_allclose(k.sigmoid(x[2]), math.exp(-80), 1e-5 if dtype is np.float32 else 1e-12)         # relative


def test_rsqrt_is_one_over_the_root(k, rng):
    x = rng.random((3, 4)).astype(np.float32) + 0.1
    assert k.rsqrt(x).dtype == np.float32
    assert_allclose(k.rsqrt(x), [[1 / math.sqrt(v) for v in row] for row in x], 1e-6)


def test_one_number_everywhere_is_numpys_and_cannot_be_written_to(k):
    for x in np.array(2.5, np.float32), np.float64(2.5), np.array([[1], [2]]):
        for shape in (2, 3), (4, 2, 3), (2, 0):
            y, wanted = k.broadcast_to(x, shape), np.broadcast_to(x, shape)
            assert y.dtype == wanted.dtype and y.strides == wanted.strides and not y.flags.writeable
            assert_array_equal(y, wanted)


@pytest.mark.parametrize("streaming", [False, True])
def test_sums_and_copies_of_large_arrays_are_numpys(streaming, rng, monkeypatch):
    monkeypatch.setattr(elementwise, "LARGE", 0)
    monkeypatch.setattr(moves, "LARGE", 0 if streaming else 2 ** 40)
    a, b = rng.standard_normal((2, 3, 5, 4999))
    for dtype in np.float32, np.float64, np.float16, np.int64:
        x, y = a.astype(dtype), b.astype(dtype)
        for args in [(x, y), (x.T, y.T), (x[:, :1], y), (x, 2), (x, b), (x[0, 0, 0], y[0, 0, 0])]:
            z, wanted = cpu.add(*args), np.add(*args)
            assert z.dtype == wanted.dtype
            assert_array_equal(z, wanted)
        for part in x, x.T, x[:, 1:], np.broadcast_to(x[0, 0, 0], x.shape):
            copy = cpu.copy(part)
            assert copy.flags.c_contiguous and copy.dtype == dtype and not np.shares_memory(copy, part)
            assert_array_equal(copy, part)
    out = np.zeros_like(a)
    assert cpu.add(a, b, out=out) is out
    assert_array_equal(out, a + b)


@pytest.mark.filterwarnings("error")
def test_logsumexp_survives_infinities_and_large_numbers(k, rng):
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, -inf], [inf, 3], [inf, inf], [-inf, 2], [1000, 1000], [-1000, -1000], [nan, 1]])
    wanted = np.array([-inf, inf, inf, 2, 1000 + math.log(2), -1000 + math.log(2), nan])
    assert_allclose(k.logsumexp(x, 1), wanted)
    assert_allclose(k.logsumexp(x.astype(np.float32), (1,), keepdims=True), wanted[:, None], 1e-6)
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    assert k.logsumexp(x, (0, 2)).dtype == np.float32
    assert_allclose(k.logsumexp(x, (0, 2)), np.log(np.exp(x.astype(np.float64)).sum((0, 2))), 1e-6)
    assert_array_equal(k.logsumexp(np.zeros((2, 0)), 1), [-inf, -inf])
