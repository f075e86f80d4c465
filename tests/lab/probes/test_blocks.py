"""Blocks left out, swapped and brought out of order: by hand, for matrices; and which blocks families have."""
from itertools import combinations

import numpy as np
import pytest
from networks import reduced, with_numbers

import minidl
from architectures import senet
from minidl import nn
from minidl.lab import Design, build
from minidl.lab.probes import find_blocks, lesion, permute, swap
from tests.lab.probes.awkward import awkward


def names(model, x):
    return [block.name for block in find_blocks(model, x)]


def test_blocks_are_residual_blocks_and_their_likes():
    model, x = awkward()
    assert names(model, x) == ["block1", "block2"]
    images = minidl.randn(2, 64)
    assert names(build(Design(depth=4, residual=True)), images) == ["block1", "block2"]
    assert names(build(Design(depth=4, norm="batch")), images) == ["block1", "block2", "block3", "block4"]
    assert names(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 3)), images) == ["0", "2"]


@pytest.mark.parametrize("name, expected", [
    ("preact_resnet164", ["layer1.1", "layer2.1", "layer3.1"]), ("resnet20", ["layer1.0"]), ("plain20", ["layer1.0"]),
    ("resnet50", ["layer1.1"])])
def test_blocks_of_families(name, expected):
    """Not those that halve the image, nor what is in them."""
    model, (images, _) = reduced(name)
    assert set(names(model, images)) >= set(expected)
    assert all([name.count(".") == 1 for name in names(model, images)])


def test_the_squeeze_in_a_block_that_halves_the_image_is_no_block():
    model = senet.ResNet(with_numbers(senet.SEBottleneck, reduction=4), (2, 1, 1, 1), 5, width=2)
    assert names(model, minidl.randn(2, 3, 64, 64)) == ["layer1.1"]


@pytest.fixture
def matrices():
    """(a model that multiplies by four matrices, the matrices, x, what to measure: the first number of the output)"""
    model = nn.Sequential(*[nn.Linear(3, 3, bias=False) for _ in range(4)]).double()
    return model, [layer.weight.detach().numpy() for layer in model], minidl.randn(1, 3).double(), lambda y: y[0, 0].item()


def product_of(matrices, x):
    x = x.numpy()
    for w in matrices:
        x = x @ w.T
    return pytest.approx(x[0, 0])


def test_a_lesion_leaves_one_matrix_out(matrices):
    model, W, x, score = matrices
    scores = lesion(model, x, score)
    assert scores.whole == product_of(W, x)
    assert scores.changed == {str(i): product_of(W[:i] + W[i + 1:], x) for i in range(4)}


def test_a_swap_exchanges_two(matrices):
    model, W, x, score = matrices
    scores = swap(model, x, score)
    assert set(scores.changed) == {(str(i), str(j)) for i, j in combinations(range(4), 2)}
    assert scores.changed["0", "2"] == product_of([W[2], W[1], W[0], W[3]], x)


def test_a_permutation_starts_from_the_old_order_and_has_kendalls_tau(matrices):
    model, W, x, score = matrices
    rows = permute(model, x, score, draws=3)
    assert [row.swaps for row in rows] == [0, 1, 2, 3]
    assert rows[0].tau == 1 and rows[0].score == product_of(W, x)
    # one swap of i < j changes the side of 2 (j - i) - 1 of 6 pairs
    taus = {(i, j): 1 - 2 * (2 * (j - i) - 1) / 6 for i, j in combinations(range(4), 2)}
    matching = [pair for pair, tau in taus.items() if tau == pytest.approx(rows[1].tau)]
    assert rows[1].score in [swapped(W, pair, x) for pair in matching]


def swapped(W, pair, x):
    W, (i, j) = list(W), pair
    W[i], W[j] = W[j], W[i]
    return product_of(W, x)


def test_a_block_whose_branch_is_zero_is_not_missed():
    model, x = build(Design(depth=4, width=16, residual=True, order="pre", norm="batch")), minidl.randn(8, 64)
    nn.init.zeros_(model.block2.linear2.weight)
    scores = lesion(model, x, lambda y: y.sum().item())
    assert scores.changed["block2"] == scores.whole != scores.changed["block1"]


def test_blocks_of_different_shapes_are_not_swapped():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4), nn.Linear(4, 4)).double()
    assert not swap(model, np.ones((1, 3)), lambda y: y.sum().item()).changed
    with pytest.raises(ValueError, match="no two blocks of the same shape"):
        permute(model, np.ones((1, 3)), lambda y: y.sum().item())


def test_a_module_that_runs_twice_is_no_block():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    with pytest.raises(ValueError, match="Again has no blocks that can be left out"):
        find_blocks(Again(), np.ones((1, 3)))


@pytest.mark.parametrize("probe", [lesion, swap, permute])
def test_a_model_without_blocks_is_answered_with_a_sentence(probe):
    with pytest.raises(ValueError, match="Linear has no blocks that can be left out"):
        probe(nn.Linear(3, 2), np.ones((1, 3)), lambda y: y.sum().item())
