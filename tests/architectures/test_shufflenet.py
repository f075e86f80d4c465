"""ShuffleNets: stages, the shuffle, units, widths and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, shapes_of

import minidl
from architectures import shufflenet
from architectures.shufflenet import (
    DownsamplingSplitUnit,
    DownsamplingUnit,
    ShuffleNetV1,
    ShuffleNetV2,
    ShuffleUnit,
    SplitUnit,
    shuffle,
)
from minidl import nn
from minidl.summary import summary


def test_the_stages_of_version_1_have_the_published_shapes():
    model, image = on_shapes("shufflenet_v1")
    assert shapes_of(model, image) == [
        ("conv1", (24, 112, 112)), ("pool", (24, 56, 56)), ("stage2", (240, 28, 28)), ("stage3", (480, 14, 14)),
        ("stage4", (960, 7, 7)), ("fc", (1000,))]


def test_the_stages_of_version_2_have_the_published_shapes():
    model, image = on_shapes("shufflenet_v2")
    assert shapes_of(model, image) == [
        ("conv1", (24, 112, 112)), ("maxpool", (24, 56, 56)), ("stage2", (116, 28, 28)), ("stage3", (232, 14, 14)),
        ("stage4", (464, 7, 7)), ("conv5", (1024, 7, 7)), ("fc", (1000,))]


@pytest.mark.parametrize("name, layers", [("shufflenet_v1", 50), ("shufflenet_v2", 57)])
def test_as_many_layers_have_weights_as_in_published_implementations(name, layers):
    assert len(layers_with_weights(on_shapes(name)[0])) == layers


@pytest.mark.parametrize("widths, parameters, macs", [
    ((24, 48, 96, 192, 1024), 1_366_792, 40_476_448), ((24, 176, 352, 704, 1024), 3_503_624, 295_759_392),
    ((24, 244, 488, 976, 2048), 7_393_996, 583_253_464)])
def test_narrow_and_wide_ones_of_version_2_cost_what_is_published(widths, parameters, macs):
    """0.5x, 1.5x and 2x, counted in torchvision."""
    with minidl.device("meta"):
        counted = summary(ShuffleNetV2(widths, shufflenet.BLOCKS), (3, 224, 224))
    assert (counted.trainable, counted.macs) == (parameters, macs)


def test_a_shuffle_deals_the_channels_of_each_group_out():
    """Figure 1(c) by hand: three groups of two, of which the first channels come first."""
    x = minidl.arange(6).reshape(1, 6, 1, 1)
    assert shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert shuffle(shuffle(x, 3), 2).flatten().tolist() == [0, 1, 2, 3, 4, 5]


def channels_read(unit, channels, out):
    """Which channels of its input a number of the branch's output depends on."""
    x = minidl.randn(2, channels, 5, 5, requires_grad=True)
    unit.branch(x)[:, out].square().sum().backward()
    return set(np.flatnonzero(np.abs(x.grad.numpy()).sum((0, 2, 3)) > 1e-9))


def test_with_a_shuffle_between_them_two_grouped_convolutions_read_all_channels(monkeypatch):
    """12 channels in 3 groups, by way of 3."""
    unit = ShuffleUnit(36, 3)
    unit.branch.eval()
    assert channels_read(unit, 36, 0) == set(range(36))
    monkeypatch.setattr(shufflenet, "shuffle", lambda x, groups: x)
    assert channels_read(unit, 36, 0) == set(range(12))


def test_every_1x1_of_version_1_has_three_groups_but_the_very_first():
    """Section 3.3: the first pointwise layer of stage 2 is not grouped, because its input channels are few."""
    model, _ = on_shapes("shufflenet_v1")
    groups = [layer.groups for name, layer in layers_with_weights(model) if name.endswith(("conv1", "conv3"))]
    assert groups == [1] + [3] * 31


def test_the_middle_of_a_unit_has_a_quarter_of_the_channels():
    """Section 3.3."""
    model, _ = on_shapes("shufflenet_v1")
    middle = [[unit.branch.conv2.weight.shape[0] for unit in stage] for stage in (model.stage2, model.stage3, model.stage4)]
    assert middle == [[60] * 4, [120] * 8, [240] * 4]


