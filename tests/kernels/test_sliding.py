import os
import subprocess
import sys

import numpy as np
import pytest
from convolutions import LARGE, SMALL, agree, arrays, passes
from numpy.testing import assert_allclose

from minidl.kernels import naive, reference
from minidl.kernels.cpu import jit as compiler
from minidl.kernels.cpu import simd, sliding
from minidl.kernels.cpu import threads as workers

ERROR = {np.float32: 1e-5, np.float64: 1e-13}            # measured, largest difference over largest result: 2e-6, 3e-15


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_all_passes_are_the_seven_loops(case, dtype, rng):
    some = arrays(case, rng, dtype)
    results = passes(sliding, case, *some)
    assert all(result.dtype == dtype for result in results)
    agree(results, passes(naive, case, *some), ERROR[dtype])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_all_passes_are_the_references(case, dtype, rng):
    some = arrays(case, rng, dtype)
    agree(passes(sliding, case, *some), passes(reference, case, *(x.astype(np.float64) for x in some)), ERROR[dtype])


@pytest.fixture
def plans():
    """Plans that are made again, and again afterwards."""
    def forget():
        for plan in (sliding.planned,):
            plan.cache_clear()
    forget()
    yield
    forget()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("limit", [1, 30, 700, 10 ** 9])
@pytest.mark.parametrize("case", [SMALL["groups"], LARGE["33 channels"]], ids=["groups", "33 channels"])
def test_blocks_and_threads_do_not_matter(case, limit, threads, rng, plans, monkeypatch):
    some = arrays(case, rng)
    monkeypatch.setattr(sliding, "IN_CACHE", limit)
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 10 ** 9)                 # one after the other, not in parallel
    for module in (sliding, workers):
        monkeypatch.setattr(module, "thread_count", lambda: threads)
    agree(passes(sliding, case, *some), passes(reference, case, *some), 1e-13)


def test_kernels_compute_the_same_in_parallel(rng, monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    case = LARGE["33 channels"]
    some = arrays(case, rng, np.float32)
    agree(passes(sliding, case, *some), passes(reference, case, *some), 1e-5)


def test_a_gradient_may_have_fewer_windows_than_would_fit(rng):
    case = (1, 1), (1, 1), (1, 1), 1
    w, gy = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((2, 4, 4, 5))
    assert_allclose(sliding.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *case),
                    reference.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *case), atol=1e-13)


def test_arrays_need_not_be_contiguous_nor_writable(rng):
    case = SMALL["groups"]
    x, w, b, gy = arrays(case, rng)
    turned = np.ascontiguousarray(x.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    flipped = w[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]
    one = np.broadcast_to(gy[:1, :1], gy.shape)
    x.flags.writeable = False
    agree(passes(sliding, case, turned, flipped, b, one), passes(naive, case, x, w, b, one), 1e-13)
    agree(passes(sliding, case, x, w, b, gy), passes(naive, case, x, w, b, gy), 1e-13)


def test_an_empty_batch_is_not_its_business():
    assert not sliding.suits((0, 3, 5, 5), (4, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1, np.float32)
    assert sliding.suits((1, 3, 5, 5), (4, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("can", [name for name in simd.possible() if name not in (simd.processor(), "none")])
def test_the_other_processors_instructions_pass_the_same_tests(can):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"MINIDL_SIMD": can})


@pytest.mark.slow
def test_no_other_place_is_read_or_written():
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"NUMBA_BOUNDSCHECK": "1"})
