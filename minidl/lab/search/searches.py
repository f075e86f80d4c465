"""The two searches: REINFORCE, which learns what to draw from what it drew, and random search, which does not.

Both draw rows of decisions, `draw(n)`, and are told the rewards of these, `learn(rewards)`; a state dict holds all that
is needed to go on.
"""
import numpy as np

import minidl
from minidl.lab.search.controller import Controller


class Reinforce:
    """Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning".

    The gradient of the expected reward, sum_a p(a) R(a), is E[(R(a) - b) grad log p(a)] for every b that does not depend
    on a, since sum_a p(a) grad log p(a) = 0. So the mean over a batch of drawn rows is an unbiased estimate, whose spread
    is small where b is near the mean reward. As in Zoph & Le 2017 (section 3.2), b is a moving average of rewards, here
    those of the batches *before*; the first batch only gives b its value, and the controller learns nothing from it.

    entropy : the weight of a bonus that keeps options open: grad of the mean over rows of the sum of the entropies of
              their softmaxes, in which the rows count as given (Williams & Peng 1991)
    lr      : Adam's. Zoph & Le have 0.0006 for 12,800 children, and here there are a hundred
    """

    def __init__(self, space, seed, lr=0.02, entropy=1e-3, memory=0.8):
        self.space, self.entropy, self.memory = space, entropy, memory
        self.generator = minidl.Generator().manual_seed(seed)
        self.controller = Controller(space, generator=self.generator)
        self.optimizer = minidl.optim.Adam(self.controller.parameters(), lr)
        self.baseline = None

    def draw(self, n):
        rows, self.log_p, self.entropies = self.controller.draw(n, self.generator)
        return rows

    def learn(self, rewards):
        """One update from the rewards (n,) of the rows that were drawn last."""
        if self.baseline is None:
            self.baseline = float(np.mean(rewards))
            return
        (surrogate(self.log_p, rewards, self.baseline) + self.entropy * self.entropies.mean()).neg().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.baseline = self.memory * self.baseline + (1 - self.memory) * float(np.mean(rewards))

    def state_dict(self):
        return {"controller": self.controller.state_dict(), "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(), "baseline": self.baseline}

    def load_state_dict(self, state):
        self.controller.load_state_dict(state["controller"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.baseline = state["baseline"]


def surrogate(log_p, rewards, baseline):
    """Its value means nothing; its gradient is the mean of (R - b) grad log p."""
    return (minidl.tensor(np.asarray(rewards) - baseline, dtype=log_p.dtype) * log_p).mean()


class RandomSearch:
    """Every option of every decision with the same probability: what a search has to be better than.

    Li & Talwalkar 2019, "Random search and reproducibility for neural architecture search", arXiv 1902.07638.
    """

    def __init__(self, space, seed):
        self.space = space
        self.generator = minidl.Generator().manual_seed(seed)

    def draw(self, n):
        return np.stack([self.generator.integers(0, options, n) for _, options in self.space.decisions], 1)

    def learn(self, rewards):
        pass

    def state_dict(self):
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state):
        self.generator.set_state(state["generator"])


SEARCHES = {"REINFORCE": Reinforce, "random": RandomSearch}
