"""U-Net beside the same network in PyTorch, written from figure 1."""
import numpy as np
import pytest

import minidl
from architectures import build
from minidl.interop.pytorch import copy_weights
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


class Twin(torch.nn.Module):
    def __init__(self, classes, n):
        super().__init__()
        nn, channels = torch.nn, [1, n, 2 * n, 4 * n, 8 * n, 16 * n]
        for i in range(1, 6):
            setattr(self, f"down{i}", self.pair(channels[i - 1], channels[i]))
        for i in range(4, 0, -1):
            parts = {"upconv": nn.ConvTranspose2d(channels[i + 1], channels[i], 2, 2),
                     "convs": self.pair(2 * channels[i], channels[i])}
            setattr(self, f"up{i}", nn.ModuleDict(parts))
        self.last = nn.Conv2d(n, classes, 1)

    @staticmethod
    def pair(a, b):
        nn = torch.nn
        return nn.Sequential(nn.Conv2d(a, b, 3), nn.ReLU(), nn.Conv2d(b, b, 3), nn.ReLU())

    def forward(self, x):
        left = []
        for i in range(1, 6):
            x = getattr(self, f"down{i}")(x if i == 1 else torch.nn.functional.max_pool2d(x, 2))
            left.append(x)
        for i in range(4, 0, -1):
            up = getattr(self, f"up{i}")
            x, copy = up["upconv"](x), left[i - 1]
            margins = [(a - b) // 2 for a, b in zip(copy.shape[2:], x.shape[2:])]
            copy = copy[:, :, margins[0]:margins[0] + x.shape[2], margins[1]:margins[1] + x.shape[3]]
            x = up["convs"](torch.cat([copy, x], 1))
        return self.last(x)


@pytest.mark.parametrize("training", [True, False])
def test_scores_and_all_gradients_are_those_of_pytorch(training):
    model = build("unet", num_classes=3, base_channels=4, dropout=0.0).double().train(training)
    twin, rng = Twin(3, 4).double().train(training), np.random.default_rng(0)
    copy_weights(model, twin)
    x, masks = rng.standard_normal((2, 1, 188, 204)), rng.integers(0, 3, (2, 4, 20))
    x1, x2 = minidl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y1, y2 = model(x1), twin(x2)
    F.cross_entropy(y1, minidl.tensor(masks)).backward()
    torch.nn.functional.cross_entropy(y2, torch.tensor(masks)).backward()
    pairs = [("scores", y1.detach(), y2.detach()), ("image", x1.grad, x2.grad)]
    pairs += [(key, p.grad, q.grad) for (key, p), q in zip(model.named_parameters(), twin.parameters(), strict=True)]
    for key, ours, theirs in pairs:
        theirs = theirs.numpy()
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-8 * np.abs(theirs).max(), err_msg=key)
