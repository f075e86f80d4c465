import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit, memory, moves, simd
from minidl.kernels.cpu.memory import ALIGNED, empty

SETTINGS = [(dtype, on_all_threads) for dtype in (np.float32, np.float64) for on_all_threads in (False, True)]


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (7, 300, 11), (3, 2 ** 20)])
@pytest.mark.parametrize("dtype", [np.float32, "f8", np.int32])
def test_empty_is_numpys_but_large_arrays_begin_where_vectors_do(shape, dtype):
    x = empty(shape, dtype)
    assert x.shape == shape and x.dtype == dtype and x.flags.c_contiguous and x.flags.writeable
    assert x.nbytes < memory.SMALL or x.ctypes.data % ALIGNED == 0
    x[...] = 1                                           # all of it is there
    assert x.sum() == x.size


@pytest.mark.parametrize("dtype, on_all_threads", SETTINGS)
def test_results_that_are_streamed_past_the_caches_are_the_same(dtype, on_all_threads, rng, monkeypatch):
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(moves, "LARGE", 0)
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if on_all_threads else 10 ** 9)
    x, gy = rng.standard_normal((2, 3, 4, 100, 48)).astype(dtype)
    w, b = rng.standard_normal((2, 4)).astype(dtype)
    assert moves.worth_streaming(empty(x.shape, dtype))
    error = 1e-4 if dtype is np.float32 else 1e-11
    for shape in x.shape, (3, 4, 25, 192), (3, 4800 * 4 - 5):            # the last is no whole number of vectors
        part, g = x.reshape(-1)[:np.prod(shape)].reshape(shape), gy.reshape(-1)[:np.prod(shape)].reshape(shape)
        assert_array_equal(cpu.add(part, g), part + g)
    got, wanted = cpu.batch_norm(x, w, b, 0.1), reference.batch_norm(x, w, b, 0.1)
    for a, exact in zip(got, wanted):
        assert_allclose(a, exact, error, error)
    for a, exact in zip(cpu.batch_norm_gradient(gy, x, w, *got[1::2]), reference.batch_norm_gradient(gy, x, w, *got[1::2])):
        assert_allclose(a, exact, 10 * error, 10 * error)


FAULTS = """
import resource, sys
import numpy as np
from minidl.kernels.cpu import memory
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def fill(): memory.empty((10 ** 7,), np.float32)[...] = 1          # 40 MB, more than GNU's library would keep
fill()
before = faults()
for _ in range(20): fill()
again, before = faults() - before, faults()
new = [memory.empty((2 ** 18,), np.float32) for _ in range(100)]   # 100 MB; for 4 MB and more, NumPy would ask by itself
for x in new: x[...] = 1
print(memory.the_heap() is not None, again, faults() - before)
"""
GNU = "glibc" in str(getattr(os, "confstr_names", {}) and os.confstr("CS_GNU_LIBC_VERSION"))
LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(not GNU, reason="not GNU's C library")
def test_pages_are_made_once_unless_that_is_switched_off():
    kept, again, _ = run(FAULTS).split()
    assert kept == "True" and int(again) < 1000
    kept, *_ = run(FAULTS, MINIDL_KEEP_MEMORY="0").split()
    assert kept == "False"


@pytest.mark.skipif(not GNU or not LARGE_PAGES.exists() or "[never]" in LARGE_PAGES.read_text(),
                    reason="no large pages, or not GNU's C library")
def test_new_pages_are_large():
    _, _, new = run(FAULTS).split()
    assert int(new) < 100e6 / 4096 / 4                   # some may be small still, where what there was ended


def run(program, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", program], check=True, env=clean | environment, capture_output=True)
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("setting", [
    *[("MINIDL_SIMD", name) for name in simd.possible() if name not in (simd.processor(), "none")],
    ("NUMBA_BOUNDSCHECK", "1")])
def test_on_the_other_processors_the_passes_over_memory_are_the_same(setting):
    names = "activation loss memory moves normalization one_pass pooling".split()
    files = [f"{os.path.dirname(__file__)}/test_{name}.py" for name in names]
    program = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files]
    subprocess.run(program, check=True, env=os.environ | dict([setting]))
