"""The files of networks run on PyTorch with the import changed, and compute the same."""
import numpy as np
import pytest
from networks import REDUCED, backward, reduced

import minidl
from architectures import MODELS
from minidl import nn
from minidl.interop.pytorch import copy_weights, file_in_pytorch

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", REDUCED)
def test_scores_and_all_gradients_are_those_of_pytorch(name):
    file, make, _ = REDUCED[name]
    theirs = make(file_in_pytorch(file.__file__))
    model, (images, labels) = reduced(name)
    for layer in [*model.modules(), *theirs.modules()]:
        if isinstance(layer, (nn.Dropout, torch.nn.Dropout)):
            layer.p = 0.0
    model.double()
    copy_weights(model, theirs.double())
    assert list(model.state_dict()) == list(theirs.state_dict())
    backward(model, minidl.tensor(images), minidl.tensor(labels))
    torch.nn.functional.cross_entropy(theirs(torch.tensor(images)), torch.tensor(labels)).backward()
    gradients = [q.grad.numpy() for q in theirs.parameters()]
    scale = max([np.abs(wanted).max() for wanted in gradients])            # a bias before batch norm has none
    for (key, p), wanted in zip(model.named_parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), wanted, rtol=1e-7, atol=1e-12 * scale, err_msg=key)
    for (key, x), y in zip(model.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-10, atol=1e-12, err_msg=key)
    model.eval(), theirs.eval()
    np.testing.assert_allclose(model(minidl.tensor(images)).detach().numpy(),
                               theirs(torch.tensor(images)).detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_every_builder_builds_the_same_shapes_in_pytorch(name):
    path = MODELS[name].builder.__code__.co_filename
    with torch.device("meta"):
        theirs = getattr(file_in_pytorch(path), name)()
    with minidl.device("meta"):
        ours = MODELS[name].builder()
    assert [(key, tuple(x.shape)) for key, x in theirs.state_dict().items()] == [
        (key, x.shape) for key, x in ours.state_dict().items()]
