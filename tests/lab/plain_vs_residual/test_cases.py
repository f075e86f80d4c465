"""The grid: what is in it, and theory beside what other sources say."""
import math

import numpy as np
import pytest

from minidl.lab.nets import build
from minidl.lab.plain_vs_residual.cases import Case, depth_of, grid
from minidl.lab.plain_vs_residual.start import AtStart, Row


def test_layers_are_counted_as_in_the_names_of_resnets():
    """ResNet-56 has 54 layers in 27 blocks, a first and a last."""
    design = Case("residual", "batch", "He", 56).design("mlp", 16)
    assert (design.depth, design.blocks) == (54, 27)
    layers = [name for name, _ in build(design).named_parameters() if name.endswith("weight") and "norm" not in name]
    assert len(layers) == 56


def test_the_grid_has_every_gain_where_it_means_something():
    cases = grid((8, 20))
    assert len(cases) == len(set(cases)) == 2 * (2 * 3 * 5 + 2)
    assert {(c.shape, c.norm) for c in cases if c.gain == "Fixup"} == {("residual", "none")}
    assert {(c.shape, c.norm) for c in cases if c.gain == "zero-gamma"} == {("residual, post", "batch")}
    for case in cases:
        build(case.design("mlp", 8))
        build(case.design("cnn", 4))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_plain_and_residual_networks_have_as_many_parameters(kind, norm):
    sizes = {sum(p.numel() for p in build(Case(shape, norm, "He", 20).design(kind, 12)).parameters())
             for shape in ("plain", "residual", "residual, post")}
    assert len(sizes) == 1


@pytest.mark.parametrize("layers", [7, 2, 0, -4])
def test_a_depth_that_is_none_is_one_sentence(layers):
    with pytest.raises(ValueError, match=f"a network of {layers} layers is none to compare"):
        depth_of(layers)


# Norm factors per layer that are known elsewhere: He et al. 2015 (1, sqrt(1/2)), PyTorch's default (sqrt(1/6)), the
# fixed point of the sigmoid (Schoenholz et al. 2016: chi = 0.05572), Yang et al. 2019 for batches of 128 (1.480);
# residual by He without norm: 2 per block of two layers; by zero initialisation: the identity.
@pytest.mark.parametrize("shape, norm, gain, factor", [
    ("plain", "none", "He", 1), ("plain", "none", "Xavier", math.sqrt(0.5)), ("plain", "none", "PyTorch default", 6 ** -0.5),
    ("plain", "none", "orthogonal", 1), ("plain", "none", "sigmoid", 0.2360), ("plain", "batch", "He", math.sqrt(1.480)),
    ("plain", "batch", "Xavier", math.sqrt(1.480)), ("residual", "none", "He", 2 ** 0.25),
    ("residual", "none", "Xavier", 1.25 ** 0.25), ("residual", "none", "Fixup", 1),
    ("residual, post", "batch", "zero-gamma", 1)])
def test_theory_is_what_papers_say(shape, norm, gain, factor):
    case = Case(shape, norm, gain, 20)
    row = Row(case, AtStart(case.design("mlp", 64), 1, 128), {})
    assert row.theory_rate == pytest.approx(factor, rel=1e-3)
    assert row.theory[-1] == 1


def test_theory_of_a_residual_network_with_batch_norm_is_a_power():
    """The exponent of E|delta|^2 is -A^2 = -2.152, A = pi / (pi - 1), for many blocks."""
    theory = Case("residual", "batch", "He", 2002).theory(Case("residual", "batch", "He", 2002).design("mlp", 8), 128)
    l = np.arange(1001)
    slope = np.polyfit(np.log(l[300:900]), np.log(theory[300:900]), 1)[0]
    assert 2 * slope == pytest.approx(-((math.pi / (math.pi - 1)) ** 2), rel=0.02)


@pytest.mark.parametrize("shape, norm, gain", [
    ("plain", "none", "He"), ("plain", "none", "Xavier"), ("plain", "none", "sigmoid"), ("plain", "batch", "He"),
    ("plain", "batch", "sigmoid"), ("residual", "none", "He"), ("residual", "none", "Xavier"), ("residual", "batch", "He"),
    ("residual", "batch", "orthogonal")])
def test_what_is_measured_is_what_theory_says(shape, norm, gain):
    """Two nets of width 128 with 20 layers: the spread of such a rate is below 2 % (0.3 / sqrt(2 * 18) / 18 for the slope
    of a walk with steps of sd sqrt(5 / 128) in the logarithm of the energy), so 4 % in norm is two standard deviations."""
    case = Case(shape, norm, gain, 20)
    task = AtStart(case.design("mlp", 128), 2, 64)
    row = Row(case, task, task.run())
    assert row.rate.factor == pytest.approx(row.theory_rate, rel=0.04)
    assert row.zeros == 0


@pytest.mark.parametrize("shape, norm, gain", [("residual", "none", "Fixup"), ("residual, post", "batch", "zero-gamma")])
def test_branches_that_start_at_zero_hand_the_gradient_on_bit_for_bit(shape, norm, gain):
    case = Case(shape, norm, gain, 20)
    task = AtStart(case.design("mlp", 32), 2, 16)
    found = task.run()
    for profile in found["float64"]:
        trunk = profile["trunk"][:-1] if shape == "residual, post" else profile["trunk"]      # its last ReLU cuts once
        assert len(set(trunk)) == 1
