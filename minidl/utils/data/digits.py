"""The handwritten digits that come with minidl, and their fixed split."""

import gzip
from importlib.resources import files

import numpy as np

from minidl.utils.data.dataset import ArrayDataset

FOLDER = files(__package__) / "uci_digits"


def load_digits(train=True, transform=None):
    """UCI's optical digits, 8 x 8 (Alpaydin & Kaynak 1998, CC BY 4.0): 1,347 to train on, 450 to test on.

    A pixel counts the dark points of a 4 x 4 square, 0 to 16; here that is spread over the bytes, 0 to 255.
    """
    images, labels = read_digits()
    chosen = np.setdiff1d(np.arange(len(labels)), test_indices()) if train else test_indices()
    images = np.round(images[chosen] * (255 / 16)).astype(np.uint8)
    return ArrayDataset(images, labels[chosen], transform, [str(digit) for digit in range(10)], "digits")


def read_digits():
    """All of it as in the file: counts 0 to 16 (1797, 1, 8, 8), labels (1797,)."""
    text = gzip.decompress((FOLDER / "digits.csv.gz").read_bytes()).decode()
    table = np.loadtxt(text.splitlines(), delimiter=",").astype(np.int64)
    return table[:, :64].reshape(-1, 1, 8, 8), table[:, 64]


def test_indices():
    """The 450 rows of the file that are the test set: written down, so that they never change."""
    return np.array((FOLDER / "test_rows.txt").read_text().split(), np.int64)


def stratified_split(labels, count, seed=0):
    """`count` row numbers in which each class has its share, to the nearest row: how test_rows.txt was made.

    What rounding down leaves over goes to the classes with the largest remainders. It draws from the legacy
    RandomState, because NumPy promises that its numbers stay what they are.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / len(labels)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[:count - takes.sum()]] += 1
    rng = np.random.RandomState(seed)
    rows = [rng.permutation(np.flatnonzero(labels == label))[:take] for label, take in zip(classes, takes)]
    return np.sort(np.concatenate(rows))
