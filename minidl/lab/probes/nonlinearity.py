"""The nonlinearity coefficient: how far is a network from a linear function of its inputs?"""
import numpy as np

import minidl
from minidl.lab.linearized import Linearized


def nonlinearity_coefficient(model, x, draws=100, *, seed=0, dtype=minidl.float64):
    """NLC = sqrt( E_x trace(J_x Cov_x J_x^T) / trace(Cov_f) ), over a batch x; 1 for a linear network, never below for
    Gaussian inputs.

    G. Philipp, J. Carbonell. The nonlinearity coefficient. 2018, arXiv 1806.00179, definition 1: how much the output would
    vary if the network were its tangent at x, and inputs varied as they do, by how much it varies. Each layer of batch norm
    and ReLU at initialisation multiplies it by sqrt(pi / (pi - 1)) = 1.211.

    trace(J C J^T) is the sum over outputs u of g C g^T with g = u J, and g C g^T the mean over inputs x' of
    (g . (x' - mean))^2. Costs a backward pass for each output of an example; of more than `draws` outputs, so many random
    combinations stand for all. With batch norm in training mode g is the derivative of the sum of that output over the
    batch, not of one example's alone: the derivative through the statistics, of order 1/batch, is then in it.
    """
    if len(x) < 2:
        raise ValueError(f"nonlinearity_coefficient: a covariance takes two inputs, and the batch has {len(x)}")
    J = Linearized(model, x, dtype)
    N, K = len(x), J.y[0].numel()
    centred = [z.detach().cpu().array.reshape(N, -1) for z in (J.x, J.y)]
    x, f = [z - z.mean(0) for z in centred]
    energy = 0.0
    for u in combinations(K, draws, np.random.default_rng(seed)):
        g = J.vjp(np.broadcast_to(u, (N, K))).reshape(N, -1)
        energy += float(np.square(g @ x.T).sum()) / N ** 2
    variance = float(np.square(f).sum()) / N
    if not variance:
        raise ValueError(f"nonlinearity_coefficient: {type(model).__name__} puts out the same for all inputs of the batch")
    return float(np.sqrt(energy / variance))


def combinations(K, draws, rng):
    """Vectors u with sum of u u^T = 1: each output by itself, or random signs, of which that is the mean."""
    if K <= draws:
        return np.eye(K)
    return rng.choice([-1.0, 1.0], (draws, K)) / np.sqrt(draws)
