import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu
from minidl.kernels.cpu import jit, matrix, memory, moves, panels
from minidl.kernels.cpu.panels import Layout


@pytest.mark.parametrize("few", [1, 2 ** 15])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("a, b", [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((7, 3), (3, 4)), ((2, 3), (3, 9)), ((5, 1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((0, 2, 3), (3, 5))])
def test_a_product_is_numpys_whatever_the_shapes(k, few, dtype, a, b, rng, monkeypatch):
    monkeypatch.setattr(matrix, "FEW", few)
    a, b = (10 * rng.standard_normal(a)).astype(dtype), (10 * rng.standard_normal(b)).astype(dtype)
    y = k.matmul(a, b)
    assert y.dtype == dtype
    assert_allclose(y, np.matmul(a, b), 1e-5)
    if a.ndim > 1 and b.ndim > 1:
        a, b = a.swapaxes(-1, -2).copy().swapaxes(-1, -2), b[..., ::-1, :].copy()[..., ::-1, :]
        assert_allclose(k.matmul(a, b), np.matmul(a, b), 1e-5)


# Fewer rows than a tile, more, blocks of them; columns that fill no panel, several, blocks of these; depths of blocks;
# and few rows by so many columns and so deep that these, too, come in pieces.
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("M, K, N", [(1, 300, 150), (5, 600, 40), (13, 70, 1100), (100, 17, 33), (64, 300, 64),
                                     (601, 20, 70), (3, 2112, 96), (16, 43, 8256), (11, 64, 4)])
@pytest.mark.parametrize("parallel", [False, True])
def test_blocks_of_a_large_product_fit_together_in_any_layout(M, K, N, dtype, tolerance, parallel, rng, monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if parallel else 10 ** 9)
    a, b = rng.standard_normal((M, K)), rng.standard_normal((K, N))
    wanted = a @ b
    a, b = a.astype(dtype), b.astype(dtype)
    for left in (a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]):
        for right in (b, np.asfortranarray(b), np.repeat(b, 2, axis=0)[::2]):
            assert_allclose(cpu.matmul(left, right), wanted, tolerance, tolerance * K)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("N", [1120, 33])                # rows of c that begin where vectors do, and others
def test_a_product_of_few_columns_goes_past_the_caches(N, dtype, tolerance, rng, monkeypatch):
    monkeypatch.setattr(moves, "LARGE", 0)
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((300, 17), (17, N)))
    assert_allclose(cpu.matmul(a, b), a.astype(np.float64) @ b.astype(np.float64), tolerance, 20 * tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("size", [(12, 28), (12, 12), (9, 11)])       # tiles that fill an image's rows, some, and none
def test_images_go_past_the_caches_where_vectors_fit_into_them(size, dtype, tolerance, rng, monkeypatch):
    """As an einsum says what a 1x1 convolution is. What is streamed to a place between vectors ends the process."""
    monkeypatch.setattr(moves, "LARGE", 0)
    x, w = rng.standard_normal((4, 20, *size)).astype(dtype), rng.standard_normal((61, 20, 1, 1)).astype(dtype)
    y = cpu.conv2d(x, w, None, (1, 1), (0, 0), (1, 1), 1)
    assert_allclose(y, np.einsum("fc,nchw->nfhw", w[:, :, 0, 0].astype(float), x.astype(float)), tolerance, 20 * tolerance)


@pytest.mark.parametrize("large", [0, 2 ** 23])         # bytes of c that goes past the caches, or does not
@pytest.mark.parametrize("M, N", [(48, 64), (13, 40)])
@pytest.mark.parametrize("pixels", [300, 70, 9])        # in an image: more than are multiplied at a time, and fewer
def test_a_product_with_a_transpose_is_summed_over_images(pixels, M, N, large, rng, monkeypatch):
    monkeypatch.setattr(moves, "LARGE", large)
    monkeypatch.setattr(memory, "SMALL", 0)              # aligned, as what is streamed has to be
    a, b, c = rng.standard_normal((3, M, pixels)), rng.standard_normal((3, N, pixels)), memory.empty((M, N), np.float64)
    a_at, b_at, c_at = Layout(pixels, pixels, M * pixels), Layout(pixels, pixels, N * pixels), Layout(N, N, 0)
    panels.product(a.reshape(-1), a_at, b.reshape(-1), b_at, c.reshape(-1), c_at, (M, 3 * pixels, N), turned=True)
    assert_allclose(c, np.einsum("imp,inp->mn", a, b), 1e-12, 1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 601), (2, 601, 20), (5, 16, 32), (1, 33, 48), (4, 7, 300), (0, 3, 4)])
def test_a_transpose_is_numpys(shape, dtype, rng, monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0)
    x = rng.standard_normal(shape).astype(dtype)
    for _ in range(3):
        np.testing.assert_array_equal(panels.transposed(x), x.swapaxes(1, 2))


def test_many_threads_share_the_tiles_of_a_product_evenly():
    for rows, count, threads in [(1, 1, 16), (1, 500, 7), (64, 98, 16), (512, 1, 16), (3, 5, 2)]:
        across, along = panels.shares(rows, count, 16, threads)
        assert across <= rows and along <= count and count <= 16 * along
        if rows * count > 100 * threads:
            fair, slowest = rows * count / threads, -(-rows // across) * -(-count // along) * -(-across * along // threads)
            assert slowest < 1.3 * fair


def test_a_product_that_does_not_fit_is_refused(k):
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        k.matmul(np.zeros((2, 3)), np.zeros((4, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"MINIDL_SIMD": "avx2"}, {"MINIDL_SIMD": "sse"}, {"NUMBA_BOUNDSCHECK": "1"}], ids=str)
def test_it_is_the_same_with_other_vectors_and_with_every_place_checked(setting):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True, env=os.environ | setting)
