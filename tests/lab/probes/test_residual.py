"""Residual additions, found in any graph: shares of variance, the reach of the identity, and the lengths of paths."""
import math
from itertools import product

import numpy as np
import pytest
from networks import REDUCED, reduced

import minidl
from minidl import nn
from minidl.lab import Design, build
from minidl.lab.additions import Additions
from minidl.lab.probes import branch_shares, identity_survival, path_lengths
from minidl.nn import functional as F
from tests.lab.probes.awkward import awkward


class Linear(nn.Module):
    """x + x W^T three times, without a module for it."""

    def __init__(self, n=4, blocks=3):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n, n, bias=False) for _ in range(blocks)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + x
        return x


# ---- which additions are residual


def names(model, x):
    return [addition.name for addition in Additions(model, x).residual]


@pytest.mark.parametrize("name, expected", [
    ("resnet20", ["layer1.0", "layer2.0", "layer3.0"]), ("plain20", []),
    ("preact_resnet110", ["layer1.0", "layer2.0", "layer3.0"]), ("densenet40_12", []), ("googlenet", [])])
def test_the_residual_additions_of_families(name, expected):
    model, (images, _) = reduced(name)
    assert names(model, images) == expected


def test_of_two_orders_of_the_sum_the_branch_is_the_deeper_one():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v = nn.Parameter(minidl.randn(3, 3)), nn.Linear(3, 3)

        def forward(self, x):
            x = x @ self.w.T + x                 # the transposed weight counts, too
            return x + self.v(x)

    assert [addition.branch for addition in Additions(Twice(), minidl.randn(2, 3)).residual] == [0, 1]
    assert names(Twice(), minidl.randn(2, 3)) == ["add", "add (2)"]


def test_a_frozen_branch_is_a_branch():
    model = Linear()
    model.requires_grad_(False)
    assert len(names(model, minidl.randn(2, 4))) == 3


# ---- shares of variance


def test_shares_of_variance_are_those_of_numpy_also_where_the_sum_is_made_in_place():
    model, x = awkward()
    model.eval()
    first, _ = branch_shares(model, x)
    h = F.relu(model.stem(x))
    f = model.block1.norm(model.block1.conv(h))
    variance = lambda z: z.detach().numpy().astype(float).var((0, 2, 3)).mean()
    assert first.block == "block1"
    assert first.branch == pytest.approx(variance(f), rel=1e-4) and first.shortcut == pytest.approx(variance(h), rel=1e-4)
    assert first.share == pytest.approx(variance(f) / variance(f + h), rel=1e-4)


def test_with_batch_norm_each_branch_adds_the_same_variance():
    """(pi - 1) / pi = 0.6817 with He's weights behind a ReLU: gradient_laws.md 3.5, measured 0.6854 +- 0.0025. So the share
    of block l falls like 1 / l."""
    minidl.manual_seed(0)
    model = build(Design(depth=20, width=256, residual=True, branch=1, order="pre", norm="batch"))
    rows = branch_shares(model, minidl.randn(128, 64))
    np.testing.assert_allclose(np.mean([row.branch for row in rows]), 0.6817, rtol=0.02)
    v0 = rows[0].shortcut
    np.testing.assert_allclose([row.share for row in rows], [0.6817 / (v0 + 0.6817 * l) for l in range(1, 21)], rtol=0.15)


# ---- the reach of the identity


def test_a_pair_survives_where_no_relu_after_an_addition_is_zero():
    model, x = build(Design(depth=4, width=8, residual=True, branch=2)), minidl.randn(10, 64)
    first, second = identity_survival(model, x)
    h = F.relu(model.first(x))
    a = model.block1(h)
    b = model.block2(a)
    cut1, cut2 = (z.detach().numpy() == 0 for z in (a, b))
    assert (first.block, second.block, first.stage, second.stage) == ("block1", "block2", 1, 1)
    assert (first.cut, second.cut) == (pytest.approx(cut1.mean()), pytest.approx(cut2.mean()))
    assert second.survival == pytest.approx(1 - cut2.mean())
    assert first.survival == pytest.approx(1 - (cut1 | cut2).mean())


