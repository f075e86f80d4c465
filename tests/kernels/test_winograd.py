import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import reference
from minidl.kernels.cpu import jit, winograd
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.winograd_transforms import TILES, matrix, transform

# m -> B^T, G, A^T of F(m x m, 3 x 3): Lavin & Gray 2015, arXiv 1509.09308, equations 10 and 14
MATRICES = {
    2: (np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
        np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
        np.array([[1, 1, 1, 0], [0, 1, -1, -1]])),
    4: (np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
                  [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]),
        np.array([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
                  [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]),
        np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]))}

# shape of x, filters, padding, groups
CASES = {
    "small":        ((2, 16, 7, 9), 16, (1, 1), 1),
    "unpadded":     ((3, 32, 5, 6), 48, (0, 2), 1),
    "two groups":   ((2, 64, 6, 11), 96, (1, 0), 2),
    "one pixel":    ((1, 16, 3, 3), 32, (0, 0), 1),
    "many filters": ((2, 160, 6, 6), 128, (1, 1), 1),
    "many tiles":   ((1, 32, 41, 37), 32, (2, 1), 1),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request, rng):
    x_shape, F, padding, groups = request.param
    x, w, b = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, (F, x_shape[1] // groups, 3, 3), F))
    how = (1, 1), padding, (1, 1), groups
    assert winograd.F4.suits(x.shape, w.shape, *how, x.dtype)
    gy = rng.standard_normal(reference.conv2d(x, w, b, *how).shape).astype(np.float32)
    return x, w, b, gy, how


@pytest.fixture(params=[winograd.F2, winograd.F4], ids=["2x2", "4x4"])
def algorithm(request):
    return request.param


@pytest.mark.parametrize("m", MATRICES)
def test_a_formula_is_the_papers_matrix(m):
    B_T, G, A_T = MATRICES[m]
    for name, T in {"bt": B_T, "g": G, "at": A_T, "gt": G.T, "a": A_T.T}.items():
        assert_allclose(matrix(getattr(TILES[m], name)), T, atol=1e-15)


@pytest.mark.parametrize("m", MATRICES)
@pytest.mark.parametrize("name", ["bt", "gt"])
def test_a_formula_is_applied_to_columns_and_rows_of_vectors(m, name, rng):
    T = matrix(getattr(TILES[m], name))
    x, y = rng.standard_normal((m + 2, m + 3, LANES)), np.zeros((len(T) + 1, len(T), LANES))
    transform(name)(m, x.reshape(-1), LANES, (m + 3) * LANES, LANES, y.reshape(-1), 0, len(T) * LANES, LANES)
    assert_allclose(y[:-1], np.einsum("pr,rsl,qs->pql", T, x[:, 1:], T), atol=1e-12)
    assert_array_equal(y[-1], 0)


def assert_near(got, exact, algorithm):
    """Within 1e-4 and 1e-5 standard deviations: up to 5e-5 and 5e-6 were seen, with 16 to 256 channels."""
    assert got.dtype == np.float32 and got.shape == exact.shape and got.flags.c_contiguous
    assert abs(got - exact).max() < {winograd.F4: 1e-4, winograd.F2: 1e-5}[algorithm] * exact.std()


@pytest.mark.parametrize("block", ["by tiles", "by filters"])
@pytest.mark.parametrize("parallel", [False, True])
def test_it_is_the_convolution_and_its_gradients_as_near_as_float32_comes(algorithm, case, block, parallel, monkeypatch):
    monkeypatch.setattr(winograd, "FEW", 0 if block == "by filters" else 2 ** 30)
    if block == "by filters":                            # and in several chunks, of which each has a part
        monkeypatch.setattr(winograd, "BLOCK", 1)
        monkeypatch.setattr(winograd, "MANY", 36 * 12 * 32)
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if parallel else 2 ** 40)
    x, w, b, gy, how = case
    X, W, B, GY = (array.astype(np.float64) for array in (x, w, b, gy))
    assert_near(algorithm.conv2d(x, w, b, *how), reference.conv2d(X, W, B, *how), algorithm)
    assert_near(algorithm.conv2d(x, w, None, *how), reference.conv2d(X, W, None, *how), algorithm)
    assert_near(algorithm.conv2d_gradient_x(gy, w, x.shape, *how),
                reference.conv2d_gradient_x(GY, W, x.shape, *how), algorithm)
    assert_near(algorithm.conv2d_gradient_w(gy, x, (3, 3), *how),
                reference.conv2d_gradient_w(GY, X, (3, 3), *how), algorithm)


def test_arrays_need_not_be_contiguous_nor_writable(algorithm, rng):
    x, w = rng.standard_normal((2, 9, 7, 16)).astype(np.float32), rng.standard_normal((3, 3, 16, 32)).astype(np.float32)
    x.flags.writeable = False
    x, w, how = x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), ((1, 1), (1, 1), (1, 1), 1)
    gy = np.broadcast_to(rng.standard_normal((9, 1)).astype(np.float32), (2, 32, 9, 7))
    assert_near(algorithm.conv2d(x, w, None, *how), reference.conv2d(x.astype(np.float64), w, None, *how), algorithm)
    assert_near(algorithm.conv2d_gradient_x(gy, w, x.shape, *how),
                reference.conv2d_gradient_x(gy.astype(np.float64), w, x.shape, *how), algorithm)
    assert_near(algorithm.conv2d_gradient_w(gy, x, (3, 3), *how),
                reference.conv2d_gradient_w(gy.astype(np.float64), x, (3, 3), *how), algorithm)


def test_other_convolutions_and_float64_are_left_to_others(algorithm):
    x, w, how = (2, 16, 8, 8), (16, 16, 3, 3), ((1, 1), (1, 1), (1, 1), 1)
    assert algorithm.suits(x, w, *how, np.dtype(np.float32))
    assert not algorithm.suits(x, w, *how, np.dtype(np.float64))
    for shapes in [((2, 15, 8, 8), (16, 15, 3, 3)), (x, (17, 16, 3, 3)), (x, (16, 16, 3, 5)), ((0, 16, 8, 8), w)]:
        assert not algorithm.suits(*shapes, *how, np.dtype(np.float32))
    for how in [((2, 1), (1, 1), (1, 1), 1), ((1, 1), (3, 1), (1, 1), 1), ((1, 1), (1, 1), (1, 2), 1)]:
        assert not algorithm.suits(x, w, *how, np.dtype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"MINIDL_SIMD": "avx2"}, {"MINIDL_SIMD": "sse"}, {"NUMBA_BOUNDSCHECK": "1"}], ids=str)
def test_it_is_the_same_with_other_vectors_and_with_every_place_checked(setting):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True, env=os.environ | setting)
