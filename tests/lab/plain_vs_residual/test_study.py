"""Both studies from end to end, on tiny networks."""
import csv

import pytest

from minidl.cli import main
from minidl.lab.plain_vs_residual import pool, study
from minidl.lab.plain_vs_residual.store import Store
from minidl.lab.plain_vs_residual.study import Grid, Trainings

GRID = Grid("mlp", layers=(8,), width=16, nets=2, batch=16)
SHORT = Trainings("mlp", (8, 14), 8, 1, 2, {"none": (0.01,), "batch": (0.1, 0.01)})


@pytest.fixture
def here(monkeypatch):
    """Tasks run in this process; how many there were is counted."""
    ran = []

    def computed(tasks, processes):
        for task in tasks:
            ran.append(task)
            yield task, task.run()
    monkeypatch.setattr(pool, "computed", computed)
    return ran


def read(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_command_writes_pictures_tables_and_a_page_and_computes_nothing_twice(tmp_path, here, monkeypatch, capsys):
    monkeypatch.setattr(study, "settings", lambda kind, deep, quick: (GRID, SHORT))
    assert main(["lab", "plain-vs-residual", "--out", str(tmp_path / "lab")]) == 0
    out = tmp_path / "lab"
    said = capsys.readouterr().out.splitlines()
    assert any(line.startswith("plain-8, no norm, Xavier: the gradient ") for line in said)
    assert said[-1].startswith(f"in {out}: plain-vs-residual.html")
    assert {path.name for path in out.glob("lab-*.png")} == {f"lab-{name}.png" for name in (
        "activations", "weights", "two-laws", "rates", "profiles", "losses", "final", "lesions")}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in out.glob("*.png"))
    start, trained = read(out / "start.csv"), read(out / "trainings.csv")
    assert len(start) == 32 and {row["verdict"] for row in start} <= {"explodes", "vanishes", "neither", "underflows"}
    assert len(trained) == 2 * 2 * 2 * (1 + 2)                        # depths, shapes, seeds; rates of both norms
    assert sum(row["best"] == "True" for row in trained) == 16
    assert len(here) == 32 + len(trained) == len(list((out / "results").iterdir()))
    # The other command has the same trainings here, and finds them done.
    monkeypatch.setattr(study, "DEGRADATION", (SHORT,))
    assert main(["lab", "degradation", "--seeds", "2", "--out", str(out)]) == 0
    assert study.rows_of(GRID, Store(out / "results"), 1, lambda text: None)[0].verdict == start[0]["verdict"]
    assert len(here) == 32 + len(trained)
    assert len(read(out / "degradation.csv")) == len(trained) and (out / "lab-degradation.png").is_file()
    said = capsys.readouterr().out
    assert "Plain, batch norm: " in said and "with 8 layers" in said and "with 14" in said


def test_the_best_learning_rate_is_that_of_the_lowest_training_loss():
    from minidl.lab.plain_vs_residual.cases import Case
    from minidl.lab.plain_vs_residual.runs import Runs
    one = lambda loss, error, diverged=None: {"losses": [3.0, loss], "error": error, "diverged": diverged, "profiles": {},
                                              "lesions": []}
    runs = Runs(Case("plain", "batch", "He", 8), "mlp", {
        0.1: [one(0.01, 0.5), one(0.9, 0.5, diverged=2)], 0.03: [one(0.2, 0.03), one(0.4, 0.05)],
        0.01: [one(0.3, 0.01), one(0.5, 0.01)]})
    assert runs.lr == 0.03 and not runs.at_the_edge                   # 0.01 has fewer test errors: they have no say
    assert runs.losses == [0.2, 0.4] and runs.errors == [0.03, 0.05] and runs.learned == "trains" and runs.diverged == 0
    both = Runs(runs.case, "mlp", {0.1: [one(1.0, 0.9, diverged=1)], 0.01: [one(1.0, 0.9, diverged=1)]})
    assert both.diverged == 1 and both.losses == [float("inf")] and not both.at_the_edge      # of two, each is an edge
    assert Runs(runs.case, "mlp", {**both.found, 0.001: [one(0.3, 0.01)]}).at_the_edge


@pytest.mark.parametrize("args, said", [
    (["plain-vs-residual", "--kind", "rnn"], "lab: kind is mlp or cnn, not 'rnn'"),
    (["plain-vs-residual", "--processes", "0"], "--processes"), (["degradation", "--seeds", "0"], "--seeds")])
def test_what_a_person_gets_wrong_is_one_line(args, said, capsys, tmp_path):
    assert main(["lab", *args, "--out", str(tmp_path)]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert said in line and list(tmp_path.iterdir()) == []


def test_the_settings_say_what_a_study_is():
    grid, short = study.settings("mlp", deep=True)
    assert grid.layers == (8, 20, 32, 44, 56, 110) and short.layers == (8, 20, 56) and short.seeds == 3
    assert {len(rates) for rates in short.rates.values()} == {2}
    assert [one.seeds for one in study.degradation_settings(7)] == [7, 7]
    assert "best learning rate of 0.1, 0.03, 0.01 (batch norm)" in str(study.degradation_settings()[0])
