"""A head, a frozen body and learning rates by layer beside PyTorch, in float64."""
import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.train import freeze, parameter_groups

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


def network(nn):
    """Without biases before a norm: their gradient is 0 but for rounding, of which Adam makes large steps."""
    return nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(),
                         nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
                         nn.Flatten(), nn.Linear(4 * 4 * 4, 5)).double()


def pair():
    minidl.manual_seed(0)
    ours, theirs = network(nn), network(torch.nn)
    theirs.load_state_dict({key: torch.tensor(x.numpy()) for key, x in ours.state_dict().items()})
    return ours, theirs


def train(ours, theirs, optimizer, reference, before_each=lambda: None):
    """Six updates of both, and that they have the same numbers then."""
    rng = np.random.default_rng(0)
    for _ in range(6):
        images, labels = rng.standard_normal((7, 1, 8, 8)), rng.integers(0, 5, 7)
        ours.train()
        theirs.train()
        before_each()
        F.cross_entropy(ours(minidl.tensor(images)), minidl.tensor(labels)).backward()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(images)), torch.tensor(labels)).backward()
        for each in optimizer, reference:
            each.step()
            each.zero_grad()
    for key, x in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), x.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name, settings", [("SGD", {"momentum": 0.9, "weight_decay": 0.01}), ("AdamW", {})])
def test_groups_by_depth_train_as_pytorchs_optimizer_does_with_the_rates_written_out(name, settings):
    ours, theirs = pair()
    written_out = [{"params": theirs[7].parameters(), "lr": 0.08},
                   {"params": [*theirs[3].parameters(), *theirs[4].parameters()], "lr": 0.02},
                   {"params": [*theirs[0].parameters(), *theirs[1].parameters()], "lr": 0.005}]
    train(ours, theirs, getattr(optim, name)(parameter_groups(ours, 0.08, decay=0.25), **settings),
          getattr(torch.optim, name)(written_out, **settings))


def test_the_groups_are_taken_by_pytorchs_optimizer():
    ours, theirs = pair()
    groups = parameter_groups(ours, 0.08, decay=0.25)
    same = dict(zip([id(x) for x in ours.parameters()], theirs.parameters()))
    copied = [{**group, "params": [same[id(x)] for x in group["params"]]} for group in groups]
    train(ours, theirs, optim.SGD(groups), torch.optim.SGD(copied))


def test_a_frozen_part_trains_as_pytorchs_that_is_put_in_eval_before_every_forward():
    ours, theirs = pair()
    freeze(ours, ["3", "4", "7"])
    theirs[0].requires_grad_(False)
    theirs[1].requires_grad_(False)
    train(ours, theirs, optim.SGD(ours.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1),
          torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1),
          before_each=lambda: theirs[1].eval())
