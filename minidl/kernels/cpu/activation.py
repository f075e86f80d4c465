"""Softmax and its logarithm, row by row: the numbers of one row stay in the first-level cache until they are done with."""
import math

import numpy as np

from minidl.kernels.cpu.exponential import exp, exp_of_run
from minidl.kernels.cpu.jit import SUMS, jit, portion
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.reduction import sum_of_run
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.threads import thread_count, workspace
from minidl.kernels.reference import activation as reference


def softmax(x, axis):
    return row_by_row(x, axis, logarithm=False) if in_rows(x, axis) else reference.softmax(x, axis)


def log_softmax(x, axis):
    return row_by_row(x, axis, logarithm=True) if in_rows(x, axis) else reference.log_softmax(x, axis)


def row_by_row(x, axis, logarithm):
    y = empty(x.shape, x.dtype)
    _row_by_row(flat(x), x.shape[axis], logarithm, flat(y), workspace(LANES, x.dtype))
    return y


@jit(each="work")
def _row_by_row(t, x, C, logarithm, y, work):
    first, end = portion(len(x) // C, t, len(work))
    for i in range(first * C, end * C, C):
        if logarithm:
            log_softmax_of_row(x, i, C, y, work[t])
        else:
            softmax_of_row(x, i, C, y, work[t])


def softmax_gradient(gy, y, axis):
    if not in_rows(y, axis):
        return reference.softmax_gradient(gy, y, axis)
    gx, rows = empty(y.shape, y.dtype), (-1, y.shape[axis])
    _softmax_gradient(flat(gy).reshape(rows), flat(y).reshape(rows), gx.reshape(rows), thread_count())
    return gx


@jit(each="threads")
def _softmax_gradient(t, gy, y, gx, threads):
    first, end = portion(len(y), t, threads)
    for r in range(first, end):
        _times_less(y[r], gy[r], _product(gy[r], y[r]), gx[r])


def log_softmax_gradient(gy, y, axis):
    if not in_rows(y, axis):
        return reference.log_softmax_gradient(gy, y, axis)
    C, gx = y.shape[axis], empty(y.shape, y.dtype)
    _log_softmax_gradient(flat(gy), flat(y), C, flat(gx), workspace(C + LANES, y.dtype))
    return gx


@jit(each="work")
def _log_softmax_gradient(t, gy, y, C, gx, work):
    first, end = portion(len(y) // C, t, len(work))
    for i in range(first * C, end * C, C):
        exp_of_run(y, i, work[t], 0, C)
        _less_times(gy[i:i + C], work[t], sum_of_run(gy[i:i + C]), gx[i:i + C])


def in_rows(x, axis):
    """Do the numbers along this axis lie one behind the other?"""
    return x.dtype in (np.float32, np.float64) and x.size > 0 < x.ndim and math.prod(x.shape[axis:]) == x.shape[axis]


# ---- rows


@jit(inline=True)
def softmax_of_row(x, i, C, y, room):
    """y[i : i + C] = softmax(x[i : i + C])"""
    _largest(x, i, C, room)
    _exp_less(x, i, C, y, room)
    _divide(y[i:i + C], room[0])


@jit(inline=True)
def log_softmax_of_row(x, i, C, y, room):
    """y[i : i + C] = log softmax(x[i : i + C])"""
    _largest(x, i, C, room)
    top = room[0]
    _exp_less(x, i, C, y, room)
    _less_both(x[i:i + C], top, np.log(room[0]), y[i:i + C])


@jit
def _largest(x, i, count, y):
    """y[:LANES] become the largest of x[i : i + count]; NaN does not count here, it will in the sum."""
    top = x.dtype.type(-np.inf)
    for n in range(count):
        top = x[i + n] if x[i + n] > top else top
    for n in range(LANES):
        y[n] = top


@vectorized(_largest)
def _largest(code, x, i, count, y):
    def larger(a, b):
        return code.where(a > b, a, b)
    whole, top = count // (4 * LANES), code.variable(code.constant(float("-inf")))
    with code.loop(whole) as n:                          # four at a time, as each waits for the result of the one before
        a, b, c, d = (x.load(i + (n * 4 + k) * LANES) for k in range(4))
        top.set(larger(larger(larger(a, b), larger(c, d)), top.get()))
    for k in range(4):
        at = whole * (4 * LANES) + k * LANES
        some = x.load_some(i + at, count - at)
        top.set(code.where(code.first(count - at) & (some > top.get()), some, top.get()))
    y.store(0, code.over_lanes(larger, top.get()))


@jit
def _exp_less(x, i, count, y, room):
    """y[i : i + count] = e^(x[i : i + count] - the number that is in all lanes of room), which becomes the sum of that."""
    number, total = room[0], room.dtype.type(0)
    for n in range(count):
        y[i + n] = np.exp(x[i + n] - number)
        total += y[i + n]
    for n in range(LANES):
        room[n] = total


@vectorized(_exp_less)
def _exp_less(code, x, i, count, y, room):
    number, total, whole = room.load(0), code.variable(code.zero()), count // LANES
    with code.loop(whole) as n:
        e = exp(x.load(i + n * LANES) - number)
        y.store(i + n * LANES, e)
        total.set(total.get() + e)
    at = whole * LANES
    e = exp(x.load_some(i + at, count - at) - number)
    y.store_some(i + at, e, count - at)
    total.set(total.get() + code.where(code.first(count - at), e, code.zero()))
    room.store(0, code.over_lanes(lambda a, b: a + b, total.get()))


@jit(inline=True)
def _divide(x, number):
    for n in range(len(x)):
        x[n] /= number


@jit(inline=True)
def _less_both(x, a, b, y):
    for n in range(len(x)):
        y[n] = x[n] - a - b


@jit(inline=True)
def _times_less(y, gy, number, gx):
    for n in range(len(y)):
        gx[n] = y[n] * (gy[n] - number)


@jit(inline=True)
def _less_times(gy, softmax, number, gx):
    for n in range(len(gy)):
        gx[n] = gy[n] - softmax[n] * number


@jit(fastmath=SUMS)
def _product(x, y):
    total = x.dtype.type(0)
    for n in range(len(x)):
        total += x[n] * y[n]
    return total
