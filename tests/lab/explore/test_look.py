"""One look: theory beside measurement for many settings of the knobs, the words that are made of it, and the command."""
import dataclasses
import math

import numpy as np
import pytest

import minidl
from minidl.cli import main
from minidl.lab.explore.knobs import Knobs
from minidl.lab.explore.look import Look, look, sentences, slope
from minidl.lab.explore.predicted import law, predicted
from minidl.lab.explore.show import bars
from minidl.lab.nets import Design

WIDE = {"width": 256, "batch": 64, "precision": "float64"}


def factor(knobs):
    """By what the norm grows from a block to the one below: measured, mean over three nets, and theory."""
    seen = [look(dataclasses.replace(knobs, seed=seed)) for seed in range(3)]
    return (math.exp(-np.mean([slope(one, one.trunk) for one in seen])),
            math.exp(-slope(seen[0], seen[0].theory)) if seen[0].theory else None)


@pytest.mark.parametrize("knobs, known, tolerance", [
    # gradient_laws.md, section 3.1 and 3.3: rates of energies, whose roots are the factors; tolerances of its section 5
    ({"gain": "he"}, 1.0, 0.03), ({"gain": "xavier"}, 0.5, 0.03), ({"gain": "pytorch"}, 1 / 6, 0.03),
    ({"gain": 16.0, "activation": "sigmoid"}, 0.3989, 0.02), ({"gain": "xavier", "activation": "sigmoid"}, 0.0557, 0.03),
    ({"norm": "batch"}, 1.4931, 0.02), ({"norm": "batch", "gain": 0.1}, 1.4931, 0.02),       # 64 examples, whatever the gain
    ({"norm": "batch", "activation": "linear", "batch": 16}, 14 / 13, 0.02),
    # 3.5: 1 + alpha^2 per block without norm; lambda^2 + (1 - lambda^2) A^2 with, alpha^2 being 1 - lambda^2 there
    ({"shortcut": "pre"}, 2.0, 0.03),
])
def test_a_look_measures_what_is_known(knobs, known, tolerance):
    measured, theory = factor(Knobs(depth=24, **{**WIDE, **knobs}))
    assert measured == pytest.approx(math.sqrt(known), rel=tolerance)
    assert theory == pytest.approx(math.sqrt(known), rel=0.006)


@pytest.mark.parametrize("knobs", [
    {"gain": "xavier", "activation": "tanh"}, {"gain": 2.5, "activation": "tanh"}, {"norm": "batch", "activation": "gelu"},
    {"gain": 1.2, "activation": "elu"}, {"norm": "batch", "activation": "tanh"}, {"gain": "orthogonal"},
    {"shortcut": "pre", "norm": "batch"}, {"shortcut": "pre", "norm": "batch", "shortcut_scale": 0.5},
    {"shortcut": "pre", "norm": "batch", "gain": 1.0, "activation": "tanh"},
    {"shortcut": "pre", "gain": "xavier", "activation": "tanh"}, {"shortcut": "pre", "shortcut_scale": 0.5},
])
def test_theory_lies_beside_the_measurement_all_along(knobs):
    """At every block, not only in slope: a width of 256 may take the log-norm off by sqrt(5 L / 4 n), 0.34 for 24 layers."""
    seen = [look(Knobs(depth=24, seed=seed, **{**WIDE, **knobs})) for seed in range(3)]
    off = np.mean([np.log(one.trunk) - np.log(one.theory) for one in seen], 0)
    assert abs(off).max() < 0.34, off


def test_the_shortcuts_scale_with_its_branch_is_the_slider_of_theory():
    """lambda = 0.8 and alpha^2 = 1 - lambda^2: rates of energy go to lambda^2 + (1 - lambda^2) A^2 = 1.415 (section 5)."""
    design = Design(depth=80, residual=True, norm="batch", order="pre", shortcut_scale=0.8, branch_scale=0.6)
    profile = predicted(design, math.inf)
    assert (profile[38] / profile[39]) ** 2 == pytest.approx(1.415, abs=0.001)


def test_residual_networks_with_batch_norm_follow_a_power_and_others_a_factor():
    assert look(Knobs(depth=40, shortcut="pre", norm="batch")).law == "power"
    assert look(Knobs(depth=40, norm="batch")).law == look(Knobs(depth=40)).law == "exponential"
    assert law(1 / np.arange(1, 30)) == "power" and law(0.9 ** np.arange(30)) == "exponential"


def test_fixup_leaves_the_gradient_as_it_is_in_theory_and_to_the_last_bit():
    """Zhang et al. 2019: the last layer of every branch is 0, so that every block is the identity."""
    seen = look(Knobs(depth=24, shortcut="pre", gain="fixup"))
    assert len(set(seen.trunk)) == 1
    np.testing.assert_allclose(seen.theory, seen.trunk)


def test_zero_gamma_halves_the_gradients_energy_once():
    """The ReLUs after the additions are all shut in the same places, in half of them, where the first one is."""
    seen = look(Knobs(depth=12, shortcut="post", norm="batch", gain="zero_gamma", width=256, precision="float64"))
    np.testing.assert_allclose(seen.theory, seen.trunk, rtol=0.02)
    assert seen.trunk[0] == seen.trunk[-2] < 0.75 * seen.trunk[-1]


