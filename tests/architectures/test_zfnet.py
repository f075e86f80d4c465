"""ZFNet: its stages, normalisation and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.zfnet import ZFNet


def test_the_stages_have_the_published_shapes_and_normalisation_goes_after_pooling():
    """Figure 3."""
    assert shapes_of(*on_shapes("zfnet")) == [
        ("conv1", (96, 110, 110)), ("pool", (96, 55, 55)), ("norm", (96, 55, 55)),
        ("conv2", (256, 26, 26)), ("pool", (256, 13, 13)), ("norm", (256, 13, 13)),
        ("conv3", (384, 13, 13)), ("conv4", (384, 13, 13)), ("conv5", (256, 13, 13)), ("pool", (256, 6, 6)),
        ("fc6", (4096,)), ("dropout", (4096,)), ("fc7", (4096,)), ("dropout", (4096,)), ("fc8", (1000,))]


def test_every_convolution_reads_all_channels():
    """Unlike AlexNet's on two cards."""
    model, _ = on_shapes("zfnet")
    assert [layer.weight.shape[1:] for _, layer in layers_with_weights(model)[:5]] == [
        (3, 7, 7), (96, 5, 5), (256, 3, 3), (384, 3, 3), (384, 3, 3)]


@pytest.mark.parametrize("size", [63, 64, 65, 66, 96, 128])
def test_images_of_another_size_find_full_layers_of_their_size(size):
    with minidl.device("meta"):
        assert ZFNet(image_size=size)(minidl.zeros(2, 3, size, size)).shape == (2, 1000)


def test_normalisation_is_alexnets():
    norms = [reduced(name)[0].norm for name in ("zfnet", "alexnet")]
    assert len({(norm.size, norm.alpha, norm.beta, norm.k) for norm in norms}) == 1


def test_weights_start_as_section_3_says():
    for _, layer in layers_with_weights(ZFNet(channels=(64, 64, 64, 64, 64), hidden=64, image_size=63)):
        assert math.isclose(layer.weight.array.std(), 0.01, rel_tol=0.05) and not np.any(layer.bias.array)


def test_an_image_that_is_too_small_is_a_sentence_that_names_the_layer():
    model, _ = on_shapes("zfnet")
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\)") as error:
        model(minidl.zeros(1, 3, 4, 4, device="meta"))
    assert "conv1" in str(error.value.__notes__)
