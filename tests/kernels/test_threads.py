import os
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import threads
from minidl.kernels.cpu.threads import in_parts, one_blas_thread, scratch


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    threads.tasks.cache_clear()
    yield
    threads.tasks.cache_clear()


def test_parts_cover_the_range_in_order_each_on_a_thread_of_its_own():
    together = threading.Barrier(3, timeout=10)              # broken, unless three are here at the same time

    def work(first, last):
        together.wait()
        return list(range(first, last))
    parts = in_parts(work, 10, 10)
    assert len(parts) == 3 and sum(parts, []) == list(range(10))


def test_little_work_and_no_work_stay_on_the_thread_that_asks(monkeypatch):
    assert in_parts(lambda first, last: (first, last), 0, 0) == [(0, 0)]
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 100)
    assert in_parts(lambda first, last: threading.get_ident(), 10, 199) == [threading.get_ident()]


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_in_any_part_is_raised_when_all_have_ended(failing):
    ended = []

    def work(first, last):
        if first == failing:
            raise ZeroDivisionError(f"part {first}")
        ended.append(first)
    for _ in range(3):                                       # and the threads go on working
        with pytest.raises(ZeroDivisionError, match=f"part {failing}"):
            in_parts(work, 3, 3)
        assert sorted(ended) == [i for i in range(3) if i != failing]
        ended.clear()


def test_several_threads_may_call_kernels_at_the_same_time(rng):
    x, w = rng.standard_normal((6, 3, 12, 12)), rng.standard_normal((4, 3, 3, 3))
    where = (1, 1), (1, 1), (1, 1), 1
    wanted, same = cpu.conv2d(x, w, None, *where), []

    def work():
        for _ in range(20):
            same.append(np.array_equal(cpu.conv2d(x, w, None, *where), wanted))
    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers: caller.start()
    for caller in callers: caller.join()
    assert same == [True] * 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own(rng):
    x = rng.standard_normal((6, 3, 8, 8))
    wanted = cpu.relu(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(cpu.relu(x), wanted) else 1)        # it would hang, waiting for lost threads
    assert os.waitpid(child, 0)[1] == 0


def test_the_parts_of_a_kernel_are_the_whole(rng):
    x, gy = rng.standard_normal((2, 5, 4, 6, 6))
    where = (3, 2), (2, 2), (1, 1)
    for name, *args in [
            ("relu", x), ("relu_gradient", gy, x), ("batch_norm", x, None, None, 0.1), ("standardize", x[0, 0], 0.1),
            ("local_response_norm", x, 3, 1.0, 0.75, 1.0), ("avg_pool", x, *where, True, True),
            ("max_pool", x, *where, (1, 1), True), ("philox", 5, 41), ("dropout_mask", 5, (7, 3), 0.5, np.float32)]:
        part, whole = getattr(cpu, name)(*args), getattr(reference, name)(*args)
        for a, b in zip(part, whole) if isinstance(part, tuple) else [(part, whole)]:
            assert_allclose(a, b, 1e-10, 1e-12, err_msg=name)


def test_blas_has_one_thread_for_a_while_and_then_its_own_again():
    for library, usual in threads.blas_of_numpy():
        with one_blas_thread():
            assert library.get_num_threads() == 1
        assert library.get_num_threads() == usual


def test_scratch_memory_is_each_threads_own_and_grows():
    mine, others = scratch(10, np.float32), []
    mine[:] = 1

    def work():
        others.append(scratch(10, np.float32))
        others[0][:] = 2
    caller = threading.Thread(target=work)
    caller.start()
    caller.join()
    assert_array_equal(mine, np.ones(10))
    assert scratch(1000, np.float64).shape == (1000,)
