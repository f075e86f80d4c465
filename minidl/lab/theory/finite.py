"""What a finite width and the border of an image change, of what holds for endless layers."""
import math


def log_mean(layers, width):
    """E ln of |delta_1|^2 / |delta_L|^2 in a ReLU network by He, about -5 L / (2 n): see log_variance."""
    return -log_variance(layers, width) / 2


def log_variance(layers, width):
    """Var ln of |delta_1|^2 / |delta_L|^2, about 5 L / n.

    Hanin & Rolnick 2018, arXiv 1803.01719, have exp(c sum 1 / n_l). The 5: a layer multiplies the energy by
    M = (2 / n) sum b_i g_i^2, b_i being 0 or 1 and g_i normal. E M = 1 and Var M = (4 / n) (E b g^4 - (E b g^2)^2)
    = (4 / n) (3/2 - 1/4) = 5 / n. Layers are independent; a lognormal factor of mean 1 has log-mean -variance / 2.
    """
    return 5 * layers / width


def zero_padding(size):
    """The rate of a 3x3 convolution by He, with zero padding and ReLU, on maps of size x size: [(1 + 2 cos(pi/(S+1))) / 3]^2.

    Proof: along one direction, the energy at pixel i comes from i - 1, i and i + 1, a third each, and from nowhere beyond
    the border: the matrix tridiag(1/3, 1/3, 1/3), whose largest eigenvalue is (1 + 2 cos(pi / (S + 1))) / 3. Deep down, the
    energy has the shape of its eigenvector. Circular padding has no border, and the rate 1.
    """
    return ((1 + 2 * math.cos(math.pi / (size + 1))) / 3) ** 2
