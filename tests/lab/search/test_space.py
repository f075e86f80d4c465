"""The search space: rows of decisions and the cells they make."""
import itertools

import numpy as np
import pytest

import minidl
from minidl.lab.search.child import BUILDERS, Cell, Child
from minidl.lab.search.space import OPERATIONS, Space, loose_ends, words

TINY = Space(1, ("identity", "conv 3x3"))


def rows(space):
    return list(itertools.product(*[range(options) for _, options in space.decisions]))


def test_the_number_of_rows_is_the_product_of_the_options():
    """Three pairs with five operations: (2 5)^2 (3 5)^2 (4 5)^2."""
    assert len(Space()) == 10 ** 2 * 15 ** 2 * 20 ** 2
    assert len(TINY) == len(rows(TINY)) == 16


def test_both_orders_of_a_pair_are_one_cell():
    """Of 4 sides (2 operations of 2 states) there are 4 pairs of equals and 6 of others: 10 cells from 16 rows."""
    cells = [TINY.cell(row) for row in rows(TINY)]
    assert len(set(cells)) == 10
    assert TINY.cell((0, 1, 1, 0)) == TINY.cell((1, 0, 0, 1)) == ((("conv 3x3", 0), ("identity", 1)),)


def test_a_cell_puts_out_what_no_pair_reads():
    cell = ((("conv 3x3", 0), ("identity", 1)), (("max 3x3", 2), ("conv 1x1", 0)), (("identity", 0), ("identity", 0)))
    assert loose_ends(cell) == [3, 4]
    assert words(cell).startswith("2 = conv 3x3(0) + identity(1), 3 = max 3x3(2) + conv 1x1(0)")


def test_every_operation_keeps_the_shape_and_every_cell_can_be_built(rng):
    assert set(BUILDERS) == set(OPERATIONS)
    space = Space()
    x = minidl.randn(2, 1, 8, 8)
    for _ in range(10):
        cell = space.cell([rng.integers(options) for _, options in space.decisions])
        assert Child(cell)(x).shape == (2, 10)


def test_a_cell_is_the_sum_that_it_says(rng):
    """Identity of both inputs, and the largest neighbour of that sum, put out alone: by a 1x1 convolution that is 1."""
    cell = Cell(((("identity", 0), ("identity", 1)), (("max 3x3", 2), ("identity", 2))), 1)
    conv = cell.out[1]
    minidl.nn.init.ones_(conv.weight)
    cell.eval()
    last, before = rng.uniform(0, 1, (2, 1, 1, 3, 3)).astype(np.float32)
    total = last + before
    neighbours = np.pad(total, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    largest = np.lib.stride_tricks.sliding_window_view(neighbours, (3, 3), (2, 3)).max((-2, -1))
    y = cell(minidl.tensor(last), minidl.tensor(before)).detach().numpy()
    np.testing.assert_allclose(y, (largest + total) / np.sqrt(1 + 1e-5), rtol=1e-6)   # batch norm's eps; it has seen nothing


@pytest.mark.parametrize("arguments", [{"pairs": 0}, {"operations": ()}])
def test_a_space_without_cells_is_refused(arguments):
    with pytest.raises(ValueError, match="at least one of each is wanted"):
        Space(**arguments)
