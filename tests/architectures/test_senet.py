"""SENets: the SE block by itself, on the blocks of other networks, and SENet-154."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, running_statistics, shapes_of, with_numbers

import minidl
from architectures.preact_resnet import FirstPreActBottleneck, PreActBlock, PreActBottleneck
from architectures.resnet import BasicBlock, BasicBlockA, Bottleneck, CifarResNet
from architectures.resnext import ResNeXtBlock8x64d
from architectures.senet import SEBlock, SEBottleneck, SENet154, SENet154Block, WithSE
from architectures.wide_resnet import WideBlock, WideBottleneck
from minidl import nn


def test_the_stages_have_the_published_shapes():
    """As hooks on the authors' Caffe models saw them."""
    for name in ("se_resnet50", "se_resnext50_32x4d"):
        assert shapes_of(*on_shapes(name)) == [
            ("conv1", (64, 112, 112)), ("bn1", (64, 112, 112)), ("pool", (64, 56, 56)), ("layer1", (256, 56, 56)),
            ("layer2", (512, 28, 28)), ("layer3", (1024, 14, 14)), ("layer4", (2048, 7, 7)), ("fc", (1000,))]
    shapes = dict(shapes_of(*on_shapes("senet154")))
    assert {name: shapes[name] for name in ("conv1", "pool", "layer1", "layer2", "layer3", "layer4", "fc")} == {
        "conv1": (64, 112, 112), "pool": (128, 56, 56), "layer1": (256, 56, 56), "layer2": (512, 28, 28),
        "layer3": (1024, 14, 14), "layer4": (2048, 7, 7), "fc": (1000,)}


@pytest.mark.parametrize("name, depth, layers, statistics", [
    ("se_resnet50", 50, 86, 53_120), ("se_resnext50_32x4d", 50, 86, 68_224), ("senet154", 154, 258, 247_552)])
def test_layers_and_running_statistics_are_as_many_as_in_the_authors_models(name, depth, layers, statistics):
    """The names count neither projections nor the SE blocks."""
    model, _ = on_shapes(name)
    names = [layer for layer, _ in layers_with_weights(model)]
    assert len(names) == layers
    assert len([layer for layer in names if "shortcut" not in layer and ".se." not in layer]) == depth
    assert running_statistics(model) == statistics


def test_an_se_block_is_equations_2_to_4():
    block, x = SEBlock(6, 3).double(), np.random.default_rng(0).standard_normal((2, 6, 4, 5))
    w1, b1, w2, b2 = [p.detach().numpy() for p in (block.fc1.weight, block.fc1.bias, block.fc2.weight, block.fc2.bias)]
    z = x.mean((2, 3))
    s = 1 / (1 + np.exp(-(np.maximum(z @ w1.T + b1, 0) @ w2.T + b2)))
    np.testing.assert_allclose(block(minidl.tensor(x)).detach().numpy(), x * s[:, :, None, None], rtol=1e-10)
    assert w1.shape == (2, 6) and w2.shape == (6, 2)


def test_an_se_block_without_channels_in_the_middle_is_a_sentence():
    with pytest.raises(ValueError, match="SEBlock: of 8 channels, a reduction by 16 leaves none"):
        SEBlock(8)


ANY_BLOCK = [(BasicBlock, 4, {}), (BasicBlockA, 4, {}), (Bottleneck, 4, {}), (PreActBlock, 4, {}),
             (FirstPreActBottleneck, 4, {}), (PreActBottleneck, 1, {}),
             (WideBlock, 4, {"dropout": 0.0}), (WideBottleneck, 4, {}), (ResNeXtBlock8x64d, 4, {})]


