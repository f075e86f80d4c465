"""EfficientNets: the scaling rule, stages, blocks, stochastic depth and first weights."""
import math

import numpy as np
import pytest
from networks import EFFICIENT_STAGES, layers_with_weights, on_shapes, shapes_of

import minidl
from architectures import MODELS
from architectures.efficientnet import (
    PUBLISHED,
    TABLE_1,
    EfficientNet,
    MBConv,
    ResidualMBConv,
    SqueezeExcitation,
    StochasticDepth,
    compound_scaling,
)
from minidl import nn
from minidl.gradcheck import gradcheck_model
from minidl.summary import summary

NAMES = [f"efficientnet_{name}" for name in PUBLISHED]

# What comes out of features.0 to features.8, as hooks on published implementations saw it.
STAGES = {
    "efficientnet_b0": [(32, 112, 112), (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14),
                        (192, 7, 7), (320, 7, 7), (1280, 7, 7)],
    "efficientnet_b7": [(64, 300, 300), (32, 300, 300), (48, 150, 150), (80, 75, 75), (160, 38, 38), (224, 38, 38),
                        (384, 19, 19), (640, 19, 19), (2560, 19, 19)],
}


@pytest.mark.parametrize("name", STAGES)
def test_the_stages_have_the_published_shapes(name):
    model, image = on_shapes(name)
    assert [shape for _, shape in shapes_of(model.features, image)] == STAGES[name]


@pytest.mark.parametrize("name, layers", list(zip(NAMES, (82, 116, 116, 131, 161, 195, 225, 274))))
def test_as_many_layers_have_weights_as_in_published_implementations(name, layers):
    assert len(layers_with_weights(on_shapes(name)[0])) == layers


# ---- the scaling rule


def test_one_step_of_the_rule_is_that_of_the_paper_and_all_steps_can_be_had_at_once():
    """Section 4, step 1: alpha 1.2, beta 1.1, gamma 1.15."""
    assert compound_scaling(0) == (1, 1, 1) and compound_scaling(1) == (1.2, 1.1, 1.15)
    depth, width, resolution = compound_scaling(np.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose([depth, width, resolution], [[1, 1.2, 1.44], [1, 1.1, 1.21], [1, 1.15, 1.3225]])


def test_every_step_of_the_rule_nearly_doubles_the_multiply_adds():
    """Section 3.3: alpha * beta^2 * gamma^2 = 1.92 times as many. Blocks and channels are whole numbers, hence 7 steps."""
    def cost(phi):
        depth, width, resolution = compound_scaling(phi)
        with minidl.device("meta"):
            model = EfficientNet(TABLE_1, depth, width, 0.2)
        return summary(model, (3, *[round(224 * resolution)] * 2)).macs

    assert math.isclose((cost(7) / cost(0)) ** (1 / 7), 1.92, rel_tol=0.02)


@pytest.mark.parametrize("name, low, high", [
    ("b0", 0, 0), ("b1", 0, 1), ("b2", 0.9, 1.1), ("b3", 1.8, 2.2), ("b4", 3, 4), ("b5", 4, 5.2),
    ("b6", 5, 6.5), ("b7", 6, 7.5)])
def test_each_published_network_lies_near_the_rule(name, low, high):
    """By its depth, its width and its resolution it would have a phi between these."""
    depth, width, pixels, _ = PUBLISHED[name]
    phis = [math.log(factor, base) for factor, base in ((depth, 1.2), (width, 1.1), (pixels / 224, 1.15))]
    assert low <= min(phis) and max(phis) <= high


@pytest.mark.parametrize("name", PUBLISHED)
def test_images_are_of_the_published_size(name):
    assert MODELS[f"efficientnet_{name}"].input_shape == (3, PUBLISHED[name][2], PUBLISHED[name][2])


# ---- blocks


def test_a_shortcut_is_where_the_image_keeps_its_size_and_channels():
    """Table 1: every block of a stage but its first."""
    model, _ = on_shapes("efficientnet_b0")
    residual = " ".join(["".join(["x" if isinstance(block, ResidualMBConv) else "." for block in stage])
                         for stage in list(model.features)[1:-1]])
    assert residual == ". .x .x .xx .xx .xxx ."


def test_the_second_block_of_a_first_stage_of_several_is_residual():
    """B7 has four blocks in its first stage; the first of them reads 64 channels and makes 32."""
    model, _ = on_shapes("efficientnet_b7")
    assert [type(block) for block in model.features[1]] == [MBConv, *[ResidualMBConv] * 3]


def test_squeezing_leaves_a_quarter_of_what_the_block_reads():
    model, _ = on_shapes("efficientnet_b0")
    squeezed = [layer.fc1.weight.shape[:2] for layer in model.modules() if isinstance(layer, SqueezeExcitation)]
    assert squeezed[:4] == [(8, 32), (4, 96), (6, 144), (6, 144)]


def test_squeeze_and_excitation_is_one_factor_between_0_and_1_for_each_channel():
    layer, x = SqueezeExcitation(6, 2), minidl.randn(2, 6, 4, 5)
    factors = layer(x).detach().numpy() / x.numpy()
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :, :1, :1], factors.shape), rtol=1e-4)
    assert 0 < factors.min() and factors.max() < 1 and len(np.unique(factors[:, :, 0, 0])) == 12


