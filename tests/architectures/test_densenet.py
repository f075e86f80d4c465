"""DenseNets: stages, layers, blocks and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, shapes_of

import minidl
from architectures.densenet import BottleneckLayer, DenseBlock, DenseLayer, DenseNet, Transition, cifar_stem
from minidl import nn
from minidl.nn import functional as F
from minidl.summary import summary

# Channels and sizes of the blocks and transitions, as hooks on published implementations saw them.
STAGES = {
    "densenet40_12": [("denseblock1", (160, 32, 32)), ("transition1", (160, 16, 16)), ("denseblock2", (304, 16, 16)),
                      ("transition2", (304, 8, 8)), ("denseblock3", (448, 8, 8)), ("norm4", (448, 8, 8))],
    "densenet_bc100_12": [("denseblock1", (216, 32, 32)), ("transition1", (108, 16, 16)), ("denseblock2", (300, 16, 16)),
                          ("transition2", (150, 8, 8)), ("denseblock3", (342, 8, 8)), ("norm4", (342, 8, 8))],
    "densenet121": [("denseblock1", (256, 56, 56)), ("transition1", (128, 28, 28)), ("denseblock2", (512, 28, 28)),
                    ("transition2", (256, 14, 14)), ("denseblock3", (1024, 14, 14)), ("transition3", (512, 7, 7)),
                    ("denseblock4", (1024, 7, 7)), ("norm5", (1024, 7, 7))],
    "densenet161": [("denseblock1", (384, 56, 56)), ("transition1", (192, 28, 28)), ("denseblock2", (768, 28, 28)),
                    ("transition2", (384, 14, 14)), ("denseblock3", (2112, 14, 14)), ("transition3", (1056, 7, 7)),
                    ("denseblock4", (2208, 7, 7)), ("norm5", (2208, 7, 7))],
}
STEMS = {
    "densenet40_12": [("conv0", (16, 32, 32))],
    "densenet_bc100_12": [("conv0", (24, 32, 32))],
    "densenet121": [("conv0", (64, 112, 112)), ("norm0", (64, 112, 112)), ("relu0", (64, 112, 112)),
                    ("pool0", (64, 56, 56))],
    "densenet161": [("conv0", (96, 112, 112)), ("norm0", (96, 112, 112)), ("relu0", (96, 112, 112)),
                    ("pool0", (96, 56, 56))],
}


@pytest.mark.parametrize("name", STAGES)
def test_the_stages_have_the_published_shapes(name):
    model, image = on_shapes(name)
    assert shapes_of(model.features, image) == STEMS[name] + STAGES[name]


@pytest.mark.parametrize("name, depth", [
    ("densenet40_12", 40), ("densenet_bc100_12", 100), ("densenet121", 121), ("densenet169", 169),
    ("densenet201", 201), ("densenet161", 161)])
def test_as_many_layers_have_weights_as_the_name_says(name, depth):
    assert len(layers_with_weights(on_shapes(name)[0])) == depth


@pytest.mark.parametrize("layer, depth, growth, channels, compression, parameters", [
    (DenseLayer, 100, 12, 16, 1.0, 6_979_642), (DenseLayer, 100, 24, 16, 1.0, 27_249_082),
    (BottleneckLayer, 250, 24, 48, 0.5, 15_324_406), (BottleneckLayer, 190, 40, 80, 0.5, 25_624_430)])
def test_the_papers_other_networks_for_cifar_have_as_many_parameters_as_published(
        layer, depth, growth, channels, compression, parameters):
    """Table 2 has 7.0, 27.2, 15.3 and 25.6 million; the exact numbers are those of other implementations."""
    layers = (depth - 4) // (3 if layer is DenseLayer else 6)
    with minidl.device("meta"):
        model = DenseNet(cifar_stem(3, channels), layer, (layers,) * 3, growth, compression, 10)
    assert summary(model, (3, 32, 32)).trainable == parameters


@pytest.mark.parametrize("layer", [DenseLayer, BottleneckLayer])
def test_every_layer_reads_all_before_it_and_nothing_is_lost(layer):
    block = DenseBlock(layer, 3, 5, 2).eval()
    x = minidl.randn(2, 5, 6, 6)
    y = block(x)
    assert y.shape == (2, 5 + 3 * 2, 6, 6)
    np.testing.assert_array_equal(y.detach().numpy()[:, :5], x.numpy())
    for i, made in enumerate(block.children()):
        n = 5 + 2 * i
        np.testing.assert_allclose(y[:, n:n + 2].detach().numpy(), made(y[:, :n]).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_layer_is_norm_relu_and_convolution_in_this_order():
    """Section 3, "composite function" and "bottleneck layers", written out in functions."""
    x = minidl.randn(4, 3, 5, 5)

    def composite(x, conv):
        return F.conv2d(F.relu(F.batch_norm(x, None, None, None, None, True)), conv.weight, padding=conv.padding)

    layer = DenseLayer(3, 2)
    np.testing.assert_allclose(layer(x).detach().numpy(), composite(x, layer.conv1).detach().numpy(), rtol=1e-5, atol=1e-6)
    layer = BottleneckLayer(3, 2)
    assert layer.conv1.weight.shape == (8, 3, 1, 1) and layer.conv2.weight.shape == (2, 8, 3, 3)
    np.testing.assert_allclose(layer(x).detach().numpy(),
                               composite(composite(x, layer.conv1), layer.conv2).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_transition_averages_four_pixels():
    transition = Transition(4, 2).eval()
    x = minidl.randn(1, 4, 4, 6)
    means = transition.conv(F.relu(transition.norm(x))).detach().numpy().reshape(1, 2, 2, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(transition(x).detach().numpy(), means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer, dropped", [(DenseLayer, 3 * 2 + 1), (BottleneckLayer, 3 * 2 * 2 + 1)])
def test_dropout_follows_every_convolution_but_the_first_and_only_in_training(layer, dropped, monkeypatch):
    """Section 4.2: a dropout layer after each convolution except the first."""
    rates = []
    monkeypatch.setattr(F, "dropout", lambda x, p, training: rates.append(p if training else 0.0) or x)
    model = DenseNet(cifar_stem(3, 4), layer, (3, 3), 2, 0.5, 5, dropout=0.2)
    model(minidl.randn(2, 3, 8, 8))
    assert rates == [0.2] * dropped
    rates.clear()
    model.eval()(minidl.randn(2, 3, 8, 8))
    assert set(rates) == {0.0}


def test_weights_start_with_variance_2_by_fan_in():
    """Delving deep into rectifiers, equation 10."""
    for _, layer in layers_with_weights(DenseNet(cifar_stem(3, 32), BottleneckLayer, (2, 2), 32, 0.5, 100)):
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in / 2), 1, abs_tol=0.15)


@pytest.mark.parametrize("shape, layer", [
    ((2, 3, 16, 16), "features.transition3"), ((2, 1, 64, 64), "features.conv0")])
def test_an_image_that_does_not_fit_is_a_sentence_that_names_the_layer(shape, layer):
    """Of 16x16 a pixel is left at the third transition, and nothing to average."""
    model, _ = on_shapes("densenet121")
    with pytest.raises(ValueError, match="x of shape .* is smaller than the kernel|x has 1 channels in shape") as error:
        model(minidl.zeros(shape, device="meta"))
    assert error.value.__notes__ == [f"in {layer} of DenseNet"]


def test_the_last_norm_is_followed_by_relu():
    model = DenseNet(cifar_stem(3, 4), DenseLayer, (1, 1), 2, 1.0, 5)
    nn.init.constant_(model.features.norm3.bias, -100.0)                # then nothing passes but the biases, which are 0
    assert not model(minidl.randn(2, 3, 8, 8)).detach().numpy().any()
