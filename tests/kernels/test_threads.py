import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minidl
from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit, threads
from minidl.kernels.cpu.threads import scratch


def run(program, **environment):
    """What a Python program of its own prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    done = subprocess.run([sys.executable, "-c", STEP + program], capture_output=True, text=True, env=environment,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


STEP = """
import sys
import numpy as np

def step():
    '''A training step that is worth several threads; the gradients of all its parameters.'''
    import minidl
    from minidl import nn
    minidl.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(8192, 10))
    images = np.random.default_rng(0).standard_normal((32, 16, 16, 16), np.float32)
    nn.functional.cross_entropy(model(minidl.tensor(images)), minidl.arange(32) % 10).backward()
    return [p.grad.numpy() for p in model.parameters()]

def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
"""


# ---- how many


@pytest.fixture
def asks():
    """Whatever a test asks for is forgotten after it."""
    yield
    threads._asked_for = None


def test_the_number_of_threads_is_the_one_that_was_asked_for(asks):
    minidl.set_num_threads(1)
    assert minidl.get_num_threads() == 1 and not threads.in_parallel()
    assert threads.workspace(10, np.float32).shape[0] == 1


@pytest.mark.parametrize("n, message", [(0, "positive"), (-1, "positive"), (2.0, "got float"), ("2", "got str"),
                                        (True, "got bool"), (10 ** 6, "no more than")])
def test_what_is_no_number_of_threads_is_an_error(n, message, asks):
    before = minidl.get_num_threads()
    with pytest.raises(RuntimeError, match=message):
        minidl.set_num_threads(n)
    assert minidl.get_num_threads() == before


@pytest.mark.parity
@pytest.mark.parametrize("n", [0, -1, 2.0, "2", True])
def test_these_errors_are_pytorchs(n, asks):
    import torch
    with pytest.raises(RuntimeError) as theirs:
        torch.set_num_threads(n)
    with pytest.raises(RuntimeError) as ours:
        minidl.set_num_threads(n)
    assert str(ours.value).startswith(str(theirs.value))


@pytest.mark.parametrize("setting, wanted", [("3", 3), ("5,2", 5), (" 4 ", 4), ("", 7), ("0", 7), ("many", 7), ("-2", 7)])
def test_the_default_is_openmps_setting_or_the_cores_this_process_may_use(setting, wanted, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    monkeypatch.setattr(threads, "cores", lambda: 7)
    assert threads.thread_count_at_first.__wrapped__() == wanted


def test_a_core_whose_time_is_not_granted_is_no_core(monkeypatch):
    monkeypatch.setattr(threads, "granted", lambda: 1)
    assert threads.cores() == 1
    monkeypatch.setattr(threads, "granted", lambda: math.inf)
    assert 1 <= threads.cores() <= os.cpu_count()


@pytest.mark.parametrize("own, files, wanted", [
    ("0::/", {"cpu.max": "250000 100000"}, 3),
    ("0::/", {"cpu.max": "1000 100000"}, 1),
    ("0::/", {"cpu.max": "max 100000"}, math.inf),
    ("0::/", {}, math.inf),
    ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),       # the parent's limit
    ("0::/a/b", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "50000 50000"}, 1),
    ("0::/a", {"a/b/cpu.max": "100000 100000", "b/cpu.max": "100000 100000"}, math.inf),    # not this process's
    ("0::/../a", {"cpu.max": "200000 100000", "a/cpu.max": "100000 100000"}, 2),
    ("4:cpuacct,cpu:/a\n0::/", {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"}, 2),
    ("4:cpu:/docker/1", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
    ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
    ("4:cpuset:/a", {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"}, math.inf)])
def test_control_groups_grant_cores_rounded_up(own, files, wanted, tmp_path):
    (tmp_path / "own").write_text(own + "\n")
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert threads.granted(tmp_path / "own", tmp_path / "groups") == wanted


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert threads.granted(tmp_path / "none", tmp_path) == math.inf


# ---- running


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 1)


@pytest.mark.usefixtures("three_threads")
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
@pytest.mark.usefixtures("three_threads")
def test_a_forked_process_computes_without_the_threads_that_it_lost_and_its_parent_with_them(rng):
    x = rng.standard_normal((6, 3, 8, 8))
    wanted = cpu.batch_norm(x, None, None, 0.1)[0]
    child = os.fork()
    if child == 0:
        signal.alarm(20)                                     # it would wait for lost threads for ever
        os._exit(0 if not threads.in_parallel() and np.array_equal(cpu.batch_norm(x, None, None, 0.1)[0], wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert threads.in_parallel() and np.array_equal(cpu.batch_norm(x, None, None, 0.1)[0], wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_forked_before_there_were_threads_has_its_own():
    assert run("""
