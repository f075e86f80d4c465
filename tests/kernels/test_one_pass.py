"""Expressions compiled to one loop: the same numbers as the reference's, however the arrays lie."""
import math
from operator import add

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import reference
from minidl.kernels.cpu import moves, one_pass, threads
from minidl.kernels.cpu.one_pass import in_one_pass
from minidl.kernels.cpu.program import there_are_vectors
from tests.expressions import operations

pytestmark = pytest.mark.skipif(not there_are_vectors(), reason="kernels are plain loops")
EXTREME = [-np.inf, -1e4, -104, -88, -1.0, -1e-9, -1e-40, -0.0, 0, 1e-40, 1e-9, 0.5, 1, 20, 88, 1e4, np.inf, np.nan]

# Expressions and, for large results, how many units of the last place they may be off.
FUNCTIONS = {"exp": 1, "expm1": 1.5, "log": 2, "log1p": 3, "tanh": 2, "sigmoid": 2.5, "softplus": 3, "sqrt": 0.6,
             "rsqrt": 1.1, "abs": 0, "sign": 0, "square": 0.6, "relu": 0}


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(one_pass, "SHORT", 2)
    one_pass.plan_for.cache_clear()
    yield
    one_pass.plan_for.cache_clear()


def function(name):
    return lambda k, x: getattr(k, name)(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_exact_to_the_last_places_and_right_at_the_ends(name, dtype, rng):
    x = np.concatenate([EXTREME, rng.standard_normal(999), 10 * rng.standard_normal(999), 1e-3 * rng.standard_normal(999),
                        10 ** rng.uniform(-30, 30, 999), rng.uniform(0.5, 2, 999)]).astype(dtype)
    with np.errstate(all="ignore"):
        y, wanted = in_one_pass(function(name), [x]), getattr(reference, name)(x.astype(np.longdouble))
        assert y.dtype == dtype
        ordinary = np.isfinite(wanted) & (np.abs(wanted) > np.finfo(dtype).tiny) & (np.abs(wanted) < np.finfo(dtype).max)
        assert ordinary.sum() > 2000
        error = np.abs(y - wanted)[ordinary] / np.abs(wanted)[ordinary] / np.finfo(dtype).eps
        assert error.max() <= FUNCTIONS[name]
        assert_allclose(y, wanted.astype(dtype), 1e-5, 2 * np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype, error", [(np.float32, 4e-7), (np.float64, 1e-15)])
def test_the_error_function_is_near_scipys(dtype, error, rng):
    from scipy import special

    x = np.concatenate([EXTREME, rng.standard_normal(9999), 1e-3 * rng.standard_normal(999), np.linspace(-7, 7, 99_999),
                        10 ** rng.uniform(-30, 0, 999)]).astype(dtype)
    y, wanted = in_one_pass(function("erf"), [x]), special.erf(x.astype(np.float64))
    assert y.dtype == dtype
    assert_allclose(y, wanted, error, np.finfo(dtype).tiny)
    assert np.nanmax(np.abs(y)) == 1
    assert_array_equal(np.signbit(y), np.signbit(x))


def test_what_is_odd_keeps_the_sign_of_zero():
    for name in "erf", "tanh":
        y = in_one_pass(function(name), [np.array([-0.0, 0.0] * 20)])
        assert_array_equal(np.signbit(y), [True, False] * 20)


@pytest.mark.parametrize("power", [0, 1, 2, 3, -1, -2, 0.5, -1.5, 7])
def test_powers_are_products_and_roots(power, rng):
    x = rng.uniform(0.5, 2, 100)
    assert_allclose(in_one_pass(lambda k, x: x ** power, [x]), x ** float(power), 1e-15 * (1 + abs(power)))
    assert in_one_pass(lambda k, x: x ** 0.3, [x]) is in_one_pass(lambda k, x: x ** 65, [x]) is None


def layouts(rng, dtype):
    """Pairs of arrays that lie in many ways; each broadcasts to the same shape as the other."""
    a, b = rng.standard_normal((2, 3, 4, 5, 33)).astype(dtype)
    return {
        "alike": (a, b),
        "one number": (a, b[:1, :1, :1, :1]),
        "a number of Python's": (a, 0.75),
        "of no dimension": (b[0, 0, 0, 0].reshape(()), a),
        "channels": (a, b[:1, :, :1, :1]),
        "images": (b[:, :1, :1, :1], a),
        "rows": (a, b[0, 0]),
        "a number and a row": (a[:, :, :1, :1], b[:1, :1]),
        "both broadcast": (a[:, :1], b[:1]),
        "stretched": (np.broadcast_to(a[:, :, :1, :1], a.shape), b),
        "rows with gaps": (a[:, :, 1:4], b[:, :, ::2]),
        "one row": (a[0, 0, 0], b[1, 1, 1]),
    }


@pytest.mark.parametrize("threads_there, streaming", [(1, False), (2, True), (3, False)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_may_lie_in_many_ways(dtype, threads_there, streaming, rng, monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: threads_there)
    monkeypatch.setattr(moves, "LARGE", 0 if streaming else 2 ** 40)
    error = 3e-6 if dtype is np.float32 else 1e-14
    for name, pair in layouts(rng, dtype).items():
        shape = np.broadcast(*pair).shape
        for y, wanted in zip(in_one_pass(operations, pair), operations(reference, *[np.asarray(x, dtype) for x in pair])):
            assert y.dtype == dtype and y.shape == shape and y.flags.c_contiguous, name
            assert_allclose(y, np.broadcast_to(wanted, shape), error, error, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_handled_as_by_numpy(dtype):
    a, b = (x.reshape(-1).astype(dtype) for x in np.meshgrid(EXTREME, EXTREME))
    for expression in (lambda k, a, b: k.maximum(a, b), lambda k, a, b: k.minimum(a, b), lambda k, a, b: k.clip(a, -1, 2),
                       lambda k, a, b: k.where(k.isnan(a), b, a), lambda k, a, b: k.where(a != b, a, 5.0)):
        assert_array_equal(in_one_pass(expression, [a, b]), expression(reference, a, b))


def test_conditions_come_and_go_as_arrays_of_bool(rng):
    a, b = rng.standard_normal((2, 7, 41)).astype("f")
    for name in "equal not_equal greater greater_equal less less_equal".split():
        compare = getattr(np, name)
        y = in_one_pass(lambda k, a, b, name=name: getattr(k, name)(a, b), [np.round(a), np.round(b)])
        assert y.dtype == bool
        assert_array_equal(y, compare(np.round(a), np.round(b)))
    for condition in a > 0, (a > 0)[:, :1], (a > 0)[0]:
        y = in_one_pass(lambda k, c, a, b: k.where(c, a, b), [condition, a, b])
        assert_array_equal(y, np.where(condition, a, b))


def test_several_answers_are_computed_at_once_and_one_that_was_given_is_itself():
    a, b = np.arange(40.0), np.ones(40)
    y, same, nothing, product = in_one_pass(lambda k, a, b: [a + b, b, None, a * b], [a, b])
    assert_array_equal(y, a + 1)
    assert same is b and nothing is None
    assert_array_equal(product, a)
    copy = in_one_pass(lambda k, a: a, [a])
    assert_array_equal(copy, a)
    assert not np.shares_memory(copy, a)


def branches(k, x):
    return x if x > 0 else -x


@pytest.mark.parametrize("expression", [
    branches, lambda k, x: x * math.floor(x), lambda k, x: np.exp(x), lambda k, x: np.where(x > 0, x, 0),
    lambda k, x: x * x.sum(), lambda k, x: x[0] * x, lambda k, x: k.cumsum(x, 0), lambda k, x: 5.0, lambda k, x: x + "a",
    lambda k, x: x + np.arange(40)], ids=range(10))
def test_what_is_not_number_by_number_is_left_to_numpy(expression):
    x = np.arange(1.0, 41)
    assert in_one_pass(expression, [x]) is None


def test_arrays_that_cannot_be_gone_through_in_runs_are_left_to_numpy(rng, monkeypatch):
    x = rng.standard_normal((40, 50))
    plus = lambda k, a, b: a + b
    assert in_one_pass(plus, [x, x]) is not None
    swapped = x.astype(x.dtype.newbyteorder())
    for other in x.T.copy().T, x[:, ::-1], swapped, x.astype("f"), x.astype(int), x.astype("e"):
        assert in_one_pass(plus, [x, other]) is None
    assert in_one_pass(plus, [2.0, 3.0]) is in_one_pass(plus, [np.array(2.0), 3.0]) is None
    assert in_one_pass(plus, [x.astype(int)] * 2) is in_one_pass(plus, [swapped] * 2) is None
    assert in_one_pass(plus, [np.empty((0, 50)), x[0]]) is in_one_pass(plus, [x[:, :0], x[:, :1]]) is None
    monkeypatch.setattr(one_pass, "SHORT", 51)
    one_pass.plan_for.cache_clear()
    assert in_one_pass(plus, [x, x[:, :1]]) is None
    assert in_one_pass(plus, [x, x]) is not None


def test_an_expression_that_cannot_be_told_from_others_is_left_to_numpy():
    class Unhashable:
        __hash__ = None

        def __call__(self, k, x):
            return x
    assert in_one_pass(Unhashable(), [np.ones(40)]) is None


def test_what_was_compiled_serves_other_arrays(rng):
    first = in_one_pass(add_kernels, rng.standard_normal((2, 64)))
    assert first.shape == (64,)
    hits = one_pass.plan_for.cache_info().hits
    a, b = rng.standard_normal((2, 64))
    assert_array_equal(in_one_pass(add_kernels, [a, b]), a + b)
    assert one_pass.plan_for.cache_info().hits == hits + 1


def add_kernels(k, a, b):
    return add(a, b)
