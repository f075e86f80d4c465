"""x[index] reads what NumPy reads, is a view where NumPy's is, and adds gradients back where it read."""
import numpy as np
import pytest

import minidl
from tests.engine import close, leaf

ARRAY = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
MASK, ROWS = ARRAY[:, :, 0, 0] % 2 == 0, np.array([1, 0, 1])
INDICES = {
    "0": 0, "-1": -1, "1:": np.s_[1:], "::-1": np.s_[::-1], "..., 1": np.s_[..., 1], "None": None, "...": ...,
    "()": (), "1, 2, 3, 4": (1, 2, 3, 4), "np.int64(1)": np.int64(1), "True": True, "5:1": np.s_[:, 5:1],
    ":, 1:2, ::2, -3:": np.s_[:, 1:2, ::2, -3:], "0, ..., None": np.s_[0, ..., None],
    ":, ::-2, None, 1": np.s_[:, ::-2, None, 1],
    "[1, 0, 1]": [1, 0, 1], "ROWS": ROWS, "negative": np.array([-1, -2]), "2-d list": [[0, 1], [1, 1]],
    "ROWS, :, [0, 1, 2]": (ROWS, slice(None), [0, 1, 2]), "[[0], [1]], [[0, 2]]": ([[0], [1]], [[0, 2]]),
    ":, [2, 2, 2]": np.s_[:, [2, 2, 2]], "0, :, [1, 2]": np.s_[0, :, [1, 2]], "ix_": np.ix_([0, 1], [2, 0]),
    "[0, 1], :, 1, [1, 2]": np.s_[[0, 1], :, 1, [1, 2]], "empty list": np.zeros(0, int),
    "MASK": MASK, "ARRAY > 30": ARRAY > 30, "empty mask": np.zeros(2, bool), "MASK, 2": (MASK, 2),
    ":, mask": np.s_[:, np.array([True, False, True])], "MASK, columns": (MASK, np.arange(MASK.sum()) % 4),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_getitem_reads_what_numpy_reads_and_adds_back_where_it_was_read(index, as_tensor):
    def wrap(part):
        return minidl.tensor(part) if as_tensor and isinstance(part, np.ndarray) else part

    x = minidl.Tensor(ARRAY.copy(), requires_grad=True)
    y = x[tuple(map(wrap, index)) if isinstance(index, tuple) else wrap(index)]
    want = ARRAY[index]
    assert y.shape == want.shape
    np.testing.assert_array_equal(y.array, want)
    u = np.random.default_rng(0).standard_normal(want.shape)
    y.backward(minidl.Tensor(np.asarray(u)))
    gx = np.zeros_like(ARRAY)
    np.add.at(gx, index, u)
    np.testing.assert_allclose(x.grad.array, gx)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_getitem_is_a_view_exactly_where_numpys_is(index):
    x = minidl.Tensor(ARRAY.copy())
    y, want = x[index], x.array[index]
    if want.ndim:                                    # one number is a view here, and a copy there
        assert np.shares_memory(y.array, x.array) == np.shares_memory(want, x.array)
    assert (y.version is x.version) == np.shares_memory(y.array, x.array)


@pytest.mark.parametrize("index", [5, np.s_[:, 3], np.s_[0, 0, 0, 0, 0], [7], np.ones((3, 3), bool)])
def test_an_index_out_of_range_is_an_index_error(index):
    with pytest.raises(IndexError):
        minidl.Tensor(ARRAY)[index]


def test_a_float_is_no_index():
    with pytest.raises((TypeError, IndexError)):
        minidl.Tensor(ARRAY)[1.0]
    with pytest.raises(TypeError, match="integers or bools, not float32"):
        minidl.Tensor(ARRAY)[minidl.tensor([1.0])]


def test_one_number_of_a_tensor_stays_a_tensor():
    x = leaf(3)
    y = x[1]
    assert type(y) is minidl.Tensor and type(y.array) is np.ndarray and y.shape == ()
    (y * y).backward()
    close(x.grad, [0, 2 * x.array[1], 0])


def test_one_number_is_a_view_as_well():
    x = minidl.tensor([1.0, 2.0, 3.0])
    y = x[1] * minidl.tensor(2.0, requires_grad=True)
    x[0].add_(5), x[-1].fill_(4), minidl.Tensor(x.array.reshape(1, 3))[0, 1].zero_()
    assert x.tolist() == [6, 0, 4]
    x.mul_(2)
    with pytest.raises(RuntimeError, match="mul_ has changed it"):
        y.backward()
