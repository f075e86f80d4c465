"""Random numbers for data: a stream for each sample that depends on (seed, epoch, index) and on nothing else.

So an augmented image is the same whatever the batch size, the order, the threads, or where training resumed.
"""

import math

import numpy as np

from minidl.kernels.reference.random import philox_blocks
from minidl.random import default_generator


class PerSample:
    """A stream for each sample, with NumPy's words: `rng.random(n)` gives each sample its next number.

    A size is n or (n, ...), n being the number of samples: the rows are the streams.
    """

    def __init__(self, seed, epoch, indices):
        self.seed, self.epoch = int(seed), int(epoch)
        self.indices = np.asarray(indices, dtype=np.uint64)
        self.drawn = 0

    def only(self, n):
        """The stream of the n-th sample alone, from its start."""
        return PerSample(self.seed, self.epoch, self.indices[n:n + 1])

    def random(self, size):
        """Uniform in [0, 1)."""
        n, *rest = np.atleast_1d(size).tolist()
        if n != len(self.indices):
            raise ValueError(f"PerSample: size {size}, but there are {len(self.indices)} samples: the first "
                             f"number of a size is that of the samples")
        blocks = (math.prod(rest) + 1) // 2                  # a block is four words, and a number takes two
        counter = np.zeros((n, blocks, 4), np.uint64)
        counter[..., 0] = np.arange(self.drawn, self.drawn + blocks, dtype=np.uint64)
        counter[..., 1] = self.indices[:, None]
        counter[..., 2] = self.epoch
        self.drawn += blocks
        words = philox_blocks(counter.reshape(-1, 4), self.seed).reshape(n, 2 * blocks, 2).astype(np.float64)
        numbers = (words[..., 0] // 32 * 2.0 ** 26 + words[..., 1] // 64) * 2.0 ** -53
        return numbers[:, :math.prod(rest)].reshape(n, *rest)

    def uniform(self, low, high, size):
        return low + (high - low) * self.random(size)

    def integers(self, low, high, size):
        """Whole numbers, low <= number < high."""
        return low + (self.random(size) * (high - low)).astype(np.int64)

    def standard_normal(self, size):
        """Box & Muller 1958: two uniform numbers make a normal one."""
        n, *rest = np.atleast_1d(size).tolist()
        radius, angle = np.moveaxis(self.random((n, *rest, 2)), -1, 0)
        return np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)


def seed_of(generator=None):
    """A seed: a number as it is, or drawn from a generator, minidl's or NumPy's, the default one if None."""
    if isinstance(generator, int | np.integer):
        return int(generator)
    return int((generator or default_generator).integers(0, 2 ** 62))
