"""Random numbers: one default generator, drawn on the host, so that every kernel set sees the same."""
import numpy as np

from minidl import dtypes


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

    def normal(self, shape, dtype=None):
        """Standard normal numbers."""
        return self._rng.standard_normal(shape).astype(dtype or dtypes.get_default_dtype())

    def uniform(self, shape, dtype=None):
        """Uniform numbers in [0, 1)."""
        dtype = np.dtype(dtype or dtypes.get_default_dtype())
        return self._rng.random(shape, dtype=dtype) if dtype.itemsize >= 4 else self._rng.random(shape).astype(dtype)

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
