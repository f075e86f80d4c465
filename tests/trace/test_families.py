"""Every family of networks can be recorded, and its backward pass keeps the invariants."""
import pytest
from networks import REDUCED, reduced

import minidl
from minidl import trace
from minidl.nn import functional as F


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_every_family_keeps_the_invariants(name):
    model, (images, labels) = reduced(name)
    t = trace.record(model, images, labels, loss=of_all_classifiers)
    assert not t.error and not t.faults
    assert {leaf.name for leaf in t.leaves if leaf.arrive} >= {name for name, _ in model.named_parameters()}


def of_all_classifiers(y, labels):
    """Some networks give the scores of auxiliary classifiers, too."""
    results = [x for x in (y if isinstance(y, tuple) else (y,)) if x is not None]
    return sum([F.cross_entropy(x, labels) for x in results], minidl.zeros(()))