import os
from minidl.kernels import cpu
from minidl.kernels.cpu import threads
child, x = os.fork(), np.arange(100_000.0)
threads.thread_count = lambda: 2
assert threads.in_parallel() and np.array_equal(cpu.add(x, x), 2 * x)
if child:
    assert os.waitpid(child, 0)[1] == 0
""") == ""


def test_numbas_other_users_keep_their_number_of_threads():
    assert run("""
import numba
numba.set_num_threads(1)
from minidl.kernels.cpu import threads
with threads.launch():
    print(numba.get_num_threads())
print(numba.get_num_threads())
step()
print(numba.get_num_threads())
""", OMP_NUM_THREADS="2", NUMBA_NUM_THREADS="2").split() == ["2", "1", "1"]


def test_the_same_number_of_threads_gives_the_same_bits():
    assert run("""
import minidl
minidl.set_num_threads(2)
two = [step(), step()]
minidl.set_num_threads(3)
three = [step(), step()]
minidl.set_num_threads(2)
print(equal(*two), equal(*three), equal(two[0], step()))
""", NUMBA_NUM_THREADS="3").split() == ["True", "True", "True"]


@pytest.mark.parametrize("missing, kind", [("sys.modules['numba.np.ufunc.omppool'] = None", "no OpenMP"),
                                           ("numba.config.THREADING_LAYER = 'workqueue'; numba.get_num_threads()",
                                            "started with its workqueue")])
def test_where_there_are_no_safe_threads_a_warning_says_so_once_and_kernels_run_on_one(missing, kind):
    printed = run(f"""
import numba
sys.modules["numba.np.ufunc.tbbpool"] = None
{missing}
from minidl.kernels.cpu import threads
threads.thread_count = lambda: 2
first = step()
print(threads.in_parallel(), equal(first, step()))
""")
    assert printed.startswith("False True") and printed.count("minidl computes on one thread") == 1 and kind in printed


def test_numpys_own_threads_are_left_as_they_were():
    assert run("""
from threadpoolctl import threadpool_info, threadpool_limits
before = [(lib["filepath"], lib["num_threads"]) for lib in threadpool_info() if lib["user_api"] == "blas"]
step()
after = [(lib["filepath"], lib["num_threads"]) for lib in threadpool_info() if lib["user_api"] == "blas"]
print(bool(before), set(before) <= set(after))
""", OPENBLAS_NUM_THREADS="2").split() == ["True", "True"]


@pytest.mark.parity
@pytest.mark.parametrize("first", ["minidl", "torch"])
def test_pytorch_and_minidl_compute_in_one_process(first):
    assert run(f"""
import {first}
import torch, threading, minidl
torch.set_num_threads(2)
x = torch.randn(32, 16, 32, 32, generator=torch.Generator().manual_seed(0))
w = torch.ones(16, 16, 3, 3)
wanted = torch.nn.functional.conv2d(x, w), step()
same = []

def theirs():
    for _ in range(5):
        same.append(torch.equal(torch.nn.functional.conv2d(x, w), wanted[0]))

def ours():
    for _ in range(5):
        same.append(equal(step(), wanted[1]))

theirs(), ours(), theirs(), ours()
together = [threading.Thread(target=work) for work in (theirs, ours)]
for thread in together: thread.start()
for thread in together: thread.join()
ours_of_theirs = minidl.ops.conv2d(minidl.tensor(x.numpy()), minidl.tensor(w.numpy())).numpy()
print(same == [True] * 30, np.allclose(ours_of_theirs, wanted[0], 1e-4, 1e-4), torch.get_num_threads())
""", OMP_NUM_THREADS="2").split() == ["True", "True", "2"]


@pytest.mark.usefixtures("three_threads")
def test_the_parts_of_a_kernel_are_the_whole(rng):
    x, gy = rng.standard_normal((2, 5, 4, 6, 6))
    where = (3, 2), (2, 2), (1, 1)
    for name, *args in [
            ("add", x, gy), ("batch_norm", x, None, None, 0.1), ("group_norm", x[0], None, None, 2, 0.1),
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
