"""LeNet-5 against its paper, the definition, finite differences and PyTorch."""
import math

import numpy as np
import pytest

import minidl
from architectures import build
from architectures.lenet import BITMAPS, TABLE_1, digit_bitmaps, map_criterion, mean_penalty, squash
from minidl.gradcheck import gradcheck_model
from minidl.nn import functional as F


def shapes_of(model, image):
    """The shape, without the batch, that every child of the model puts out."""
    seen = {}
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, y.shape[1:]))
    model(image)
    return seen


def test_todays_stages_have_the_papers_shapes():
    assert shapes_of(build("lenet5"), minidl.zeros(2, 1, 32, 32)) == {
        "c1": (6, 28, 28), "c3": (16, 10, 10), "c5": (120, 1, 1), "f6": (84,), "output": (10,)}


def test_the_published_stages_have_the_papers_shapes():
    assert shapes_of(build("lenet5_1998"), minidl.zeros(2, 1, 32, 32)) == {
        "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120, 1, 1),
        "f6": (84,), "output": (10,)}


def test_every_published_layer_has_the_papers_parameters():
    """Section II.B states each of them; F6's 10,164 and C5's 48,120 are their connections, too."""
    layers = build("lenet5_1998").named_children()
    counts = {name: sum(p.numel() for p in layer.parameters()) for name, layer in layers}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}


def test_the_published_network_has_the_papers_connections():
    """Section II.B: 340,908. One from each of a unit's inputs, and one from its bias unless it is an RBF."""
    connections = {
        "c1": 28 * 28 * 6 * (25 + 1), "s2": 14 * 14 * 6 * (4 + 1),
        "c3": 10 * 10 * sum(25 * len(maps) + 1 for maps in TABLE_1), "s4": 5 * 5 * 16 * (4 + 1),
        "c5": 120 * (400 + 1), "f6": 84 * (120 + 1), "output": build("lenet5_1998").output.centres.numel()}
    assert list(connections.values())[:4] == [122_304, 5880, 151_600, 2000]
    assert sum(connections.values()) == 340_908


def test_table_1_is_the_papers():
    """Its rows, S2's maps, each with ten crosses, copied column by column from the printed table."""
    printed = ["X   XXX  XXXX XX",
               "XX   XXX  XXXX X",
               "XXX   XXX  X XXX",
               " XXX  XXXX  X XX",
               "  XXX  XXXX XX X",
               "   XXX  XXXX XXX"]
    assert printed == ["".join("X" if j in maps else " " for maps in TABLE_1) for j in range(6)]
    assert [len(maps) for maps in TABLE_1] == [3] * 6 + [4] * 9 + [6] and sum(map(len, TABLE_1)) == 60


def test_a_map_of_c3_reads_its_maps_of_s2_and_no_other():
    c3 = build("lenet5_1998").c3
    x = minidl.randn(1, 6, 14, 14, requires_grad=True)
    for i, maps in enumerate(TABLE_1):
        gx, = minidl.autograd.grad(c3(x)[0, i].sum(), x)
        assert set(np.flatnonzero(np.abs(gx.numpy()).sum((0, 2, 3)))) == set(maps)


def test_the_sparse_convolution_is_the_sum_over_the_tables_crosses():
    c3 = build("lenet5_1998").c3
    x = minidl.randn(2, 6, 14, 14)
    y, kernels = c3(x).array, iter(c3.weight.reshape(60, 1, 1, 5, 5))
    for i, maps in enumerate(TABLE_1):
        crosses = [F.conv2d(x[:, j:j + 1], next(kernels)).array[:, 0] for j in maps]
        np.testing.assert_allclose(y[:, i], sum(crosses) + c3.bias.array[i], rtol=1e-4, atol=1e-5)


def test_subsampling_adds_four_neighbours_and_scales_them():
    s2 = build("lenet5_1998").s2
    x = np.random.default_rng(0).standard_normal((2, 6, 4, 6)).astype(np.float32)
    y = s2(minidl.tensor(x)).array[:, :, 1, 2]
    four = x[:, :, 2:4, 4:6].sum((2, 3))
    np.testing.assert_allclose(y, s2.weight.array[:, 0, 0] * four + s2.bias.array[:, 0, 0], rtol=1e-5)


