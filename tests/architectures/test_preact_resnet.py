"""Pre-activation ResNets: stages, blocks whose shortcut is clear, and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, running_statistics, shapes_of

import minidl
from architectures.preact_resnet import (
    BASIC,
    FirstPreActBlock,
    FirstPreActBottleneck,
    PreActBlock,
    PreActBottleneck,
    PreActResNet,
)
from architectures.wide_resnet import WideResNet
from minidl import nn
from minidl.nn import functional as F


def test_the_stages_have_the_published_shapes():
    """As hooks on the authors' network in PyTorch saw them; the last norm is of all channels of the last stage."""
    assert shapes_of(*on_shapes("preact_resnet164")) == [
        ("conv1", (16, 32, 32)), ("layer1", (64, 32, 32)), ("layer2", (128, 16, 16)), ("layer3", (256, 8, 8)),
        ("bn", (256, 8, 8)), ("fc", (10,))]
    assert shapes_of(*on_shapes("preact_resnet110")) == [
        ("conv1", (16, 32, 32)), ("layer1", (16, 32, 32)), ("layer2", (32, 16, 16)), ("layer3", (64, 8, 8)),
        ("bn", (64, 8, 8)), ("fc", (10,))]


@pytest.mark.parametrize("name, layers, statistics", [
    ("preact_resnet110", 110, 8_096), ("preact_resnet164", 164, 24_224), ("preact_resnet1001", 1001, 149_216)])
def test_layers_with_weights_and_running_statistics_are_as_many_as_in_the_authors_networks(name, layers, statistics):
    """Without the projections, which nobody counts."""
    model, _ = on_shapes(name)
    assert len([layer for layer, _ in layers_with_weights(model) if "shortcut" not in layer]) == layers
    assert running_statistics(model) == statistics


def without_branch(block):
    """The block with a branch that adds 0."""
    last = [layer for layer in block.children() if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
            or layer is getattr(block, "conv3", None)][-1]
    nn.init.zeros_(last.weight)
    return block


@pytest.mark.parametrize("block", [PreActBlock(8, 8), PreActBottleneck(8, 2)])
def test_nothing_stands_on_the_shortcut(block):
    """Negative numbers pass, too, and the gradient comes through whole: equations 4 and 5."""
    x = minidl.randn(2, 8, 6, 6, requires_grad=True)
    y = without_branch(block)(x)
    np.testing.assert_array_equal(y.detach().numpy(), x.detach().numpy())
    gy = minidl.randn(*y.shape)
    y.backward(gy)
    np.testing.assert_array_equal(x.grad.numpy(), gy.numpy())


def test_a_shortcut_without_weights_reads_what_came_not_what_was_activated():
    x = minidl.randn(2, 4, 6, 6)
    y = without_branch(PreActBlock(4, 8, 2))(x).detach().numpy()
    np.testing.assert_array_equal(y[:, :4], x.numpy()[:, :, ::2, ::2])
    assert not y[:, 4:].any()


def test_the_first_block_of_the_network_activates_before_it_splits():
    x = minidl.randn(2, 4, 6, 6)
    block = without_branch(FirstPreActBlock(4, 4))
    np.testing.assert_array_equal(block(x).detach().numpy(), F.relu(block.bn1(x)).detach().numpy())


def test_a_projection_reads_the_activation_and_has_no_norm():
    x = minidl.randn(2, 4, 6, 6)
    block = without_branch(FirstPreActBottleneck(4, 2, 2))
    wanted = F.conv2d(F.relu(block.bn1(x)), block.shortcut.weight, stride=2)
    np.testing.assert_array_equal(block(x).detach().numpy(), wanted.detach().numpy())
    assert [conv.stride for conv in (block.conv1, block.conv2, block.conv3)] == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize("block, convs", [(PreActBlock(4, 4), 2), (FirstPreActBlock(4, 4), 2),
                                          (PreActBottleneck(8, 2), 3), (FirstPreActBottleneck(8, 2), 3)])
def test_every_convolution_reads_the_relu_of_a_norm(block, convs):
    seen = {}
    for name, layer in block.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    block(minidl.randn(2, block.conv1.in_channels, 6, 6))
    for i in range(1, convs + 1):
        wanted = np.maximum(seen[f"bn{i}"][1].detach().numpy(), 0)
        np.testing.assert_array_equal(seen[f"conv{i}"][0].detach().numpy(), wanted)


def test_blocks_of_each_stage():
    kinds = [[type(block) for block in layer] for layer in on_shapes("preact_resnet110")[0].children()
             if isinstance(layer, nn.Sequential)]
    assert kinds == [[FirstPreActBlock] + 17 * [PreActBlock], 18 * [PreActBlock], 18 * [PreActBlock]]
    kinds = [[type(block) for block in layer] for layer in on_shapes("preact_resnet164")[0].children()
             if isinstance(layer, nn.Sequential)]
    assert kinds == 3 * [[FirstPreActBottleneck] + 17 * [PreActBottleneck]]


@pytest.mark.parametrize("network", [lambda: PreActResNet(*BASIC, 1, width=4), lambda: WideResNet(10, 1)])
def test_the_last_block_is_followed_by_norm_relu_and_the_mean_of_every_channel(network):
    model, seen = network(), {}
    for name in ("layer3", "bn", "fc"):
        layer = getattr(model, name)
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    model(minidl.randn(2, 3, 8, 8))
    assert seen["bn"][0] is seen["layer3"][1]
    wanted = np.maximum(seen["bn"][1].detach().numpy(), 0).mean((2, 3))
    np.testing.assert_allclose(seen["fc"][0].detach().numpy(), wanted, rtol=1e-5)


def test_weights_start_with_variance_2_by_fan_in():
    """Delving deep into rectifiers, equation 10."""
    for _, layer in layers_with_weights(PreActResNet(*BASIC, 2, 100)):
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in / 2), 1, abs_tol=0.15)


def test_an_image_with_other_channels_is_a_sentence_that_names_the_layer():
    model, _ = on_shapes("preact_resnet110")
    with pytest.raises(ValueError, match=r"4 channels in shape \(1, 4, 32, 32\).*\(16, 3, 3, 3\)") as error:
        model(minidl.zeros(1, 4, 32, 32, device="meta"))
    assert "conv1" in str(error.value.__notes__)
