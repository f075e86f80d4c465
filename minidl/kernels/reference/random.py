"""Random numbers by counting: Philox4x32-10 turns (key, position) into bits, so every kernel set draws the same.

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. A key is an
integer below 2^64; different keys give independent streams.
"""
import math

import numpy as np

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85                            # added to the key after each round: golden ratio, sqrt 3 - 1
ROUNDS = 10


def philox(key, size):
    """The first `size` words, uint32, of the stream of `key`: block i, of four words, is the counter i encrypted."""
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    counter = np.zeros((len(blocks), 4), np.uint64)
    counter[:, 0], counter[:, 1] = blocks & 0xFFFFFFFF, blocks >> 32
    return philox_blocks(counter, key).reshape(-1)[:size]


def philox_blocks(counter, key):
    """counter (B, 4), words of 32 bits in uint64 -> (B, 4) uint32."""
    c0, c1, c2, c3 = counter.T
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]            # 64 bits each: high and low words
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1).astype(np.uint32)


def uniform(key, shape, dtype):
    """Numbers in [0, 1), every multiple of 2^-24 (float32, one word each) or 2^-53 (float64, two words each)."""
    count = math.prod(shape)
    return as_uniform(philox(key, count if np.dtype(dtype) == np.float32 else 2 * count), shape, dtype)


def as_uniform(words, shape, dtype):
    if np.dtype(dtype) == np.float32:
        return ((words >> 8).astype(dtype) * 2.0 ** -24).reshape(shape)
    high, low = (words.reshape(-1, 2) >> np.array([5, 6], np.uint32)).T
    return ((high * 2.0 ** 26 + low) * 2.0 ** -53).reshape(shape)


def dropout_mask(key, shape, p, dtype):
    """0 with probability p, else 1 / (1 - p): multiplying by it keeps the mean. p = 1 gives zeros.

    Srivastava et al. 2014. One word per number, whatever the dtype, so that float32 and float64 drop alike.
    """
    keep = philox(key, math.prod(shape)) >> 8 >= drop_below(p)
    return (keep * np.dtype(dtype).type(scale_of_kept(p))).reshape(shape)


def drop_below(p):
    """The share p of the numbers of 24 bits."""
    return round(p * 2 ** 24)


def scale_of_kept(p):
    return 1 / (1 - p) if p < 1 else 0.0
