"""A recording is one forward and one backward pass as they were, and leaves the model as it was."""
import numpy as np
import pytest

import architectures
import minidl
from minidl import nn, trace
from minidl.nn import functional as F
from minidl.trace.views import overview

RNG = np.random.default_rng(0)


class Residual(nn.Module):
    """Convolution, batch norm, ReLU, an addition of the input, pooling, a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 2 * 3, 4)

    def forward(self, x):
        y = F.relu(self.bn(self.conv(x)) + x)
        return self.fc(F.max_pool2d(y, 2).flatten(1))


def recorded(dtype=minidl.float64, **how):
    minidl.manual_seed(0)
    net = Residual().to(dtype)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6)).astype(net.conv.weight.array.dtype)
    return net, x, trace.record(net, x, np.array([1, 3]), **how)


def test_the_gradients_are_those_of_a_backward_pass_without_a_recording():
    net, x, t = recorded()
    assert not t.error
    x = minidl.tensor(x, requires_grad=True)
    F.cross_entropy(net(x), minidl.tensor([1, 3])).backward()
    gradients = {**{name: p.grad for name, p in net.named_parameters()}, "x": x.grad}
    arrived = {leaf.name: leaf.arrive.gradient.numbers for leaf in t.leaves if leaf.arrive}
    assert arrived.keys() == gradients.keys()
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(arrived[name], gradient.numpy())


def test_a_node_knows_its_op_its_module_its_line_and_its_slots():
    _, x, t = recorded()
    kinds = [node.kind for node in t]
    assert kinds == ["Conv2d", "BatchNorm", "Add", "ReLU", "MaxPool2d", "Reshape", "Linear", "CrossEntropy"]
    conv, add = t["Conv2d"], t["Add"]
    assert (conv.module, conv.text) == ("conv", "Conv2d(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)")
    assert conv.where.startswith("tests/trace/test_recording.py:") or "test_recording.py:" in conv.where
    assert [slot.name for slot in conv.slots] == ["x", "w", "b"]
    assert [slot.source.name for slot in conv.slots] == ["x", "conv.weight", "conv.bias"]
    assert add.slots[1].source is conv.slots[0].source and add.slots[0].source is t["BatchNorm"]
    np.testing.assert_array_equal(conv.slots[0].value.numbers, x)


def test_the_model_is_afterwards_what_it_was():
    net, x, _ = recorded()
    before = {name: p.numpy().copy() for name, p in net.state_dict().items()}
    net.fc.weight.grad = minidl.ones(4, 18, dtype=minidl.float64)
    trace.record(net, x, np.array([1, 3]))
    for name, p in net.state_dict().items():
        np.testing.assert_array_equal(before[name], p.numpy())
    assert net.conv.weight.grad is None and (net.fc.weight.grad.numpy() == 1).all()


def test_events_come_in_the_order_of_the_backward_pass():
    _, _, t = recorded()
    kinds = [moment.kind for moment in t.moments]
    assert kinds[:10] == ["forward"] * 8 + ["seed", "enter"]
    entered = [moment.node.index for moment in t.moments if moment.kind == "enter"]
    assert entered == sorted(entered, reverse=True)
    for node in t:
        assert [send.slot for send in node.sends] == [i for i, slot in enumerate(node.slots) if slot.wanted]


def test_a_ledger_has_an_entry_for_every_use_and_adds_up_to_the_gradient():
    _, _, t = recorded()
    x = t["x"]
    assert [(entry.node.kind, entry.slot) for entry in x.ledger] == [("Add", 1), ("Conv2d", 0)]
    total = sum([entry.contribution.numbers for entry in x.ledger])
    np.testing.assert_allclose(x.arrive.gradient.numbers, total, rtol=1e-14)
    np.testing.assert_array_equal(x.ledger[0].total.numbers, x.ledger[0].contribution.numbers)
    np.testing.assert_array_equal(x.ledger[1].total.numbers, x.arrive.gradient.numbers)


def test_a_tensor_in_both_slots_makes_two_contributions():
    """micrograd's issue 64: b = a + a, c = b + b is 4 a."""
    def f(a):
        b = a + a
        return b + b
    t = trace.record(f, np.array(1.0))
    assert t["a"].arrive.gradient.numbers == 4
    assert [entry.slot for entry in t["a"].ledger] == [0, 1]
    assert [float(entry.total.numbers) for entry in t["a"].ledger] == [2, 4]


def test_what_a_broadcast_sums_is_said():
    def f(x, b, c):
        return (x * b + c).sum()
    t = trace.record(f, RNG.standard_normal((4, 5)), RNG.standard_normal(5), RNG.standard_normal((4, 1)))
    sends = {entry.target.name: entry for entry in [*t["b"].ledger, *t["c"].ledger, *t["x"].ledger]}
    assert {name: entry.summed for name, entry in sends.items()} == {"x": (), "b": (0,), "c": (1,)}
    np.testing.assert_allclose(sends["b"].raw.numbers.sum(0), sends["b"].contribution.numbers)


