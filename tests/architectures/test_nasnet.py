"""NASNet and AmoebaNet: cells, rows of cells, drop-path, auxiliary scores and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes

import minidl
from architectures import MODELS, build
from architectures.nasnet import (
    AMOEBANET_A,
    NASNET_A,
    OPERATIONS,
    Cell,
    CifarNASNet,
    FactorizedReduction,
    ImageNetNASNet,
    Plan,
    ScheduledDropPath,
    loss_of_both,
)
from minidl import nn
from minidl.nn import functional as F
from minidl.summary import summary

FIGURES = [pytest.param(cells[kind], id=f"{name} {kind}") for name, cells in
           (("NASNet-A", NASNET_A), ("AmoebaNet-A", AMOEBANET_A)) for kind in ("normal", "reduction")]


def published(network, *args):
    """One of the networks of the papers that has no name here."""
    with minidl.device("meta"):
        return network(AMOEBANET_A, *args)


# Hooks on published implementations saw these; those of NASNet are also in the tests of the authors' code.
@pytest.mark.parametrize("make, image, stem, endpoints", [
    (lambda: on_shapes("nasnet_a_cifar10")[0], 32, (96, 32, 32),
     {5: (192, 32, 32), 6: (256, 16, 16), 12: (384, 16, 16), 13: (512, 8, 8), 19: (768, 8, 8)}),
    (lambda: on_shapes("nasnet_a_mobile")[0], 224, (32, 111, 111),
     {0: (44, 56, 56), 1: (88, 28, 28), 5: (264, 28, 28), 6: (352, 14, 14), 10: (528, 14, 14), 11: (704, 7, 7),
      15: (1056, 7, 7)}),
    (lambda: published(ImageNetNASNet, 6, 190), 331, (32, 165, 165),
     {0: (235, 83, 83), 1: (475, 42, 42), 7: (760, 42, 42), 8: (1900, 21, 21), 14: (1520, 21, 21), 15: (3800, 11, 11),
      21: (3040, 11, 11)}),
], ids=["nasnet_a_cifar10", "nasnet_a_mobile", "AmoebaNet-A (N=6, F=190)"])
def test_stem_and_cells_have_the_published_shapes(make, image, stem, endpoints):
    model, seen = make(), []
    for module in [model.stem, *model.cells]:
        module.register_forward_hook(lambda module, args, y: seen.append(y.shape[1:]))
    model(minidl.zeros(1, 3, image, image, device="meta"))
    assert seen[0] == stem and len(seen) == max(endpoints) + 2
    assert {i: seen[i + 1] for i in endpoints} == endpoints


@pytest.mark.parametrize("network, n, channels, size, parameters, macs", [
    (CifarNASNet, 6, 32, 32, 2_567_754, 407_671_808),                # the paper: 2.6 million
    (ImageNetNASNet, 4, 50, 224, 5_086_930, 554_687_204),            # 5.1 and 555 million
    (ImageNetNASNet, 6, 190, 331, 86_718_797, 23_133_663_507),       # 86.7 million and 23.1 billion
    (ImageNetNASNet, 6, 448, 331, 468_151_184, 126_520_757_776)])    # 469 million; its 104 billion are those of 299x299
def test_the_other_networks_of_the_paper_cost_what_is_published(network, n, channels, size, parameters, macs):
    counted = summary(published(network, n, channels), (3, size, size))
    assert (counted.trainable, counted.macs) == (parameters, macs)


@pytest.mark.parametrize("name, layers", [
    ("nasnet_a_cifar10", 447), ("nasnet_a_mobile", 357), ("amoebanet_a_cifar10", 374)])
def test_as_many_layers_have_weights_as_in_published_implementations(name, layers):
    assert len(layers_with_weights(on_shapes(name)[0])) == layers


@pytest.mark.parametrize("name, parameters, macs", [
    ("nasnet_a_cifar10", 4_978_036, 546_700_288), ("nasnet_a_mobile", 7_701_218, 567_061_024)])
def test_with_auxiliary_scores_they_cost_what_is_published(name, parameters, macs):
    model, seen = on_shapes(name, aux=True)[0], []
    model.aux.register_forward_hook(lambda layer, args, y: seen.append(args[0].shape[1:]))
    model(minidl.zeros(2, *MODELS[name].input_shape, device="meta"))
    both = summary(model, MODELS[name].input_shape).macs + summary(model.aux, seen[0]).macs
    assert (sum(p.numel() for p in model.parameters()), both) == (parameters, macs)


@pytest.mark.parametrize("plan", FIGURES)
def test_a_cell_has_five_pairs_and_wastes_no_state(plan):
    """B = 5 in both papers."""
    assert len(plan.pairs) == 5
    for made, pair in enumerate(plan.pairs, 2):
        assert all([name in OPERATIONS and 0 <= state < made for name, state in pair])
    assert {state for pair in plan.pairs for _, state in pair} | set(plan.out) == set(range(7))


def test_a_cell_does_what_its_plan_says():
    plan = Plan(pairs=((("max 3x3", 0), ("identity", 1)), (("identity", 2), ("avg 3x3", 0))), out=(3, 1))
    cell = Cell(plan, 2, (nn.Identity(), 2), 2)
    cell.last = nn.Identity()
    x, before = minidl.zeros(1, 2, 5, 5), minidl.randn(1, 2, 5, 5)
    x[0, 0, 2, 2] = 9.0
    y = cell(x, before).detach().numpy()
    near = np.zeros((5, 5))
    near[1:4, 1:4] = 1.0                                                # where a window of 3x3 sees the 9
    np.testing.assert_allclose(y[0, 0], 9 * near + before.numpy()[0, 0] + near, rtol=1e-6)
    np.testing.assert_array_equal(y[:, 2:], before.numpy())


def test_zeros_around_the_image_do_not_count():
    y = OPERATIONS["avg 3x3"](3, 3, 1)(minidl.ones(1, 3, 4, 4))
    np.testing.assert_allclose(y.numpy(), 1, rtol=1e-6)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [8, 12])
@pytest.mark.parametrize("stride, size", [(1, 7), (2, 7), (2, 8)])
def test_every_operation_makes_the_shape_that_is_asked_for(name, channels, stride, size):
    y = OPERATIONS[name](8, channels, stride)(minidl.randn(2, 8, size, size))
    assert y.shape == (2, channels, math.ceil(size / stride), math.ceil(size / stride))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name[:3] not in ("max", "avg")])
def test_a_relu_stands_before_every_convolution(name):
    """But for the second half of a separable one."""
    path, lowest = OPERATIONS[name](4, 8, 2), []
    for layer, conv in layers_with_weights(path):
        if "pointwise" not in layer:
            conv.register_forward_hook(lambda layer, args, y: lowest.append(args[0].min().item()))
    path(minidl.randn(2, 4, 9, 9))
    assert set(lowest) == {0}


def test_between_depthwise_and_pointwise_there_is_nothing():
    path, made, read = OPERATIONS["sep 5x5"](4, 4, 1), [], []
    for i in ("1", "2"):
        getattr(path, "depthwise" + i).register_forward_hook(lambda layer, args, y: made.append(y.detach().numpy()))
        getattr(path, "pointwise" + i).register_forward_hook(lambda layer, args, y: read.append(args[0].detach().numpy()))
    path(minidl.randn(2, 4, 9, 9))
    for y, x in zip(made, read, strict=True):
        np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("size", [6, 7])
def test_a_factorized_reduction_reads_even_pixels_and_odd_ones(size):
    """Every second row and column, from the first on and from the second on; others it does not read."""
    reduction = FactorizedReduction(2, 5)
    reduction.bn = nn.Identity()
    for channels, first in ((slice(0, 2), 0), (slice(2, 5), 1)):
        x = minidl.tensor(np.ones((1, 2, size, size)), dtype=minidl.float32, requires_grad=True)
        y = reduction(x)
        y[:, channels].sum().backward()
        wanted = np.zeros((size, size), bool)
        wanted[first::2, first::2] = True
        np.testing.assert_array_equal(x.grad.numpy()[0].any(0), wanted)
        assert y.shape == (1, 5, math.ceil(size / 2), math.ceil(size / 2))


def test_a_wrong_plan_is_a_sentence():
    with pytest.raises(ValueError, match="Cell: there is no operation 'sep 9x9' among identity, avg 3x3"):
        Cell(Plan(((("sep 9x9", 0), ("identity", 0)),), (2,)), 4, (nn.Identity(), 4), 4)
    with pytest.raises(ValueError, match="Cell: max 3x3 of state 2, where there are only the states 0 to 1"):
        Cell(Plan(((("identity", 0), ("max 3x3", 2)),), (2,)), 4, (nn.Identity(), 4), 4)


def test_an_image_that_is_too_small_is_a_sentence_that_names_the_layer():
    with pytest.raises(ValueError) as error:
        build("nasnet_a_mobile")(minidl.randn(1, 3, 2, 2))
    assert "(1, 3, 2, 2)" in str(error.value) and "stem.0" in str(error.value.__notes__)


# ---- what only training uses


def paths(model):
    return [[layer for layer in cell.modules() if isinstance(layer, ScheduledDropPath)] for cell in model.cells]


def test_paths_are_dropped_more_often_in_later_cells_and_later_in_training():
    model = on_shapes("nasnet_a_cifar10", drop_path=0.4)[0]
    assert [{layer.p for layer in cell} for cell in paths(model)] == [{0.4 * i / 20} for i in range(1, 21)]
    model.set_progress(0.25)
    x, last = minidl.ones(4000, 3, 2, 2), paths(model)[-1][0]
    y = last(x).numpy()
    assert abs((y == 0).all((1, 2, 3)).mean() - 0.1) < 0.03            # a tenth of the examples, as a whole
    np.testing.assert_allclose(y[(y != 0).any((1, 2, 3))], 1 / 0.9, rtol=1e-6)
    model.eval()
    np.testing.assert_array_equal(last(x).numpy(), x.numpy())


def test_identities_are_not_dropped():
    """Of the ten operations of NASNet's normal cell two are identities, of its reduction one."""
    assert [len(cell) for cell in paths(on_shapes("nasnet_a_mobile")[0])] == [9, 9] + 4 * [8] + [9] + 4 * [8] + [9] + 4 * [8]


