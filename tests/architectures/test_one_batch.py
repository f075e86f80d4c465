"""Networks learn a batch of images by heart, from the first weights that they are made with."""
import numpy as np
import pytest
from networks import REDUCED

import minidl
from minidl import nn, optim
from minidl.nn import functional as F


@pytest.mark.parametrize("name", [
    "resnet18", "resnet50", "resnet50_v1_5", "resnet34_a", "resnet34_c", "resnet20", "preact_resnet110",
    "preact_resnet164", "constant_scaling", "convex_scaling", "gated_shortcut", "dropped_shortcut", "wrn_16_4",
    "wide_resnet50_2", "resnext29_8x64d", "resnext50_32x4d", "se_resnet50", "senet154"])
def test_one_batch_is_learnt_by_heart(name):
    """Noise, of which there is nothing to understand: cross-entropy under 0.001 within 300 updates, without dropout."""
    file, make, shape = REDUCED[name]
    model, images = make(file), np.random.default_rng(0).standard_normal((5, *shape))
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images, labels = minidl.tensor(images, dtype=minidl.float32), minidl.arange(5)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(300):
        loss = F.cross_entropy(model(images), labels)
        if loss.item() < 0.001:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"{name}: after 300 updates cross-entropy is still {loss.item():.2g}")
