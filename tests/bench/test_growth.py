"""The benchmark of growth: what is expected, what is fitted, what is said and drawn; no time is asserted."""
import dataclasses
import json
import os

import pytest

from minidl.bench import growth, pictures, report
from minidl.bench.cases import Case
from minidl.bench.growth import Curve, Result
from minidl.cli import main

MIB = 2 ** 20


def result(times=(1.0, 2.0, 4.0), memory=(150, 250, 450), arrays=(50, 150, 350), theirs=None):
    """A Result over batches of 1, 2 and 4, in which MACs double; sizes in MiB. PyTorch's other layout takes longer."""
    answer = lambda seconds, size: [{"steps": [seconds] * 3, "memory": size and size * MIB}] * 2
    runs = [{"minidl": answer(*both)} for both in zip(times, memory)]
    if theirs:
        runs = [run | {growth.OPPONENTS[0].name: answer(2 * t, 1), growth.OPPONENTS[1].name: answer(t, 100)}
                for run, t in zip(runs, theirs)]
    curve = Curve("batch", tuple((n, Case("lenet5", n)) for n in (1, 2, 4)))
    return Result(curve, [10 ** 6, 2 * 10 ** 6, 4 * 10 ** 6], [n * MIB for n in arrays], None, runs)


# ---- what is expected


def test_multiplications_are_linear_in_batch_and_quadratic_in_the_images_edge():
    one, _ = growth.foreseen(Case("resnet20", 1))
    assert one == 40_551_040                                     # as `minidl summary resnet20`
    assert growth.foreseen(Case("resnet20", 8))[0] == 8 * one
    large, _ = growth.foreseen(Case("resnet20", 1, {}, 64))
    assert large - 640 == 4 * (one - 640)                        # all but the last layer


@pytest.mark.parametrize("name, macs, arrays", [
    ("batch", (1, 1), (0.9, 1)),                     # but for the parameters
    ("depth", (1, 1.1), (0.9, 1.1)),                 # two of the layers do little
    ("width", (1.8, 2), (1, 2)),                     # 1x1 filters and their weights: 2; images: 1
    ("image", (1.99, 2), (1.7, 2))])
def test_the_exponents_of_the_curves_are_those_of_their_shapes(name, macs, arrays):
    [curve] = growth.curves([name])
    found = [report.slope(curve.sizes, costs) for costs in zip(*map(growth.foreseen, curve.cases))]
    assert macs[0] - 1e-9 <= found[0] <= macs[1] + 1e-9 and arrays[0] <= found[1] <= arrays[1]


def test_curves_are_chosen_by_name_and_1202_layers_only_if_asked_for():
    assert [curve.name for curve in growth.curves(None)] == ["batch", "depth", "width", "image"]
    [depth] = growth.curves(["depth"])
    [deep] = growth.curves(["depth"], deep=True)
    assert 1202 not in depth.sizes and deep.points == (*depth.points, (1202, Case("resnet1202", 8)))
    with pytest.raises(ValueError, match="nothing called 'bath' grows; there are batch, depth, width, image"):
        growth.curves(["bath"])


def test_a_case_has_a_name_and_images_of_its_size():
    from minidl.bench.step import batch, network
    case = Case("mobilenet_v1", 2, {"width": 0.25}, 64)
    images, labels = batch(case)
    assert case.name == "mobilenet_v1 width=0.25 64x64 b2" and Case("lenet5", 64).name == "lenet5 b64"
    assert images.shape == (2, 3, 64, 64) and labels.shape == (2,)
    assert network(case, "minidl").conv1.weight.shape[0] == 8


# ---- what it comes to


def test_costs_that_grow_as_expected_depart_nowhere():
    one = result()
    assert one.of("minidl") == [1, 2, 4] and one.engines == ["minidl"]
    assert one.exponent(one.of("minidl")) == pytest.approx(1) and one.exponent([1, 4, 16]) == pytest.approx(2)
    assert one.departures("minidl") == one.departures("minidl", "memory") == []
    assert one.expected("minidl", "memory") == [n * MIB for n in (150, 250, 450)]       # 100 for the process
    assert growth.sentences(one)[0] == "batch: minidl's time grows as batch^1.00, the MACs as batch^1.00"


