"""The benchmark of networks: what it compares, counts and says; no time is asserted."""
import dataclasses
import json
import os

import numpy as np
import pytest

from minidl.bench import agreement, limits, networks, processes, report, worker
from minidl.bench.cases import MINIDL, NETWORKS, PYTORCH, Case
from minidl.cli import main

RIGHT = {"agrees": True, "worst": "w", "error": 1e-6, "allowed": 1e-3, "dtype": "float32"}


def result(minidl=(2.0, 4.0, 3.0), best=(1.0, 8.0, 6.0), others=20.0):
    """A Result with one step in each of three rounds."""
    run = lambda x: {"steps": [9 * x, x, x], "first": 10 * x, "memory": 2 ** 20 * x}
    runs = {setting.name: [run(others)] * 3 for setting in PYTORCH}
    runs |= {"minidl": [run(x) for x in minidl], PYTORCH[3].name: [run(x) for x in best]}
    return networks.Result(Case("lenet5", 64), RIGHT, runs)


# ---- arithmetic


def test_a_result_is_medians_over_steps_and_rounds_and_pytorchs_best():
    one = result()
    assert one.of("minidl") == 3.0 and one.opponent == PYTORCH[3].name and one.of(one.opponent) == 6.0
    assert one.ratio == 0.5 and one.of("minidl", "first") == 30.0 and one.of("minidl", "memory") == 3 * 2 ** 20


def test_without_pytorch_there_is_no_ratio():
    alone = dataclasses.replace(result(), runs={"minidl": result().runs["minidl"]}, agreement=None)
    assert alone.opponent is None and alone.ratio is None and not alone.wrong
    _, [row] = networks.table([alone])
    assert row == ["lenet5", "64", "3000", "", "", "3", "", "30.00", "", ""] and networks.last_line([alone]) == ""


def test_the_table_has_a_cell_for_every_heading_and_a_wrong_network_has_no_times():
    wrong = networks.Result(Case("vgg16", 4), RIGHT | {"agrees": False, "error": 0.5})
    broken = networks.Result(Case("vgg16", 4), RIGHT | {"agrees": False, "error": None})
    headings, rows = networks.table([result(), wrong, broken])
    assert all(len(row) == len(headings) for row in rows)
    assert rows[0] == ["lenet5", "64", "3000", "6000", "0.50", "3", "6", "30.00", "", "channels last, pages kept"]
    assert rows[1][2] == "WRONG" and "w is wrong by 5.0e-01" in rows[1][-1] and "not even a number" in rows[2][-1]
    assert networks.last_line([result(), result(minidl=(24.,) * 3), wrong]) == (
        "minidl's time by PyTorch's best, geometric mean of 2: 1.41; WRONG, and not timed: vgg16 b4")


def test_the_file_holds_what_was_measured(tmp_path):
    report.save(tmp_path / "x.json", "networks", {}, {}, [result().as_dict()])
    [one] = report.load(tmp_path / "x.json")["results"]
    assert one["case"] == {"network": "lenet5", "batch": 64, "options": {}, "size": None}
    assert one["ratio"] == 0.5 and one["medians"]["minidl"] == 3.0 and one["runs"]["minidl"][1]["steps"] == [36.0, 4.0, 4.0]


def test_the_time_of_a_step_is_shared_out_and_its_products_are_counted():
    found = limits.profiled(Case("lenet5", 2), steps=1)
    c1, c3, c5, f6, output = 6 * 28 * 28 * 25, 16 * 10 * 10 * 6 * 25, 120 * 16 * 25, 84 * 120, 10 * 84
    assert found["operations"] == 2 * 2 * (3 * (c1 + c3 + c5 + f6 + output) - c1)
    assert list(found["seconds"]) == ["products", "norms", "pooling", "number by number"]
    assert found["seconds"]["norms"] == 0 and 0 < sum(found["seconds"].values()) < found["step"]


