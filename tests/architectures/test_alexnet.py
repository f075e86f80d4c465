"""AlexNet: its stages, normalisation, two halves and first weights."""
import math

import numpy as np
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.alexnet import AlexNet


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
