import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

INDICES = {
    "number": 2, "slice": slice(4, 0, -2), "ellipsis": (..., 1), "new axis": (None, slice(1, 3), 0),
    "rows": np.array([3, 1, 3, -1, 0]), "table of rows": np.array([[1, 1], [2, -4]]), "list": [0, 2, 2],
    "no rows": np.array([], np.int64), "mask": np.arange(24).reshape(4, 3, 2) % 5 == 0,
    "mask of rows": np.array([True, False, True, True]), "True": True,
    "pairs": (np.array([0, 3, 0]), np.array([2, -1, 2])), "mixed": (slice(None), np.array([1, 1, 0]), 1),
    "mask and number": (np.array([True, False, True, True]), 1),
    "bytes": np.array([3, 1, 3], np.uint8),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_the_gradient_of_reading_adds_where_it_was_read(k, index, dtype, rng):
    shape = 4, 3, 2
    place = np.arange(24).reshape(shape)[index]              # which number each one read is
    gy = rng.standard_normal(np.shape(place)).astype(dtype)
    wanted = np.zeros(24)
    for cell, g in zip(np.ravel(place), np.ravel(gy)):
        wanted[cell] += g
    gx = k.getitem_gradient(np.asarray(gy), shape, index)
    assert gx.dtype == dtype
    assert_allclose(gx, wanted.reshape(shape), 1e-6)


def test_a_table_row_can_be_read_often_and_the_gradient_be_turned(k, rng):
    index = rng.integers(0, 5, 50)
    gy = rng.standard_normal((3, 50)).T
    assert_allclose(k.getitem_gradient(gy, (5, 3), index), [gy[index == row].sum(0) for row in range(5)])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scatter_add_is_the_transpose_of_taking_along_an_axis(k, axis, rng):
    x = rng.standard_normal((3, 4, 5))
    shape = list(x.shape)
    shape[axis] = 7
    index = rng.integers(0, x.shape[axis], shape)
    gy = rng.standard_normal(shape)
    gx = k.scatter_add(gy, index, x.shape, axis)
    assert_allclose((np.take_along_axis(x, index, axis) * gy).sum(), (x * gx).sum())
    assert k.scatter_add(gy.astype(np.float32), index, x.shape, axis).dtype == np.float32


def test_scatter_add_takes_an_index_that_is_shorter_than_x_along_other_axes(k):
    gy = np.array([[1., 2., 4.]])
    assert_array_equal(k.scatter_add(gy, np.array([[1, 1, 0]]), (2, 3), 1), [[4, 3, 0], [0, 0, 0]])


def test_one_hot_has_a_one_at_each_index(k):
    assert_array_equal(k.one_hot(np.array([[2, 0]]), 3), [[[0, 0, 1], [1, 0, 0]]])
