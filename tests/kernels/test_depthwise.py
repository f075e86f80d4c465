import os
import subprocess
import sys

import numpy as np
import pytest

from minidl.kernels import naive, reference
from minidl.kernels.cpu import depthwise, direct, simd
from minidl.kernels.cpu import jit as compiler
from minidl.kernels.cpu import threads as workers

# shape of x, shape of w, stride, padding, dilation, groups
CASES = {
    "three":        ((1, 3, 5, 9), (3, 1, 2, 3), (1, 1), (1, 0), (2, 1), 3),
    "multiplied":   ((3, 2, 6, 5), (6, 1, 3, 3), (2, 2), (1, 1), (1, 1), 2),
    "mostly edge":  ((1, 2, 3, 2), (2, 1, 3, 3), (2, 2), (4, 5), (1, 3), 2),
    "33 channels":  ((2, 33, 7, 7), (33, 1, 3, 3), (1, 1), (1, 1), (1, 1), 33),
    "66 filters":   ((2, 33, 9, 6), (66, 1, 3, 3), (2, 2), (1, 1), (1, 1), 33),
    "large filter": ((2, 5, 31, 40), (5, 1, 5, 6), (2, 2), (2, 1), (1, 1), 5),
}
ERROR = {np.float32: 1e-5, np.float64: 1e-13}            # measured, largest difference over largest result: 1e-6, 2e-15


def arrays(case, rng, dtype=np.float64):
    x_shape, w_shape, stride, padding, dilation, groups = case
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[0]))
    out = (reference.out_size(*axis) for axis in zip(x_shape[2:], w_shape[2:], stride, padding, dilation))
    return x, w, b, rng.standard_normal((x_shape[0], w_shape[0], *out)).astype(dtype)


def passes(k, case, x, w, b, gy):
    where = case[2:]
    return [k.conv2d(x, w, b, *where), k.conv2d(x, w, None, *where), k.conv2d_gradient_x(gy, w, x.shape, *where),
            k.conv2d_gradient_w(gy, x, w.shape[2:], *where)]


def agree(results, wanted, error):
    for got, right in zip(results, wanted, strict=True):
        assert got.flags.c_contiguous and got.shape == right.shape
        assert np.abs(got - right).max() <= error * np.abs(right).max()


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    assert depthwise.suits(*request.param, np.float32)
    return request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_passes_are_the_seven_loops(case, dtype, rng):
    some = arrays(case, rng, dtype)
    results = passes(depthwise, case, *some)
    assert all(result.dtype == dtype for result in results)
    agree(results, passes(naive, case, *(x.astype(np.float64) for x in some)), ERROR[dtype])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_matter(case, threads, rng, monkeypatch):
    some = arrays(case, rng)
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 10 ** 9)                 # one after the other, not in parallel
    for module in (depthwise, workers):
        monkeypatch.setattr(module, "thread_count", lambda: threads)
    agree(passes(depthwise, case, *some), passes(reference, case, *some), 1e-13)


def test_kernels_compute_the_same_in_parallel(rng, monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    case = CASES["33 channels"]
    some = arrays(case, rng, np.float32)
    agree(passes(depthwise, case, *some), passes(reference, case, *some), 1e-5)


def test_a_gradient_may_have_fewer_windows_than_would_fit(rng):
    where = (1, 1), (1, 1), (1, 1), 3
    w, gy = rng.standard_normal((3, 1, 3, 3)), rng.standard_normal((2, 3, 4, 5))
    agree([depthwise.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *where)],
          [reference.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *where)], 1e-13)


def test_it_is_for_filters_that_read_one_channel():
    where = (1, 1), (0, 0), (1, 1)
    assert not depthwise.suits((1, 4, 5, 5), (4, 2, 3, 3), *where, 2, np.float32)
    assert not depthwise.suits((0, 4, 5, 5), (4, 1, 3, 3), *where, 4, np.float32)
    assert direct.suits((1, 4, 5, 5), (4, 2, 3, 3), *where, 2, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("can", [name for name in simd.possible() if name not in (simd.processor(), "none")])
def test_the_other_processors_instructions_pass_the_same_tests(can):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"MINIDL_SIMD": can})


@pytest.mark.slow
def test_no_other_place_is_read_or_written():
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"NUMBA_BOUNDSCHECK": "1"})
