"""The networks of the lab: what stands where, first values by the papers' formulas, and sentences about bad designs."""
import math

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.lab.nets import Design, build
from minidl.nn import init


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_plain_and_residual_networks_of_one_design_have_the_same_parameters(kind, norm):
    """By hand: three layers of 16 features here, a bias or a scale and a shift each, and the ends."""
    nets = [build(Design(kind, depth=4, width=16, norm=norm, residual=residual)) for residual in (False, True)]
    bias, first, inner = (16 if norm == "none" else 32), 16 * (64 if kind == "mlp" else 9), 256 * (1 if kind == "mlp" else 9)
    expected = first + bias + 4 * (inner + bias) + 16 * 10 + 10
    assert [parameters(net) for net in nets] == [expected, expected]


def test_modules_say_where_they_stand():
    names = [name for name, _ in build(Design(depth=2, residual=True, order="pre", norm="batch")).named_children()]
    assert names == ["flatten", "first", "block1", "norm", "act", "last"]
    block = build(Design("cnn", depth=4, residual=True, norm="batch")).block2
    assert [name for name, _ in block.named_children()] == ["conv1", "norm1", "act1", "conv2", "norm2", "act"]


def test_a_block_is_the_formula_of_its_paper():
    """He 2015, figure 2, and He 2016, figure 4(e), in NumPy; lambda 0.5, alpha 0.25."""
    x = minidl.randn(3, 8)
    relu = lambda z: np.maximum(z, 0)
    for order in "post", "pre":
        block = build(Design(depth=2, width=8, residual=True, order=order, shortcut_scale=0.5, branch_scale=0.25)).block1
        w1, w2, a = block.linear1.weight.numpy().T, block.linear2.weight.numpy().T, x.numpy()
        expected = relu(a / 2 + relu(a @ w1) @ w2 / 4) if order == "post" else a / 2 + relu(relu(a) @ w1) @ w2 / 4
        np.testing.assert_allclose(block(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("named, variance", [("he", 2.0), ("xavier", 1.0), ("pytorch", 1 / 3), (1.7, 1.7)])
def test_weights_have_the_variance_of_their_paper(named, variance):
    net = build(Design("cnn", depth=1, width=64, init=named))
    for weight, fan_in in ((net.block1.conv1.weight, 9 * 64), (net.last.weight, 64)):
        values = weight.detach().numpy().ravel()
        spread = 4 * math.sqrt(2 / len(values))                      # of a sample variance, in standard deviations
        assert abs(values.var() * fan_in / variance - 1) < spread


def test_biases_have_their_variance():
    net = build(Design(depth=1, width=4000, in_features=2, classes=2, activation="tanh", bias_variance=0.05))
    assert net.block1.linear1.bias.detach().numpy().var() == pytest.approx(0.05, rel=0.1)


def test_fixup_scales_branches_and_ends_them_and_the_network_with_zeros():
    """Zhang et al. 2019, section 4: 16 blocks of 3 layers, so 16^(-1/4) = 1/2 of He's standard deviation."""
    net = build(Design(depth=48, width=32, residual=True, branch=3, init="fixup"))
    inner = np.concatenate([b.linear1.weight.detach().numpy().ravel() for n, b in net.named_children() if "block" in n])
    assert inner.std() == pytest.approx(math.sqrt(2 / 32) / 2, rel=0.03)
    assert not net.block5.linear3.weight.numpy().any() and not net.last.weight.numpy().any()


def test_zero_gamma_makes_blocks_their_shortcuts():
    net = build(Design(depth=4, width=16, residual=True, norm="batch", init="zero_gamma"))
    x = minidl.rand(5, 16)
    np.testing.assert_array_equal(net.block2(x).numpy(), x.numpy())


def test_a_delta_orthogonal_convolution_keeps_norms():
    weight, x = minidl.empty(24, 16, 3, 3), minidl.randn(2, 16, 5, 5)
    y = nn.functional.conv2d(x, init.delta_orthogonal_(weight, gain=3.0), padding=1)
    assert float(y.norm() / x.norm()) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize("shape", [(16, 32), (16, 32, 3, 3)])
def test_a_looks_linear_layer_behind_a_crelu_is_linear_and_keeps_norms(shape):
    weight = init.looks_linear_(minidl.empty(shape))
    x = minidl.randn(5, 16, *([6, 6] if len(shape) == 4 else []))
    crelu = minidl.cat([nn.functional.relu(x), nn.functional.relu(-x)], 1)
    layer = (lambda a: nn.functional.linear(a, weight)) if len(shape) == 2 else (
        lambda a: nn.functional.conv2d(a, weight, padding=1))
    y = layer(crelu)
    assert float(y.norm() / x.norm()) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(layer(minidl.cat([nn.functional.relu(-x), nn.functional.relu(x)], 1)).numpy(), -y.numpy(),
                               atol=1e-5)


@pytest.mark.parametrize("wrong, sentence", [
    ({"depth": 0}, "depth is at least 1, not 0"),
    ({"depth": 5, "residual": True}, "depth 5 does not divide into residual branches of 2 layers"),
    ({"init": -1.0}, "init -1.0 is no variance"), ({"init": math.nan}, "init nan is no variance"),
    ({"init": "kaiming"}, "init 'kaiming' is not one of he, xavier"),
    ({"activation": "rely"}, "activation 'rely' is not one of relu"),
    ({"init": "fixup"}, "fixup is for residual networks without norm"),
    ({"init": "zero_gamma", "residual": True, "norm": "batch", "order": "pre"}, "zero_gamma is for residual"),
    ({"norm": "batch", "bias_variance": 0.1}, "bias_variance has no effect before a batch norm"),
    ({"activation": "crelu"}, "init looks_linear and activation crelu go together"),
    ({"activation": "crelu", "init": "looks_linear", "residual": True}, "crelu doubles the features"),
])
def test_a_design_that_cannot_be_is_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Design(**wrong)


@pytest.mark.parametrize("function, shape", [(init.delta_orthogonal_, (4, 8, 3, 3)), (init.delta_orthogonal_, (4, 4)),
                                             (init.looks_linear_, (4, 3)), (init.looks_linear_, (4,))])
def test_weights_of_no_such_layer_are_refused(function, shape):
    with pytest.raises(ValueError, match=f"{function.__name__}: fills weights"):
        function(minidl.empty(shape))
