"""The benchmark on a GPU: the lines that are timed, run on the double by minidl and on the CPU by PyTorch."""
import sys

import pytest

from minidl.bench import agreement, worker
from minidl.bench.cases import MINIDL, MINIDL_CUDA, PYTORCH, Case

LENET = Case("lenet5", 2)


def measured(setting, at_once):
    """What a measuring process answers, without the process: it would know nothing of a double."""
    return worker.step(LENET.as_dict(), setting.as_dict(), seconds=0, threads=1, at_once=at_once)


class Pool:
    """The double's memory is the host's; it has no pool of its own."""
    @staticmethod
    def total_bytes():
        return 10 ** 6


def test_steps_on_a_gpu_are_timed_several_at_once(gpu, monkeypatch):
    cupy = sys.modules["cupy"]
    if cupy.__name__ == "strictcupy":
        monkeypatch.setattr(cupy, "get_default_memory_pool", Pool, raising=False)
    found = measured(MINIDL_CUDA, at_once=2)
    alone = measured(MINIDL, at_once=2)
    assert found["loss"] == pytest.approx(alone["loss"], rel=1e-4)                   # after as many steps
    assert len(found["steps"]) == 3 and min(found["steps"]) > 0 and found["memory"] > 4 * 61_706


@pytest.mark.parity
def test_pytorchs_steps_are_the_same_lines():
    pytest.importorskip("torch")
    found = measured(PYTORCH[0], at_once=2)
    assert found["loss"] == pytest.approx(2.3, abs=0.5) and len(found["steps"]) == 3


@pytest.mark.parity
def test_gradients_on_the_gpu_are_held_against_pytorchs(gpu):
    pytest.importorskip("torch")
    assert agreement.compare(LENET, "cuda")["agrees"]
