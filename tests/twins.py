"""A network beside its twin: the same, written from the definition in plain PyTorch."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.interop.pytorch import copy_weights
from minidl.nn import functional as F

torch = pytest.importorskip("torch")


def assert_twins(model, twin, shape, training):
    """Scores, and the gradients of the images and of all weights, agree to 1e-8 of each array's maximum, in float64.

    Dropout, which draws other numbers in PyTorch, is off; the weights are carried over as a state dict. Buffers agree
    after the pass, too. A bias before batch norm has no gradient but rounding, hence the 1e-12.
    """
    model, twin = model.double().train(training), twin.double().train(training)
    for layer in [*model.modules(), *twin.modules()]:
        if isinstance(layer, (nn.Dropout, torch.nn.Dropout)):
            layer.p = 0.0
    copy_weights(model, twin)
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((3, *shape)), rng.integers(0, 5, 3)
    x, y = minidl.tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
    ours, theirs = model(x), twin(y)
    F.cross_entropy(ours, minidl.tensor(labels)).backward()
    torch.nn.functional.cross_entropy(theirs, torch.tensor(labels)).backward()
    assert_close("scores", ours, theirs.detach())
    assert_close("the images' gradient", x.grad, y.grad)
    gradients = {key: p.grad for key, p in twin.named_parameters()}
    rounding = 1e-12 * max([grad.abs().max().item() for grad in gradients.values()])
    for key, p in model.named_parameters():
        assert_close(key, p.grad, gradients[key], rounding)
        assert p.ndim == 1 or gradients[key].any(), f"{key}: a gradient of 0 proves nothing"
    for key, value in twin.state_dict().items():
        assert_close(key, model.state_dict()[key], value)


def assert_close(name, ours, theirs, rounding=0.0):
    ours, theirs = ours.detach().numpy(), theirs.numpy()
    assert ours.shape == theirs.shape, name
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8 * np.abs(theirs).max() + rounding, err_msg=name)


def assert_same_keys(model, twin):
    """The state dicts have the same keys, in the same order, and shapes."""
    assert [(key, x.shape) for key, x in model.state_dict().items()] == [
        (key, tuple(x.shape)) for key, x in twin.state_dict().items()]
