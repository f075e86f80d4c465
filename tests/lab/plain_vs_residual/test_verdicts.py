"""Words by rule: made-up numbers on both sides of every line that is drawn."""
import math

import numpy as np
import pytest

from minidl.lab.plain_vs_residual import verdicts
from minidl.lab.plain_vs_residual.profile import Rate

ABOVE, BELOW, ACROSS = Rate(1.2, 1.19, 1.21), Rate(0.7, 0.69, 0.71), Rate(1.0, 0.98, 1.02)


@pytest.mark.parametrize("total, rate, law, zeros, word", [
    (Rate(3e4, 2e4, 4e4), ABOVE, "exponential", 0, "explodes"),
    (Rate(3e4, 2e4, 4e4), ABOVE, "undecided", 0, "explodes"),
    (Rate(3e4, 2e4, 4e4), ABOVE, "power", 0, "neither"),               # as a power of depth: no steady rate
    (Rate(12, 9.9, 14), ABOVE, "exponential", 0, "neither"),           # perhaps less than ten times
    (Rate(12, 10.1, 14), ABOVE, "exponential", 0, "explodes"),
    (Rate(12, 11, 14), ACROSS, "exponential", 0, "neither"),           # large at the end, but no rate
    (Rate(1e-9, 1e-10, 1e-8), BELOW, "exponential", 0, "vanishes"),
    (Rate(1e-9, 1e-10, 1e-8), BELOW, "exponential", 0.51, "underflows"),
    (Rate(1e-9, 1e-10, 1e-8), BELOW, "exponential", 0.49, "vanishes"),
    (Rate(1e-9, 1e-10, 1e-8), BELOW, "power", 0, "neither"),
    (Rate(0.09, 0.08, 0.11), BELOW, "exponential", 0, "neither"),
    (Rate(0.5, 0.4, 0.6), ACROSS, "undecided", 0, "neither"),
    (Rate(math.nan, math.nan, math.nan), Rate(math.nan, math.nan, math.nan), "undecided", 1.0, "underflows"),
    (Rate(math.nan, math.nan, math.nan), Rate(math.nan, math.nan, math.nan), "undecided", 0.0, "neither")])
def test_a_gradient_gets_one_of_four_words(total, rate, law, zeros, word):
    assert verdicts.gradient(total, rate, law, zeros) == word


def test_an_exponential_and_a_power_are_told_apart_and_noise_is_not_called_either():
    l, rng = np.arange(20), np.random.default_rng(0)
    noise = lambda: np.exp(0.01 * rng.standard_normal(20))
    assert verdicts.law([1.2 ** -l * noise() for _ in range(4)]) == "exponential"
    assert verdicts.law([(l + 1.0) ** -1.5 * noise() for _ in range(4)]) == "power"
    assert verdicts.law([1.2 ** -l, (l + 1.0) ** -1.5]) == "undecided"
    assert verdicts.law([1.2 ** -l[:3]]) == "undecided"                                  # three points fit anything
    assert verdicts.law([np.where(l < 3, 0, 1.2 ** -l)]) == "undecided"                  # underflow has no logarithm


@pytest.mark.parametrize("before, after, word", [
    ([5e4, 3e4], [0.11, 0.2], "evens out"), ([5e4, 3e4], [0.001, 0.2], "depends on the seed"),
    ([1e-6, 1e-8], [0.01, 0.02], "evens out"), ([5e4, 3e4], [4e4, 1e3], "stays uneven"),
    ([9.9, 0.11], [1, 1], "was even"), ([10.1, 2], [1, 1], "evens out")])
def test_a_gradient_evens_out_if_it_comes_half_way_to_1_in_every_seed(before, after, word):
    assert verdicts.evens_out(before, after) == word


def test_a_network_trains_if_every_seed_has_half_of_what_guessing_costs():
    assert verdicts.GUESSING == pytest.approx(2.302585)                                  # ln 10
    assert verdicts.learned([0.01, 1.15]) == "trains"
    assert verdicts.learned([0.01, 1.16]) == "depends on the seed"
    assert verdicts.learned([1.16, 2.3]) == verdicts.learned([math.inf, 1.2]) == "fails"


def test_two_networks_are_told_apart_when_their_seeds_do_not_overlap():
    assert verdicts.compared([0.1, 0.2], [0.21, 0.3]) == "lower"
    assert verdicts.compared([0.1, 0.22], [0.21, 0.3]) == verdicts.compared([0.1], [0.1]) == "not told apart"
    assert verdicts.compared([1, math.inf], [0.2, 0.3]) == "higher"


def test_how_often_chance_tells_them_apart():
    """Counted among all orders of three and three, and of two and four."""
    from itertools import permutations
    for n, m in ((3, 3), (2, 4)):
        orders = list(permutations(range(n + m)))
        apart = sum(max(order[:n]) < min(order[n:]) or min(order[:n]) > max(order[n:]) for order in orders)
        assert verdicts.by_chance(n, m) == pytest.approx(apart / len(orders))


@pytest.mark.parametrize("cut, word", [([0.02, 0.10], "hardly matters"), ([0.02, 0.12], "matters"),
                                       ([0.9, 0.02], "breaks it")])
def test_a_block_is_needed_as_much_as_leaving_it_out_costs(cut, word):
    assert verdicts.needed(0.01, cut) == word
