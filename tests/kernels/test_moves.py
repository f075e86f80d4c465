import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minidl.kernels.cpu import moves
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.moves import turn_in, turn_out
from minidl.kernels.cpu.simd import LANES

LENGTHS = [0, 1, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES + 2]


@jit
def turn(inwards, x, i, x_row, y, j, y_row, count):
    if inwards:
        turn_in(x, i, x_row, y, j, y_row, count)
    else:
        turn_out(x, i, x_row, y, j, y_row, count)


@pytest.fixture(params=[np.float32, np.float64])
def x(request, rng):
    return rng.standard_normal(30 * LANES).astype(request.param)


@pytest.mark.parametrize("count", LENGTHS)
def test_runs_are_moved_whole_and_nothing_else_is_written(x, count):
    for move, places, wanted in [
            (moves.copy, (7,), x[7:7 + count]),
            (moves.every_second, (7,), x[7:7 + 2 * count:2]),
            (lambda x, i, *to: moves.interleave(x, i, x, 100, *to), (7,),
             np.stack([x[7:7 + count], x[100:100 + count]], 1).reshape(-1))]:
        y = np.ones(10 * LANES, x.dtype)
        move(x, *places, y, 3, count)
        assert_array_equal(y[3:3 + len(wanted)], wanted)
        assert (y[:3] == 1).all() and (y[3 + len(wanted):] == 1).all()
    y = np.ones(10 * LANES, x.dtype)
    moves.clear(y, 3, count)
    assert_array_equal(y, np.r_[[1] * 3, [0] * count, [1] * (len(y) - 3 - count)])


@pytest.mark.parametrize("count", [1, LANES - 1, LANES])
def test_rows_become_columns(x, count):
    x = x[:LANES * (LANES + 3)].reshape(LANES, LANES + 3)
    y = np.ones((LANES, LANES + 1), x.dtype)
    turn(True, x.reshape(-1), 2, LANES + 3, y.reshape(-1), 1, LANES + 1, count)
    assert_array_equal(y[:count, 1:], x[:, 2:2 + count].T)
    assert (y[count:, 1:] == 0).all() and (y[:, 0] == 1).all()
    y[:] = 1
    turn(False, x.reshape(-1), 2, LANES + 3, y.reshape(-1), 1, LANES + 1, count)
    assert_array_equal(y[:, 1:1 + count], x[:count, 2:2 + LANES].T)
    assert (y[:, 0] == 1).all() and (y[:, 1 + count:] == 1).all()


@pytest.mark.parametrize("count", [1, LANES - 1, LANES])
@pytest.mark.parametrize("rows", [1, LANES - 1, LANES, LANES + 1])
def test_no_more_rows_are_read_or_written_than_there_are(x, rows, count):
    many, some, row = LANES * LANES, min(rows, LANES), LANES + 3
    y, x = np.ones(2 * many, x.dtype), x[:(some - 1) * row + count]
    moves.turn_some_in(x, 0, row, rows, y, 0, LANES, count, many)
    wanted = np.lib.stride_tricks.sliding_window_view(x, count)[::row].T
    assert_array_equal(y[:count * LANES].reshape(count, LANES), np.pad(wanted, ((0, 0), (0, LANES - some))))
    z = np.ones((some, row), x.dtype)
    moves.turn_some_out(y, 0, LANES, z.reshape(-1), 0, row, rows, count, y, many)
    assert_array_equal(z, np.pad(wanted.T, ((0, 0), (0, row - count)), constant_values=1))


@pytest.mark.parametrize("count", LENGTHS)
def test_a_run_can_go_past_the_caches(x, count):
    y = empty((2 ** 16,), x.dtype)
    y[:] = 1
    moves.stream(x[3:3 + count], y, 2 * LANES)
    assert_array_equal(y[2 * LANES:2 * LANES + count], x[3:3 + count])
    assert (y[:2 * LANES] == 1).all() and (y[2 * LANES + count:] == 1).all()