def test_a_unit_of_version_1_adds_and_one_that_halves_the_image_concatenates():
    """Figure 2(b) and (c): a ReLU at the end of both, average pooling in the shortcut of the second."""
    x = minidl.randn(2, 12, 6, 6)
    unit = ShuffleUnit(12, 3)
    branch = unit.branch(x).detach().numpy()
    assert branch.min() < 0
    np.testing.assert_allclose(unit(x).detach().numpy(), np.maximum(x.numpy() + branch, 0), rtol=1e-5, atol=1e-6)
    unit = DownsamplingUnit(12, 36, 3)
    y = unit(x).detach().numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 0), (1, 0)))
    means = np.stack([padded[:, :, i:i + 5:2, j:j + 5:2] for i in range(3) for j in range(3)]).mean(0)
    np.testing.assert_allclose(y[:, :12], np.maximum(means, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, 12:], np.maximum(unit.branch(x).detach().numpy(), 0), rtol=1e-5, atol=1e-6)


def test_there_is_no_relu_behind_a_depthwise_convolution():
    """Section 3.2, after Xception; and one behind the first 1x1."""
    branch, seen = ShuffleUnit(12, 3).branch, {}
    for name in ("conv2", "conv3"):
        getattr(branch, name).register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, args[0]))
    branch(minidl.randn(2, 12, 6, 6))
    assert seen["conv2"].min().item() == 0 and seen["conv3"].min().item() < 0


def test_half_of_the_channels_pass_a_unit_of_version_2_untouched():
    """Figure 3(c): and every second channel of its result is one of them."""
    unit, x = SplitUnit(8), minidl.randn(2, 8, 5, 5)
    y = unit(x).detach().numpy()
    np.testing.assert_array_equal(y[:, ::2], x.numpy()[:, :4])
    np.testing.assert_allclose(y[:, 1::2], unit.branch2(x[:, 4:]).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_both_branches_of_a_unit_that_halves_the_image_read_all_channels():
    """Figure 3(d)."""
    unit, x = DownsamplingSplitUnit(4, 6), minidl.randn(2, 4, 6, 6)
    y = unit(x).detach().numpy()
    assert y.shape == (2, 6, 3, 3)
    np.testing.assert_allclose(y[:, ::2], unit.branch1(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, 1::2], unit.branch2(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_weights_start_as_in_the_authors_code():
    """Deviation 1 / channels that a filter reads, 0.01 at both ends; the bias of batch norm 0.0001."""
    for model in (ShuffleNetV1((24, 96, 192, 384), (1, 1, 1), 3, 100),
                  ShuffleNetV2((24, 64, 64, 64, 128), (1, 1, 1), 100)):
        for name, layer in layers_with_weights(model):
            std = 0.01 if name in ("conv1.0", "fc") else 1 / layer.weight.shape[1]
            assert math.isclose(layer.weight.array.std(), std, rel_tol=0.15), name
        assert {p.item() for layer in model.modules() if isinstance(layer, nn.BatchNorm2d) for p in layer.bias} == {
            np.float32(0.0001)}
    assert on_shapes("shufflenet_v1")[0].fc.bias is None and not model.fc.bias.array.any()


@pytest.mark.parametrize("name", ["shufflenet_v1", "shufflenet_v2"])
def test_any_size_of_images_will_do_but_not_any_number_of_channels(name):
    model, _ = on_shapes(name)
    assert model.eval()(minidl.zeros(1, 3, 20, 33, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match=r"x has 1 channels in shape \(1, 1, 224, 224\)") as error:
        model(minidl.zeros(1, 1, 224, 224, device="meta"))
    assert error.value.__notes__ == [f"in conv1.0 of {type(model).__name__}"]


def test_the_last_convolution_of_version_2_is_followed_by_norm_and_relu():
    model = ShuffleNetV2((4, 8, 8, 8, 8), (1, 1, 1), 5)
    nn.init.constant_(model.conv5[1].bias, -100.0)
    assert not model(minidl.randn(2, 3, 64, 64)).detach().numpy().any()     # but the full layer's bias, which is 0
