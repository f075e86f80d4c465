import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minidl.kernels.cpu import jit as compiler
from minidl.kernels.cpu import simd, threads
from minidl.kernels.cpu.jit import ParallelKernel, jit
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.tiles import tile


@jit(each="x")
def squares(i, x, y):
    y[i] = square(x[i])


@jit
def square(x):
    return x * x


def reverses():
    """A kernel in plain loops, and the same in instructions."""
    @jit
    def reverse(x, i, y, j, count):
        for lane in range(count):
            y[j + lane] = x[i + LANES - 1 - lane]

    @vectorized(reverse)
    def instructions(code, x, i, y, j, count):
        v = x.load(i)
        y.store_some(j, code.shuffled(v, v, range(LANES - 1, -1, -1)), count)

    return reverse, instructions


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_kernel_computes_the_same_alone_and_on_all_threads(size, rng, monkeypatch):
    x, y = rng.standard_normal(size), np.empty(size)
    squares(x, y)
    assert_array_equal(y, x * x)
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    y[:] = 0
    squares(x, y)
    assert_array_equal(y, x * x)
    assert isinstance(globals()["squares"], ParallelKernel)   # stays, as it chooses between the two


@jit(each="parts")
def written(part, x, where, number, spare, names, parts):
    """In its part of `where`: what a kernel was given."""
    where[part, 0] = x[part] if x.ndim == 1 else x[part, 0]
    where[part, 1] = number
    where[part, 2] = 0 if spare is None else spare[part]
    where[part, 3] = names[0] + 10 * names[1]


@pytest.mark.parametrize("together", [False, True])
def test_every_part_gets_all_arguments_of_whatever_types(together, monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0 if together else 10 ** 9)
    for dtype in np.float32, np.float64, np.int64:
        for x in np.arange(5).astype(dtype), np.arange(10).astype(dtype).reshape(5, 2), np.arange(10).astype(dtype)[::2]:
            for number in 7, np.float32(0.5), True, 1.25:
                for spare in None, np.full(5, 3.0):
                    for names in (1, 2), (1, 2.5):
                        where = np.full((5, 4), -1.0)
                        written(x, where, number, spare, names, 4)
                        first = x if x.ndim == 1 else x[:, 0]
                        wanted = [[first[i], number, 0 if spare is None else 3, 1 + 10 * names[1]] for i in range(4)]
                        assert_array_equal(where, [*wanted, [-1.0] * 4])


def test_arrays_that_may_not_be_written_to_are_of_another_kind():
    x = np.zeros(3)
    x.flags.writeable = False
    y = np.ones(3)
    squares(x, y)
    squares(np.full(3, 2.0), y)
    assert_array_equal(y, [4, 4, 4])
    with pytest.raises(Exception, match="[Rr]ead.?only|mutable|Cannot modify"):
        squares(y, x)


