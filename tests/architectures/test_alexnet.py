"""AlexNet for two cards and for one: stages, normalisation, two halves and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.alexnet import AlexNet, OneTowerAlexNet
from minidl import nn


def test_the_stages_have_the_published_shapes_and_normalisation_goes_before_pooling():
    """Caffe's AlexNet; section 3.5: the first two poolings follow the normalisations."""
    assert shapes_of(*on_shapes("alexnet")) == [
        ("conv1", (96, 55, 55)), ("norm", (96, 55, 55)), ("pool", (96, 27, 27)),
        ("conv2", (256, 27, 27)), ("norm", (256, 27, 27)), ("pool", (256, 13, 13)),
        ("conv3", (384, 13, 13)), ("conv4", (384, 13, 13)), ("conv5", (256, 13, 13)), ("pool", (256, 6, 6)),
        ("fc6", (4096,)), ("dropout", (4096,)), ("fc7", (4096,)), ("dropout", (4096,)), ("fc8", (1000,))]


def test_the_filters_read_what_section_3_5_says():
    model, _ = on_shapes("alexnet")
    assert [layer.weight.shape[1:] for _, layer in layers_with_weights(model)[:5]] == [
        (3, 11, 11), (48, 5, 5), (256, 3, 3), (192, 3, 3), (192, 3, 3)]


def test_normalisation_is_the_formula_of_section_3_3():
    """b = a / (k + alpha sum of a^2 over n neighbouring channels)^beta; k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    model, _ = reduced("alexnet")
    a = 100 * np.random.default_rng(0).standard_normal((1, 8, 2, 2)).astype(np.float32)
    b = model.norm(minidl.tensor(a)).numpy()
    for i in range(8):
        squares = (a[:, max(0, i - 2):i + 3] ** 2).sum(1)
        np.testing.assert_allclose(b[:, i], a[:, i] / (2 + 1e-4 * squares) ** 0.75, rtol=1e-5)


def test_only_the_third_convolution_and_the_full_layers_read_both_halves():
    model, _ = reduced("alexnet")
    for conv, both in ((model.conv2, False), (model.conv3, True), (model.conv4, False), (model.conv5, False)):
        x = minidl.randn(1, conv.in_channels, 5, 5, requires_grad=True)
        conv(x)[:, :conv.out_channels // 2].sum().backward()
        halves = x.grad.numpy().reshape(2, -1)
        assert halves[0].any() and halves[1].any() == both


def test_weights_start_as_section_5_says():
    model = AlexNet(channels=(32, 64, 64, 64, 64), hidden=64, image_size=67)
    for name, layer in layers_with_weights(model):
        assert math.isclose(layer.weight.array.std(), 0.01, rel_tol=0.05) and abs(layer.weight.array.mean()) < 0.001
        assert (layer.bias.array == (name in {"conv2", "conv4", "conv5", "fc6", "fc7"})).all()


def test_the_stages_for_one_card_have_the_published_shapes():
    """torchvision's alexnet."""
    model, image = on_shapes("alexnet_one_weird_trick")
    assert [(name, shape) for name, shape in shapes_of(model.features, image) if name in "0 2 3 5 6 8 10 12".split()] == [
        ("0", (64, 55, 55)), ("2", (64, 27, 27)), ("3", (192, 27, 27)), ("5", (192, 13, 13)), ("6", (384, 13, 13)),
        ("8", (256, 13, 13)), ("10", (256, 13, 13)), ("12", (256, 6, 6))]
    assert shapes_of(model, image) == [("features", (256, 6, 6)), ("classifier", (1000,))]


def test_the_network_for_one_card_has_0_2_percent_more_parameters():
    """Section 5 of the paper, which makes no difference between the two that is larger."""
    one, two = [sum(p.numel() for p in on_shapes(name)[0].parameters()) for name in ("alexnet_one_weird_trick", "alexnet")]
    assert round(100 * (one / two - 1), 1) == 0.2


def test_dropout_stands_before_the_hidden_layers_for_one_card_and_after_them_for_two():
    """torchvision; section 4.2 of the first paper."""
    model, _ = on_shapes("alexnet_one_weird_trick")
    assert [type(layer).__name__ for layer in model.classifier] == "Dropout Linear ReLU Dropout Linear ReLU Linear".split()
    model, image = on_shapes("alexnet")
    assert " ".join([name for name, _ in shapes_of(model, image)]).endswith("fc6 dropout fc7 dropout fc8")


def test_weights_for_one_card_start_as_in_cuda_convnet2():
    """Its layers-223-1gpu.cfg: initW=0.01, but 0.03 in conv3, conv4 and conv5; initB=1 in conv2, conv4, conv5 and fc."""
    model = OneTowerAlexNet(channels=(64, 64, 64, 64, 64), hidden=64, image_size=63)
    layers = [layer for _, layer in layers_with_weights(model)]
    for layer, std, bias in zip(layers, (0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01), (0, 1, 0, 1, 1, 1, 1, 0)):
        assert math.isclose(layer.weight.array.std(), std, rel_tol=0.05) and (layer.bias.array == bias).all()


def test_there_is_no_normalisation_for_one_card():
    assert not [layer for layer in on_shapes("alexnet_one_weird_trick")[0].modules()
                if isinstance(layer, nn.LocalResponseNorm)]


@pytest.mark.parametrize("shape, layer", [
    ((1, 3, 6, 6), "features.0"), ((1, 4, 224, 224), "features.0"), ((1, 3, 256, 256), "classifier.1")])
def test_a_wrong_image_is_a_sentence_that_names_the_layer(shape, layer):
    with pytest.raises(ValueError, match=r"\(1, ") as error:
        on_shapes("alexnet_one_weird_trick")[0](minidl.zeros(shape, device="meta"))
    assert layer in str(error.value.__notes__)
