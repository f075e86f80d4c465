"""A cursor moves over what was recorded, forwards and backwards, and stops where it is told to."""
import numpy as np
import pytest

from minidl import trace
from minidl.trace.cursor import Cursor, condition

RNG = np.random.default_rng(0)


def cursor(x=None):
    def f(x, w):
        return ((x * w).relu() + x).sum()
    x = RNG.standard_normal((3, 4)) if x is None else x
    return Cursor(trace.record(f, x, RNG.standard_normal(4)))


def test_previous_undoes_next():
    c = cursor()
    forwards = [c.moment]
    while c.next():
        forwards.append(c.moment)
    backwards = [c.moment]
    while c.previous():
        backwards.append(c.moment)
    assert forwards == backwards[::-1] == c.trace.moments


def test_at_the_ends_it_stays():
    c = cursor()
    assert c.previous() is None and c.at == 0
    assert c.last().kind == "leaf"
    at = c.at
    assert c.next() is None and c.at == at


def test_node_by_node():
    c = cursor()
    kinds = [c.node.kind]
    while c.next_node():
        kinds.append(getattr(c.node, "kind", c.node))
    assert kinds[:7] == ["Mul", "ReLU", "Add", "Sum", "Add", "ReLU", "Mul"]


def test_node_by_node_backwards_is_the_same_the_other_way():
    c = cursor()
    there = [c.node]
    while c.next_node():
        there.append(c.node)
    back = [c.node]
    while c.previous_node():
        back.append(c.node)
    assert back == there[::-1] and len(there) > 7


def stops(c, text):
    """Where the cursor stops, from the first moment on."""
    c.first()
    found = []
    while c.seek(condition(text)):
        found.append((c.moment.kind, getattr(c.node, "kind", None)))
    return found


def test_it_stops_at_an_op_a_number_and_a_leaf():
    c = cursor()
    assert stops(c, "relu") == stops(c, "#1") == stops(c, "1") == [("forward", "ReLU"), ("enter", "ReLU"), ("send", "ReLU")]
    assert stops(c, "w") == [("leaf", "input")]


def test_it_stops_at_nan_where_it_is_born_and_wherever_it_goes():
    x = RNG.standard_normal((3, 4))
    assert stops(cursor(x), "nan") == []
    x[1, 2] = np.nan
    assert [kind for kind, _ in stops(cursor(x), "nan")][:3] == ["forward"] * 3


def test_it_stops_at_inf_at_zero_and_at_a_norm():
    t = trace.record(lambda x: ((x.exp() * 0).sum() + x.sum() * 3).exp(), np.array([1.0, 2.0]))
    c = Cursor(t)
    assert stops(c, "zero")[0] == ("send", "Mul")
    norms = [m for m in t.moments if m.kind == "forward" and m.node.value.norm > 20]
    assert len([s for s in stops(c, ">20") if s[0] == "forward"]) == len([m for m in norms if m is not t.moments[0]])
    t = trace.record(lambda x: (x * 1000).exp().sum(), np.array([1.0, 2.0]))
    assert stops(Cursor(t), "inf")[0] == ("forward", "Exp")


def test_breakpoints_stop_it_and_without_one_it_goes_to_the_end():
    c = cursor()
    c.breakpoints.append(condition("relu"))
    assert c.on().node.kind == "ReLU"
    c.breakpoints.clear()
    c.on()
    assert c.at == len(c.trace.moments) - 1


@pytest.mark.parametrize("text, says", [("", "stop at what"), (">x", "looks like >3")])
def test_what_is_no_condition_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        condition(text)
