import os
import subprocess
import sys

import numpy as np
import pytest
from convolutions import agree, arrays, passes

from minidl.kernels import naive, reference
from minidl.kernels.cpu import depthwise, direct, simd
from minidl.kernels.cpu import jit as compiler

# shape of x, shape of w, stride, padding, dilation, groups
CASES = {
    "3 x 3":        ((2, 3, 15, 17), (3, 1, 3, 3), (1, 1), (1, 1), (1, 1), 3),
    "33 channels":  ((2, 33, 7, 7), (33, 1, 3, 3), (1, 1), (1, 1), (1, 1), 33),
    "wide":         ((1, 2, 9, 70), (2, 1, 3, 3), (1, 1), (0, 3), (1, 1), 2),
    "every second": ((2, 3, 16, 18), (3, 1, 3, 3), (2, 2), (1, 1), (1, 1), 3),
    "66 filters":   ((2, 33, 9, 6), (66, 1, 3, 3), (2, 2), (1, 1), (1, 1), 33),
    "wide, 2":      ((1, 2, 37, 70), (2, 1, 3, 3), (2, 2), (0, 3), (1, 1), 2),
    "multiplied":   ((3, 2, 6, 5), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "apart":        ((1, 3, 5, 9), (3, 1, 2, 3), (1, 1), (1, 0), (2, 1), 3),
    "mostly edge":  ((1, 2, 3, 2), (2, 1, 3, 3), (2, 2), (4, 5), (1, 1), 2),
    "5 x 5":        ((2, 3, 15, 37), (3, 1, 5, 5), (1, 1), (2, 2), (1, 1), 3),
    "5 x 5, 2":     ((2, 3, 16, 38), (3, 1, 5, 5), (2, 2), (2, 2), (1, 1), 3),
    "7 x 7":        ((3, 2, 9, 8), (6, 1, 7, 7), (1, 1), (3, 3), (1, 1), 2),
    "7 x 7, 2":     ((1, 2, 31, 40), (4, 1, 7, 7), (2, 2), (3, 3), (1, 1), 2),
    "5 x 6, 2":     ((2, 5, 31, 40), (10, 1, 5, 6), (2, 2), (2, 1), (1, 1), 5),
    "9 x 2":        ((1, 3, 12, 5), (3, 1, 9, 2), (1, 1), (4, 0), (1, 1), 3),
    "dilated":      ((2, 2, 20, 37), (4, 1, 5, 3), (1, 1), (4, 2), (2, 3), 2),
    "dilated, 3":   ((1, 2, 9, 9), (2, 1, 3, 3), (1, 1), (1, 2), (3, 2), 2),
    "narrow":       ((2, 3, 3, 4), (3, 1, 5, 7), (1, 1), (2, 3), (1, 1), 3),
    "narrow, 2":    ((2, 3, 4, 3), (6, 1, 7, 5), (2, 2), (3, 2), (1, 1), 3),
    "far outside":  ((1, 2, 6, 5), (4, 1, 2, 3), (1, 1), (3, 4), (1, 1), 2),
    "far, 2":       ((1, 2, 6, 5), (4, 1, 2, 3), (2, 2), (3, 4), (1, 1), 2),
    "1 x 1":        ((2, 3, 9, 20), (3, 1, 1, 1), (1, 1), (0, 0), (1, 1), 3),
    "1 x 1, 2":     ((2, 3, 9, 20), (6, 1, 1, 1), (2, 2), (0, 1), (1, 1), 3),
}
ERROR = {np.float32: 1e-5, np.float64: 1e-13}            # measured, largest difference over largest result: 1e-6, 2e-15


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


@pytest.mark.parametrize("threads", [1, 3, 50])
def test_threads_share_out_the_channels(case, threads, rng, monkeypatch):
    some = arrays(case, rng)
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 10 ** 9)                 # one after the other, not in parallel
    monkeypatch.setattr(depthwise, "thread_count", lambda: threads)
    agree(passes(depthwise, case, *some), passes(reference, case, *some), 1e-13)


def test_kernels_compute_the_same_in_parallel(rng, monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    case = CASES["33 channels"]
    some = arrays(case, rng, np.float32)
    agree(passes(depthwise, case, *some), passes(reference, case, *some), 1e-5)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_gradient_may_have_fewer_windows_than_would_fit(size, stride, rng):
    where = (stride, stride), (size // 2, size // 2), (1, 1), 3
    w, gy = rng.standard_normal((3, 1, size, size)), rng.standard_normal((2, 3, 4 // stride, 5 // stride))
    agree([depthwise.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *where)],
          [reference.conv2d_gradient_x(gy, w, (2, 3, 6, 6), *where)], 1e-13)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_what_lies_outside_an_image_is_not_read(size, stride, rng):
    """The numbers before, between and behind the images of a channel are other channels', or no one's."""
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 3, 8, 9), (3, 1, size, size)))
    where = (stride, stride), (size // 2, size // 2), (1, 1), 3
    gy = np.ones_like(depthwise.conv2d(x, w, None, *where))
    x[:, [0, 2]], gy[:, [0, 2]] = np.nan, np.nan
    for result in (depthwise.conv2d(x, w, None, *where), depthwise.conv2d_gradient_x(gy, w, x.shape, *where)):
        assert np.isfinite(result[:, 1]).all()
    assert np.isfinite(depthwise.conv2d_gradient_w(gy, x, (size, size), *where)[1]).all()


def test_it_is_for_filters_that_read_one_channel_with_stride_1_or_2():
    where = (1, 1), (0, 0), (1, 1)
    assert not depthwise.suits((1, 4, 5, 5), (4, 2, 3, 3), *where, 2, np.float32)
    assert not depthwise.suits((0, 4, 5, 5), (4, 1, 3, 3), *where, 4, np.float32)
    assert not depthwise.suits((1, 4, 5, 5), (4, 1, 3, 3), (2, 1), *where[1:], 4, np.float32)
    assert not depthwise.suits((1, 4, 5, 5), (4, 1, 3, 3), (3, 3), *where[1:], 4, np.float32)
    assert not depthwise.suits((1, 4, 9, 9), (4, 1, 3, 3), (2, 2), (0, 0), (1, 2), 4, np.float32)
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
