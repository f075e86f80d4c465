"""Medians, means, slopes, and the file of results."""
import os

import pytest

from minidl.bench import pictures, report

MACHINE = {"processor": "a processor", "threads": 2, "cores": 4, "GFLOP/s": 400.0, "copy GB/s": 40.0, "Python": "3.11.7",
           "numpy": "2.0", "numba": "0.61", "torch": None, "load": 0.1}


def test_medians_leave_out_what_is_missing():
    assert report.median([3, None, 1, 2]) == 2 and report.median([None]) is None and report.median([]) is None


def test_one_time_in_ten_may_be_faster_and_most_may_be_disturbed():
    assert report.undisturbed([9.0, 3.0, 2.0]) == 2.0
    assert report.undisturbed([1.0, 2.0, *[50.0] * 18]) == 50.0 and report.undisturbed([1.0, 2.0, *[50.0] * 17]) == 2.0


def test_in_a_geometric_mean_twice_as_fast_and_half_as_fast_cancel_out():
    assert report.geometric_mean([2, 0.5]) == pytest.approx(1)
    assert report.geometric_mean([1, 2, 4]) == pytest.approx(2)
    for impossible in ([], [1, 0], [-1]):
        with pytest.raises(ValueError):
            report.geometric_mean(impossible)


def test_the_slope_of_a_power_is_its_exponent():
    assert report.slope([1, 2, 4, 8], [5 * x ** 1.5 for x in (1, 2, 4, 8)]) == pytest.approx(1.5)


def test_results_come_back_and_lists_of_numbers_are_one_line(tmp_path):
    path = tmp_path / "new" / "x.json"
    results = [{"name": "a [1,\n 2] name", "steps": [0.1, 2e-7, -3.0], "missing": None}]
    report.save(path, "x", MACHINE, {"rounds": 1}, results, more=1)
    content = report.load(path)
    assert content["results"] == results and content["machine"] == MACHINE and content["more"] == 1
    assert '"steps": [ 0.1, 2e-07, -3.0 ]' in path.read_text() and os.listdir(path.parent) == ["x.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 0}', '{"format": 1, "benchmark": "x"}'])
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="no results of minidl bench"):
        report.load(tmp_path / "x.json")


def test_what_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        report.save(tmp_path / "x.json", "x", MACHINE, {}, [float("nan")])
    assert not list(tmp_path.iterdir())


def test_times_are_written_with_digits_that_mean_something():
    assert [report.ms(x) for x in (None, 0.00012345, 0.0012345, 0.012345, 1.2345)] == ["", "0.123", "1.23", "12.3", "1234"]


def test_a_busy_machine_is_owned_up_to():
    assert report.warning(MACHINE) is None and report.warning(MACHINE | {"load": None}) is None
    assert "2.0 cores busy" in report.warning(MACHINE | {"load": 2.0})
    assert "2 of 4 cores" in report.facts_line(MACHINE) and "PyTorch is not there" in report.facts_line(MACHINE)


def test_bars_are_drawn(tmp_path):
    figure = pictures.bars([("a", 1.0, 2.0), ("b", 3.0, 1.0), ("c", 9.0, 2.0)], "title")
    assert [text.get_text() for text in figure.axes[0].texts][::2] == ["1000 ms", "3000 ms", "9000 ms: 4.5"]
    pictures.save(figure, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    rows = [("a", {"y": ("direct", 0.001), "gx": ("gemm", 1.0), "gw": ("direct", 100.0)})] * 2
    pictures.save(pictures.panels(rows, "title"), tmp_path / "panels.png")
    assert sorted(os.listdir(tmp_path)) == ["bars.png", "panels.png"]
