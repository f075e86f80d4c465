"""ResNets and plain networks: stages, blocks, shortcuts and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, shapes_of

import minidl
from architectures import build
from architectures.resnet import BasicBlock, BasicBlockA, BasicBlockC, Bottleneck, BottleneckV15, PlainBlock, ResNet
from minidl import nn
from minidl.nn import functional as F
from minidl.summary import summary

# Table 1 and section 4.2, as hooks on published implementations saw them.
STAGES = {
    "resnet18": [("conv1", (64, 112, 112)), ("bn1", (64, 112, 112)), ("pool", (64, 56, 56)), ("layer1", (64, 56, 56)),
                 ("layer2", (128, 28, 28)), ("layer3", (256, 14, 14)), ("layer4", (512, 7, 7)), ("fc", (1000,))],
    "resnet50": [("conv1", (64, 112, 112)), ("bn1", (64, 112, 112)), ("pool", (64, 56, 56)), ("layer1", (256, 56, 56)),
                 ("layer2", (512, 28, 28)), ("layer3", (1024, 14, 14)), ("layer4", (2048, 7, 7)), ("fc", (1000,))],
    "resnet20": [("conv1", (16, 32, 32)), ("bn1", (16, 32, 32)), ("layer1", (16, 32, 32)), ("layer2", (32, 16, 16)),
                 ("layer3", (64, 8, 8)), ("fc", (10,))],
}


@pytest.mark.parametrize("name, like", [
    ("resnet18", "resnet18"), ("resnet34", "resnet18"), ("plain18", "resnet18"), ("plain34", "resnet18"),
    ("resnet50", "resnet50"), ("resnet101", "resnet50"), ("resnet152", "resnet50"), ("resnet50_v1_5", "resnet50"),
    ("resnet20", "resnet20"), ("resnet110", "resnet20"), ("plain56", "resnet20")])
def test_the_stages_have_the_published_shapes(name, like):
    assert shapes_of(*on_shapes(name)) == STAGES[like]


@pytest.mark.parametrize("name", [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "plain18", "plain34",
    "resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "plain20", "plain110"])
def test_as_many_layers_have_weights_as_the_name_says(name):
    """But for the projections, which nobody counts."""
    layers = [layer for layer, _ in layers_with_weights(on_shapes(name)[0]) if "shortcut" not in layer]
    assert len(layers) == int("".join(filter(str.isdigit, name)))


def test_a_cifar_network_and_its_plain_counterpart_have_the_same_parameters():
    """Section 4.2: exactly the same depth, width and number of parameters."""
    shapes = [[(key, p.shape) for key, p in on_shapes(name)[0].named_parameters()] for name in ("resnet20", "plain20")]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("block", [BasicBlock, BasicBlockA, BasicBlockC, Bottleneck, BottleneckV15])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_whose_branch_is_0_is_relu_of_its_shortcut(block, stride):
    block = block(8, 8 // block.expansion * stride, stride)
    last = [layer for layer in block.children() if isinstance(layer, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    x = minidl.randn(2, 8, 6, 6)
    y = block(x).detach().numpy()
    np.testing.assert_array_equal(y, F.relu(block.shortcut(x)).detach().numpy())
    if stride == 1 and not isinstance(block, BasicBlockC):
        np.testing.assert_array_equal(y, np.maximum(x.numpy(), 0))


def test_a_plain_block_whose_last_norm_is_0_lets_nothing_through():
    block = PlainBlock(4, 4)
    nn.init.zeros_(block.bn2.weight)
    assert not block(minidl.randn(2, 4, 6, 6)).detach().numpy().any()


@pytest.mark.parametrize("block, convs", [(BasicBlock, 2), (BasicBlockA, 2), (Bottleneck, 3), (BottleneckV15, 3)])
def test_the_branch_has_a_relu_after_each_convolution_but_the_last(block, convs):
    """So what is added can be negative, and what the other convolutions read cannot."""
    block, seen = block(4, 4 // block.expansion), {}
    for name, layer in block.named_children():
        layer.register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    x = minidl.randn(2, 4, 6, 6)
    y = block(x)
    assert all([seen[f"conv{i}"][0].min().item() >= 0 for i in range(2, convs + 1)])
    branch = seen[f"bn{convs}"][1]
    assert branch.min().item() < 0
    np.testing.assert_allclose(y.detach().numpy(), np.maximum((branch + x).detach().numpy(), 0))


@pytest.mark.parametrize("name", ["plain18", "plain34", "plain20", "plain32", "plain44", "plain56", "plain110"])
def test_a_plain_network_has_no_shortcut(name):
    layers = [layer for stage, layer in on_shapes(name)[0].named_modules() if stage.count(".") == 1]
    assert {type(layer) for layer in layers if not isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))} == {PlainBlock}


def test_a_shortcut_of_option_a_skips_pixels_and_adds_channels_of_zeros():
    x = minidl.randn(2, 3, 5, 6)
    y = BasicBlockA(3, 8, 2).shortcut(x).numpy()
    assert y.shape == (2, 8, 3, 3) and not y[:, 3:].any()
    np.testing.assert_array_equal(y[:, :3], x.numpy()[:, :, ::2, ::2])


def test_a_shortcut_of_option_b_has_weights_only_where_shapes_change():
    model, _ = on_shapes("resnet34")
    projected = [name for name, layer in model.named_modules() if name.endswith("shortcut") and layer.children()
                 and list(layer.parameters())]
    assert projected == ["layer2.0.shortcut", "layer3.0.shortcut", "layer4.0.shortcut"]


def test_a_shortcut_of_option_c_always_has_weights():
    model, _ = on_shapes("resnet34", shortcut="C")
    shortcuts = [layer for name, layer in model.named_modules() if name.endswith("shortcut")]
    assert len(shortcuts) == 16 and all([layer[0].kernel_size == (1, 1) for layer in shortcuts])


# Sixteen blocks have a shortcut; three of them change the channels, the others are on 3, 3, 5 and 2 blocks of a stage.
SAME_CHANNELS = (64, 3), (128, 3), (256, 5), (512, 2)


@pytest.mark.parametrize("name, shortcut, parameters, macs", [
    ("resnet20", "B", 272_474, 40_813_184),                              # pytorchcv's networks for CIFAR-10
    ("resnet56", "B", 855_770, 125_747_840),
    ("resnet110", "B", 1_730_714, 253_149_824),
    ("resnet34", "A", 21_623_848, 3_663_761_408 - 3 * 28 * 28 * 128 * 64),
    ("resnet34", "C", 21_797_672 + sum(n * (c * c + 2 * c) for c, n in SAME_CHANNELS),
     3_663_761_408 + 13 * 56 * 56 * 64 * 64)])                           # half the pixels each way, twice the channels
def test_other_shortcuts_cost_what_is_published_or_worked_out(name, shortcut, parameters, macs):
    model, image = on_shapes(name, shortcut=shortcut)
    counted = summary(model, image.shape[1:])
    assert (counted.trainable, counted.macs) == (parameters, macs)


def test_an_unknown_shortcut_is_a_sentence():
    with pytest.raises(ValueError, match="ResNet: shortcut 'D' is not one of A, B, C"):
        build("resnet34", shortcut="D")


@pytest.mark.parametrize("model", [
    lambda **option: build("resnet20", **option), lambda **option: build("resnet20", shortcut="B", **option),
    lambda **option: ResNet(Bottleneck, (1, 1, 1, 1), width=4, **option)])
def test_with_gammas_of_0_every_block_begins_as_its_shortcut(model):
    """Goyal et al. 2017, section 5.1; without the option no gamma is 0."""
    for zeros in (True, False):
        blocks = [layer for layer in model(zero_init_residual=zeros).modules() if hasattr(layer, "shortcut")]
        for block in blocks:
            x = minidl.randn(2, block.conv1.in_channels, 8, 8)
            y, shortcut = block(x).detach().numpy(), F.relu(block.shortcut(x)).detach().numpy()
            assert np.array_equal(y, shortcut) == zeros
        assert len(blocks) in (4, 9)


def test_gammas_are_0_only_at_the_end_of_a_block():
    def zeros(model):
        norms = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)]
        return {name.rpartition(".")[2] for name, norm in norms if not norm.weight.array.any()}

    assert zeros(build("resnet20", zero_init_residual=True)) == {"bn2"}
    assert zeros(ResNet(Bottleneck, (1, 1, 1, 1), width=4, zero_init_residual=True)) == {"bn3"}
    assert zeros(build("resnet20")) == set()


def test_the_stride_stands_in_the_first_1x1_or_in_version_1_5_in_the_3x3():
    for name, strides in (("resnet50", [2, 1, 1]), ("resnet50_v1_5", [1, 2, 1])):
        block = on_shapes(name)[0].layer2[0]
        assert [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)] == strides


def test_weights_start_with_variance_2_by_fan_in():
    """Delving deep into rectifiers, equation 10."""
    for _, layer in layers_with_weights(ResNet(Bottleneck, (1, 1, 1, 1), 100, width=16)):
        fan_in = layer.weight[0].numel()
        assert math.isclose(layer.weight.array.std() * math.sqrt(fan_in / 2), 1, abs_tol=0.15)


@pytest.mark.slow
def test_the_deepest_network_is_walked_back_without_recursion():
    """1202 layers; one image of 8x8."""
    model = build("resnet1202")
    F.cross_entropy(model(minidl.randn(2, 3, 8, 8)), minidl.tensor([0, 1])).backward()
    assert all([np.isfinite(p.grad.array).all() for p in model.parameters()])