def test_what_a_cast_changes_on_the_way_is_kept():
    """A rule that computes in float64 for float32 inputs; what it sends is float32 again."""
    class Halves(minidl.Op):
        def forward(self, k, x):
            return x * 0.5

        def backward(self, gy, y, x):
            return (gy * 0.5).astype(np.float64)

    t = trace.record(lambda x: Halves()(x).sum(), RNG.standard_normal(3).astype(np.float32))
    send, = t["Halves"].sends
    assert (send.raw.dtype, send.contribution.dtype, send.summed) == (np.float64, np.float32, ())
    assert "cast from float64 to float32" in str(overview(send))


def test_an_array_that_was_edited_between_two_ops_is_kept_as_each_of_them_saw_it():
    def f(x, w):
        y = x * w
        w.array[0] += 10
        return (y + w).sum()
    t = trace.record(f, np.ones(3), np.full(3, 2.0))
    seen = [slot.value.numbers[0] for node in (t["Mul"], t["Add"]) for slot in node.slots if slot.source is t["w"]]
    assert seen == [2, 12] and t["w"].value.numbers[0] == 2


def test_a_large_array_keeps_a_corner_and_the_statistics_of_all():
    net, x, whole = recorded()
    _, _, t = recorded(cap=30)
    then, now = whole["Conv2d"].value, t["Conv2d"].value
    assert not now.whole and now.numbers.shape == (1, 1, 4, 6) and now.shape == (2, 3, 4, 6)
    np.testing.assert_array_equal(now.numbers, then.numbers[:1, :1])
    assert now.digest == then.digest
    np.testing.assert_allclose(now.statistics, then.statistics)
    assert now.statistics.norm == pytest.approx(np.linalg.norm(then.numbers))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 6\), only a corner of shape \(1, 1, 4, 6\) was kept"):
        now.all()


def test_an_error_in_forward_ends_the_trace_and_is_told():
    def f(x, w):
        y = (x @ w).relu()
        return (y + x).sum()
    t = trace.record(f, RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2)))
    assert [node.kind for node in t] == ["MatMul", "ReLU", "Add"]
    assert t.nodes[-1].value is None and t.nodes[0].value.shape == (3, 2)
    assert t.error.startswith("ValueError: Add(): ") and "(3,2) (3,4)" in t.error
    assert [moment.kind for moment in t.moments] == ["forward"] * 3


def test_an_error_in_a_rule_ends_the_trace_there():
    class Broken(minidl.Op):
        def forward(self, k, x):
            return x * 2

        def backward(self, gy, y, x):
            return gy[:1]

    t = trace.record(lambda x: Broken()(x.exp()).sum(), RNG.standard_normal(3))
    assert t.error == "ValueError: Broken().backward gave a gradient of shape (1,) to an input of shape (3,)"
    assert [moment.node.kind for moment in t.moments if moment.kind == "enter"] == ["Sum", "Broken"]


def test_nan_is_recorded_as_it_is():
    t = trace.record(lambda x: (x.log() * 0).sum(), np.array([-1.0, 2.0, 0.0]))
    value = t["Log"].value
    assert (value.statistics.nans, value.statistics.infs) == (1, 1)
    assert value.statistics.least == pytest.approx(np.log(2))
    assert not t.error and np.isnan(t["x"].arrive.gradient.numbers).sum() >= 1


def test_a_graph_that_is_there_already_is_walked_and_its_leaves_collect_gradients():
    net, x, t = recorded()
    loss = F.cross_entropy(net(minidl.tensor(x)), minidl.tensor([1, 3]))
    t2 = trace.of(loss, model=net)
    assert [node.kind for node in t2] == [node.kind for node in t]
    assert {leaf.name for leaf in t2.leaves if leaf.arrive} == {name for name, _ in net.named_parameters()}
    np.testing.assert_array_equal(net.conv.weight.grad.numpy(), t["conv.weight"].arrive.gradient.numbers)
    assert not t2.faults


def test_what_the_result_does_not_depend_on_is_left_out():
    t = trace.record(lambda x: [x.exp(), x.sin().sum()][1], RNG.standard_normal(3))
    assert [node.kind for node in t] == ["Sin", "Sum"]


@pytest.mark.parametrize("seed, error", [(None, "needs a gradient of that shape"), (np.ones(2), "has shape")])
def test_a_result_of_many_numbers_needs_a_gradient_of_its_shape(seed, error):
    t = trace.record(lambda x: x.exp(), RNG.standard_normal(3), gradient=seed)
    assert error in t.error


def test_the_backward_pass_starts_from_the_gradient_that_is_given():
    g = RNG.standard_normal(3)
    x = RNG.standard_normal(3)
    t = trace.record(lambda x: x.exp(), x, gradient=g)
    np.testing.assert_allclose(t["x"].arrive.gradient.numbers, g * np.exp(x))
    assert t.moments[1].kind == "seed"
    np.testing.assert_array_equal(t.moments[1].gradient.numbers, g)


@pytest.mark.slow
def test_1202_layers_do_not_break_it():
    net = architectures.build("resnet1202")
    t = trace.record(net, RNG.standard_normal((1, 3, 32, 32)).astype("f4"), np.array([1]))
    assert not t.error and not t.faults and len(t) > 3 * 1200
