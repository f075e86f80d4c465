"""Three invariants hold for every backward pass of the engine, and each is broken by the mistake that it is about."""
import numpy as np
import pytest

from minidl import graph, trace

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


@pytest.mark.parametrize("what, slot", [("x", 0), ("w", 1)])
def test_an_edit_that_no_version_counts_is_found(what, slot):
    def f(x, w):
        y = x @ w
        {"x": x, "w": w}[what].array[1, 1] += 1
        return y.tanh().sum()
    fault, = record(f).faults
    assert (fault.rule, fault.node.kind, fault.slot) == ("saved", "MatMul", slot)


