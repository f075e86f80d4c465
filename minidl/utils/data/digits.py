"""The handwritten digits that come with minidl, and their fixed split."""

import gzip
from importlib.resources import files

import numpy as np

from minidl.utils.data.dataset import ArrayDataset


def load_digits(train=True, transform=None):
    """UCI's optical digits, 8 x 8: 1,347 to train on, or the 450 of the test set (Alpaydin & Kaynak 1998, CC BY 4.0).

    A pixel counts the dark points of a 4 x 4 square, 0 to 16; here that is spread over the bytes, 0 to 255.
    """
    images, labels = read_digits()
    chosen = np.setdiff1d(np.arange(len(labels)), test_indices()) if train else test_indices()
    images = np.round(images[chosen] * (255 / 16)).astype(np.uint8)
    return ArrayDataset(images, labels[chosen], transform, [str(digit) for digit in range(10)], "digits")


def read_digits():
    """All of it as in the file: counts 0 to 16 (1797, 1, 8, 8), labels (1797,)."""
    with (files(__package__) / "uci_digits" / "digits.csv.gz").open("rb") as packed, gzip.open(packed, "rt") as text:
        table = np.loadtxt(text, delimiter=",").astype(np.int64)
    return table[:, :64].reshape(-1, 1, 8, 8), table[:, 64]


def test_indices():
    """The 450 rows of the file that are the test set: written down, so that they never change."""
    return np.array((files(__package__) / "uci_digits" / "test_rows.txt").read_text().split(), np.int64)


def stratified_split(labels, count, seed=0):
    """`count` row numbers in which each class has its share, to the nearest row: how test_rows.txt was made.

    What rounding down leaves over goes to the classes with the largest remainders. Legacy RandomState, because
    its stream of numbers is promised to stay.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / len(labels)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[:count - takes.sum()]] += 1
    rng = np.random.RandomState(seed)
    rows = [rng.permutation(np.flatnonzero(labels == label))[:take] for label, take in zip(classes, takes)]
    return np.sort(np.concatenate(rows))
