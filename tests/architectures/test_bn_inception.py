"""BN-Inception: stages, modules and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.bn_inception import FIGURE_5, BNInception, Inception, Reduction
from minidl import nn

# Figure 5, but for the 608 and 1056 that its columns make of the 576 and 1024 that it prints: published code has these.
MODULES = [(256, 28, 28), (320, 28, 28), (576, 14, 14), (576, 14, 14), (576, 14, 14), (608, 14, 14), (608, 14, 14),
           (1056, 7, 7), (1024, 7, 7), (1024, 7, 7)]


def test_the_stages_have_the_published_shapes():
    model, image = on_shapes("bn_inception")
    assert shapes_of(model, image) == [
        ("conv1", (64, 112, 112)), ("pool", (64, 56, 56)), ("reduce2", (64, 56, 56)), ("conv2", (192, 56, 56)),
        ("pool", (192, 28, 28)), ("inception", (1024, 7, 7)), ("fc", (1000,))]
    modules = [shape for _, shape in shapes_of(model.inception, minidl.zeros(1, 192, 28, 28, device="meta"))]
    assert modules == MODULES


def test_batch_norm_normalises_as_many_channels_as_published():
    """Twice 10,016 running statistics; every convolution is followed by one."""
    model, _ = on_shapes("bn_inception")
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert 2 * sum(norm.num_features for norm in norms) == 20_032
    assert len(norms) == len(layers_with_weights(model)) - 1 == 69


def test_poolings_average_but_for_the_last_module_and_those_that_halve():
    """Figure 5, column "pool +proj"."""
    model, _ = on_shapes("bn_inception")
    kinds = [type(layer).__name__[:3].lower() for module in model.inception for layer in module.modules()
             if isinstance(layer, (nn.AvgPool2d, nn.MaxPool2d))]
    assert " ".join(kinds) == "avg avg max avg avg avg avg max avg max"


def test_a_module_sees_5x5_pixels_through_two_filters_of_3x3():
    module = Inception(2, 1, 1, 1, 1, 1, "max", 1).eval()
    for field, branch in ((1, module.ones), (3, module.threes), (5, module.double_threes), (3, module.pooled)):
        for layer in branch.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.ones_(layer.weight)
        x = (minidl.rand(1, 2, 9, 9) + 1).requires_grad_()
        branch(x)[0, 0, 4, 4].backward()
        seen = np.flatnonzero(x.grad.numpy().any((0, 1, 2)))
        if branch is module.pooled:                                 # of the nine, only the largest has a gradient
            assert 3 <= seen.min() and seen.max() <= 5
        else:
            assert (seen == np.arange(4 - field // 2, 5 + field // 2)).all()


@pytest.mark.parametrize("size, half", [(8, 4), (7, 4)])
def test_what_is_pooled_passes_through_a_reduction(size, half):
    """Figure 5: pass through; the filters and the pooling agree on the size, of odd images as well."""
    module, x = Reduction(3, 2, 4, 2, 5), minidl.randn(2, 3, size, size)
    y = module(x).detach().numpy()
    assert y.shape == (2, 4 + 5 + 3, half, half)
    np.testing.assert_array_equal(y[:, 9:, 1, 1], x.numpy()[:, :, 1:4, 1:4].max((2, 3)))


def test_weights_start_with_variance_2_by_fan_in():
    for _, layer in layers_with_weights(BNInception(FIGURE_5[:2], 100)):
        assert math.isclose(layer.weight.array.std() * math.sqrt(layer.weight[0].numel() / 2), 1, abs_tol=0.1)
        assert not layer.bias.array.any()


def test_an_image_of_other_channels_is_a_sentence_that_names_the_layer():
    with pytest.raises(ValueError, match=r"4 channels.*\(1, 4, 32, 32\)") as error:
        reduced("bn_inception")[0](minidl.randn(1, 4, 32, 32))
    assert "conv1.0" in str(error.value.__notes__)
