"""Wide ResNets: stages, widths, blocks, dropout and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, running_statistics, shapes_of

import minidl
from architectures import build
from architectures.resnet import Bottleneck
from architectures.wide_resnet import WideBlock, WideBottleneck, WideningBlock, WideResNet
from minidl import nn
from minidl.nn import functional as F
from minidl.summary import summary


def test_the_stages_have_the_published_shapes():
    """Table 1, and torchvision's network."""
    assert shapes_of(*on_shapes("wrn_28_10")) == [
        ("conv1", (16, 32, 32)), ("layer1", (160, 32, 32)), ("layer2", (320, 16, 16)), ("layer3", (640, 8, 8)),
        ("bn", (640, 8, 8)), ("fc", (10,))]
    assert shapes_of(*on_shapes("wide_resnet50_2")) == [
        ("conv1", (64, 112, 112)), ("bn1", (64, 112, 112)), ("pool", (64, 56, 56)), ("layer1", (256, 56, 56)),
        ("layer2", (512, 28, 28)), ("layer3", (1024, 14, 14)), ("layer4", (2048, 7, 7)), ("fc", (1000,))]


@pytest.mark.parametrize("name, convolutions, statistics", [
    ("wrn_16_4", 16, 3_616), ("wrn_40_4", 40, 10_784), ("wrn_28_10", 28, 17_952), ("wide_resnet50_2", 53, 68_224)])
def test_convolutions_and_running_statistics_are_as_many_as_in_published_networks(name, convolutions, statistics):
    """The authors count the three projections, and not the full layer; torchvision's 53 are with four projections."""
    model, _ = on_shapes(name)
    assert len([layer for _, layer in layers_with_weights(model) if isinstance(layer, nn.Conv2d)]) == convolutions
    assert running_statistics(model) == statistics


@pytest.mark.parametrize("depth, k, parameters, macs", [
    (16, 8, 10_961_370, 1_548_145_664), (22, 8, 17_158_106, 2_454_115_328), (40, 1, 563_930, 83_280_512),
    (40, 2, 2_243_546, 327_599_360), (40, 8, 35_748_314, 5_172_024_320)])
def test_other_depths_and_widths_cost_what_is_published(depth, k, parameters, macs):
    """The paper's table 4: 11.0, 17.2, 0.6, 2.2 and 35.7 million; exactly, the authors' code in PyTorch."""
    with minidl.device("meta"):
        counted = summary(WideResNet(depth, k), (3, 32, 32))
    assert (counted.trainable, counted.macs) == (parameters, macs)


@pytest.mark.parametrize("depth", [4, 13, 18, 110])
def test_a_depth_that_is_not_6n_plus_4_is_a_sentence(depth):
    with pytest.raises(ValueError, match=f"WideResNet: depth is 6n \\+ 4, .* not {depth}"):
        WideResNet(depth, 4)


def test_nothing_stands_on_the_shortcut():
    block, x = WideBlock(4, 4), minidl.randn(2, 4, 6, 6)
    nn.init.zeros_(block.conv2.weight)
    np.testing.assert_array_equal(block(x).detach().numpy(), x.numpy())


def test_a_projection_reads_the_activation_and_has_no_norm():
    block, x = WideningBlock(4, 6, 2), minidl.randn(2, 4, 6, 6)
    nn.init.zeros_(block.conv2.weight)
    wanted = F.conv2d(F.relu(block.bn1(x)), block.shortcut.weight, stride=2)
    np.testing.assert_array_equal(block(x).detach().numpy(), wanted.detach().numpy())


@pytest.mark.parametrize("block", [WideBlock(4, 4, dropout=0.5), WideningBlock(4, 6, dropout=0.5)])
def test_dropout_stands_between_the_convolutions_and_after_the_relu(block):
    """Figure 1(d), section 2.4."""
    seen = {}
    for name, layer in block.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    block(minidl.randn(2, 4, 6, 6))
    relu = np.maximum(seen["bn2"][1].detach().numpy(), 0)
    np.testing.assert_array_equal(seen["dropout"][0].detach().numpy(), relu)
    dropped = seen["conv2"][0].detach().numpy()
    assert seen["conv2"][0] is seen["dropout"][1] and 0.3 < (dropped[relu > 0] == 0).mean() < 0.7


def test_every_block_gets_the_dropout_that_is_asked_for():
    model, _ = on_shapes("wrn_28_10", dropout=0.3)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == 12 * [0.3]
    assert {layer.p for layer in build("wrn_16_4").modules() if isinstance(layer, nn.Dropout)} == {0.0}


def test_a_wide_bottleneck_has_twice_the_channels_inside_and_its_stride_in_the_3x3():
    wide, narrow = WideBottleneck(8, 4, 2), Bottleneck(8, 4, 2)
    assert [conv.out_channels for conv in (narrow.conv1, narrow.conv2, narrow.conv3)] == [4, 4, 16]
    assert [conv.out_channels for conv in (wide.conv1, wide.conv2, wide.conv3)] == [8, 8, 16]
    assert [conv.stride[0] for conv in (wide.conv1, wide.conv2, wide.conv3)] == [1, 2, 1]


def test_weights_start_with_variance_2_by_fan_in():
    """Delving deep into rectifiers, equation 10."""
    for _, layer in layers_with_weights(WideResNet(10, 2, 100)):
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in / 2), 1, abs_tol=0.15)
