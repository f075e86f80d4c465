"""The comparison of training curves: when is it said that two algorithms differ?"""
import numpy as np
import pytest

from minidl.bench import curves, report
from minidl.bench.curves import Point, Result, chance_of
from minidl.cli import main


def result(change=lambda loss, seed: loss, noise=0.01, seeds=5, epochs=12, rng=0):
    """Curves that fall to 0.1, differently for every seed; those of the second algorithm have a noise of their own
    and are changed besides."""
    rng, made = np.random.default_rng(rng), {name: [] for name in curves.ALGORITHMS}
    for seed in range(seeds):
        falling = (0.1 + np.exp(-np.arange(epochs))) * rng.uniform(0.8, 1.2)
        for name, f in zip(curves.ALGORITHMS, (lambda loss, seed: loss, change)):
            loss = f(falling * (1 + noise * rng.standard_normal(epochs)), seed)
            made[name].append({"loss": loss.tolist(), "accuracy": (1 - loss / 4).tolist(), "algorithms": [name]})
    return Result("net", made)


@pytest.mark.parametrize("noise", [0, 1e-7, 0.01, 0.2])
def test_curves_with_a_noise_of_their_own_agree(noise):
    one = result(noise=noise)
    assert len(one.points()) == 24 and one.differing == []
    assert one.verdict == "net: auto and im2col agree within noise at all 24 points"


@pytest.mark.parametrize("change", [
    lambda loss, seed: loss * 1.08, lambda loss, seed: loss - 0.02,
    lambda loss, seed: np.where(np.arange(len(loss)) == 7, loss * 1.1, loss),        # in one epoch only
])
def test_curves_that_are_shifted_by_part_of_their_spread_differ(change):
    one = result(change)
    assert one.differing and one.as_dict()["differs"] and "DIFFER at" in one.verdict
    assert not result(noise=0.01).differing


def test_what_is_systematic_but_cannot_be_seen_is_no_difference():
    assert min(point.chance for point in result(lambda loss, seed: loss * (1 + 1e-6), noise=0).points()) < curves.CHANCE / 24
    assert not result(lambda loss, seed: loss * (1 + 1e-6), noise=0).differing


def test_a_difference_in_one_seed_alone_has_no_direction():
    assert not result(lambda loss, seed: loss * (1.5 if seed == 3 else 1)).differing


def test_what_other_seeds_do_not_show_again_was_chance():
    higher, lower, in_epoch_3 = (lambda loss, seed: loss * 1.1, lambda loss, seed: loss * 0.9,
                                 lambda loss, seed: np.where(np.arange(len(loss)) == 3, loss * 1.1, loss))
    one = result(higher)
    suspected = len(one.suspected)
    assert suspected > 4 and len(one.differing) == suspected
    one.again = result(rng=1).curves
    assert one.differing == [] and not one.as_dict()["differs"]
    assert one.verdict.endswith(f"24 points; what {suspected} of them seemed to show, other seeds did not")
    one.again = result(lower, rng=1).curves
    assert one.differing == []                                       # the other way round: it has no direction
    one.again = result(in_epoch_3, rng=1).curves
    assert {point.epoch for point in one.differing} == {3}
    one.again = result(higher, rng=1).curves
    assert len(one.differing) > 4 and "DIFFER" in one.verdict


def test_networks_that_seem_to_differ_are_trained_again_from_other_seeds(monkeypatch):
    for change, wanted in ((lambda loss: loss, [0, 1, 2]), (lambda loss: loss - 0.2, [0, 1, 2, 3, 4, 5])):
        asked = []

        def ask(task, threads, asked=asked, change=change):
            loss = 1 + 0.1 * task["seed"] + 1e-3 * np.random.default_rng(task["seed"]).random(2)
            asked.append(task["seed"])
            loss = (loss if task["algorithm"] == "auto" else change(loss)).tolist()
            return {"loss": loss, "accuracy": loss}
        monkeypatch.setattr(curves, "ask", ask)
        monkeypatch.setattr(curves, "CHANCE", 0.5)
        [one] = curves.measure(["net"], seeds=3, threads=1)
        assert sorted(set(asked)) == wanted and bool(one.differing) == (len(wanted) == 6)


def test_the_test_is_students_for_pairs():
    from scipy import stats
    a, b = np.random.default_rng(1).standard_normal((2, 6))
    point = Point.of("loss", 0, a.tolist(), b.tolist())
    assert np.isclose(point.chance, stats.ttest_rel(a, b).pvalue)
    assert np.isclose(point.spread, np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    assert np.isclose(point.difference, (a - b).mean())
    assert chance_of([0.0, 0.0]) == 1 and chance_of([1.0, 1.0]) == 0


def test_the_more_points_are_looked_at_the_less_each_counts():
    point = Point("loss", 0, (1.0, 2.0), -1.0, 1.0, 0.01)
    assert point.differs(1) and point.differs(4) and not point.differs(6)


def test_the_table_has_a_cell_for_every_heading():
    headings, rows = curves.table([result(), result()])
    assert len(rows) == 4 and all(len(row) == len(headings) for row in rows)
    assert rows[0][:3] == ["net", "training loss", "12"]


@pytest.mark.slow
def test_a_short_training_is_compared_and_drawn(tmp_path, capsys):
    command = ["bench", "curves", "resnet20", "--seeds", "2", "--epochs", "1", "--threads", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    [one] = report.load(tmp_path / "curves.json")["results"]
    auto, im2col = (one["curves"][name] for name in curves.ALGORITHMS)
    assert "winograd" in auto[0]["algorithms"] and "winograd" not in im2col[0]["algorithms"]
    assert auto[0]["loss"] != auto[1]["loss"] and np.allclose(auto[0]["loss"], im2col[0]["loss"], rtol=0.2)
    assert (tmp_path / "curves.png").stat().st_size > 5000 and "agree within noise" in capsys.readouterr().out
