"""A mistake in a kernel is noticed: of each topic some mutants are run, and of all it is known what became of them."""
import random

import gpu_mutants
import gpu_tools
import pytest

SAMPLE = 12                  # mutants of a topic
LONG = "direct", "direct_gradient_w", "multiply", "next", "merge_statistics", "merge_sums"       # seen by long calls only


@pytest.mark.slow
@pytest.mark.parametrize("gpu", ["double"], indirect=True)
@pytest.mark.parametrize("topic", gpu_tools.topics())
def test_some_mutants_are_given_away(gpu, topic):
    def some(mutants):
        known = gpu_mutants.names(mutants)
        own = [mutant for mutant in mutants if mutant.file == f"{topic}.cu" and mutant.function not in LONG]
        return random.Random(topic).sample([mutant for mutant in own if not gpu_mutants.reason(known[mutant])], SAMPLE)

    found = gpu_mutants.trials(gpu, topic, some, long_calls=False)
    assert len(found) == SAMPLE
    assert [name for _, name, verdict in found if verdict is None] == []


def test_what_became_of_all_mutants_is_of_these_kernels():
    for topic, found in gpu_tools.load(gpu_tools.MUTANTS).items():
        assert found["fingerprint"] == gpu_tools.fingerprint(topic), "run them again: python tests/gpu_mutants.py"


def test_those_that_survive_have_a_reason():
    files = gpu_mutants.by_file(gpu_tools.load(gpu_tools.MUTANTS))
    assert files.keys() == {"common.cu", *[f"{topic}.cu" for topic in gpu_tools.topics()]}
    assert [name for found in files.values() for name in found["survivors"] if not gpu_mutants.reason(name)] == []


def test_there_are_mutants_of_every_category():
    files = gpu_mutants.by_file(gpu_tools.load(gpu_tools.MUTANTS))
    for name in gpu_mutants.CATEGORIES:
        assert sum([found["categories"].get(name, 0) for found in files.values()]) > 5, name


@pytest.mark.parametrize("change, name", [
    ("__syncthreads() removed", "a barrier removed"), ("H -> W", "another variable, such as the other axis"),
    ("16 -> 16 + 1, 2", "off by one"), ("&& x < W removed", "a condition, or a jump, removed"),
    ("< -> <=", "another operator")])
def test_changes_are_put_into_categories(change, name):
    assert gpu_mutants.category(change) == name
