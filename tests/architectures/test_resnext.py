"""ResNeXt: stages, cardinality and width, and that a convolution in groups is many branches added up."""
import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, running_statistics, shapes_of, with_numbers

import minidl
from architectures.resnet import CifarResNet, ResNet
from architectures.resnext import ResNeXtBlock, ResNeXtBlock8x64d
from minidl import nn
from minidl.nn import functional as F
from minidl.summary import summary


def test_the_stages_have_the_published_shapes():
    """Table 1 and section 5.3, as hooks on published networks saw them."""
    for name in ("resnext50_32x4d", "resnext101_32x8d"):
        assert shapes_of(*on_shapes(name)) == [
            ("conv1", (64, 112, 112)), ("bn1", (64, 112, 112)), ("pool", (64, 56, 56)), ("layer1", (256, 56, 56)),
            ("layer2", (512, 28, 28)), ("layer3", (1024, 14, 14)), ("layer4", (2048, 7, 7)), ("fc", (1000,))]
    assert shapes_of(*on_shapes("resnext29_8x64d")) == [
        ("conv1", (64, 32, 32)), ("bn1", (64, 32, 32)), ("layer1", (256, 32, 32)), ("layer2", (512, 16, 16)),
        ("layer3", (1024, 8, 8)), ("fc", (10,))]


@pytest.mark.parametrize("name, layers, statistics", [
    ("resnext29_8x64d", 29, 57_472), ("resnext50_32x4d", 50, 68_224), ("resnext101_32x8d", 101, 202_880)])
def test_layers_with_weights_and_running_statistics_are_as_many_as_in_published_networks(name, layers, statistics):
    model, _ = on_shapes(name)
    assert len([layer for layer, _ in layers_with_weights(model) if "shortcut" not in layer]) == layers
    assert running_statistics(model) == statistics


@pytest.mark.parametrize("name, groups, widths", [
    ("resnext29_8x64d", 8, (512, 1024, 2048)), ("resnext50_32x4d", 32, (128, 256, 512, 1024)),
    ("resnext101_32x8d", 32, (256, 512, 1024, 2048))])
def test_groups_stay_as_many_and_get_twice_as_wide_from_stage_to_stage(name, groups, widths):
    convs = [layer for name, layer in layers_with_weights(on_shapes(name)[0]) if name.endswith(".0.conv2")]
    assert [conv.groups for conv in convs] == len(widths) * [groups]
    assert tuple([conv.out_channels for conv in convs]) == widths


@pytest.mark.parametrize("network, cardinality, width, depth, parameters, macs", [
    (CifarResNet, 16, 64, 3, 68_155_210, 10_688_866_304),                # the paper: 68.1 million
    (ResNet, 32, 4, (3, 4, 23, 3), 44_177_704, 7_969_996_800),           # pytorchcv
    (ResNet, 64, 4, (3, 4, 23, 3), 83_455_272, 15_460_270_080)])         # torchvision
def test_other_cardinalities_and_widths_cost_what_is_published(network, cardinality, width, depth, parameters, macs):
    block = with_numbers(ResNeXtBlock, cardinality=cardinality, width=width)
    with minidl.device("meta"):
        model = network(block, depth, width=64)
    counted = summary(model, (3, 32, 32) if network is CifarResNet else (3, 224, 224))
    assert (counted.trainable, counted.macs) == (parameters, macs)


def test_a_block_in_groups_is_the_sum_of_its_branches():
    """Figure 3: (a), each branch with convolutions of its own, is the same as (c)."""
    block, x = ResNeXtBlock8x64d(6, 2), minidl.randn(2, 6, 5, 5, dtype=minidl.float64)
    block.double()
    block.bn1, block.bn2, block.bn3 = nn.Identity(), nn.Identity(), nn.Identity()
    wanted, d = 0, 2                                        # 64 channels in a stage of 64 are 2 in one of 2
    for i in range(8):
        own = slice(i * d, (i + 1) * d)
        y = F.relu(F.conv2d(x, block.conv1.weight[own]))
        y = F.relu(F.conv2d(y, block.conv2.weight[own], padding=1))
        wanted = wanted + F.conv2d(y, block.conv3.weight[:, own])
    np.testing.assert_allclose(block.branch(x).detach().numpy(), wanted.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_whose_branch_is_0_is_relu_of_its_shortcut(stride):
    block, x = ResNeXtBlock8x64d(8, 2 * stride, stride), minidl.randn(2, 8, 6, 6)
    nn.init.zeros_(block.bn3.weight)
    np.testing.assert_array_equal(block(x).detach().numpy(), F.relu(block.shortcut(x)).detach().numpy())
    assert [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)] == [1, stride, 1]
