"""The laws hold for networks computed by minidl, and a law whose physics is broken fails."""
import json
from dataclasses import replace

import numpy as np
import pytest

from minidl.cli import main
from minidl.lab.laws import LAWS, find, measure, pictures
from minidl.lab.laws.law import EQUAL, ROUNDING, Law, Picture, Sample, Tolerance
from minidl.lab.laws.run import Result, run, table

SLOW = {"bn-residual-1", "bn-residual-2", "bn-variance", "bn-share", "width-mean", "width-variance"}
JUDGED = [name for name, law in LAWS.items() if law.tolerance is not None]


def verdict(result):
    return f"{result.verdict}: predicted {result.law.predicted}, measured {result.measured}, ± {result.allowed}"


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in JUDGED])
def test_every_law_holds(name):
    """Two networks with other seeds than the four of `minidl lab laws`."""
    assert verdict(run(LAWS[name], networks=2, first_seed=100)).startswith("holds")


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("first_seed", [0, 200, 300])
def test_every_law_holds_for_other_seeds(name, first_seed):
    """Four networks, as `minidl lab laws` measures them, three times."""
    assert verdict(run(LAWS[name], networks=4, first_seed=first_seed)).startswith("holds")


@pytest.mark.parametrize("name, wrong", [
    ("relu-he", {"init": 1 / 3}), ("relu-he", {"init": "xavier"}), ("relu-he", {"init": 1.8}), ("relu-xavier", {"init": "he"}),
    ("relu-pytorch", {"init": "xavier"}), ("tanh-ordered", {"init": 1.5}), ("tanh-critical", {"bias_variance": 0.3}),
    ("sigmoid-xavier", {"activation": "tanh"}), ("tanh-xavier", {"init": 0.9}), ("glorot-standard", {"init": "xavier"}),
    ("isometry-relu", {"init": "orthogonal"}), ("isometry-orthogonal", {"init": "xavier"}),
    ("bn-relu", {"norm": "none"}), ("bn-relu", {"activation": "leaky_relu", "init": "orthogonal", "norm": "none"}),
    ("bn-gelu", {"activation": "relu"}), ("bn-cnn", {"norm": "none"}),
    ("residual-1", {"branch_scale": 0.9}), ("residual-1", {"init": 1 / 3}), ("slider-0.5", {"shortcut_scale": 1.0}),
    ("zeros-cnn", {"order": "pre"}), ("survival", {"activation": "leaky_relu"}), ("paths-half", {"branch_scale": 1.0}),
    ("bn-paths-1", {"norm": "none"}), ("shattering-plain", {"norm": "batch"}), ("shattering-bn", {"norm": "none"}),
    ("padding-8", {"padding_mode": "circular"}), ("padding-circular", {"padding_mode": "zeros"}),
    ("euler-he", {"bias_variance": 0.1}), ("euler-he", {"activation": "tanh"}), ("scale-invariance", {"norm": "none"}),
    ("zero-init", {"init": "he"}), ("zero-gamma", {"init": "he"}), ("shortcut-half", {"branch_scale": 0.5, "init": "he"}),
    ("delta-orthogonal", {"init": "he"}), ("delta-orthogonal", {"activation": "relu"}),
])
def test_a_law_fails_when_its_physics_is_broken(name, wrong):
    law = LAWS[name]
    broken = replace(law, design=replace(law.design, **wrong))
    assert verdict(run(broken, networks=2)).startswith("FAILS")


def test_batch_norms_that_hardly_normalise_break_their_law(monkeypatch):
    body = measure.body

    def with_a_large_eps(design, seed):
        net = body(design, seed)
        for module in net.modules():
            if hasattr(module, "eps"):
                module.eps = 0.3
        return net

    monkeypatch.setattr(measure, "body", with_a_large_eps)
    assert verdict(run(LAWS["bn-relu"], networks=2)).startswith("FAILS")


def test_a_width_that_is_not_the_theorys_breaks_the_law_of_fluctuations():
    law = LAWS["width-variance"]
    assert verdict(run(replace(law, design=replace(law.design, width=200, in_features=200)), networks=1)).startswith("FAILS")


def test_laws_leave_random_numbers_and_dtypes_as_they_were():
    import minidl
    minidl.manual_seed(5)
    before = minidl.get_rng_state()
    run(LAWS["relu-he"], networks=1)
    assert minidl.get_rng_state() == before and minidl.get_default_dtype() == minidl.float32


