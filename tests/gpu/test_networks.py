"""Every family of networks, small, on the GPU: scores, gradients and statistics are the CPU's, and nobody waits."""
import copy

import numpy as np
import pytest
from networks import REDUCED, reduced
from waiting import no_waiting

import minidl
from architectures import fractalnet, keras_tutorial, lenet
from minidl import use_kernels
from minidl.nn import functional as F

# Families that need not be made smaller, and one whose paths are dropped by numbers that the GPU compares.
AS_THEY_ARE = {
    "lenet5_1998": (lenet.LeNet5Of1998, (1, 32, 32)),
    "keras_mnist_cnn": (keras_tutorial.KerasMnistCnn, (1, 28, 28)),
    "fractalnet20, its paths dropped": (lambda: fractalnet.FractalNet(3, (4, 6, 6), (0.1, 0.2, 0.3), 5), (3, 8, 8)),
}


def scores_and_gradients(model, images, labels):
    """One forward and one backward pass in training: the scores, all gradients, and the buffers, by name."""
    minidl.manual_seed(0)                                # of dropout and dropped paths
    images.requires_grad_()
    y = model.train()(images)
    scores = y if isinstance(y, tuple) else (y,)         # GoogLeNet has three classifiers
    minidl.autograd.backward([F.cross_entropy(y, labels) for y in scores])
    found = {f"scores {i}": y for i, y in enumerate(scores)} | {"gradient of the images": images.grad}
    found |= {f"gradient of {name}": p.grad for name, p in model.named_parameters()}
    return found | dict(model.named_buffers())


def both_agree(model, images, labels):
    there = copy.deepcopy(model).to("cuda")
    with use_kernels("reference"):
        expected = scores_and_gradients(model, minidl.tensor(images), minidl.tensor(labels))
    images, labels = minidl.tensor(images, device="cuda"), minidl.tensor(labels, device="cuda")
    with no_waiting():
        got = scores_and_gradients(there, images, labels)
    assert got.keys() == expected.keys()
    for what, x in expected.items():
        assert got[what].device == "cuda", what
        x, y = x.detach().numpy(), got[what].detach().cpu().numpy()
        np.testing.assert_allclose(y, x, rtol=1e-8, atol=1e-9 * max(1, np.abs(x).max(initial=0)), err_msg=what)


@pytest.mark.parametrize("name", REDUCED)
def test_scores_gradients_and_statistics_are_the_cpus_and_nobody_waits(gpu, name):
    model, batch = reduced(name)
    both_agree(model.double(), *batch)


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_those_of_families_that_are_small_are_the_cpus_too(gpu, name):
    make, shape = AS_THEY_ARE[name]
    rng = np.random.default_rng(0)
    both_agree(make().double(), rng.standard_normal((2, *shape)), rng.integers(0, 5, 2))
