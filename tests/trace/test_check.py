"""One node against finite differences: right rules pass, in float64 and in float32, and each wrong one is found."""
import numpy as np
import pytest

import minidl
from minidl import kernels, nn, ops, trace
from minidl.nn import functional as F
from minidl.trace.check import check

DTYPES = [minidl.float64, minidl.float32]


class Net(nn.Module):
    """Everything that the wrong rules below are about, and a residual addition."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.mix = nn.Parameter(minidl.randn(9, 9))
        self.fc = nn.Linear(9, 4)

    def forward(self, x):
        y = F.relu(self.bn(self.conv(x)))
        y = F.max_pool2d(self.conv2(y) + y, 2).flatten(1)
        return self.fc((y @ self.mix).tanh() * 0.5)


def recorded(dtype, monkeypatch=None, owner=None, name="", wrong=None):
    minidl.manual_seed(1)
    net = Net().to(dtype)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 2, 2, 6)).astype(net.fc.weight.dtype)
    if wrong is not None:
        monkeypatch.setattr(owner, name, wrong)
    t = trace.record(net, x, np.array([1, 3, 0, 2, 1]))
    assert not t.error
    return t


def verdicts(t):
    return {(node.kind, c.slot): c.verdict for node in t for c in check(node)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_right_rules_pass(dtype):
    t = recorded(dtype)
    checks = [c for node in t for c in check(node)]
    assert len(checks) == sum(slot.wanted for node in t for slot in node.slots) > 20
    for c in checks:
        assert c.verdict == ("zero" if c.slot == "b" and abs(c.backprop) < 1e-5 else "pass")
        assert c.error <= c.tolerance and (c.verdict == "zero" or abs(c.backprop) > 1e3 * c.error)


def no_mask(self, gy, y, x):
    return gy


def to_the_whole_window(k, gy, index, shape):
    return np.repeat(np.repeat(gy, 2, 2), 2, 3)


def constant_statistics(k, gy, x, w, mean, inv_std):
    return gy * (w * inv_std).reshape(-1, 1, 1), None, gy.sum((0, 2, 3))


def flipped(k, gy, w, shape, *how):
    return right["conv2d_gradient_x"](gy, np.ascontiguousarray(w[:, :, ::-1, ::-1]), shape, *how)


def sum_in_place_of_mean(k, g, *rest):
    return right["cross_entropy_gradient"](g, *rest) * 5


def permuted(self, gy, y, a, b):
    return gy @ b, a.swapaxes(-2, -1) @ gy


k = kernels.kernels_for()
right = {name: getattr(k, name) for name in ("conv2d_gradient_x", "cross_entropy_gradient")}


def kernel(wrong):
    return lambda *args: wrong(None, *args)


WRONG = [
    (ops.activation.ReLU, "backward", no_mask, "ReLU", "x"),
    (k, "max_pool_gradient", kernel(to_the_whole_window), "MaxPool2d", "x"),
    (k, "batch_norm_gradient", kernel(constant_statistics), "BatchNorm", "x"),
    (k, "conv2d_gradient_x", kernel(flipped), "Conv2d", "x"),
    (k, "cross_entropy_gradient", kernel(sum_in_place_of_mean), "CrossEntropy", "x"),
    (ops.matrix.MatMul, "backward", permuted, "MatMul", "a"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("owner, name, wrong, kind, slot", WRONG, ids=[row[2].__name__ if row[2].__name__ != "<lambda>"
                                                                     else row[1] for row in WRONG])
def test_a_wrong_rule_is_found_where_it_is_and_nowhere_else(monkeypatch, dtype, owner, name, wrong, kind, slot):
    found = verdicts(recorded(dtype, monkeypatch, owner, name, wrong))
    assert found.pop((kind, slot)) == "wrong"
    if kind == "BatchNorm":
        assert found.pop((kind, "w")) == "wrong"         # which got no gradient at all
    assert set(found.values()) <= {"pass", "zero"}


def test_a_broadcast_that_is_not_summed_right_is_found(monkeypatch):
    monkeypatch.setattr(ops, "sum_to", lambda gx, shape: gx[0])
    t = trace.record(lambda x, b: (x * b).tanh().sum(), *[np.random.default_rng(0).standard_normal(n) for n in [(3, 4), 4]])
    assert verdicts(t) == {("Mul", "a"): "pass", ("Mul", "b"): "wrong", ("Tanh", "x"): "pass", ("Sum", "x"): "pass"}


def test_at_a_kink_it_says_so():
    t = trace.record(lambda x: (x.relu() * x).sum(), np.array([1.0, 0.0, -2.0]))
    assert verdicts(t)["ReLU", "x"] == "pass"            # the incoming gradient is 0 at the kink
    t = trace.record(lambda x: (x.relu() * 3).sum(), np.array([1.0, 0.0, -2.0]))
    assert verdicts(t)["ReLU", "x"] == "kink"


@pytest.mark.parametrize("wrong", [False, True])
def test_ties_among_zeros_do_not_hide_what_a_max_pooling_does_elsewhere(monkeypatch, wrong):
    if wrong:
        monkeypatch.setattr(k, "max_pool_gradient", kernel(to_the_whole_window))
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8))
    c, = check(trace.record(lambda x: (F.max_pool2d(x.relu(), 2) * 1.5).sin().sum() + x.sum(), x - 1)["MaxPool2d"])
    assert c.verdict == ("wrong" if wrong else "pass")


def test_a_bias_before_batch_norm_has_no_gradient_and_that_is_right():
    c = next(c for c in check(recorded(minidl.float64)["conv"]) if c.slot == "b")
    assert c.verdict == "zero" and abs(c.backprop) < 1e-12


def test_where_numbers_were_not_kept_it_says_so():
    net, x = nn.Conv2d(2, 3, 3).to(minidl.float64), np.random.default_rng(0).standard_normal((2, 2, 6, 7))
    t = trace.record(net, x, gradient=np.ones((2, 3, 4, 5)), cap=50)
    c = check(t["Conv2d"])[0]
    assert c.verdict == "open"
    assert c.text.startswith("Conv2d #0, x: of the array of shape (2, 2, 6, 7), only a corner of shape (1, 1, 6, 7) was")
