"""Inside a fused op are elementary ops that come to the same gradients."""
import linecache

import numpy as np
import pytest

import minidl
from minidl import nn, ops, trace
from minidl.nn import functional as F
from minidl.trace.zoom import inside

RNG = np.random.default_rng(0)
x, w, b = RNG.standard_normal((2, 4, 5, 6)), RNG.standard_normal((6, 2, 3, 2)), RNG.standard_normal(6)
labels = np.array([2, 0, 1])

FUSED = {
    "Conv2d": (lambda x, w, b: ops.conv2d(x, w, b, stride=2, padding=1, groups=2), [x, w, b]),
    "BatchNorm": (lambda x, w, b: ops.batch_norm(x, None, None, w, b, training=True), [x, b[:4], b[2:]]),
    "MaxPool2d": (lambda x: ops.max_pool2d(x, 3, 2, 1), [x]),
    "Linear": (lambda x, w, b: ops.linear(x, w, b), [x, RNG.standard_normal((3, 6)), b[:3]]),
    "CrossEntropy": (lambda x: ops.cross_entropy(x, minidl.tensor(labels), label_smoothing=0.1), [x[0, :3, 0, :4]]),
    "Softmax": (lambda x: ops.softmax(x, 1), [x]),
    "LocalResponseNorm": (lambda x: ops.local_response_norm(x, 3, alpha=1.0), [x]),
}


@pytest.mark.parametrize("kind", FUSED)
def test_the_definition_comes_to_the_gradients_that_the_node_sent(kind):
    f, inputs = FUSED[kind]
    t = trace.record(lambda *xs: (f(*xs) * 1.5).sin().sum(), *inputs)
    node = t[kind]
    zoom = inside(node)
    assert not zoom.error and not zoom.faults and len(zoom) > 1 and kind not in [inner.kind for inner in zoom]
    np.testing.assert_allclose(zoom.result.value.all(), node.value.all(), rtol=1e-12, atol=1e-14)
    arrived = {leaf.name: leaf.arrive.gradient.all() for leaf in zoom.leaves if leaf.arrive}
    sent = {node.slots[send.slot].name: send.contribution.all() for send in node.sends}
    assert arrived.keys() == sent.keys() and len(sent) == len(inputs)
    for name in sent:
        np.testing.assert_allclose(arrived[name], sent[name], rtol=1e-9, atol=1e-12)


def test_the_nodes_inside_stand_in_the_lines_of_the_definition():
    f, inputs = FUSED["BatchNorm"]
    for node in inside(trace.record(lambda *xs: f(*xs).sin().sum(), *inputs)["BatchNorm"]):
        file, line = node.where.split(":")
        assert file.endswith("ops/normalization.py")
        if node.kind in ("Rsqrt", "Square"):
            assert node.kind.lower() in linecache.getline(file, int(line))


def test_a_slot_without_a_gradient_stays_without_one():
    net = nn.Conv2d(4, 3, 3)
    loss = net(minidl.tensor(x.astype("f4"))).sum()
    node = trace.of(loss, model=net)["Conv2d"]
    assert [leaf.name for leaf in inside(node).leaves if leaf.arrive] == ["w", "b"]


def test_what_has_no_inside_says_so():
    t = trace.record(lambda x: F.relu(x).sum(), x)
    with pytest.raises(ValueError, match="ReLU #0 is an elementary op"):
        inside(t["ReLU"])
    t = trace.record(lambda x: F.softmax(x, 1).sum(), x, cap=20)
    with pytest.raises(ValueError, match="Softmax #0, x: of the array of shape"):
        inside(t["Softmax"])