def test_where_places_are_checked_an_error_in_any_part_is_raised():
    program = """
import numpy as np
from tests_kernel import beyond
try:
    beyond(np.zeros(100_000))
except IndexError:
    print("raised")
"""
    kernel = """
from minidl.kernels.cpu.jit import jit

@jit(each="x")
def beyond(i, x):
    x[i + 1] = 0
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tests_kernel.py").write_text(kernel)
        path = os.pathsep.join([folder, *sys.path])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                              env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "XDG_CACHE_HOME": folder, "PYTHONPATH": path})
    assert done.stdout == "raised\n"


@pytest.mark.parametrize("count", [0, 1, LANES - 1, LANES])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_instructions_do_what_the_plain_loops_do_and_touch_nothing_else(dtype, count, rng):
    x, y, wanted = rng.standard_normal(3 * LANES).astype(dtype), *np.zeros((2, LANES + 5), dtype)
    reverse, instructions = reverses()
    reverse(x, 3, wanted, 5, count)
    instructions(x, 3, y, 5, count)
    assert_array_equal(y, wanted)
    assert_array_equal(y[5:5 + count], x[3:3 + LANES][::-1][:count])


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("rows, vectors", [(8, 2), (6, 2), (1, 1), (9, 2)])
@pytest.mark.parametrize("dtype, error", [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_a_tile_is_a_matrix_product(rows, vectors, more, dtype, error, rng):
    depth, width = 37, max(1, vectors * 4 // np.dtype(dtype).itemsize) * LANES
    a, b = rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((depth, width + 3)).astype(dtype)
    c = rng.standard_normal((rows + 1, width + 5)).astype(dtype)
    wanted = c.copy()
    wanted[:rows, 2:width + 2] = wanted[:rows, 2:width + 2] * more + a @ b[:, 1:width + 1]
    tile(rows, vectors)(a.reshape(-1), 0, 1, depth, b.reshape(-1), 1, width + 3, c.reshape(-1), 2, width + 5, depth, more,
                        rows * depth)
    np.testing.assert_allclose(c, wanted, error, error)


def test_the_processor_can_be_asked_for_less_but_not_for_more(monkeypatch):
    monkeypatch.setenv("MINIDL_SIMD", "none")
    assert simd.processor() == "none"
    monkeypatch.setenv("MINIDL_SIMD", "mmx")
    with pytest.raises(ValueError, match="MINIDL_SIMD=mmx: this processor can do .*none"):
        simd.processor()


@pytest.mark.slow
@pytest.mark.parametrize("can", [name for name in simd.possible() if name != simd.processor()])
def test_the_other_processors_instructions_pass_the_same_tests(can):
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__, "-k", "not other"], check=True,
                   env=os.environ | {"MINIDL_SIMD": can})


def test_python_threads_launch_one_kernel_at_a_time(monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    x = np.arange(50_000.0)
    same = []

    def work():
        for _ in range(20):
            y = np.empty_like(x)
            squares(x, y)
            same.append(np.array_equal(y, x * x))
    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers: caller.start()
    for caller in callers: caller.join()
    assert same == [True] * 80


def test_kernels_compiled_in_several_python_threads_leave_numbas_settings_alone():
    import numba
    before, start = numba.config.CACHE_DIR, threading.Barrier(3)

    def fresh(factor):
        namespace = {}                                       # a function without a file: nothing is found in a cache
        exec(f"def times(i, x, y): y[i] = {factor} * x[i]", namespace)
        return jit(namespace["times"], each="x")
    kernels, results = [fresh(factor) for factor in (2, 3, 4)], np.zeros((3, 5))

    def call(kernel, y):
        start.wait()
        kernel(np.arange(5.0), y)
    callers = [threading.Thread(target=call, args=pair) for pair in zip(kernels, results)]
    for caller in callers: caller.start()
    for caller in callers: caller.join()
    assert_array_equal(results, [factor * np.arange(5.0) for factor in (2, 3, 4)])
    assert numba.config.CACHE_DIR == before


WHO = """
import numpy as np
from numba import get_thread_id
from minidl.kernels.cpu import threads
from minidl.kernels.cpu.jit import jit

threads.layer()          # get_thread_id wants the threads to be there

@jit(each="ran_on")
def who(i, ran_on):
    ran_on[i] = get_thread_id()

for size in 10, 100_000:
    ran_on = np.full(size, -1)
    who(ran_on)
    print(len(set(ran_on)))
"""


SAVES = """
import fcntl
import numpy as np
from numba.core.caching import IndexDataCacheFile
from minidl.kernels import cpu
from minidl.kernels.cpu.jit import cache_folder
save, locked = IndexDataCacheFile.save, []
def see(file, *what):
    with open(cache_folder() + "/lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked.append(False)
        except BlockingIOError:
            locked.append(True)
    save(file, *what)
IndexDataCacheFile.save = see
cpu.group_norm(np.ones((4, 5, 1)), None, None, 1, 0.1)
with open(cache_folder() + "/lock") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(len(locked) > 2, all(locked))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such lock there")
def test_one_process_at_a_time_writes_to_the_cache(tmp_path):
    done = subprocess.run([sys.executable, "-c", SAVES], capture_output=True, text=True, check=True,
                          env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.skipif(threads.thread_count() == 1, reason="there is only one thread")
def test_little_is_done_on_one_thread_and_much_on_all_also_by_what_was_in_the_cache(tmp_path):
    (tmp_path / "program.py").write_text(WHO)                # twice: compiled, and from the cache
    for _ in range(2):
        done = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=True,
                              env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)})
        assert done.stdout.split() == ["1", str(threads.thread_count())]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_computes_alone(monkeypatch):
    monkeypatch.setattr(compiler, "WORTH_A_THREAD", 0)
    x, y = np.arange(50_000.0), np.empty(50_000)
    squares(x, y)                                            # on threads, which the child will not have
    child = os.fork()
    if child == 0:
        signal.alarm(20)                                     # it would wait for them for ever
        y[:] = 0
        squares(x, y)
        os._exit(0 if np.array_equal(y, x * x) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_every_thread_has_a_row_of_the_workspace():
    rows = threads.workspace(100, np.float32)
    assert rows.shape[0] == threads.thread_count() and rows.shape[1] >= 100
    assert threads.workspace(50, np.float32).base is not None


@pytest.mark.parametrize("size", [1, 1000, 10_000_000])
def test_the_rows_of_a_workspace_start_where_a_cache_line_does(size):
    for row in threads.workspace(size, np.float32):
        assert row.ctypes.data % threads.LINE == 0
