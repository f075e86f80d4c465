"""Each of the nine mistakes is found by the invariant that is about it, and by no other; without one, nothing is found."""
import numpy as np
import pytest

import minidl
from minidl import graph, trace
from minidl.nn import functional as F
from minidl.trace.bugs import BUGS, injected
from minidl.trace.check import check
from minidl.trace.exercises import HINTS, STORIES, Classroom, exercise


def wrong(t):
    """The ops whose rule finite differences call wrong."""
    return {node.kind for node in t for one in check(node) if one.verdict == "wrong"}


def unproven(t):
    return [(node.label, one) for node in t for one in check(node) if not one.proven]


@pytest.mark.parametrize("number", BUGS)
def test_every_mistake_is_found_where_it_is_by_its_invariant(number):
    bug, t = BUGS[number], exercise(number).trace
    assert not t.error
    if bug.invariant == "check":
        assert wrong(t) == {bug.where} and not t.faults
    else:
        assert bug.invariant in {fault.rule for fault in t.faults}
        places = {getattr(fault.node, "kind", "") for fault in t.faults if fault.rule == bug.invariant}
        targets = {send.target.kind for fault in t.faults if fault.rule == "late" for send in fault.node.sends
                   if send.late}
        assert bug.where in (targets if bug.invariant == "late" else places)


@pytest.mark.parametrize("number", [1, 2])
def test_the_engines_mistakes_are_invisible_to_finite_differences_of_single_nodes(number):
    assert not wrong(exercise(number).trace)


def test_without_a_mistake_nothing_is_found():
    minidl.manual_seed(0)
    t = trace.record(Classroom().double(), np.random.default_rng(0).standard_normal((2, 1, 4, 4)), np.array([1, 3]))
    assert not t.error and not t.faults and not unproven(t)


@pytest.mark.parametrize("number", BUGS)
def test_the_gradient_is_wrong_as_a_whole(number):
    """Finite differences of the whole network, which know nothing of nodes."""
    t = exercise(number).trace
    minidl.manual_seed(number)
    model = Classroom().double()
    images, labels = t["images"].value.numbers, np.array([1, 3])

    def loss(x):
        with minidl.no_grad():
            return F.cross_entropy(model(minidl.tensor(x)), minidl.tensor(labels)).item()

    rng = np.random.default_rng(0)
    off = []
    for _ in range(3):
        u = rng.standard_normal(images.shape)
        numeric = (loss(images + 1e-6 * u) - loss(images - 1e-6 * u)) / 2e-6
        off.append(abs((t["images"].arrive.gradient.numbers * u).sum() - numeric) / abs(numeric))
    assert max(off) > 1e-2


@pytest.mark.parametrize("number", BUGS)
def test_afterwards_minidl_is_as_it_was(number):
    before = {cls: dict(vars(cls)) for cls in (graph.Walk, *minidl.Op.__subclasses__(), *minidl.Fused.__subclasses__(),
                                               *minidl.Elementwise.__subclasses__())}
    with injected(number):
        pass
    assert all([dict(vars(cls)) == names for cls, names in before.items()])
    assert not trace.record(lambda x: (x.exp() + x * x).sum(), np.ones(3)).faults


@pytest.mark.parametrize("number", BUGS)
def test_an_exercise_has_a_story_and_hints_that_do_not_tell_and_knows_the_answer(number):
    one = exercise(number)
    assert one.story == STORIES[number] and [one.hint(i) for i in (1, 2, 3)] == HINTS[number]
    right, text = one.answer(BUGS[number].where.upper())
    assert right and BUGS[number].name in text
    assert one.answer(f"#{one.trace[BUGS[number].where].index}")[0]
    right, text = one.answer("Reshape")
    assert not right and BUGS[number].name not in text
    assert BUGS[number].name not in " ".join([one.story, *HINTS[number], one.trace.title])


def test_what_is_no_exercise_no_hint_and_no_answer_is_refused():
    with pytest.raises(ValueError, match="exercises 1 to 9, and no exercise 10"):
        exercise(10)
    with pytest.raises(ValueError, match="no hint 4"):
        exercise(1).hint(4)
    with pytest.raises(ValueError, match="there is no node 'nonsense'; an answer is a number"):
        exercise(1).answer("nonsense")
