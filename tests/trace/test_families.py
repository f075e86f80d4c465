"""Every family of networks can be recorded, and its backward pass keeps the invariants."""
import pytest
from networks import REDUCED, reduced

import minidl
from minidl import trace
from minidl.nn import functional as F
from minidl.trace.check import check


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_every_family_keeps_the_invariants(name):
    """The three that always look, and, node by node, finite differences: none is wrong, and each kind of op is proven."""
    model, (images, labels) = reduced(name)
    model.double()
    t = trace.record(model, images, labels, loss=of_all_classifiers)
    assert not t.error and not t.faults
    assert {leaf.name for leaf in t.leaves if leaf.arrive} >= {name for name, _ in model.named_parameters()}
    verdicts = [(node, one) for node in t for one in check(node)]
    assert not [(node, one) for node, one in verdicts if not one.proven and one.verdict not in ("kink", "noise")]
    proven = {node.kind for node, one in verdicts if one.proven}
    ties = {"MaxPool2d"}                         # of zeros, where it follows a ReLU: at those there is no gradient to prove
    assert proven >= {node.kind for node in t if any([slot.wanted for slot in node.slots])} - ties


def of_all_classifiers(y, labels):
    """Some networks give the scores of auxiliary classifiers, too."""
    results = [x for x in (y if isinstance(y, tuple) else (y,)) if x is not None]
    return sum([F.cross_entropy(x, labels) for x in results], minidl.zeros(()))
