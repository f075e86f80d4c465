"""LeNet-5 beside the same network in PyTorch."""
import numpy as np
import pytest

import minidl
from architectures import build
from minidl import optim
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}


def twin(activation):
    """LeNet-5 as a PyTorch user writes it."""
    f, nn = ACTIVATIONS[activation], torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), f(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), f(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), f(), nn.Flatten(), nn.Linear(120, 84), f(), nn.Linear(84, 10))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loss_and_all_gradients_are_those_of_pytorch(activation):
    model, other = build("lenet5", activation=activation), twin(activation)
    with torch.no_grad():
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            q.copy_(torch.from_numpy(p.array))
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((5, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, 5)
    x1, x2 = minidl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss1 = F.cross_entropy(model(x1), minidl.tensor(labels))
    loss2 = torch.nn.functional.cross_entropy(other(x2), torch.tensor(labels))
    loss1.backward()
    loss2.backward()
    np.testing.assert_allclose(loss1.item(), loss2.item(), rtol=1e-5)
    for p, q in zip([x1, *model.parameters()], [x2, *other.parameters()], strict=True):
        wanted = q.grad.numpy()
        np.testing.assert_allclose(p.grad.numpy(), wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


def test_ten_updates_stay_with_pytorchs():
    model, other = build("lenet5"), twin("tanh")
    with torch.no_grad():
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            q.copy_(torch.from_numpy(p.array))
    ours = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    theirs = torch.optim.SGD(other.parameters(), lr=0.05, momentum=0.9)
    rng = np.random.default_rng(0)
    for _ in range(10):
        x, labels = rng.standard_normal((8, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, 8)
        loss1 = F.cross_entropy(model(minidl.tensor(x)), minidl.tensor(labels))
        loss2 = torch.nn.functional.cross_entropy(other(torch.tensor(x)), torch.tensor(labels))
        for loss, optimizer in ((loss1, ours), (loss2, theirs)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        np.testing.assert_allclose(loss1.item(), loss2.item(), rtol=1e-4)
