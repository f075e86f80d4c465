"""Where the pixels of a resized image come from."""
import numpy as np


def nearest_index(size, out, scale, exact=False):
    """For each of `out` pixels, the one of `size` to copy: floor(i scale); `exact` measures between pixel centres."""
    index = np.floor((np.arange(out) + (0.5 if exact else 0)) * scale)
    return np.minimum(index.astype(np.int64), size - 1)


def linear_weights(size, out, scale, align_corners, dtype):
    """A (out, size): row i holds the two weights with which neighbours are mixed into pixel i.

    align_corners puts the first and last pixels' centres on one another; otherwise the images' edges.
    """
    if align_corners:
        position = np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0)
    else:
        position = np.maximum((np.arange(out) + 0.5) * scale - 0.5, 0)
    left = np.minimum(position.astype(np.int64), size - 1)
    right = np.minimum(left + 1, size - 1)
    share = position - left
    A = np.zeros((out, size))
    np.add.at(A, (np.arange(out), left), 1 - share)
    np.add.at(A, (np.arange(out), right), share)
    return A.astype(dtype)
