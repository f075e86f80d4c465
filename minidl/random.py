"""Random numbers: one default generator, drawn on the host, so that every kernel set sees the same."""
import numpy as np

from minidl import dtypes

PIECE = 2 ** 15              # numbers drawn at a time


class Generator:
    """A stream of random numbers (NumPy's PCG64) that can be seeded, saved and continued."""

    def __init__(self, device="cpu"):
        self.manual_seed(np.random.SeedSequence().entropy % 2 ** 63)

    def manual_seed(self, seed):
        """Start the stream that belongs to this integer."""
        self._seed = int(seed)
        self._rng = np.random.default_rng(abs(self._seed))
        return self

    def initial_seed(self):
        return self._seed

    def get_state(self):
        """The position in the stream, as plain numbers and strings that JSON can hold."""
        return {"seed": self._seed, "bit_generator": self._rng.bit_generator.state}

    def set_state(self, state):
        self._seed, self._rng.bit_generator.state = state["seed"], state["bit_generator"]
        return self

    def normal(self, shape, dtype=None, mean=0, std=1):
        """Normal numbers; without a mean and a standard deviation, standard normal ones."""
        return self._drawn(self._rng.standard_normal, np.float64, shape, dtype, mean, std)

    def uniform(self, shape, dtype=None, low=0, high=1):
        """Uniform numbers in [low, high)."""
        dtype = np.dtype(dtype or dtypes.get_default_dtype())
        return self._drawn(self._rng.random, dtype if dtype.itemsize >= 4 else np.float64, shape, dtype, low, high - low)

    def _drawn(self, draw, drawn_as, shape, dtype, start, scale):
        """start + scale * what `draw` gives: computed in pieces that stay in a cache, so that memory is written once."""
        x = np.empty(shape, dtype or dtypes.get_default_dtype())
        flat, piece = x.reshape(-1), np.empty(min(PIECE, x.size), drawn_as)
        for i in range(0, x.size, PIECE):
            part = flat[i:i + PIECE]
            part[...] = draw(out=piece[:len(part)], dtype=drawn_as)
            if (start, scale) != (0, 1):
                part *= scale
                part += start
        return x

    def integers(self, low, high, shape=()):
        """Integers from low to high - 1."""
        return self._rng.integers(low, high, shape, dtype=np.int64)

    def permutation(self, n):
        """0 ... n-1 in random order."""
        return self._rng.permutation(n)

    def key(self):
        """A fresh 64-bit key for a kernel that draws its own numbers (Philox)."""
        return int(self._rng.integers(2 ** 64, dtype=np.uint64))


default_generator = Generator()


def manual_seed(seed):
    """Seed the default generator, from which weights, masks and shuffles are drawn unless told otherwise."""
    return default_generator.manual_seed(seed)


def initial_seed():
    """The seed the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state():
    """The default generator's position; `set_rng_state` returns to it."""
    return default_generator.get_state()


def set_rng_state(state):
    """Return the default generator to a position that `get_rng_state` gave."""
    default_generator.set_state(state)
