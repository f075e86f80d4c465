"""Networks learn a batch of images by heart."""
import numpy as np
import pytest
from networks import REDUCED, with_lively_weights

import minidl
from minidl import nn, optim
from minidl.nn import functional as F


def assert_learnt(name, model, optimizer):
    """Noise, of which there is nothing to understand: cross-entropy under 0.001 within 300 updates, without dropout."""
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images = minidl.tensor(np.random.default_rng(0).standard_normal((5, *REDUCED[name][2])), dtype=minidl.float32)
    labels = minidl.arange(5)
    for _ in range(300):
        loss = F.cross_entropy(model(images), labels)
        if loss.item() < 0.001:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"{name}: after 300 updates cross-entropy is still {loss.item():.2g}")


@pytest.mark.parametrize("name", [
    "bn_inception", "inception_v4", "inception_resnet_v2",
    "resnet18", "resnet50", "resnet50_v1_5", "resnet34_a", "resnet34_c", "resnet20", "preact_resnet110",
    "preact_resnet164", "constant_scaling", "convex_scaling", "gated_shortcut", "dropped_shortcut", "wrn_16_4",
    "wide_resnet50_2", "resnext29_8x64d", "resnext50_32x4d", "se_resnet50", "senet154",
    "mobilenet_v1", "mobilenet_v2", "densenet40_12", "densenet121", "fractalnet20", "shufflenet_v1", "shufflenet_v2",
    "efficientnet_b0", "nasnet_a_cifar10", "amoebanet_a_cifar10"])
def test_one_batch_is_learnt_by_heart(name):
    """From the first weights that they are made with."""
    file, make, _ = REDUCED[name]
    model = make(file)
    assert_learnt(name, model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


@pytest.mark.parametrize("name, rate", [
    ("alexnet", 0.01), ("alexnet_one_weird_trick", 0.01), ("zfnet", 0.01), ("nin", 0.003), ("nin_cifar10", 0.003),
    ("vgg11_lrn", 0.01), ("vgg16_c", 0.01), ("googlenet", 0.01)])
def test_one_batch_is_learnt_by_heart_without_batch_norm(name, rate):
    """Where the deviation of first weights is a number, it is made for more channels than there are here."""
    file, make, _ = REDUCED[name]
    model = with_lively_weights(make(file))
    assert_learnt(name, model, optim.Adam(model.parameters(), lr=rate))
