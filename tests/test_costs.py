"""What the engine costs: one rule per node, time linear in the length, memory that goes with its last name."""
import gc
import sys
import weakref

import pytest

import minidl
from minidl import Fused, Op, backprop, ops
from minidl.graph import grad
from tests.engine import calls_of, leaf


def chain(n):
    x = leaf(2)
    y = x
    for _ in range(n):
        y = y * 1.0
    return y.sum()


def residual(blocks):
    x, w = leaf(4), leaf(4, 4, seed=1)
    y = x
    for _ in range(blocks):
        y = y + ((y @ w).tanh() @ w) * 0.01
    return y.sum()


def test_a_chain_of_5000_ops_takes_5000_rules_and_no_recursion():
    assert sys.getrecursionlimit() < 5000
    assert len(list(backprop(chain(5000)))) == 5001


def fused_chain(n):
    x, w = leaf(4, 4), leaf(4, 4, seed=1)
    for _ in range(n):
        x = ops.linear(x, w)
    return x.sum()


@pytest.mark.parametrize("network, n, create_graph", [
    (chain, 2500, False), (residual, 100, False), (chain, 500, True), (residual, 50, True), (fused_chain, 50, True)])
def test_back_propagation_costs_twice_as_much_for_twice_the_length(network, n, create_graph):
    costs = {}
    for length in (n, 2 * n):
        y = network(length)
        costs[length] = calls_of(lambda y=y: y.backward(create_graph=create_graph))
    assert costs[2 * n] < 2.05 * costs[n]


def test_two_hundred_residual_blocks_call_each_rule_once():
    y = residual(200)
    order = minidl.topological_order([y.node])
    assert len(order) == len(set(order))
    rules = [step.op for step in backprop(y)]
    assert len(rules) == len(set(rules)) == sum(isinstance(node, Op) for node in order)


def test_a_topological_order_has_every_node_after_its_inputs():
    order = minidl.topological_order([residual(5).node])
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        for edge in getattr(node, "edges", ()):
            assert edge is None or place[edge] < place[node]


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_graph_is_freed_when_its_last_name_goes(no_gc):
    x = leaf(3)
    y = (ops.softmax(x.exp() * x, 0).reshape(3, 1) @ x.unsqueeze(0)).sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    assert len(nodes) >= 6
    del y
    assert [node() for node in nodes] == [None] * len(nodes)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_walked_graph_is_freed_too(no_gc, create_graph):
    x = leaf(3)
    y = ops.linear(x.exp().unsqueeze(0), leaf(2, 3)).tanh().sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    gx, = grad(y, x, create_graph=create_graph)
    del y
    if create_graph:
        assert any(node() for node in nodes)
        del gx
    assert not any(node() for node in nodes)


def test_a_long_chain_is_freed_without_recursion(no_gc):
    y = chain(20_000)
    node = weakref.ref(y.op)
    del y
    assert node() is None


def test_activations_are_freed_on_the_way(no_gc):
    x = leaf(3)
    h = x.exp()
    kept = weakref.ref(h.op)
    array = weakref.ref(h.array)
    y = (h * h).sum()
    del h
    steps = backprop(y)
    next(steps), next(steps)
    assert array() is not None
    assert len(list(steps)) == 1
    del steps
    assert array() is None and kept() is None


def test_a_half_walked_generator_that_is_dropped_frees_its_graph(no_gc):
    x = leaf(3)
    y = (x.exp() * x).sum()
    nodes = [weakref.ref(node) for node in minidl.topological_order([y.node]) if isinstance(node, Op)]
    steps = backprop(y)
    next(steps)
    del steps, y
    assert not any(node() for node in nodes)


def test_what_a_fused_op_stores_goes_with_the_walk():
    class Keeps(Fused):
        def forward(self, k, x):
            self.mask = x > 0
            return x * self.mask

        def gradient(self, k, gy, x):
            return gy * self.mask

        def definition(self, x):
            return x * (x > 0)

    y = Keeps()(leaf(5))
    op = y.op
    y.sum().backward(retain_graph=True)
    assert op.mask is not None
    y.sum().backward()
    assert not hasattr(op, "mask") and not hasattr(op, "saved")