def test_without_a_law_there_is_no_line():
    seen = look(Knobs(shortcut="post"))
    assert seen.theory is None and "there is no law here for this network" in list(sentences(seen))[0]
    assert look(Knobs(batch=3, norm="batch")).theory is None         # the mean is infinite


def test_a_deep_network_with_pytorchs_weights_underflows_in_float32_and_not_in_float64():
    """1/6 in energy per layer: 2e-39 in norm after 100 layers, and float32 ends at 1e-45."""
    lost, whole = [look(Knobs(depth=150, gain="pytorch", activation="relu", precision=precision))
                   for precision in ("float32", "float64")]
    assert lost.trunk[0] == 0 and lost.zeros == 1 and whole.zeros < 0.01
    said = " ".join(sentences(lost))
    assert "In float32, 100% of dL/dx at the first block is exactly 0" in said and "vanishes" in said
    assert slope(lost, lost.trunk) == pytest.approx(0.5 * math.log(6), rel=0.05)


def made_up(trunk, theory=None, **knobs):
    return Look(Knobs(**knobs), list(range(len(trunk))), trunk, theory, [1, 2], [3.0, 1.5], 0.0, 0.01)


def test_the_words_are_made_of_the_numbers():
    seen = made_up([1.2 ** (40 - l) for l in range(41)], [1.25 ** (40 - l) for l in range(41)])
    assert list(sentences(seen)) == [
        "The gradient explodes toward the input: a factor of 1.200 per layer; in theory a factor of 1.250.",
        "From the last layer to the first ‖dL/dx‖ changes by a factor of 1,470; theory 7,523.",
        "‖dL/dW‖ changes by a factor of 2."]
    assert list(sentences(made_up([1.0] * 10)))[0].startswith("The gradient neither explodes nor vanishes")
    assert list(sentences(made_up([0.3 ** (9 - l) for l in range(10)])))[0].startswith("The gradient vanishes")
    assert "overflows" in list(sentences(made_up([math.inf] * 4)))[0]


def test_a_power_is_told_by_its_exponent():
    profile = [float(l + 1) ** -1.5 for l in range(30)]
    assert "(l + 1)^-1.50; theory (l + 1)^-1.50" in list(sentences(made_up(profile, profile)))[0]


def test_bars_rise_with_the_logarithm_and_a_flat_row_looks_flat():
    assert bars([1, 10, 100, 1e3, 1e4, 1e5, 1e6]) == "▁▂▃▄▅▆▇"
    assert len(set(bars([1.0, 1.1, 0.9, 1.05]))) == 1
    assert bars([0.0, 1.0]).startswith("·")


def test_looking_leaves_the_default_generator_where_it_was():
    before = minidl.get_rng_state()
    one, same = look(Knobs(depth=4)), look(Knobs(depth=4))
    assert minidl.get_rng_state() == before and one.trunk == same.trunk and one.weights == same.weights


# ---- the command


def test_the_command_prints_a_look_and_draws_it(tmp_path, capsys):
    assert main(["lab", "explore", "--depth", "56", "--norm", "batch", "--out", str(tmp_path / "profile.png")]) == 0
    said = capsys.readouterr().out
    assert "plain, 56 layers of 64, relu, he, norm batch; batch 64, float32, seed 0" in said
    assert "The gradient explodes" in said and "▇" in said and "after layer" in said
    assert (tmp_path / "profile.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("args, said", [
    (["--depth", "0"], "explore: depth is 0; 1 to 400 is wanted"),
    (["--depth", "many"], "--depth"),
    (["--gain", "-1"], "init -1.0 is no variance to draw weights with"),
    (["--gain", "nan"], "init nan is no variance"),
    (["--gain", "lots"], "explore: gain 'lots' is neither a number, sigma_w^2, nor one of he, xavier"),
    (["--norm", "layer"], "norm 'layer' is not one of none, batch"),
    (["--activation", "swish"], "activation 'swish' is not one of relu"),
    (["--shortcut", "post", "--depth", "5"], "depth 5 does not divide into residual branches of 2"),
    (["--shortcut-scale", "big"], "explore: shortcut_scale is 'big'; a number is wanted"),
    (["--batch", "1"], "explore: batch is 1; 2 to 1024 is wanted"),
    (["--depth", "400", "--width", "512", "--batch", "1024"], "are 1.1e+11 multiplications; at most 5e+09 are made"),
    (["--depth", "4", "--out", "profile.txt"], "profile.txt should end in .png"),
    (["--gain", "fixup"], "fixup is for residual networks"),
])
def test_bad_input_is_one_sentence(args, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "explore", *args]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_one_sentence(capsys):
    from minidl.lab.explore.server import server
    with server() as running:
        assert main(["lab", "explore", "--port", str(running.server_port)]) == 2
    assert f"explore: port {running.server_port} cannot be used: Address already in use" in capsys.readouterr().err