def test_the_table_of_limits_holds_products_against_the_machine():
    found = {"step": 2.0, "seconds": {"products": 1.0, "norms": 0.5, "pooling": 0.0, "number by number": 0.25},
             "operations": 300e9}
    headings, [row] = limits.table([(Case("lenet5", 64), found)], {"GFLOP/s": 400.0})
    assert row == ["lenet5", "64", "300", "75%", "50%", "25%", "0%", "12%", "12%"] and len(headings) == len(row)


# ---- what is right


def verdict(mine, single, double, shaken, mine_double=None):
    return agreement.verdict(mine, mine_double or double, single, double, shaken)


def exact(rng):
    return {"loss": np.array(2.3)} | {name: rng.standard_normal((20, 10)) for name in "abc"}


def single(x):
    return {name: array.astype(np.float32) for name, array in x.items()}


def test_gradients_rounded_to_float32_agree(rng):
    double = exact(rng)
    assert verdict(single(double), single(double), double, double)["agrees"]


@pytest.mark.parametrize("name", ["loss", "a", "c"])
@pytest.mark.parametrize("change", [
    lambda x: 1.002 * x, lambda x: -x, lambda x: 0 * x, lambda x: x + 0.01, lambda x: x * np.nan])
def test_a_wrong_gradient_is_caught_and_named(rng, name, change):
    double = exact(rng)
    mine = single(double)
    mine[name] = change(mine[name])
    said = verdict(mine, single(double), double, double)
    assert not said["agrees"] and said["worst"] == name
    json.dumps(said, allow_nan=False)


def test_a_gradient_of_another_shape_is_caught(rng):
    double = exact(rng)
    said = verdict(single(double) | {"b": np.float32(double["b"]).T}, single(double), double, double)
    assert not said["agrees"] and said["worst"] == "b" and said["error"] is None


def test_where_rounding_moves_a_gradient_far_minidl_may_be_about_as_far_off(rng):
    double = exact(rng)
    moved = lambda size: double | {"a": double["a"] * (1 + size)}
    assert verdict(moved(-0.005), single(double), double, moved(0.002))["agrees"]
    assert not verdict(moved(-0.007), single(double), double, moved(0.002))["agrees"]
    assert not verdict(moved(0.35), single(double), double, moved(1.0))["agrees"]


def test_in_float64_nothing_but_the_last_digits_may_differ(rng):
    double = exact(rng)
    other = double | {"c": double["c"] * (1 + 1e-5)}
    said = verdict(single(double), single(double), double, {name: 2 * x for name, x in double.items()}, other)
    assert not said["agrees"] and (said["worst"], said["dtype"]) == ("c", "float64")


def test_a_gradient_that_is_nothing_but_rounding_is_not_compared_with_itself(rng):
    double = exact(rng) | {"a": 1e-17 * np.ones(3)}
    mine = single(double) | {"a": np.float32([1e-9, 0, 0])}
    assert verdict(mine, mine, double, double)["agrees"]


@pytest.mark.parity
def test_a_wrong_rule_in_a_network_is_caught(monkeypatch):
    pytest.importorskip("torch")
    from minidl.ops.activation import ReLU
    case = Case("resnet20", 4)
    assert agreement.compare(case)["agrees"]
    rule = ReLU.backward
    monkeypatch.setattr(ReLU, "backward", lambda self, *args: 1.02 * rule(self, *args))
    assert not agreement.compare(case)["agrees"]


# ---- processes


