import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels.reference.random import philox_blocks

# Known answers for philox4x32-10, from the file kat_vectors of the authors' Random123 library, version 1.14.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize("counter, key, answer", KNOWN)
def test_philox_gives_the_published_answers(counter, key, answer):
    low, high = words(key)
    block = philox_blocks(np.array([words(counter)], np.uint64), low | high << 32)
    assert_array_equal(block[0], words(answer))


def test_a_stream_is_the_counter_encrypted(k):
    assert_array_equal(k.philox(0, 4), words(KNOWN[0][2]))
    key = 0xFEDCBA9876543210                                 # more than 32 bits, and the highest of 64 among them
    for i in range(3):
        block = philox_blocks(np.array([[i, 0, 0, 0]], np.uint64), key)[0]
        assert_array_equal(k.philox(key, 12)[4 * i:4 * i + 4], block)
    assert_array_equal(k.philox(key, 7), k.philox(key, 12)[:7])
    assert k.philox(key, 0).shape == (0,) and k.philox(key, 5).dtype == np.uint32


@pytest.mark.parametrize("dtype, bits", [(np.float32, 24), (np.float64, 53)])
def test_uniform_numbers_fill_the_unit_interval_in_steps_of_their_precision(k, dtype, bits):
    u = k.uniform(7, (100, 200), dtype)
    assert u.dtype == dtype and u.shape == (100, 200)
    assert u.min() >= 0 and u.max() < 1
    steps = u.astype(np.float64) * 2.0 ** bits
    assert_array_equal(steps, np.floor(steps))
    assert (steps % 2 == 1).mean() > 0.4                     # the last bit is used
    share = np.histogram(u, 10, (0, 1))[0] / u.size
    assert_allclose(share, 0.1, atol=5 * (0.09 / u.size) ** 0.5)                          # five standard deviations


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_a_dropout_mask_drops_the_share_p_and_keeps_the_mean(k, p):
    mask = k.dropout_mask(3, (100, 201), p, np.float32)
    assert mask.dtype == np.float32 and mask.shape == (100, 201)
    assert_allclose((mask == 0).mean(), p, atol=5 * (p * (1 - p) / mask.size) ** 0.5)
    assert_allclose(mask[mask != 0], 1 / (1 - p), 1e-6)
    assert_array_equal(mask == 0, k.dropout_mask(3, (100, 201), p, np.float64) == 0)
    assert p in (0, 1) or (mask == 0).tolist() != (k.dropout_mask(4, (100, 201), p, np.float32) == 0).tolist()


def test_dropping_everything_leaves_zeros(k):
    assert_array_equal(k.dropout_mask(0, (5,), 1.0, np.float64), np.zeros(5))
    assert k.dropout_mask(0, (0, 3), 0.5, np.float32).shape == (0, 3)


def test_every_set_draws_the_same_numbers(k):
    """Sums of what the reference drew when this was written: a change would break every recorded run."""
    assert int(k.philox(2024, 1000).sum(dtype=np.uint64)) == SUM_OF_WORDS
    assert int(np.flatnonzero(k.dropout_mask(2024, (1000,), 0.3, np.float32)).sum()) == SUM_OF_KEPT


SUM_OF_WORDS, SUM_OF_KEPT = 2123636711503, 345710
