"""The checker's own power: every rule of every op, broken in every way, is noticed."""
import pytest

import minidl
from minidl.gradcheck import check_mutants
from minidl.gradcheck.mutants import EXEMPT, MUTATIONS, total
from minidl.gradcheck.table import PROOFS, op_classes


@pytest.fixture(scope="module")
def rows():
    return list(check_mutants())


def test_every_mutant_is_killed(rows):
    assert [row for row in rows if row.survived] == []
    assert total(rows).startswith(f"killed {sum(row.killed for row in rows)} of {sum(row.killed for row in rows)}")
    assert len(rows) > 1000


def test_every_op_and_every_way_to_break_it_is_among_the_mutants(rows):
    assert {row.op for row in rows} == set(PROOFS) | {"the walk"}
    assert {row.mutation for row in rows if row.op != "the walk"} == set(MUTATIONS)
    for mutation in "zero", "1 % too large", "wrong sign", "one entry forgotten", "not given (None)":
        assert {row.op for row in rows if row.mutation == mutation} >= set(PROOFS)


def test_of_every_fused_op_the_kernel_and_the_definition_are_broken(rows):
    fused = {cls.__name__ for cls in op_classes() if issubclass(cls, minidl.Fused)}
    for where in "gradient", "definition":
        assert {row.op for row in rows if row.where == where} == fused


def test_a_wrong_kernel_is_seen_at_first_order_and_a_wrong_definition_at_second(rows):
    assert {row.order for row in rows if row.where == "gradient" and row.killed} == {1}
    assert {row.order for row in rows if row.where == "definition" and row.killed} == {2}


def test_each_exemption_is_needed(rows):
    assert {(row.op, row.input) for row in rows if row.exempt} == set(EXEMPT)


def test_a_mutant_that_nothing_kills_is_reported_as_a_survivor(monkeypatch):
    monkeypatch.setattr("minidl.gradcheck.mutants.noticed", lambda case, order: False)
    rows = list(check_mutants(["Exp"]))
    assert all(row.survived for row in rows) and total(rows) == f"killed 0 of {len(rows)}"


def test_the_engine_is_whole_again_afterwards(rows):
    before = [(cls, cls.__dict__.get("backward"), cls.__dict__.get("definition")) for cls in op_classes()]
    list(check_mutants(["Mul", "Softmax"]))
    assert before == [(cls, cls.__dict__.get("backward"), cls.__dict__.get("definition")) for cls in op_classes()]
    assert not any("broken" in repr(rule) for _, *rules in before for rule in rules)
