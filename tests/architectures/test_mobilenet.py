"""MobileNets: stages, widths, blocks and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, shapes_of

import minidl
from architectures.mobilenet import DepthwiseSeparable, InvertedResidual, LinearBottleneck, MobileNetV1, multiple_of_8
from minidl import nn
from minidl.summary import summary


def test_the_stages_of_version_1_have_the_published_shapes():
    model, image = on_shapes("mobilenet_v1")
    assert shapes_of(model, image) == [
        ("conv1", (32, 112, 112)), ("bn1", (32, 112, 112)), ("blocks", (1024, 7, 7)), ("fc", (1000,))]
    blocks = [shape for _, shape in shapes_of(model.blocks, minidl.zeros(1, 32, 112, 112, device="meta"))]
    assert blocks == [(64, 112, 112), *[(128, 56, 56)] * 2, *[(256, 28, 28)] * 2, *[(512, 14, 14)] * 6,
                      *[(1024, 7, 7)] * 2]


def test_the_stages_of_version_2_have_the_published_shapes():
    model, image = on_shapes("mobilenet_v2")
    assert shapes_of(model, image) == [
        ("conv1", (32, 112, 112)), ("blocks", (320, 7, 7)), ("conv2", (1280, 7, 7)), ("dropout", (1280,)),
        ("fc", (1000,))]
    blocks = [shape for _, shape in shapes_of(model.blocks, minidl.zeros(1, 32, 112, 112, device="meta"))]
    assert blocks == [(16, 112, 112), *[(24, 56, 56)] * 2, *[(32, 28, 28)] * 3, *[(64, 14, 14)] * 4,
                      *[(96, 14, 14)] * 3, *[(160, 7, 7)] * 3, (320, 7, 7)]


@pytest.mark.parametrize("name, width, millions_of_parameters, millions_of_macs", [
    ("mobilenet_v1", 0.75, 2.6, 325), ("mobilenet_v1", 0.5, 1.3, 149), ("mobilenet_v1", 0.25, 0.5, 41),
    ("mobilenet_v2", 1.4, 6.1, 582), ("mobilenet_v2", 0.75, 2.6, 209), ("mobilenet_v2", 0.5, 2.0, 97),
    ("mobilenet_v2", 0.35, 1.7, 59)])
def test_narrow_and_wide_ones_cost_what_is_published(name, width, millions_of_parameters, millions_of_macs):
    """Version 1: the paper's table 6. Version 2: the table of the authors' release."""
    counted = summary(on_shapes(name, width=width)[0], (3, 224, 224))
    assert round(counted.trainable / 1e6, 1) == millions_of_parameters and round(counted.macs / 1e6) == millions_of_macs


def test_smaller_images_cost_what_is_published():
    """Section 3.4 and table 7, the resolution multiplier; the 290.7 of 160x160 is printed as 290."""
    model, _ = on_shapes("mobilenet_v1")
    assert [int(summary(model, (3, n, n)).macs / 1e6) for n in (192, 160, 128)] == [418, 290, 186]


@pytest.mark.parametrize("channels, rounded", [(16, 16), (11.2, 16), (22.4, 24), (8.4, 8), (33.6, 32), (134.4, 136), (2, 8)])
def test_widths_of_version_2_are_multiples_of_8_and_not_much_less_than_asked_for(channels, rounded):
    """Worked out by hand; 11.2 would be 8, which is less than nine tenths."""
    assert multiple_of_8(channels) == rounded


def test_a_depthwise_convolution_reads_one_channel():
    block = DepthwiseSeparable(4, 6)
    x = minidl.randn(1, 4, 5, 5, requires_grad=True)
    block.depthwise(x)[:, 2].sum().backward()
    assert set(np.flatnonzero(np.abs(x.grad.numpy()).sum((0, 2, 3)))) == {2}


def test_both_convolutions_of_version_1_are_followed_by_norm_and_relu():
    """Figure 3, right."""
    block = DepthwiseSeparable(4, 6)
    nn.init.constant_(block.bn1.bias, -100.0)                       # then the first ReLU lets nothing through
    seen = []
    block.pointwise.register_forward_hook(lambda layer, args, y: seen.append(args[0].detach().numpy()))
    nn.init.constant_(block.bn2.bias, -0.5)
    y = block(minidl.randn(2, 4, 6, 6)).detach().numpy()
    assert not seen[0].any() and not y.any()


def test_the_end_of_a_bottleneck_is_linear_and_its_shortcut_the_identity():
    x = minidl.randn(2, 4, 6, 6)
    block = InvertedResidual(4, 4)
    branch = LinearBottleneck.forward(block, x).detach().numpy()
    assert branch.min() < -0.5
    np.testing.assert_allclose(block(x).detach().numpy(), x.numpy() + branch, rtol=1e-5, atol=1e-6)


def test_the_wide_layers_of_a_bottleneck_stay_between_0_and_6():
    block = LinearBottleneck(4, 4)
    nn.init.constant_(block.expand[1].weight, 100.0)
    wide = block.expand(minidl.randn(2, 4, 6, 6)).detach().numpy()
    assert wide.shape[1] == 6 * 4 and wide.min() == 0 and wide.max() == 6


def test_shortcuts_are_where_stride_is_1_and_channels_stay():
    """Table 2: every block of a stage but its first."""
    model, _ = on_shapes("mobilenet_v2")
    residual = "".join(["x" if isinstance(block, InvertedResidual) else "." for block in model.blocks])
    assert residual == "." + ".x" + ".xx" + ".xxx" + ".xx" + ".xx" + "."


def test_nothing_is_expanded_in_the_first_block_of_version_2():
    """Its depthwise filters are 32, as many as the first convolution makes."""
    first = on_shapes("mobilenet_v2")[0].blocks[0]
    assert first.depthwise[0].weight.shape == (32, 1, 3, 3) and not list(first.expand.parameters())


def test_weights_start_with_variance_2_by_fan_in():
    for name, layer in layers_with_weights(MobileNetV1(((64, 1), (128, 2)), 100)):
        std = 0.01 if name == "fc" else math.sqrt(2 / layer.weight[0].numel())
        assert math.isclose(layer.weight.array.std(), std, rel_tol=0.1)
