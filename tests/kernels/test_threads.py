import os
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit, threads
from minidl.kernels.cpu.threads import scratch


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 1)


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
def test_a_forked_process_computes_without_the_threads_that_it_lost(rng):
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
