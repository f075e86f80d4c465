"""Filter-normalised slices of the loss: how it looks around the weights, along one random direction or two."""
from typing import NamedTuple

import numpy as np

from minidl.lab.untouched import input_for, untouched
from minidl.mode import no_grad
from minidl.tensor import of


class LossLine(NamedTuple):
    """losses[i] at the weights w + steps[i] d."""
    steps: np.ndarray
    losses: np.ndarray


class LossPlane(NamedTuple):
    """losses[i, j] at the weights w + steps[i] d + steps[j] e."""
    steps: np.ndarray
    losses: np.ndarray


def loss_line(model, x, loss, reach=1.0, points=25, *, seed=0):
    """The LossLine of a model on a batch x from -reach to reach; the weights themselves are in the middle.

    loss : a function of the output that gives a single number

    H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein. Visualizing the loss landscape of neural nets. 2018, arXiv 1712.09913,
    section 4: d is normal, and each filter of it (each row, in a full layer) is scaled to the length of the model's filter,
    d_ij <- d_ij / ||d_ij|| ||w_ij||; what is no matrix, as biases and the weights of batch norm, stays where it is. So
    networks that are the same function with filters of other lengths have the same slice. Batch norm in training mode goes
    by the batch, in eval mode by its running statistics, which stay. Costs a forward pass for each point.
    """
    d, = directions(model, 1, seed)
    steps = np.linspace(-reach, reach, points)
    return LossLine(steps, np.array([loss_at(model, x, loss, [(a, d)]) for a in steps]))


def loss_plane(model, x, loss, reach=1.0, points=11, *, seed=0):
    """The LossPlane of a model, which is a `loss_line` along two directions. Costs points * points forward passes."""
    d, e = directions(model, 2, seed)
    steps = np.linspace(-reach, reach, points)
    return LossPlane(steps, np.array([[loss_at(model, x, loss, [(a, d), (b, e)]) for b in steps] for a in steps]))


def directions(model, n, seed):
    """n directions, each a dict of arrays by the names of the parameters that move."""
    rng = np.random.default_rng(seed)
    return [{name: filter_normalised(rng.standard_normal(p.shape), p.detach().cpu().array)
             for name, p in model.named_parameters() if p.ndim > 1} for _ in range(n)]


def filter_normalised(d, w):
    """d with each d[i] as long as w[i]."""
    def length(z):
        return np.linalg.norm(z.reshape(len(z), -1).astype(np.float64), axis=1).reshape(-1, *[1] * (z.ndim - 1))
    return d * (length(w) / length(d))


def loss_at(model, x, loss, moves):
    """The loss at the weights plus the sum of step * direction over all moves."""
    with untouched(model), no_grad():
        for name, p in model.named_parameters():                 # copies
            for step, direction in moves:
                if name in direction:
                    p.add_(of(direction[name] * step).to(p))
        return loss(model(input_for(model, x))).item()
