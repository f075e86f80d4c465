"""Plain layers with batch norm: gradients explode toward the input, whatever the gain of the weights.

Yang et al. 2019, "A mean field theory of batch normalization", arXiv 1902.08129, theorem 8 (ReLU, linear). The formula
for any activation and batch is derived below; it contains theirs.
"""
import math

import numpy as np
from scipy.special import roots_jacobi

from minidl.lab.theory.gaussian import activation, mean

A = math.pi / (math.pi - 1)              # 1.46694: the rate of ReLU in large batches, and much of what follows


def rate(phi="relu", batch=math.inf):
    """The rate of a layer, W then batch norm then phi, by the number of examples (times pixels) in the batch.

    Large batch: E phi'(Z)^2 / Var phi(Z), Z ~ N(0, 1). Proof: the batch norm divides by s^2 = sigma_w^2 Var phi; the
    weights and phi multiply by sigma_w^2 E phi'^2; the two projections in batch norm's own gradient take O(1 / batch).
    By the Gaussian Poincare inequality Var phi <= E phi'^2: it is at least 1, and equal only for a linear phi.
    """
    f, slope = activation(phi)
    if math.isinf(batch):
        return mean(lambda z: slope(z) ** 2) / (mean(lambda z: f(z) ** 2) - mean(f) ** 2)
    if batch <= 3:
        raise ValueError(f"batch_norm.rate: the mean of the rate is infinite for batches of 3 or less, not {batch}")
    return finite(f, slope, batch)


def finite(f, slope, batch):
    """Any activation, any batch B > 3.

    Batch norm puts a unit's B numbers u on the sphere |u|^2 = B, sum u = 0, uniformly, as z is normal with covariance
    s^2 (I - 11'/B), s^2 = sigma_w^2 (d - o), d = E f(u_1)^2, o = E f(u_1) f(u_2). Its Jacobian is sqrt(B) / |z| times the
    projection P that takes away the mean and the part along u; E B / |z|^2 = B / (s^2 (B - 3)). What arrives at u has
    covariance sigma_w^2 c E[f'(u_i) f'(u_j)] (I - 11'/B)_ij, where c is that of the gradient above. So

        rate = (B m - (m - m') - (v - v')) / ((B - 3) (d - o)),
        m = E f'(u_1)^2,  m' = E f'(u_1) f'(u_2),  v = E (u_1 f'(u_1))^2,  v' = E u_1 f'(u_1) u_2 f'(u_2).
    """
    u, v, weight = two_of_a_batch(batch)
    both = lambda g: float(weight @ (g(u) ** 2 - g(u) * g(v)))                      # E g(u_1)^2 - E g(u_1) g(u_2)
    pull = lambda x: x * slope(x)
    return (batch * float(weight @ slope(u) ** 2) - both(slope) - both(pull)) / ((batch - 3) * both(f))


def two_of_a_batch(batch, radii=60, angles=40):
    """Nodes u_1, u_2 and their weights for expectations over two entries of a batch-normed unit.

    u_1 and u_2 are sqrt(B - 1) r times the cosines of an angle and of that angle minus the angle between them, whose cosine
    is -1 / (B - 1); 1 - r^2 has the density of a sphere in B - 1 dimensions, ~ (1 - r^2)^((B - 5) / 2) d(r^2). The circle is
    cut where u_1 or u_2 is 0, as activations may bend there.
    """
    between = math.acos(-1 / (batch - 1))
    t, of_t = roots_jacobi(radii, (batch - 5) / 2, 0.0)
    r, of_r = np.sqrt((batch - 1) * (1 + t) / 2), of_t / of_t.sum()
    x, of_x = np.polynomial.legendre.leggauss(angles)
    cuts = np.sort(np.mod([math.pi / 2, -math.pi / 2, between + math.pi / 2, between - math.pi / 2], 2 * math.pi))
    cuts = np.append(cuts, cuts[0] + 2 * math.pi)
    angle = np.concatenate([a + (b - a) * (x + 1) / 2 for a, b in zip(cuts, cuts[1:])])
    of_angle = np.concatenate([(b - a) * of_x / 2 for a, b in zip(cuts, cuts[1:])]) / (2 * math.pi)
    u, v = np.outer(r, np.cos(angle)), np.outer(r, np.cos(angle - between))
    return u.ravel(), v.ravel(), np.outer(of_r, of_angle).ravel()


def rate_relu(batch):
    """Yang et al., theorem 8: [(B - 1 + J') / (1 - J) - 1] / (B - 3), J and J' at the correlation rho = -1 / (B - 1)."""
    rho = -1 / (batch - 1)
    apart = math.pi - math.acos(rho)
    j, slope = (math.sqrt(1 - rho ** 2) + rho * apart) / math.pi, apart / math.pi
    return ((batch - 1 + slope) / (1 - j) - 1) / (batch - 3)


def rate_linear(batch):
    """Yang et al., theorem 8: (B - 2) / (B - 3)."""
    return (batch - 2) / (batch - 3)


def nonlinearity(depth, phi="relu"):
    """Philipp & Carbonell 2018, arXiv 1806.00179: NLC = sqrt(E tr(J Cov_x J') / tr Cov_f), here sqrt(rate) per layer.

    Batch norm and weights are linear in large batches, so that a layer adds E phi'^2 / Var phi: the rate again.
    """
    return math.sqrt(rate(phi)) ** depth
