import numpy as np
import pytest

from minidl.utils.data.datasets import load
from minidl.utils.data.digits import load_digits, read_digits, stratified_split, test_indices

test_indices.__test__ = False


def test_all_of_the_digits_are_there():
    """1,797 images, values 0 to 16, these class counts: scikit-learn's description and `load_digits`."""
    counts, labels = read_digits()
    assert counts.shape == (1797, 1, 8, 8) and counts.min() == 0 and counts.max() == 16
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first image, a nought, as scikit-learn's user guide prints it.
    assert counts[0, 0, :3].tolist() == [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0],
                                         [0, 3, 15, 2, 0, 11, 8, 0]]


def test_the_split_is_disjoint_and_stratified():
    rows = test_indices()
    _, labels = read_digits()
    assert len(rows) == len(set(rows)) == 450 and 0 <= rows.min() and rows.max() < 1797
    share = np.bincount(labels) * 450 / 1797
    assert abs(np.bincount(labels[rows]) - share).max() < 1
    train, test = load_digits(True), load_digits(False)
    assert len(train) == 1347 and len(test) == 450
    together = np.concatenate([train.images, test.images]).reshape(1797, -1)
    everything = np.round(read_digits()[0] * 255 / 16).astype(np.uint8).reshape(1797, -1)
    np.testing.assert_array_equal(np.sort(together, 0), np.sort(everything, 0))
    assert np.bincount(train.labels).sum() + np.bincount(test.labels).sum() == 1797


def test_the_split_written_down_is_the_one_the_function_makes():
    np.testing.assert_array_equal(test_indices(), stratified_split(read_digits()[1], 450))


def test_a_stratified_split_gives_each_class_its_share():
    labels = np.repeat([4, 7, 9], [50, 30, 25])                     # of 21: 10, 6 and 5
    rows = stratified_split(labels, 21, seed=3)
    assert [(labels[rows] == label).sum() for label in (4, 7, 9)] == [10, 6, 5]
    assert sorted(set(rows)) == rows.tolist() != stratified_split(labels, 21, seed=4).tolist()
    # 22 leave one over (10.48, 6.29, 5.24), and it goes to the largest remainder.
    assert [(labels[stratified_split(labels, 22)] == label).sum() for label in (4, 7, 9)] == [11, 6, 5]


@pytest.mark.parametrize("train", [True, False])
def test_an_image_and_its_label_stay_together(train):
    """A nearest-neighbour reader gets most of them right, which it would not with labels mixed up."""
    data, other = load("digits", train), load("digits", not train)
    flat, others = (set.images.reshape(len(set), -1).astype(float) for set in (data, other))
    nearest = ((others ** 2).sum(1) - 2 * flat @ others.T).argmin(1)
    assert (other.labels[nearest] == data.labels).mean() > 0.95
