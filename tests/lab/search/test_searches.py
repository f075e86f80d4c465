"""REINFORCE: its gradient against the exact one, where all cells can be written down; and does it learn?"""
import itertools

import numpy as np
import pytest

import minidl
from minidl.lab.search import searches
from minidl.lab.search.controller import Controller
from minidl.lab.search.searches import RandomSearch, Reinforce, surrogate
from minidl.lab.search.space import Space

TINY = Space(1, ("identity", "conv 3x3"))
ROWS = np.array(list(itertools.product(*[range(options) for _, options in TINY.decisions])))         # (16, 4)
REWARDS = np.random.default_rng(1).uniform(0, 1, len(ROWS))


@pytest.fixture
def controller():
    """In float64, with weights so large that its decisions depend on one another."""
    made = Controller(TINY, hidden=4, generator=minidl.Generator().manual_seed(0)).double()
    for w in made.parameters():
        minidl.nn.init.normal_(w, generator=minidl.Generator().manual_seed(w.numel()))
    return made


def gradient_of(y, controller):
    """All gradients in one vector."""
    return np.concatenate([g.numpy().reshape(-1) for g in minidl.autograd.grad(y, list(controller.parameters()))])


def exact(controller):
    """The gradient of sum_a p(a) R(a), by enumeration."""
    return gradient_of((controller.log_probability(ROWS).exp() * minidl.tensor(REWARDS)).sum(), controller)


def estimates(controller, baseline):
    """What REINFORCE estimates from each row alone (16, parameters), and how likely the row is (16,)."""
    given = np.array([gradient_of(surrogate(controller.log_probability(ROWS[i:i + 1]), REWARDS[i:i + 1], baseline),
                                  controller) for i in range(len(ROWS))])
    return given, np.exp(controller.log_probability(ROWS).detach().numpy())


def test_the_probabilities_of_all_rows_add_up_to_1(controller):
    p = np.exp(controller.log_probability(ROWS).detach().numpy())
    assert p.max() > 3 * p.min()                                      # it is not just the uniform distribution
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("baseline", [0.0, 0.5, -3.0])
def test_the_mean_of_the_estimate_is_the_exact_gradient_whatever_the_baseline(controller, baseline):
    given, p = estimates(controller, baseline)
    np.testing.assert_allclose(p @ given, exact(controller), rtol=1e-9, atol=1e-12)


def test_a_baseline_near_the_mean_reward_makes_the_estimate_less_noisy(controller):
    def variance(baseline):
        given, p = estimates(controller, baseline)
        return p @ ((given - p @ given) ** 2).sum(1)
    p = np.exp(controller.log_probability(ROWS).detach().numpy())
    assert variance(p @ REWARDS) < 0.5 * variance(0.0)


def test_the_estimate_from_rows_that_were_drawn_is_near_the_exact_gradient(controller):
    """4,000 rows: within 5 standard errors, which enumeration tells, in every parameter."""
    n = 4000
    rows, log_p, _ = controller.draw(n, minidl.Generator().manual_seed(3))
    rewards = REWARDS[rows @ [8, 4, 2, 1]]                            # all decisions are between two options
    given, p = estimates(controller, 0.4)
    error = np.sqrt(p @ (given - p @ given) ** 2 / n)
    off = gradient_of(surrogate(log_p, rewards, 0.4), controller) - exact(controller)
    assert (abs(off) < 5 * error + 1e-12).all()


def test_rows_are_drawn_as_often_as_they_are_likely(controller):
    """Pearson's chi squared of 8,000 rows in 16 bins: above 44.3 by chance once in 10,000 times (15 degrees)."""
    rows = controller.draw(8000, minidl.Generator().manual_seed(2))[0]
    expected = 8000 * np.exp(controller.log_probability(ROWS).detach().numpy())
    counts = np.bincount(rows @ [8, 4, 2, 1], minlength=16)
    assert ((counts - expected) ** 2 / expected).sum() < 44.3


def test_a_fresh_controller_gives_all_options_about_the_same_probability():
    space = Space()
    _, log_p, entropy = Controller(space).draw(50, minidl.Generator().manual_seed(0))
    assert abs(log_p.detach().numpy() + np.log(len(space))).max() < 0.5
    np.testing.assert_allclose(entropy.detach().numpy(), np.log(len(space)), rtol=0.01)


def test_the_baseline_is_of_the_batches_before(monkeypatch):
    """Its own rewards in it would make the estimate biased. 1.2 is 0.8 times 1 and 0.2 times 2."""
    used = []
    monkeypatch.setattr(searches, "surrogate", lambda *args: used.append(args[2]) or surrogate(*args))
    search = Reinforce(TINY, 0)
    for reward in (1.0, 2.0, 3.0):
        search.draw(5)
        search.learn([reward] * 5)
    assert used == pytest.approx([1.0, 1.2])


def learned(search, reward, updates, batch=5):
    """The mean reward of each batch."""
    means = []
    for _ in range(updates):
        rewards = [reward(row) for row in search.draw(batch)]
        search.learn(rewards)
        means.append(np.mean(rewards))
    return np.array(means)


def test_the_controller_learns_a_reward_that_random_search_cannot():
    """The share of operations that are the last one of five: 1/5 by chance."""
    space, reward = Space(), lambda row: np.mean(row[1::2] == 4)
    means = learned(Reinforce(space, 0), reward, 100)
    assert means[:3].mean() < 0.35 and means[-10:].mean() > 0.9
    assert abs(learned(RandomSearch(space, 0), reward, 100).mean() - 0.2) < 0.04


def test_the_controller_learns_what_depends_on_earlier_decisions():
    """1 where both sides of the pair are alike, whichever: a softmax for each decision by itself would stay at 1/2."""
    means = learned(Reinforce(TINY, 1, entropy=0.02), lambda row: float(row[1] == row[3]), 150)
    assert means[:5].mean() < 0.8 and means[-20:].mean() > 0.95


def test_the_entropy_bonus_keeps_options_open():
    """Without any reward there is nothing but the bonus."""
    def entropy(weight):
        search = Reinforce(TINY, 0, entropy=weight)
        for w in search.controller.parameters():
            minidl.nn.init.normal_(w, 0, 0.3, generator=minidl.Generator().manual_seed(w.numel()))
        learned(search, lambda row: 0.0, 60)
        return search.controller.draw(50, search.generator)[2].mean().item()
    assert entropy(1.0) > 0.99 * 4 * np.log(2) > entropy(0.0) + 0.1


@pytest.mark.parametrize("kind", [Reinforce, RandomSearch])
def test_random_search_and_reinforce_go_on_from_a_state_dict_bit_for_bit(kind):
    reward = lambda row: float(row.sum())
    whole, broken = kind(Space(), 7), kind(Space(), 7)
    learned(whole, reward, 3)
    learned(broken, reward, 3)
    other = kind(Space(), 8)
    other.load_state_dict(broken.state_dict())
    assert learned(other, reward, 4).tolist() == learned(whole, reward, 4).tolist()
    np.testing.assert_array_equal(other.draw(5), whole.draw(5))