def test_the_settings_of_an_op_outlive_the_walk():
    y = ops.sum(leaf(2, 3), 1)
    op = y.op
    y.sum().backward()
    assert repr(op) == "Sum(dims=(1,), keepdim=False)"


# ---- memory: an array that no rule reads is not held


def alive(tensors, of):
    """Which of the tensors' arrays outlive their names? `of` is the graph that may hold them."""
    references = {name: weakref.ref(x.array) for name, x in tensors.items()}
    tensors.clear()
    assert of.requires_grad
    return {name for name, array in references.items() if array() is not None}


def test_a_conv_bn_relu_block_holds_the_inputs_of_conv_and_bn_and_the_result_of_relu(no_gc):
    x, w = minidl.randn(2, 3, 6, 5), minidl.randn(4, 3, 3, 3).requires_grad_()
    gain, bias = minidl.ones(4, requires_grad=True), minidl.zeros(4, requires_grad=True)
    t = {}
    t["conv"] = ops.conv2d(x, w)
    t["bn"] = ops.batch_norm(t["conv"], None, None, gain, bias, training=True)
    t["relu"] = ops.relu(t["bn"])
    t["scaled"] = t["relu"] * 2
    t["sum"] = t["scaled"] + t["relu"]
    t["flat"] = t["sum"].flatten(1)
    y = ops.linear(t["flat"], minidl.randn(2, t["flat"].shape[1]).requires_grad_()).sum()
    assert alive(t, of=y) == {"conv", "relu", "flat", "sum"}          # flat is a view of sum


def test_a_residual_sum_holds_neither_of_its_inputs(no_gc):
    x = leaf(3)
    t = {"a": x.exp(), "b": x.sin()}                                   # sin reads x, exp its result
    t["sum"] = t["a"] + t["b"]
    y = t["sum"].sum()
    assert alive(t, of=y) == {"a"}


@pytest.mark.parametrize("f, held", [
    (lambda x: x + 1, False), (lambda x: x - x.detach(), False), (lambda x: x * 2, False), (lambda x: -x, False),
    (lambda x: x / 3, False), (lambda x: x.reshape(6), False), (lambda x: x.t(), False), (lambda x: x[:1], False),
    (lambda x: x.sum(0), False), (lambda x: x.mean(), False), (lambda x: x.flip(0), False),
    (lambda x: ops.pad(x, (1, 1)), False), (lambda x: ops.cat([x, x]), False), (lambda x: x.clone(), False),
    (lambda x: ops.where(x > 0, x, 0.0), False), (lambda x: x.masked_fill(x > 0, 0.0), False),
    (lambda x: x.float(), False), (lambda x: x.cumsum(0), False), (lambda x: x.exp(), False),
    (lambda x: x.sqrt(), False), (lambda x: x.tanh(), False), (lambda x: x.sigmoid(), False), (lambda x: x.relu(), False),
    (lambda x: ops.dropout(x, 0.5), False), (lambda x: x.sin(), True), (lambda x: x ** 3, True), (lambda x: x.log(), True),
    (lambda x: x.abs(), True), (lambda x: x @ x.detach().t(), True)])
def test_an_op_holds_its_input_only_if_its_rule_reads_it(f, held, no_gc):
    x = (leaf(2, 3) * 1).exp() + 0
    array = weakref.ref(x.array)
    y = f(x).clone()                           # clone: the result may be a view of x
    del x
    assert y.requires_grad and (array() is not None) == held


def test_a_constant_factor_is_held_and_the_variable_one_is_not(no_gc):
    x, mask = leaf(3) + 0, minidl.ones(3, dtype=minidl.float64)
    variable, constant = weakref.ref(x.array), weakref.ref(mask.array)
    y = x * mask
    del x, mask
    assert variable() is None and constant() is not None and y.requires_grad
