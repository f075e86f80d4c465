"""The profiler: every op once, time that adds up, and bytes that can be counted by hand."""
import time

import numpy as np
import pytest

import minidl
from minidl import Op, nn, ops
from minidl.mode import Mode
from tests.engine import leaf


class Slow(Op):
    """x + 1, in 20 ms, and back in 30."""

    def forward(self, k, x):
        time.sleep(0.02)
        return x + 1

    def backward(self, gy, y, x):
        time.sleep(0.03)
        return gy


def by_name(p, by="op"):
    return {row.name: row for row in p.rows(by)}


def test_calls_are_counted_and_time_is_split_into_forward_and_backward():
    x = leaf(3)
    with minidl.profile() as p:
        (Slow()(Slow()(x)) * 2).sum().backward()
    rows = by_name(p)
    assert {name: row.calls for name, row in rows.items()} == {"Slow": 2, "Mul": 1, "Sum": 1}
    assert 0.04 <= rows["Slow"].forward < 1 and 0.06 <= rows["Slow"].backward < 1
    assert p.rows()[0].name == "Slow"                                  # the slowest first
    assert sum(row.forward + row.backward for row in p.rows()) <= p.seconds


def test_an_op_inside_a_rule_belongs_to_the_rule():
    """The rule of matmul transposes and multiplies; in the table there is only the one product."""
    a, b = leaf(3, 4), leaf(4, 2)
    with minidl.profile() as p:
        y = (a @ b).sum()
        y.backward(create_graph=True)
    assert {row.name: row.calls for row in p.rows()} == {"MatMul": 1, "Sum": 1}
    with minidl.profile() as p:
        ops.linear(leaf(3, 4), leaf(5, 4)).sum().backward(create_graph=True)       # by its definition
    assert {row.name: row.calls for row in p.rows()} == {"Linear": 1, "Sum": 1}


def test_gradients_that_meet_are_no_calls():
    x = leaf(3)
    with minidl.profile() as p:
        (x.exp() + x.sin()).sum().backward(create_graph=True)
    assert by_name(p)["Add"].calls == 1


def test_bytes_of_results_and_of_what_the_graph_keeps():
    x = leaf(100)                                                      # 800 bytes
    with minidl.profile() as p:
        a = x.exp()                                                    # keeps its result
        b = a.sin()                                                    # keeps a, which exp keeps already
        c = b + a                                                      # keeps nothing
        d = c.reshape(10, 10)                                          # a view
        e = d * d                                                      # keeps d's memory: c
        e.sum()
    rows = by_name(p)
    assert {name: row.output for name, row in rows.items()} == {
        "Exp": 800, "Sin": 800, "Add": 800, "Reshape": 0, "Mul": 800, "Sum": 8}
    assert {name: row.kept for name, row in rows.items()} == {
        "Exp": 800, "Sin": 0, "Add": 0, "Reshape": 0, "Mul": 800, "Sum": 0}


def test_parameters_do_not_count_as_kept_and_inputs_and_masks_do():
    images, model = minidl.randn(8, 3, 6, 6), nn.Conv2d(3, 4, 3)
    with minidl.profile() as p:
        y = ops.max_pool2d(model(images), 2)
    rows = by_name(p)
    assert rows["Conv2d"].kept == images.nbytes
    assert rows["MaxPool2d"].kept == 8 * 4 * 4 * 4 * 4 + y.op.index.nbytes        # its input, and the winners' places
    with minidl.profile() as p, minidl.no_grad():
        ops.max_pool2d(model(images), 2)
    assert [row.kept for row in p.rows()] == [0, 0]


def test_memory_is_counted_anew_in_every_step():
    x = leaf(100)
    with minidl.profile() as p:
        for _ in range(3):
            x.exp().sum().backward()
    assert by_name(p)["Exp"].kept == 3 * 800


def test_rows_by_module_have_paths():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    with minidl.profile() as p:
        model(minidl.randn(3, 4)).sum().backward()
    rows = by_name(p, "module")
    assert set(rows) == {"0", "1.0", "1.1", "(no module)"}
    assert rows["1.1"].calls == 1 and rows["1.1"].backward > 0 and rows["(no module)"].calls == 1


def test_the_table_shows_every_row_and_the_rest_of_the_time():
    with minidl.profile() as p:
        time.sleep(0.05)
        Slow()(leaf(3)).sum().backward()
    text = p.table()
    assert all(word in text for word in ("Slow", "Sum", "calls", "forward ms", "backward ms", "kept MB", "the rest"))
    rest = next(line for line in text.splitlines() if "the rest" in line)
    assert float(rest.split("│")[3]) >= 50
    assert "(no module)" in p.table(by="module")
    with pytest.raises(ValueError, match="by 'op' or by 'module', not by 'layer'"):
        p.rows(by="layer")


def test_nothing_is_measured_outside_of_the_block_and_an_error_ends_it():
    x = leaf(3)
    with pytest.raises(KeyError), minidl.profile() as p:
        x.exp()
        raise KeyError
    x.exp()
    assert Mode.observer is None and by_name(p)["Exp"].calls == 1


def test_the_numbers_do_not_change_under_observation():
    def gradient():
        minidl.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2))
        model(minidl.randn(4, 2, 5, 5)).square().sum().backward()
        return [p.grad.numpy() for p in model.parameters()]

    plain = gradient()
    with minidl.profile():
        observed = gradient()
    for a, b in zip(plain, observed):
        np.testing.assert_array_equal(a, b)


def test_a_profile_of_meta_tensors_counts_memory_without_having_any():
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU()).to("meta")
    with minidl.profile() as p:
        model(minidl.zeros(1, 3, 10_002, 10_002, device="meta"))
    assert by_name(p)["Conv2d"].output == 4 * 64 * 10_000 ** 2
