"""Signs: how the gradients of all examples in a batch are compared after one backward pass, also with batch norm."""
import numpy as np


class Signs:
    """1 for one half of n examples, at random, and -1 for the other.

    To compare the derivatives of one function at different inputs, all examples start from one cotangent. But in training
    mode batch norm couples them, and its rule subtracts the mean gradient of the batch: what they have in common, which was
    to be measured. If half of them start from the cotangent's negative, that mean is nearly 0. An example's gradient times
    its sign is then what a backward pass of its own would give, up to terms of order 1/n, the derivative through the
    statistics; without batch norm, exactly.
    """

    def __init__(self, n, seed):
        self.rng = np.random.default_rng(seed)
        self.values = self.rng.permutation(np.arange(n) % 2 * 2.0 - 1)

    def cotangent(self, shape):
        """Random numbers N(0, 1) for an output of this shape, the same for all examples but for the sign."""
        return np.multiply.outer(self.values, self.rng.standard_normal(shape[1:]))

    def undone(self, gy):
        """gy (N, ...), each example times its sign."""
        return gy * self.values.reshape(-1, *[1] * (gy.ndim - 1))
