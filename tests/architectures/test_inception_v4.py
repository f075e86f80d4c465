"""Inception-v4 and Inception-ResNet-v2: what words make, stages, residual blocks and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.inception_v4 import INCEPTION_V4, InceptionV4, LinearResidual, Residual, branches, layer
from minidl import nn
from minidl.nn import functional as F


def test_the_stages_of_inception_v4_have_the_published_shapes():
    """Figure 9; the parts of the stem as figure 3 has them."""
    model, image = on_shapes("inception_v4")
    assert shapes_of(model, image) == [
        ("stem", (384, 35, 35)), ("a", (384, 35, 35)), ("reduction_a", (1024, 17, 17)), ("b", (1024, 17, 17)),
        ("reduction_b", (1536, 8, 8)), ("c", (1536, 8, 8)), ("dropout", (1536,)), ("fc", (1000,))]
    assert shapes_of(model.stem, image) == [("0", (160, 73, 73)), ("1", (192, 71, 71)), ("2", (384, 35, 35))]
    assert shapes_of(model.stem[0], image) == [
        ("0", (32, 149, 149)), ("1", (32, 147, 147)), ("2", (64, 147, 147)), ("3", (160, 73, 73))]
    assert [len(blocks) for blocks in (model.a, model.b, model.c)] == [4, 7, 3]


def test_the_stages_of_inception_resnet_v2_have_the_published_shapes():
    """As hooks on a port of the authors' code saw them."""
    model, image = on_shapes("inception_resnet_v2")
    assert shapes_of(model, image) == [
        ("stem", (320, 35, 35)), ("a", (320, 35, 35)), ("reduction_a", (1088, 17, 17)), ("b", (1088, 17, 17)),
        ("reduction_b", (2080, 8, 8)), ("c", (2080, 8, 8)), ("last", (1536, 8, 8)), ("dropout", (1536,)),
        ("fc", (1000,))]
    assert shapes_of(model.stem, image) == [("0", (64, 73, 73)), ("1", (192, 35, 35)), ("2", (320, 35, 35))]
    assert [len(blocks) for blocks in (model.a, model.b, model.c)] == [10, 20, 10]


@pytest.mark.parametrize("name, modules, statistics", [
    ("inception_v4", 150, 63_168), ("inception_resnet_v2", 245, 60_544)])
def test_there_are_as_many_layers_and_running_statistics_as_published(name, modules, statistics):
    """Counted in a port of the authors' code."""
    model, _ = on_shapes(name)
    assert len(layers_with_weights(model)) == modules
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert 2 * sum(norm.num_features for norm in norms) == statistics and {norm.eps for norm in norms} == {0.001}


@pytest.mark.parametrize("word, shape", [
    ("3x3-5", (5, 9, 11)), ("1x7-5", (5, 9, 11)), ("7x1-5", (5, 9, 11)), ("1x1-5", (5, 9, 11)), ("3x3-5V", (5, 7, 9)),
    ("3x3-5/2V", (5, 4, 5)), ("max", (3, 4, 5)), ("avg", (3, 9, 11)), ("1x3-5+3x1-4", (9, 9, 11)),
    ("max+3x3-5/2V", (8, 4, 5))])
def test_a_word_is_a_layer(word, shape):
    made, channels = layer(3, word)
    assert made(minidl.randn(2, 3, 9, 11)).shape == (2, *shape) and channels == shape[0]


def test_rows_come_before_columns():
    conv = layer(3, "1x7-5")[0][0]
    assert conv.weight.shape == (5, 3, 1, 7)


def test_the_average_counts_only_pixels_that_are_there():
    averaged = layer(1, "avg")[0](minidl.ones(1, 1, 4, 4)).numpy()
    np.testing.assert_allclose(averaged, 1)


def test_branches_read_the_same_and_stand_one_after_the_other():
    module, channels = branches(3, "avg 1x1-2 | 1x1-4 3x3-5 | avg")
    x = minidl.randn(2, 3, 6, 6)
    y = module.eval()(x).detach().numpy()
    assert channels == y.shape[1] == 2 + 5 + 3
    for part, branch in zip((y[:, :2], y[:, 2:7], y[:, 7:]), module.branches):
        np.testing.assert_array_equal(part, branch(x).detach().numpy())


def test_a_convolution_is_followed_by_batch_norm_and_relu():
    assert [type(part).__name__ for part in layer(3, "3x3-5V")[0]] == ["Conv2d", "BatchNorm2d", "ReLU"]


@pytest.mark.parametrize("block", [Residual, LinearResidual])
def test_a_residual_is_scaled_before_it_is_added(block):
    """Section 3.3, figure 20; what is added has no ReLU of its own."""
    block = block(4, "1x1-3 | 1x1-2 3x3-3", 0.2).eval()
    x = minidl.randn(2, 4, 5, 5)
    f = F.conv2d(block.branches(x), block.linear.weight, block.linear.bias).detach().numpy()
    assert (f < 0).any() and f.shape == x.shape
    wanted = x.numpy() + 0.2 * f
    y = block(x).detach().numpy()
    np.testing.assert_allclose(y, wanted if type(block) is LinearResidual else np.maximum(wanted, 0), rtol=1e-5, atol=1e-6)


def test_scales_are_those_of_the_authors_code():
    """Section 3.3: between 0.1 and 0.3. In the code 0.17, 0.1 and 0.2, and 1 in the last block, which has no ReLU."""
    model, _ = on_shapes("inception_resnet_v2")
    assert [{block.scale for block in blocks} for blocks in (model.a, model.b, model.c[:-1])] == [{0.17}, {0.1}, {0.2}]
    assert model.c[-1].scale == 1 and type(model.c[-1]) is LinearResidual
    assert {type(block) for blocks in (model.a, model.b, model.c[:-1]) for block in blocks} == {Residual}


def test_weights_start_with_variance_2_by_fan_in():
    model = InceptionV4(INCEPTION_V4, (1, 0, 0), 100)
    for _, made in layers_with_weights(model):
        assert math.isclose(made.weight.array.std() * math.sqrt(made.weight[0].numel() / 2), 1, abs_tol=0.1)


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2"])
def test_75x75_pixels_are_enough_and_fewer_a_sentence_that_names_the_layer(name):
    model, _ = on_shapes(name)
    assert model.eval()(minidl.zeros(1, 3, 75, 75, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match=r"\(1, \d+, 2, 2\)") as error:
        model(minidl.zeros(1, 3, 74, 74, device="meta"))
    assert "reduction_b" in str(error.value.__notes__)


def test_an_image_of_other_channels_is_a_sentence_that_names_the_layer():
    with pytest.raises(ValueError, match=r"4 channels.*\(1, 4, 59, 59\)") as error:
        reduced("inception_v4")[0](minidl.randn(1, 4, 59, 59))
    assert "stem.0.0.0" in str(error.value.__notes__)
