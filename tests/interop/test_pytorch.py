"""The files of networks, read with PyTorch as what they import, are the same networks."""
import numpy as np
import pytest

import architectures
import minidl
from minidl.interop.pytorch import ChangedImports, copy_weights, in_pytorch
from minidl.nn import functional as F

SMALL = {                                        # (options, size of the image): less work than the paper's
    "lenet5": ({}, 32), "lenet5_1998": ({}, 32), "keras_mnist_cnn": ({}, 28), "keras_cifar100_cnn": ({}, 32),
    "resnet20": ({}, 16), "plain20": ({}, 16), "resnet18": ({}, 64), "resnet50": ({}, 64), "resnet50_v1_5": ({}, 64),
    "mobilenet_v1": ({"width": 0.25}, 64), "mobilenet_v2": ({"width": 0.25}, 64), "vgg16_cifar": ({}, 32),
}


@pytest.mark.parametrize("before, after", [
    ("import minidl", "import torch as minidl\nimport torch"),
    ("import minidl.nn", "import torch as minidl\nimport torch.nn"),
    ("import minidl as m, math", "import torch as m\nimport math"),
    ("from minidl import nn", "from torch import nn"),
    ("from minidl.nn import functional as F", "from torch.nn import functional as F"),
    ("from minidlib import nn", "from minidlib import nn"),
    ("from . import nn", "from . import nn"),
])
def test_only_imports_are_changed_and_names_stay(before, after):
    import ast
    assert ast.unparse(ast.fix_missing_locations(ChangedImports().visit(ast.parse(before)))) == after


def test_what_is_in_no_file_is_refused():
    with pytest.raises(TypeError):
        in_pytorch(len)


@pytest.mark.parity
@pytest.mark.parametrize("name", architectures.MODELS)
def test_the_state_dict_has_the_same_keys_and_shapes(name):
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        theirs = in_pytorch(architectures.find(name).builder)()
    with minidl.device("meta"):
        ours = architectures.build(name)
    assert [(key, tuple(x.shape)) for key, x in theirs.state_dict().items()] == [
        (key, x.shape) for key, x in ours.state_dict().items()]


@pytest.mark.parity
@pytest.mark.parametrize("name", SMALL)
def test_scores_and_gradients_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    options, size = SMALL[name]
    shape = (architectures.find(name).input_shape[0], size, size)
    ours = architectures.build(name, **options).double()
    theirs = in_pytorch(architectures.find(name).builder)(**options).double()
    copy_weights(ours, theirs)
    for layer in [*ours.modules(), *theirs.modules()]:
        if isinstance(layer, (minidl.nn.Dropout, torch.nn.Dropout)):
            layer.p = 0.0
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((4, *shape)), rng.integers(0, 10, 4)
    scores, wanted = ours(minidl.from_numpy(images)), theirs(torch.from_numpy(images))
    np.testing.assert_allclose(scores.detach().numpy(), wanted.detach().numpy(), rtol=1e-7, atol=1e-10)
    F.cross_entropy(scores, minidl.from_numpy(labels)).backward()
    torch.nn.functional.cross_entropy(wanted, torch.from_numpy(labels)).backward()
    scale = max(q.grad.abs().max().item() for q in theirs.parameters())
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6, atol=1e-10 * scale, err_msg=key)
