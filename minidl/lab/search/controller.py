"""The controller: a recurrent network that draws cells, decision by decision."""
import numpy as np

import minidl
from minidl import nn
from minidl.nn import functional as F

KINDS = ("state", "operation")


class Controller(nn.Module):
    """p(row) = prod_t p(a_t | a_1 ... a_t-1), by Elman's cell: h_t = tanh(W e(a_t-1) + U h_t-1 + b).

    Zoph & Le 2017, "Neural architecture search with reinforcement learning", arXiv 1611.01578, figure 2. Theirs is an
    LSTM of two layers. The logits of a decision are a linear map of h_t, one for states and one for operations; a
    decision among fewer states reads fewer of them. As there, all weights begin small and so every option with about the
    same probability.

    len(space.decisions) steps, each of n (4 hidden^2) multiplications: nothing beside the training of a child
    """

    def __init__(self, space, hidden=32, generator=None):
        super().__init__()
        self.space, self.hidden = space, hidden
        most = {kind: max(options for of_kind, options in space.decisions if of_kind == kind) for kind in KINDS}
        self.first = {"state": 1, "operation": 1 + most["state"]}        # rows of the embedding; row 0 is the beginning
        self.embedding = nn.Embedding(1 + sum(most.values()), hidden)
        self.read, self.remember = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.heads = nn.ModuleDict({kind: nn.Linear(hidden, most[kind]) for kind in KINDS})
        for w in self.parameters():
            nn.init.uniform_(w, -0.1, 0.1, generator)

    def walk(self, n, choose):
        """Through all decisions, n rows side by side: rows (n, T), and tensors log p(row) (n,) and entropies (n,).

        choose(t, logp) says what to take, (n,), of options with log-probabilities (n, options). The entropy of a row is
        the sum of those of its T softmaxes.
        """
        rows, log_p, entropy = [], minidl.zeros(n), minidl.zeros(n)
        token, h = np.zeros(n, np.int64), minidl.zeros(n, self.hidden)
        for t, (kind, options) in enumerate(self.space.decisions):
            h = minidl.tanh(self.read(self.embedding(minidl.tensor(token))) + self.remember(h))
            logits = self.heads[kind](h)[:, :options]
            logp = F.log_softmax(logits, 1)
            chosen = choose(t, logp.detach().numpy())
            rows.append(chosen)
            log_p = log_p + logp[np.arange(n), chosen]
            entropy = entropy - (logp.exp() * logp).sum(1)
            token = self.first[kind] + chosen
        return np.stack(rows, 1), log_p, entropy

    def draw(self, n, generator):
        """n rows: Gumbel's maximum, argmax(log p + g) with g = -log(-log u), takes option i with probability p_i."""
        return self.walk(n, lambda t, logp: (logp - np.log(-np.log(generator.uniform(logp.shape)))).argmax(1))

    def log_probability(self, rows):
        """log p of rows (n, T) that are given."""
        return self.walk(len(rows), lambda t, logp: rows[:, t])[1]
