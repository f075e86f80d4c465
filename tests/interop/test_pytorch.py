"""The files of networks, read with PyTorch as what they import, are the same networks."""
import numpy as np
import pytest

import architectures
import minidl
from minidl.interop.pytorch import ChangedImports, copy_weights, in_pytorch
from minidl.nn import functional as F

NETWORKS = ("lenet5", "lenet5_1998", "keras_mnist_cnn", "keras_cifar100_cnn")   # tests/architectures has all the others


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


def test_what_is_imported_from_another_familys_file_is_read_with_pytorch_as_well():
    import ast
    after = ast.unparse(ChangedImports().visit(ast.parse("from architectures.lenet import LeNet5 as L, lenet5")))
    assert [line.replace(architectures.lenet.__file__, "FILE") for line in after.splitlines()] == [
        "L = file_in_pytorch('FILE').LeNet5", "lenet5 = file_in_pytorch('FILE').lenet5"]


def test_what_is_in_no_file_is_refused():
    with pytest.raises(TypeError):
        in_pytorch(len)


@pytest.mark.parity
@pytest.mark.parametrize("name", NETWORKS)
def test_scores_and_gradients_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    known = architectures.find(name)
    ours, theirs = known.builder().double(), in_pytorch(known.builder)().double()
    copy_weights(ours, theirs)
    for layer in [*ours.modules(), *theirs.modules()]:
        if isinstance(layer, (minidl.nn.Dropout, torch.nn.Dropout)):
            layer.p = 0.0
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((4, *known.input_shape)), rng.integers(0, 10, 4)
    scores, wanted = ours(minidl.from_numpy(images)), theirs(torch.from_numpy(images))
    np.testing.assert_allclose(scores.detach().numpy(), wanted.detach().numpy(), rtol=1e-7, atol=1e-10)
    F.cross_entropy(scores, minidl.from_numpy(labels)).backward()
    torch.nn.functional.cross_entropy(wanted, torch.from_numpy(labels)).backward()
    scale = max(q.grad.abs().max().item() for q in theirs.parameters())
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6, atol=1e-10 * scale, err_msg=key)
