"""Singular values of the input-output Jacobian J at initialisation.

Pennington, Schoenholz & Ganguli 2017, "Resurrecting the sigmoid in deep learning through dynamical isometry", arXiv
1711.04735, sections 2 and 3: J = D_L W_L ... D_1 W_1, free random matrices in the limit of wide layers. Of a product of
free factors, the variances of the eigenvalues of J J', each by its squared mean, add up.
"""
import math


def spread(layers, activation="linear", weights="gaussian"):
    """Variance by squared mean of the eigenvalues of J J': the sum over layers of

    1 for a square normal W (Marchenko and Pastur), 0 for an orthogonal one, and 1/p - 1 for the 0-1 diagonal D that is 1
    with probability p: 1 for ReLU (p = 1/2), 0 for linear.
    """
    return layers * ({"gaussian": 1, "orthogonal": 0}[weights] + {"linear": 0, "relu": 1}[activation])


def mean_singular_value(sigma_w2):
    """Of a square W with entries of variance sigma_w^2 / n: (8 / (3 pi)) sigma_w = 0.849 sigma_w.

    The mean of the quarter-circle law, (1 / pi) sqrt(4 - s^2) on [0, 2]. Glorot & Bengio 2010, section 4.2.1, report about
    0.5 for the standard first weights, sigma_w^2 = 1/3 (here 0.490), and 0.8 for the normalised ones (0.849).
    """
    return 8 / (3 * math.pi) * math.sqrt(sigma_w2)
