"""Three invariants hold for every backward pass of the engine, and each is broken by the mistake that it is about."""
import numpy as np
import pytest

from minidl import graph, trace
from minidl.trace.faults import faults

RNG = np.random.default_rng(0)


def residual(x, w):
    y = x @ w
    return (y.tanh() + y * y).sum()


def record(f=residual, *inputs):
    return trace.record(f, *(inputs or (RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4)))))


def test_a_backward_pass_has_no_fault():
    t = record()
    assert not t.error and not t.faults


def test_a_gradient_that_is_overwritten_is_found(monkeypatch):
    monkeypatch.setattr(graph.Walk, "add", lambda self, node, gx: self.grads.__setitem__(node, gx))
    fault, = record().faults
    assert (fault.rule, fault.node.kind) == ("ledger", "MatMul")
    assert "which is not the sum of its contributions" in fault.text


def test_a_contribution_that_comes_late_is_found(monkeypatch):
    """The order is that of a walk that goes on to an input before all its readers are done."""
    def too_early(nodes, end=()):
        order = topological_order(nodes, end)
        matmul = next(node for node in order if type(node).__name__ == "MatMul")
        order.remove(matmul)
        order.insert(len(order) - 3, matmul)
        return order
    topological_order = graph.topological_order
    monkeypatch.setattr(graph, "topological_order", too_early)
    faults = record().faults
    assert {fault.rule for fault in faults} >= {"late"}
    late = next(fault for fault in faults if fault.rule == "late")
    assert "came to MatMul #0 after that was processed" in late.text


def test_a_contribution_that_is_sent_twice_through_one_slot_is_found():
    t = record()
    ledger = t["MatMul"].ledger
    ledger.append(ledger[0])
    fault, = [fault for fault in faults(t) if fault.node.kind == "MatMul"]
    assert fault.rule == "ledger" and "sent 2 contributions through one slot" in fault.text


def test_a_node_that_is_never_processed_is_found(monkeypatch):
    def without_matmul(nodes, end=()):
        return [node for node in topological_order(nodes, end) if type(node).__name__ != "MatMul"]
    topological_order = graph.topological_order
    monkeypatch.setattr(graph, "topological_order", without_matmul)
    fault, = record().faults
    assert str(fault) == "ledger: MatMul #0: contributions arrived, but it was never processed"


def test_a_hook_may_change_a_gradient_and_that_is_no_fault():
    def f(x, w):
        y = x @ w
        y.register_hook(lambda gy: gy * 2)
        return (y.tanh() + y * y).sum()
    t = record(f)
    assert t["MatMul"].enter.mismatch > 0.1 and t["MatMul"].enter.hooked and not t.faults


@pytest.mark.parametrize("what, slot", [("x", 0), ("w", 1)])
def test_an_edit_that_no_version_counts_is_found(what, slot):
    def f(x, w):
        y = x @ w
        {"x": x, "w": w}[what].array[1, 1] += 1
        return y.tanh().sum()
    fault, = record(f).faults
    assert (fault.rule, fault.node.kind, fault.slot) == ("saved", "MatMul", slot)