def test_the_squashing_function_is_1_at_1_and_bends_most_there():
    """Section II.B and appendix A. The printed constants make f(1) = 1 to four digits."""
    x = np.linspace(-3, 3, 601)
    y = squash(minidl.tensor(x)).numpy()
    assert math.isclose(y[400], 1, abs_tol=1e-4) and math.isclose(y[200], -1, abs_tol=1e-4)
    bend = np.abs(np.gradient(np.gradient(y, x), x))
    assert math.isclose(abs(x[bend.argmax()]), 1, abs_tol=0.02)


def test_the_bitmaps_are_twelve_rows_of_seven():
    rows = [line.split() for line in BITMAPS.split("\n") if line]
    assert len(rows) == 12 and all(len(row) == 10 and {len(dots) for dots in row} == {7} for row in rows)
    seven = digit_bitmaps().numpy()[7].reshape(12, 7)
    assert (seven[0] == 1).all() and (seven[10:] == -1).all()


def test_the_centres_are_saved_but_not_trained():
    model = build("lenet5_1998")
    centres = model.state_dict()["output.centres"].numpy()
    assert centres.shape == (10, 84) and set(np.unique(centres)) == {-1, 1}
    assert len(np.unique(centres, axis=0)) == 10
    assert "output.centres" not in dict(model.named_parameters())


def test_a_score_is_minus_the_squared_distance():
    output = build("lenet5_1998").output
    x = minidl.randn(3, 84)
    distances = ((x.numpy()[:, None] - output.centres.numpy()) ** 2).sum(2)
    np.testing.assert_allclose(output(x).numpy(), -distances, rtol=1e-5)


def test_the_losses_are_equations_8_and_9():
    rng = np.random.default_rng(0)
    y, labels, j = rng.uniform(0, 8, (5, 10)), rng.integers(0, 10, 5), 2.5
    right = y[np.arange(5), labels]
    scores, labels = minidl.tensor(-y), minidl.tensor(labels)
    assert math.isclose(mean_penalty(scores, labels).item(), right.mean())
    equation_9 = (right + np.log(np.exp(-j) + np.exp(-y).sum(1))).mean()
    assert math.isclose(map_criterion(scores, labels, j).item(), equation_9)


def test_penalties_much_larger_than_j_are_not_pushed_further_up():
    """Section II.C: that is what j is for."""
    scores = minidl.tensor([[-1.0, -2.0, *[-100.0] * 8]], requires_grad=True)
    map_criterion(scores, minidl.tensor([0]), j=3.0).backward()
    gradient = scores.grad.numpy()[0]
    assert gradient[1] > 0.1 and (gradient[2:] < 1e-30).all()


def test_the_published_weights_start_within_2_4_over_the_fan_in():
    """Appendix A; C3's maps have fan-ins of 75, 100 and 150, a unit of S2 has 4."""
    model = build("lenet5_1998")
    fan_in = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, n in fan_in.items():
        for p in getattr(model, name).parameters():
            assert np.abs(p.array).max() <= 2.4 / n
    c3 = model.c3.weight.array
    for kernels, n in ((c3[:18], 75), (c3[18:54], 100), (c3[54:], 150)):
        assert 2.3 / n < np.abs(kernels).max() <= 2.4 / n
    assert len(np.unique(model.c3.bias.array)) == 16 and np.abs(model.c3.bias.array).max() <= 2.4 / 75


def test_todays_weights_start_with_the_deviation_of_efficient_backprop():
    model = build("lenet5")
    for layer, fan_in in ((model.c3, 150), (model.c5, 400), (model.f6, 120)):
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in), 1, abs_tol=0.05)
        assert not layer.bias.array.any()


@pytest.mark.parametrize("name, options, loss", [
    ("lenet5", {}, None), ("lenet5", {"activation": "relu"}, None),
    ("lenet5_1998", {}, map_criterion), ("lenet5_1998", {}, mean_penalty)])
def test_every_gradient_is_that_of_finite_differences(name, options, loss):
    rng = np.random.default_rng(0)
    batch = rng.standard_normal((2, 1, 32, 32)), rng.integers(0, 10, 2)
    assert gradcheck_model(build(name, **options), batch, loss).passed
