"""Networks learn a batch of images by heart, from the first weights that they are made with."""
import numpy as np
import pytest
from networks import REDUCED

import minidl
from minidl import optim
from minidl.nn import functional as F


@pytest.mark.parametrize("name", [
    "mobilenet_v1", "mobilenet_v2", "densenet40_12", "densenet121", "fractalnet20", "shufflenet_v1", "shufflenet_v2",
    "efficientnet_b0"])
def test_one_batch_is_learnt_by_heart(name):
    """Noise, of which there is nothing to understand: cross-entropy under 0.001 within 300 updates."""
    file, make, shape = REDUCED[name]
    model, images = make(file), np.random.default_rng(0).standard_normal((5, *shape))
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