def test_measuring_processes_have_the_same_threads_and_nothing_of_the_shells(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OMP_WAIT_POLICY", "MALLOC_ARENA_MAX", "NUMBA_DISABLE_JIT"):
        monkeypatch.setenv(name, "1")
    plain, kept = processes.environment(3), processes.environment(3, keep_pages=True)
    steering = {name: value for name, value in plain.items() if name.startswith(processes.STEERING)}
    assert steering == {f"{library}_NUM_THREADS": "3" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    assert {**kept, **plain} == kept and set(kept) - set(plain) == {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"}


def test_a_process_that_fails_is_a_sentence():
    with pytest.raises(processes.BenchmarkError, match="the process for step failed: .*no network 'lenet6'"):
        processes.ask({"do": "step", "case": {"network": "lenet6", "batch": 2}, "setting": {"engine": "minidl"},
                       "seconds": 0}, 1)


def test_networks_are_chosen_by_name_and_any_with_a_batch():
    assert networks.cases(None) == list(NETWORKS) and networks.cases(["vgg16"]) == [NETWORKS[-1]]
    assert networks.cases(["resnet56:32"]) == [Case("resnet56", 32)]


def test_steps_that_are_timed_together_share_the_time():
    times = iter([0, 1, 2, 6, 10, 18, 20, 32])
    found = worker.steps(lambda: next(times), 0, warm_up=1)
    assert len(found[0]) == 3 and found[1] == 6


@pytest.mark.slow
def test_minidl_alone_is_timed_and_says_so(tmp_path, capsys, monkeypatch):
    from minidl.cli import bench
    monkeypatch.setattr(bench, "there", lambda: False)
    assert main(["bench", "networks", "lenet5:2", "--rounds", "1", "--seconds", "0", "--threads", "1", "--out",
                 str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "PyTorch is not installed, so minidl is timed alone" in text and "ratio" not in text.splitlines()[2]
    [one] = report.load(tmp_path / "networks.json")["results"]
    assert list(one["runs"]) == ["minidl"] and len(one["runs"]["minidl"][0]["steps"]) >= 3 and one["ratio"] is None
    assert os.listdir(tmp_path) == ["networks.json"]


@pytest.mark.slow
@pytest.mark.parity
def test_the_smallest_benchmark_compares_times_and_draws(tmp_path, capsys):
    pytest.importorskip("torch")
    assert main(["bench", "networks", "lenet5:2", "--rounds", "1", "--seconds", "0", "--cold", "--out", str(tmp_path)]) == 0
    content = report.load(tmp_path / "networks.json")
    [one] = content["results"]
    assert one["agreement"]["agrees"] and set(one["runs"]) == {"minidl", *(setting.name for setting in PYTORCH)}
    assert one["ratio"] > 0 and one["first step, cold"] > one["first step"]["minidl"]
    assert content["machine"]["GFLOP/s"] > 0 and content["how"]["threads"] == 2
    assert "geometric mean of 1" in capsys.readouterr().out and (tmp_path / "networks.png").stat().st_size > 5000


# ---- on a GPU


def test_every_setting_is_one_of_its_device():
    for device, (ours, theirs) in networks.ON.items():
        assert {setting.device for setting in (ours, *theirs)} == {device} and networks.AT_ONCE[device]
        assert ours.name == MINIDL.name and len({setting.name for setting in theirs}) == len(theirs)


def test_the_gpu_is_named_with_the_machine():
    machine = {"processor": "P", "threads": 2, "cores": 2, "GFLOP/s": 1.0, "copy GB/s": 1.0, "Python": "3.11", "numpy": "2",
               "numba": "1", "torch": None}
    its = {"GPU": "NVIDIA H100", "GPU memory GiB": 79.1, "cupy": "14"}
    assert report.facts_line(machine | its) == f"NVIDIA H100, 79.1 GiB, CuPy 14; {report.facts_line(machine)}"


def test_without_a_gpu_there_is_one_sentence(capsys):
    if there_is_a_gpu():
        pytest.skip("there is a GPU")
    assert main(["bench", "networks", "lenet5:2", "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minidl: device 'cuda'") and len(said.splitlines()) == 1


def test_another_device_is_none_of_the_benchmarks(capsys):
    assert main(["bench", "networks", "lenet5:2", "--device", "meta"]) == 2
    assert "on the device cpu or cuda, not on 'meta'" in capsys.readouterr().err


def there_is_a_gpu():
    try:
        import cupy
    except ImportError:
        return False
    return cupy.is_available()