# ---- judging


def result(values, predicted=1.0, tolerance=Tolerance(0.1, True, "")):
    law = Law("a", "b", "c", "d", predicted, LAWS["relu-he"].design, 1, lambda *_: Sample(1.0, np.ones(1)),
              Picture(np.ones(1), np.ones(1), "x", "y"), tolerance)
    return Result(law, np.array(values), np.ones((len(values), 1)), 0.0)


@pytest.mark.parametrize("values, tolerance, expected", [
    ([1.09], Tolerance(0.1, True, ""), "holds"), ([1.11], Tolerance(0.1, True, ""), "FAILS"),
    ([1.09, 1.09, 1.09, 1.09], Tolerance(0.1, True, ""), "FAILS"), ([1.3, 0.7, 1.3, 0.7], Tolerance(0.1, True, ""), "holds"),
    ([1.04] * 16, Tolerance(0.1, True, ""), "holds"), ([float("nan")], Tolerance(0.1, True, ""), "FAILS"),
    ([5.0], None, "no verdict"), ([1.0, 1.0 + 1e-9], ROUNDING, "FAILS"), ([1.0, 1.0 + 1e-11], ROUNDING, "holds"),
    ([1.0, 1.0 + 1e-15], EQUAL, "FAILS"), ([1.0, 1.0], EQUAL, "holds"),
])
def test_verdicts(values, tolerance, expected):
    """The mean of n networks is judged by the tolerance of one over sqrt(n), but not below half; what is exact, by the worst."""
    assert result(values, tolerance=tolerance).verdict == expected


def test_every_law_says_what_it_is_and_where_its_tolerance_is_from():
    for law in LAWS.values():
        assert law.source and law.says and law.value_is and (law.tolerance is None or law.tolerance.why)
        assert law.picture.x.shape == np.shape(law.picture.theory)
        assert law.picture.x_is and law.picture.y_is and law.design.init != "" and f"batch {law.batch}" in law.setup()


def test_names_may_be_the_beginning_of_several():
    assert [law.name for law in find(["tanh-residual", "relu-he"])] == ["tanh-residual-1", "tanh-residual-0.5", "relu-he"]
    assert len(find([])) == len(LAWS)
    assert [law.name for law in find(["bn-relu"])] == ["bn-relu"]
    with pytest.raises(ValueError, match="there is no law 'gravity'; there are linear-xavier"):
        find(["gravity"])


def test_a_failure_is_told_in_the_table_and_drawn_in_another_colour():
    failed = run(replace(LAWS["relu-he"], design=replace(LAWS["relu-he"].design, init=1.0)), networks=1)
    headings, rows = table([failed])
    assert dict(zip(headings, rows[0]))["verdict"] == "FAILS"
    from matplotlib.colors import to_hex
    points = pictures.figure(failed).axes[0].containers[0].lines[0]
    assert to_hex(points.get_color()) == pictures.FAILED


# ---- the command


def test_the_command_prints_a_table_and_writes_numbers_and_pictures(tmp_path, capsys):
    assert main(["lab", "laws", "relu-he", "zero-init", "--seeds", "2", "--out", str(tmp_path / "laws")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["holds" in line for line in lines if line[:1] in (["relu-he"], ["zero-init"])] == [True, True]
    found = {one["name"]: one for one in json.loads((tmp_path / "laws" / "laws.json").read_text())}
    assert found["relu-he"]["predicted"] == pytest.approx(1) and len(found["relu-he"]["values"]) == 2
    assert found["zero-init"]["measured"] == 0
    for name in ("relu-he", "zero-init", "laws"):
        assert (tmp_path / "laws" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_has_status_1_where_a_law_fails(monkeypatch, capsys):
    law = LAWS["relu-he"]
    monkeypatch.setitem(LAWS, "relu-he", replace(law, design=replace(law.design, init="xavier")))
    assert main(["lab", "laws", "relu-he", "--seeds", "1"]) == 1
    assert "1 FAIL: relu-he" in capsys.readouterr().out


@pytest.mark.parametrize("args, said", [(["gravity"], "there is no law 'gravity'"), (["--seeds", "0"], "--seeds")])
def test_what_is_wrong_in_the_command_is_one_line(args, said, capsys):
    assert main(["lab", "laws", *args]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