def test_the_end_of_a_block_is_linear_and_its_shortcut_the_identity():
    block, x = ResidualMBConv(4, 3, 6, p=0.0), minidl.randn(2, 4, 6, 6)
    branch = block.block(x).detach().numpy()
    assert branch.min() < -0.5
    np.testing.assert_allclose(block(x).detach().numpy(), x.numpy() + branch, rtol=1e-5, atol=1e-6)


def test_batch_norm_is_the_authors():
    """Their epsilon is 0.001; their momentum of 0.99 weighs the old value."""
    norms = [layer for layer in on_shapes("efficientnet_b5")[0].modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.001, 0.01)}


# ---- stochastic depth


def test_images_lose_their_branch_whole_and_the_others_make_up_for_it():
    layer = StochasticDepth(0.25)
    y = layer(minidl.ones(4000, 2, 3, 1)).numpy()
    assert (y == y[:, :1, :1, :1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    assert math.isclose(y.mean(), 1, abs_tol=0.04)
    assert (layer.eval()(minidl.ones(8, 2, 3, 1)).numpy() == 1).all()


def test_what_is_dropped_is_the_branch_and_not_the_image():
    block, x = ResidualMBConv(4, 3, 1, p=0.5), minidl.randn(16, 4, 5, 5)
    same = (block(x).detach().numpy() == x.numpy()).all((1, 2, 3))
    assert 0 < same.sum() < 16


@pytest.mark.parametrize("name, blocks", [("efficientnet_b0", 16), ("efficientnet_b7", 55)])
def test_the_probability_of_dropping_grows_with_the_number_of_blocks_before(name, blocks):
    """The authors' code: 0.2 times the block's number, from 0, divided by how many there are."""
    all_blocks = [block for stage in list(on_shapes(name)[0].features)[1:-1] for block in stage]
    assert len(all_blocks) == blocks
    for i, block in enumerate(all_blocks):
        if isinstance(block, ResidualMBConv):
            assert math.isclose(block.stochastic_depth.dropout.p, 0.2 * i / blocks)


def test_gradients_are_right_with_branches_dropped():
    model = EfficientNet(EFFICIENT_STAGES, 1.0, 1.0, 0.2, 5, survival=0.0, last_channels=16)
    rng = np.random.default_rng(0)
    assert gradcheck_model(model, (rng.standard_normal((3, 3, 12, 12)), rng.integers(0, 5, 3))).passed


def test_dropout_is_the_published_one():
    assert [on_shapes(name)[0].classifier[0].p for name in NAMES] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]


def test_weights_start_as_in_the_authors_code():
    """Convolutions with variance 2 / (kernel size^2 * filters), of which a channel has one in a depthwise convolution."""
    model = EfficientNet(((1, 3, 1, 32, 1), (6, 5, 2, 48, 2)), 1.0, 1.0, 0.2, 400)
    for name, layer in layers_with_weights(model):
        if isinstance(layer, nn.Conv2d):
            filters = 1 if layer.groups > 1 else layer.out_channels
            std = math.sqrt(2 / (layer.kernel_size[0] ** 2 * filters))
            assert math.isclose(layer.weight.array.std(), std, rel_tol=0.15), name
        else:
            assert 0.049 < np.abs(layer.weight.array).max() <= 0.05 * (1 + 1e-6)
        assert layer.bias is None or not layer.bias.array.any()


def test_any_size_of_images_will_do_but_not_any_number_of_channels():
    model, _ = on_shapes("efficientnet_b0")
    assert model.eval()(minidl.zeros(1, 3, 20, 33, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match=r"x has 1 channels in shape \(1, 1, 224, 224\)") as error:
        model(minidl.zeros(1, 1, 224, 224, device="meta"))
    assert error.value.__notes__ == ["in features.0.0 of EfficientNet"]