def test_auxiliary_scores_are_there_in_training_only():
    model = CifarNASNet(NASNET_A, 1, 2, 5, aux=True)
    images, labels = minidl.randn(2, 3, 32, 32), minidl.tensor([1, 4])
    scores, half_way = model(images)
    assert scores.shape == half_way.shape == (2, 5)
    loss = loss_of_both((scores, half_way), labels)
    wanted = F.cross_entropy(scores, labels).item() + 0.4 * F.cross_entropy(half_way, labels).item()
    assert math.isclose(loss.item(), wanted, rel_tol=1e-6)
    F.cross_entropy(half_way, labels).backward()
    reached = [any([p.grad is not None for p in cell.parameters()]) for cell in model.cells]
    assert reached == [True, True, True, False, False]                  # all before the last reduction
    assert model.eval()(images).shape == (2, 5)


def test_weights_start_with_variance_2_by_fan_out():
    """The fan-out of a filter of one channel is its size."""
    model = CifarNASNet(NASNET_A, 1, 48, 200)
    for name, layer in layers_with_weights(model):
        n = layer.weight.shape[0] // getattr(layer, "groups", 1) * math.prod(layer.weight.shape[2:])
        assert math.isclose(layer.weight.array.std(), math.sqrt(2 / n), rel_tol=0.15), name
    assert not model.fc.bias.array.any()


def test_batch_norm_for_imagenet_has_the_authors_eps():
    for name, eps in (("nasnet_a_cifar10", 1e-5), ("nasnet_a_mobile", 1e-3)):
        layers = [layer for layer in on_shapes(name, aux=True)[0].modules() if isinstance(layer, nn.BatchNorm2d)]
        assert {layer.eps for layer in layers} == {eps}