def test_survival_through_a_deep_network_follows_the_arcsine_law():
    """gradient_laws.md 3.5: sum of u_k u_{n-k} for k to l + 1, n = blocks + 1; E6 has .1150/.1142 at 54 blocks of width
    300."""
    minidl.manual_seed(0)
    model = build(Design(depth=32, width=256, residual=True, norm="batch"))
    rows = identity_survival(model, minidl.randn(64, 64))
    u, n = [math.comb(2 * j, j) / 4 ** j for j in range(18)], 17
    expected = [sum([u[k] * u[n - k] for k in range(l + 2)]) for l in range(16)]
    np.testing.assert_allclose([row.survival for row in rows], expected, atol=0.03)


def test_with_the_activation_inside_of_the_branch_every_identity_survives():
    rows = identity_survival(build(Design(depth=6, width=8, residual=True, order="pre", norm="batch")), minidl.randn(10, 64))
    assert [row.survival for row in rows] == [1, 1, 1] and {row.stage for row in rows} == {1}


def test_a_projection_ends_a_stage():
    model, (images, _) = reduced("resnet50")     # 2, 1, 1, 1 blocks, of which the first of each stage projects
    assert [row.block for row in identity_survival(model, images)] == ["layer1.1"]


@pytest.mark.parametrize("probe", [branch_shares, identity_survival, path_lengths])
def test_a_plain_network_has_no_residual_additions(probe):
    with pytest.raises(ValueError, match="CifarResNet has no residual additions"):
        model, (images, _) = reduced("plain20")
        probe(model, images)


# ---- lengths of paths


def test_parts_of_the_gradient_are_sums_over_subsets_of_the_branches():
    """y = x (1 + W1^T) (1 + W2^T) (1 + W3^T): 8 paths, multiplied out."""
    model = Linear().double()
    W = [layer.weight.detach().numpy() for layer in model.layers]
    x = np.ones((2, 4))
    paths = path_lengths(model, x)
    gy = np.random.default_rng(0).standard_normal((2, 4))        # the random cotangent of seed 0
    expected = np.zeros((4, 2, 4))
    for taken in product([0, 1], repeat=3):
        gx = gy
        for w, through in reversed(list(zip(W, taken))):
            gx = gx @ w if through else gx
        expected[sum(taken)] += gx
    np.testing.assert_allclose(paths.parts, expected, atol=1e-12)
    np.testing.assert_allclose(paths.gradient, expected.sum(0), atol=1e-12)
    energy = (expected ** 2).sum((1, 2)) / (expected ** 2).sum()
    np.testing.assert_allclose(paths.energy, energy)
    assert paths.mean == pytest.approx((energy * [0, 1, 2, 3]).sum())


def test_the_parts_add_up_to_the_gradient_with_everything_in_a_network():
    model, x = awkward()
    for count, most in ("blocks", 2), ("layers", 4):
        paths = path_lengths(model, x, count)
        assert len(paths.parts) == most + 1
        np.testing.assert_allclose(paths.parts.sum(0), paths.gradient, rtol=1e-10, atol=1e-12)


def test_all_paths_of_a_plain_network_have_the_same_length():
    paths = path_lengths(build(Design(depth=5, width=8)), minidl.randn(3, 64), "layers")
    assert paths.mean == 7 and not paths.parts[:7].any()


def test_without_batch_norm_lengths_are_binomial():
    """gradient_laws.md 3.9: L = 24 blocks of branch_scale 1, mean 11.99 measured, 12 in theory."""
    minidl.manual_seed(0)
    model = build(Design(depth=24, width=100, residual=True, branch=1, order="pre"))
    paths = path_lengths(model, minidl.randn(16, 64))
    binomial = [math.comb(24, k) / 2 ** 24 for k in range(25)]
    assert paths.mean == pytest.approx(12, abs=0.5)
    assert np.abs(paths.energy - binomial).sum() / 2 < 0.08


def test_an_unknown_unit_of_length_is_answered_with_a_sentence():
    with pytest.raises(ValueError, match="'blocks' or 'layers', not in 'metres'"):
        path_lengths(Linear(), np.ones((1, 4)), "metres")


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_in_every_family_the_parts_add_up_to_the_gradient(name):
    model, (images, _) = reduced(name)
    images = images[:1] if "googlenet" in name or name.startswith("nin") else images
    paths = path_lengths(model.eval(), images, "layers")
    size = np.abs(paths.gradient).max()
    assert size > 0
    np.testing.assert_allclose(paths.parts.sum(0), paths.gradient, rtol=1e-8, atol=1e-10 * size)
