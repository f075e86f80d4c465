"""pixel_weights: the numbers of the paper's formula, worked out by hand."""
import math

import numpy as np
import pytest

from minidl.utils.data import DataError, pixel_weights


def border(d1, d2, w0=10.0, sigma=5.0):
    """The second term of equation 2."""
    return w0 * math.exp(-(d1 + d2) ** 2 / (2 * sigma ** 2))


def test_a_row_of_two_cells():
    """Eight pixels: two cells of two, four of background; so every pixel counts 1, and the borders are added."""
    cells = np.array([[0, 1, 1, 0, 2, 2, 0, 0]])
    distances = [(1, 4), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]
    np.testing.assert_allclose(pixel_weights(cells)[0], [1 + border(*d) for d in distances], rtol=1e-6)


def test_distances_are_those_of_the_plane():
    """A 3-4-5 triangle and its neighbours."""
    cells = np.zeros((9, 9), int)
    cells[0, 0], cells[8, 8] = 7, 3
    background, weights = 0.5 * 81 / 79, pixel_weights(cells, w0=4.0, sigma=6.0)
    assert weights[3, 4] == pytest.approx(background + border(5, math.hypot(5, 4), 4.0, 6.0), rel=1e-6)
    assert weights[8, 4] == pytest.approx(background + border(4, math.hypot(8, 4), 4.0, 6.0), rel=1e-6)
    assert weights[8, 8] == pytest.approx(0.5 * 81 / 2 + border(1, math.hypot(8, 8), 4.0, 6.0), rel=1e-6)


def test_three_cells_count_as_the_nearest_two():
    cells = np.array([[1, 0, 0, 0, 0, 2, 0, 0, 3]])
    background = 0.5 * 9 / 6
    assert pixel_weights(cells)[0, 2] == pytest.approx(background + border(2, 3), rel=1e-6)
    assert pixel_weights(cells)[0, 6] == pytest.approx(background + border(1, 2), rel=1e-6)


def test_cells_and_background_count_the_same_in_all():
    cells = np.zeros((20, 30), np.uint8)
    cells[2:5, 3:9] = 1
    weights = pixel_weights(cells)                                  # a single cell touches no other
    assert weights[cells == 1].sum() == pytest.approx(300) and weights[cells == 0].sum() == pytest.approx(300)
    assert np.unique(weights).size == 2 and weights.dtype == np.float32


@pytest.mark.parametrize("cells", [np.zeros((4, 5), int), np.ones((4, 5), int)])
def test_a_mask_with_one_class_counts_evenly(cells):
    np.testing.assert_array_equal(pixel_weights(cells), np.ones((4, 5)))


@pytest.mark.parametrize("cells, came", [(np.zeros((4, 5)), r"float64 in shape \(4, 5\)"),
                                         (np.zeros((1, 4, 5), int), r"int64 in shape \(1, 4, 5\)")])
def test_what_is_no_mask_is_a_sentence(cells, came):
    with pytest.raises(DataError, match=f"pixel_weights: cells are integers in shape .* not {came}"):
        pixel_weights(cells)
