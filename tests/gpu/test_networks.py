"""Every family of networks, small, on the GPU: scores, gradients and statistics are the CPU's, and nobody waits."""
import copy

import numpy as np
import pytest
from networks import REDUCED, reduced
from waiting import no_waiting

import minidl
from minidl import use_kernels
from minidl.nn import functional as F


def scores_and_gradients(model, images, labels):
    """One forward and one backward pass in training: the scores, all gradients, and the buffers, by name."""
    minidl.manual_seed(0)                                # of dropout and dropped paths
    images.requires_grad_()
    scores = model.train()(images)
    losses = [F.cross_entropy(y, labels) for y in (scores if isinstance(scores, (tuple, list)) else [scores])]
    sum(losses[1:], losses[0]).backward()
    found = {f"scores {i}": y for i, y in enumerate(scores if isinstance(scores, (tuple, list)) else [scores])}
    found |= {f"gradient of {name}": p.grad for name, p in model.named_parameters()}
    return found | {"gradient of the images": images.grad} | dict(model.named_buffers())


@pytest.mark.parametrize("name", REDUCED)
def test_scores_gradients_and_statistics_are_the_cpus_and_nobody_waits(gpu, name):
    model, (images, labels) = reduced(name)
    model = model.double()
    there = copy.deepcopy(model).to("cuda")
    with use_kernels("reference"):
        expected = scores_and_gradients(model, minidl.Tensor(images), minidl.Tensor(labels))
    images, labels = minidl.tensor(images, device="cuda"), minidl.tensor(labels, device="cuda")
    with no_waiting():
        got = scores_and_gradients(there, images, labels)
    assert got.keys() == expected.keys()
    for what, x in expected.items():
        if x is None:
            assert got[what] is None, what
            continue
        assert got[what].device == "cuda", what
        x, y = x.detach().numpy(), got[what].detach().cpu().numpy()
        np.testing.assert_allclose(y, x, rtol=1e-8, atol=1e-9 * max(1, np.abs(x).max(initial=0)), err_msg=what)