@pytest.mark.parametrize("block, channels, options", ANY_BLOCK)
def test_an_se_block_can_be_put_on_any_block(block, channels, options):
    """It says how much of the branch is added, and has no say in the shortcut: figure 3."""
    class SE(WithSE, block):
        reduction = 2

    x = minidl.randn(2, 4, 6, 6)
    without, with_se = block(4, channels, **options), SE(4, channels, **options)
    with_se.load_state_dict(without.state_dict(), strict=False)
    nn.init.zeros_(with_se.se.fc2.weight)
    nn.init.zeros_(with_se.se.fc2.bias)
    np.testing.assert_allclose(with_se.branch(x).detach().numpy(), without.branch(x).detach().numpy() / 2, rtol=1e-6)
    for bias, wanted in ((100.0, without(x)), (-100.0, without_branch(without)(x))):
        nn.init.constant_(with_se.se.fc2.bias, bias)
        np.testing.assert_allclose(with_se(x).detach().numpy(), wanted.detach().numpy(), rtol=1e-6, atol=1e-6)


def without_branch(block):
    block.branch = lambda x: minidl.zeros(1)
    return block


def test_every_block_of_the_networks_has_an_se_block_of_its_channels_reduced_by_16():
    for name, kinds in (("se_resnet50", (3, 4, 6, 3)), ("se_resnext50_32x4d", (3, 4, 6, 3)), ("senet154", (3, 8, 36, 3))):
        found = [(layer.fc1.in_features, layer.fc1.out_features, layer.fc2.out_features)
                 for layer in on_shapes(name)[0].modules() if isinstance(layer, SEBlock)]
        assert found == [(c, c // 16, c) for c, n in zip((256, 512, 1024, 2048), kinds) for _ in range(n)]


def test_strides_stand_where_the_authors_have_them():
    for name, strides in (("se_resnet50", [2, 1, 1]), ("se_resnext50_32x4d", [1, 2, 1]), ("senet154", [1, 2, 1])):
        block = on_shapes(name)[0].layer2[0]
        assert [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)] == strides


def test_senet154_projects_with_3x3_where_it_halves_the_image():
    model, _ = on_shapes("senet154")
    stages = model.layer1, model.layer2, model.layer3, model.layer4
    assert [layer[0].shortcut[0].kernel_size[0] for layer in stages] == [1, 3, 3, 3]
    assert not any([list(layer[1].shortcut.parameters()) for layer in stages])


def test_a_block_of_senet154_has_half_as_many_channels_before_its_3x3():
    with minidl.device("meta"):
        block = SENet154Block(128, 64)
    assert [conv.out_channels for conv in (block.conv1, block.conv2, block.conv3)] == [128, 256, 256]
    assert block.conv2.groups == 64


def test_senet154_drops_a_fifth_before_its_full_layer():
    assert on_shapes("senet154")[0].dropout.p == 0.2


def test_senet154_has_a_relu_after_each_of_its_first_convolutions_and_dropout_after_the_mean():
    model, seen = small_senet154(), {}
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    model(minidl.randn(2, 3, 64, 64))
    for norm, reader in (("bn1", "conv2"), ("bn2", "conv3"), ("bn3", "pool")):
        wanted = np.maximum(seen[norm][1].detach().numpy(), 0)
        np.testing.assert_array_equal(seen[reader][0].detach().numpy(), wanted)
    mean = seen["layer4"][1].detach().numpy().mean((2, 3))
    np.testing.assert_allclose(seen["dropout"][0].detach().numpy(), mean, rtol=1e-5)
    assert seen["fc"][0] is seen["dropout"][1]


def small_senet154():
    return SENet154(with_numbers(SENet154Block, groups=2), (1, 1, 1, 1), 100, width=16)


@pytest.mark.parametrize("network", [lambda: CifarResNet(SEBottleneck, 1, 100, width=64), small_senet154])
def test_weights_start_with_variance_2_by_fan_in_and_biases_with_0(network):
    """Delving deep into rectifiers, equation 10, for the full layers of an SE block as well."""
    for name, layer in layers_with_weights(network()):
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in / 2), 1, abs_tol=0.2), name
        assert layer.bias is None or not layer.bias.array.any()
