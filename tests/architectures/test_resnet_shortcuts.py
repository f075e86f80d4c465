"""Blocks with something on their shortcut: what they add up, gates and their biases, dropped shortcuts."""
import numpy as np
import pytest
from networks import layers_with_weights

import minidl
from architectures import resnet_shortcuts
from architectures.resnet import CifarResNet
from architectures.resnet_shortcuts import (
    ConstantScaling,
    ConvexScaling,
    DroppedShortcut,
    ExclusiveGating,
    ShortcutOnlyGating,
)
from minidl import nn

BLOCKS = ConstantScaling, ConvexScaling, ExclusiveGating, ShortcutOnlyGating, DroppedShortcut


def branch_of_3(block):
    """The block with a branch that is 3 everywhere, and a gate that looks only at its bias."""
    nn.init.zeros_(block.bn2.weight)
    nn.init.constant_(block.bn2.bias, 3.0)
    if hasattr(block, "gate"):
        nn.init.zeros_(block.gate.weight)
    return block


G = 1 / (1 + np.exp(6))                                     # what a gate says whose bias is -6


@pytest.mark.parametrize("block, share_of_branch, share_of_x", [                    # figure 2, table 1
    (ConstantScaling, 1, 0.5), (ConvexScaling, 0.5, 0.5), (ExclusiveGating, G, 1 - G), (ShortcutOnlyGating, 1, 1 - G)])
def test_a_block_adds_as_much_as_the_paper_says_of_branch_and_shortcut(block, share_of_branch, share_of_x):
    block, x = branch_of_3(block(4, 4)), minidl.randn(2, 4, 6, 6)
    wanted = np.maximum(share_of_branch * 3 + share_of_x * x.numpy(), 0)
    np.testing.assert_allclose(block(x).detach().numpy(), wanted, rtol=1e-5)


def test_half_of_a_dropped_shortcut_is_0_in_training_and_none_of_it_afterwards():
    block, x = branch_of_3(DroppedShortcut(4, 4)), minidl.rand(2, 4, 50, 50)
    added = block(x).detach().numpy() - 3
    kept = added != 0
    assert abs(kept.mean() - 0.5) < 0.02
    np.testing.assert_allclose(added[kept], 2 * x.numpy()[kept], atol=1e-5)
    np.testing.assert_allclose(block.eval()(x).detach().numpy(), 3 + x.numpy(), rtol=1e-6)


@pytest.mark.parametrize("block", [ExclusiveGating, ShortcutOnlyGating])
def test_every_channel_of_every_pixel_has_a_gate_of_its_own(block):
    block = block(4, 8, 2)
    y = block.gate(minidl.randn(2, 4, 6, 6)).detach().numpy()
    assert y.shape == (2, 8, 3, 3) and len(np.unique(y)) == y.size


@pytest.mark.parametrize("block", [ExclusiveGating, ShortcutOnlyGating])
def test_gates_start_with_the_bias_minus_6(block):
    gates = [layer for name, layer in layers_with_weights(CifarResNet(block, 2)) if name.endswith("gate")]
    assert len(gates) == 6 and all([(gate.bias.array == -6).all() and gate.weight.array.any() for gate in gates])


@pytest.mark.parametrize("block", BLOCKS)
def test_a_network_of_110_layers_has_only_gates_in_addition(block):
    """54 gates of 1x1, as many as there are blocks; 1,727,962 parameters are ResNet-110's."""
    gates = 18 * (16 * 16 + 16) + (16 * 32 + 32) + 17 * (32 * 32 + 32) + (32 * 64 + 64) + 17 * (64 * 64 + 64)
    with minidl.device("meta"):
        model = resnet_shortcuts.resnet110(block)
    parameters = sum([p.numel() for p in model.parameters()])
    assert parameters == 1_727_962 + (gates if issubclass(block, ExclusiveGating) else 0)