def test_where_a_cost_departs_from_what_is_expected_is_said():
    one = result(times=(1.0, 1.2, 4.8), memory=(150, 250, 900))
    assert one.departures("minidl") == [(1, 2, 1.2, 2.0), (2, 4, pytest.approx(4), 2.0)]
    assert one.departures("minidl", "memory") == [(2, 4, 3.6, 1.8)]
    time, memory = growth.sentences(one)
    assert "from 1 to 2 it grows 1.20 times, where 2.00 was expected; from 2 to 4 it grows 4.00 times" in time
    assert memory.endswith("from 2 to 4 it grows 3.60 times, where 1.80 was expected")


def test_pytorch_is_taken_in_its_faster_layout():
    one = result(theirs=(2.0, 4.0, 8.0))
    assert one.engines == ["minidl", "PyTorch"] and one.of("PyTorch") == [2, 4, 8]
    assert one.of("PyTorch", "memory") == [100 * MIB] * 3
    headings, rows = growth.table([one])
    assert all(len(row) == len(headings) for row in rows)
    assert rows[1] == ["", "2", "lenet5 b2", "2", "2000", "4000", "0.50", "250", "100", "150"]


def test_a_system_that_does_not_tell_memory_has_times_all_the_same(tmp_path):
    one = result(memory=(None, None, None))
    assert one.of("minidl", "memory") == [] and len(growth.sentences(one)) == 1
    assert growth.table([one])[1][0][-3:] == ["", "", "50"]
    json.dumps(one.as_dict(), allow_nan=False)
    pictures.save(pictures.curves([growth.panels(one)]), tmp_path / "x.png")


def test_a_wrong_network_is_named_and_has_no_times():
    verdict = {"agrees": False, "worst": "w", "error": 0.5, "allowed": 1e-3, "dtype": "float32"}
    one = dataclasses.replace(result(), agreement=verdict, runs=[])
    assert growth.sentences(one) == ["batch: WRONG, and not timed: w is wrong by 5.0e-01 of itself in float32, where "
                                     "1e-03 is allowed"]
    assert growth.table([one])[1][0] == ["batch", "1", "lenet5 b1", "1", "", "", "WRONG", "", "", "50"]
    assert json.loads(json.dumps(one.as_dict()))["wrong"] is True


def test_curves_are_drawn_with_what_was_expected_of_them(tmp_path):
    figure = pictures.curves([growth.panels(one) for one in (result(), result(theirs=(2.0, 4.0, 8.0)))])
    assert len(figure.axes) == 4 and all(axes.get_xscale() == axes.get_yscale() == "log" for axes in figure.axes)
    lines = {(axes.get_title(), *[line.get_label() for line in axes.lines]) for axes in figure.axes}
    time, memory = "minidl's time ~ batch^1.00", "minidl's memory ~ batch^0.79"
    assert lines == {(time, "minidl", "as the MACs"), (time, "minidl", "PyTorch", "as the MACs"),
                     (memory, "minidl", "arrays, foreseen"), (memory, "minidl", "PyTorch", "arrays, foreseen")}
    pictures.save(figure, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


# ---- whole


def test_an_unknown_curve_is_a_sentence(capsys):
    assert main(["bench", "growth", "bath"]) == 2
    assert "nothing called 'bath' grows" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parity
def test_the_smallest_benchmark_measures_and_draws(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(growth, "CURVES", (Curve("batch", tuple((n, Case("lenet5", n)) for n in (2, 4))),))
    command = ["bench", "growth", "batch", "--rounds", "1", "--seconds", "0", "--threads", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    [one] = report.load(tmp_path / "growth.json")["results"]
    assert one["sizes"] == [2, 4] and one["agreement"]["agrees"] and all(x > 0 for x in one["seconds"]["PyTorch"])
    assert set(one["runs"][0]) == {"minidl", *[setting.name for setting in growth.OPPONENTS]}
    assert (tmp_path / "growth.png").stat().st_size > 5000 and "batch: PyTorch's time grows as" in capsys.readouterr().out
    os.remove(tmp_path / "growth.png")
    assert main([*command, "--no-pytorch"]) == 0
    [one] = report.load(tmp_path / "growth.json")["results"]
    assert one["agreement"] is None and list(one["seconds"]) == ["minidl"] and (tmp_path / "growth.png").exists()
