import os
import subprocess
import sys

import numpy as np
import pytest
from convolutions import agree, arrays, passes

from minidl.kernels import naive, reference
from minidl.kernels.cpu import batched, simd
from minidl.kernels.cpu import jit as compiler
from minidl.kernels.cpu import threads as workers
from minidl.kernels.cpu.simd import LANES

ONE, N = (1, 1), LANES
CASES = {
    "plain":         ((N, 3, 5, 6), (4, 3, 3, 2), ONE, (0, 0), ONE, 1),
    "one channel":   ((2 * N, 1, 6, 9), (6, 1, 5, 3), ONE, (1, 2), ONE, 1),
    "dilated":       ((N, 2, 9, 8), (3, 2, 3, 2), ONE, (3, 1), (2, 3), 1),
    "mostly edge":   ((N, 2, 1, 2), (9, 2, 3, 3), ONE, (2, 2), ONE, 1),
    "more than LANES": ((3 * N, 2, 4, 19), (17, 2, 2, 4), ONE, (1, 3), ONE, 1),
    "large filters": ((N, 5, 7, 7), (8, 5, 7, 5), ONE, (0, 0), ONE, 1),
}
ERROR = {np.float32: 1e-5, np.float64: 1e-13}            # measured, largest difference over largest result: 1e-6, 2e-15


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_all_passes_are_the_references(case, dtype, rng):
    some = arrays(case, rng, dtype)
    results = passes(batched, case, *some)
    assert all(result.dtype == dtype for result in results)
    agree(results, passes(reference, case, *(x.astype(np.float64) for x in some)), ERROR[dtype])


def test_the_plain_loops_are_the_seven_loops(rng):
    case = CASES["plain"]
    some = arrays(case, rng)
    agree(passes(batched, case, *some), passes(naive, case, *some), 1e-13)


@pytest.mark.parametrize("tile", range(len(batched.TILES)))
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_tiles_rows_at_a_time_and_threads_do_not_matter(tile, threads, rng, monkeypatch):
    case = CASES["more than LANES"]
    some = arrays(case, rng)
    monkeypatch.setattr(batched, "fitting", lambda rows, columns: tile)
    monkeypatch.setattr(workers, "thread_count", lambda: threads)
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 10 ** 9)                 # one after the other, not in parallel
    agree(passes(batched, case, *some), passes(reference, case, *some), 1e-13)


def test_memory_that_was_used_before_does_no_harm(rng):
    case = CASES["mostly edge"]
    some = arrays(case, rng)
    workers.scratch(2 ** 18, np.float64)[:] = np.nan
    agree(passes(batched, case, *some), passes(reference, case, *some), 1e-13)


def test_kernels_compute_the_same_in_parallel(rng, monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    case = CASES["more than LANES"]
    some = arrays(case, rng, np.float32)
    agree(passes(batched, case, *some), passes(reference, case, *some), 1e-5)


def test_a_gradient_may_have_fewer_windows_than_would_fit(rng):
    args = rng.standard_normal((LANES, 4, 4, 5)), rng.standard_normal((4, 3, 3, 3)), (LANES, 3, 6, 6), *[(1, 1)] * 3, 1
    agree([batched.conv2d_gradient_x(*args)], [reference.conv2d_gradient_x(*args)], 1e-13)


def test_arrays_need_not_be_contiguous_nor_writable(rng):
    case = CASES["plain"]
    x, w, b, gy = arrays(case, rng)
    turned = np.ascontiguousarray(x.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    flipped = w[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]
    one = np.broadcast_to(gy[:1, :1], gy.shape)
    x.flags.writeable = False
    agree(passes(batched, case, turned, flipped, b, one), passes(reference, case, x, w, b, one), 1e-13)
    agree(passes(batched, case, x, w, b, gy), passes(reference, case, x, w, b, gy), 1e-13)


def test_it_suits_whole_vectors_of_small_images():
    def suits(N=2 * LANES, C=3, size=8, F=4, filters=3, stride=1, padding=1, groups=1):
        return batched.suits((N, C, size, size), (F, C // groups, filters, filters), (stride, stride), (padding, padding),
                             (1, 1), groups, np.float32)
    assert suits() and suits(padding=2)
    for unsuited in [{"N": 0}, {"N": LANES + 1}, {"size": 0}, {"F": 0}, {"stride": 2}, {"padding": 3}, {"size": 400},
                     {"C": 4, "groups": 2}]:
        assert not suits(**unsuited), unsuited


@pytest.mark.slow
@pytest.mark.parametrize("can", [name for name in simd.possible() if name not in (simd.processor(), "none")])
def test_the_other_processors_instructions_pass_the_same_tests(can):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"MINIDL_SIMD": can})


@pytest.mark.slow
def test_no_other_place_is_read_or_written():
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-m", "not slow"], check=True,
                   env=os.environ | {"NUMBA_BOUNDSCHECK": "1"})
