"""The benchmark on a GPU: the lines that are timed, run on the double by minidl and on the CPU by PyTorch."""
import pytest

from minidl.bench import cases, networks, report, worker
from minidl.bench.cases import PYTORCH, Case
from minidl.cli import main

LENET = Case("lenet5", 2)


def measured(setting, at_once):
    """What a measuring process answers, without the process: it would know nothing of a double."""
    return worker.step(LENET.as_dict(), setting.as_dict(), seconds=0, threads=1, at_once=at_once)


def test_steps_that_are_timed_together_share_the_time():
    times = iter([0, 1, 2, 6, 10, 18, 20, 32])
    found = worker.steps(lambda: next(times), 0, warm_up=1)
    assert len(found[0]) == 3 and found[1] == 6


@pytest.mark.parity
def test_pytorchs_steps_are_the_same_lines():
    pytest.importorskip("torch")
    found = measured(PYTORCH[0], at_once=2)
    assert found["loss"] == pytest.approx(2.3, abs=0.5) and len(found["steps"]) == 3


def test_every_setting_is_one_of_its_device():
    for device, (ours, theirs) in networks.ON.items():
        assert {setting.device for setting in (ours, *theirs)} == {device} and networks.AT_ONCE[device]
        assert ours.name == cases.MINIDL.name and len({setting.name for setting in theirs}) == len(theirs)


def test_the_gpu_is_named_with_the_machine():
    machine = {"processor": "P", "threads": 2, "cores": 2, "GFLOP/s": 1.0, "copy GB/s": 1.0, "Python": "3.11", "numpy": "2",
               "numba": "1", "torch": None}
    gpu = {"GPU": "NVIDIA H100", "GPU memory GiB": 79.1, "cupy": "14"}
    assert report.facts_line(machine | gpu) == f"NVIDIA H100, 79.1 GiB, CuPy 14; {report.facts_line(machine)}"


def test_without_a_gpu_there_is_one_sentence(capsys):
    cupy = pytest.importorskip("cupy")
    if cupy.is_available():
        pytest.skip("there is a GPU")
    assert main(["bench", "networks", "lenet5:2", "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minidl: device 'cuda'") and len(said.splitlines()) == 1


def test_another_device_is_none_of_the_benchmarks(capsys):
    assert main(["bench", "networks", "lenet5:2", "--device", "meta"]) == 2
    assert "on the device cpu or cuda, not on 'meta'" in capsys.readouterr().err
