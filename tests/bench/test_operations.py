"""The benchmark of single ops: what is compared, and what is said; no time is asserted."""
import dataclasses

import numpy as np
import pytest

from minidl.bench import operations, report, single
from minidl.bench.cases import MINIDL, PYTORCH, Setting
from minidl.cli import main
from minidl.ops.activation import ReLU


def result(forward=1.0, backward=2.0, name="relu"):
    op = next(op for op in single.LARGE if op.name == name)
    run = lambda x: {"forward": x * forward, "backward": x * backward, "bytes": 3e9}
    return operations.Result(op, 1e-7, False, {MINIDL.name: [run(9), run(1), run(1)], PYTORCH[4].name: [run(5)],
                                               PYTORCH[5].name: [run(2)]})


def small(op):
    """The op on arrays that a test can afford."""
    sizes = {single.IMAGES: (2, 64, 6, 6), single.WEIGHTS: (7, 5)}
    return dataclasses.replace(op, shapes=tuple(sizes.get(shape, shape) for shape in op.shapes))


def test_the_table_and_the_last_lines_say_what_was_measured():
    headings, [row] = operations.table([result()])
    assert len(headings) == len(row)
    assert row == ["relu", "elementwise", "8x64x112x112", "1000", "2000", "2000", "4000", "0.50", "3"]
    _, [row] = operations.overhead_table([result(1e-6, 4e-6)])
    assert row == ["relu", "1.0", "2.0", "5.0", "10.0", "0.50"]
    lines = operations.last_lines([result(), result()], [dataclasses.replace(result(), wrong=True)])
    assert lines == ["large arrays: minidl's time by PyTorch's best, geometric mean of 2: 0.50; the slowest is relu: 0.50",
                     "8x8 arrays: minidl's time by PyTorch's best, geometric mean of 1: 0.50; the slowest is relu: 0.50",
                     "WRONG: relu"]


def test_without_pytorch_there_is_no_ratio():
    alone = result()
    alone.runs = {MINIDL.name: alone.runs[MINIDL.name]}
    assert operations.table([alone])[1][0][4:] == ["", "2000", "", "", "3"]


@pytest.mark.parametrize("op", single.LARGE + single.SMALL, ids=lambda op: f"{op.kind} {op.name}")
def test_every_op_is_timed(op):
    times = single.times(small(op), MINIDL, 0, calls=2)
    assert set(times) == {"bytes", "forward"} | ({"backward"} if op.kind != "update" else set())
    assert min(times.values()) > 0


def test_bytes_are_those_of_what_is_read_and_written():
    by_name = {op.name: single.times(op, MINIDL, 0)["bytes"] for op in single.SMALL}
    assert by_name["relu"] == 4 * (64 + 64) and by_name["add"] == 4 * (64 + 64 + 64) and by_name["sum"] == 4 * (64 + 1)
    sgd = next(op for op in single.LARGE if op.name == "sgd, momentum")                # reads w, g, v; writes w, v
    assert single.times(small(sgd), MINIDL, 0)["bytes"] == 4 * 35 * 5


@pytest.mark.parity
@pytest.mark.parametrize("op", single.LARGE + single.SMALL, ids=lambda op: f"{op.kind} {op.name}")
def test_every_op_computes_what_pytorchs_does(op):
    pytest.importorskip("torch")
    assert not single.is_wrong(single.error(small(op)))
    single.times(small(op), Setting("PyTorch", channels_last=True, fused=True), 0)


@pytest.mark.parity
def test_a_wrong_gradient_is_caught(monkeypatch):
    pytest.importorskip("torch")
    rule = ReLU.backward
    monkeypatch.setattr(ReLU, "backward", lambda self, *args: 1.01 * rule(self, *args))
    relu = next(op for op in single.SMALL if op.name == "relu")
    assert single.is_wrong(single.error(relu)) and single.is_wrong(None)
    assert np.isclose(single.error(relu), 0.01, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parity
def test_the_smallest_benchmark_compares_and_draws(tmp_path, capsys):
    pytest.importorskip("torch")
    assert main(["bench", "ops", "--quick", "--rounds", "1", "--seconds", "0", "--threads", "1", "--out",
                 str(tmp_path)]) == 0
    results = report.load(tmp_path / "ops.json")["results"]
    assert {one["name"] for one in results if one["kind"] != "8x8"} == operations.QUICK
    assert all(one["ratio"] > 0 and not one["wrong"] for one in results)
    assert (tmp_path / "ops.png").stat().st_size > 5000 and "8x8 arrays: minidl's time" in capsys.readouterr().out
