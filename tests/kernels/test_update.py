import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minidl.kernels import cpu, reference
from minidl.kernels.cpu import jit

# name, how many arrays it remembers, which of them may be missing, settings
UPDATES = [
    *[("sgd_step", 1, [0], (0.1, 0.9, dampening, decay, nesterov))
      for dampening, decay, nesterov in itertools.product([0, 0.3], [0, 0.1], [False, True])],
    *[("adam_step", 3, [2], (3, 0.1, 0.9, 0.99, 1e-3, decay, decoupled))
      for decay, decoupled in itertools.product([0, 0.1], [False, True])],
    *[("rmsprop_step", 3, [1, 2], (0.1, 0.9, 1e-3, decay, 0.8)) for decay in (0, 0.1)],
    *[("rmsprop_tf_step", 2, [], (0.1, 0.9, 1e-3, decay, 0.8)) for decay in (0, 0.1)],
    *[("adagrad_step", 1, [], (0.1, 1e-3, decay)) for decay in (0, 0.1)],
]


def arrays(count, dtype, rng, size=(7, 300)):
    w, g, *remembered = rng.standard_normal((2 + count, *size)).astype(dtype)
    return [w, g, *map(np.square, remembered)]


def steps(kernels, name, xs, settings):
    xs = [None if x is None else x.copy("K") for x in xs]
    for _ in range(3):
        getattr(kernels, name)(*xs, *settings)
    return [x for x in xs if x is not None]


@pytest.mark.parametrize("name, count, optional, settings", UPDATES, ids=str)
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("on_all_threads", [False, True])
def test_updates_in_one_pass_are_the_references(name, count, optional, settings, dtype, error, on_all_threads, rng,
                                                monkeypatch):
    monkeypatch.setattr(jit, "WORTH_A_THREAD", 0 if on_all_threads else 10 ** 9)
    for missing in itertools.chain(*[itertools.combinations(optional, n) for n in range(len(optional) + 1)]):
        xs = [None if i - 2 in missing else x for i, x in enumerate(arrays(count, dtype, rng))]
        exact = [None if x is None else x.astype(np.float64) for x in xs]
        for got, wanted in zip(steps(cpu, name, xs, settings), steps(reference, name, exact, settings)):
            assert got.dtype == dtype
            assert_allclose(got, wanted, error, error)


def test_a_turned_parameter_is_changed_in_place_and_a_gradient_need_not_be_writable(k, rng):
    w, g, v = (x.T for x in arrays(1, np.float64, rng))
    wanted = w - 0.1 * (0.9 * v + g)
    g.flags.writeable = False
    k.sgd_step(w, g, v, 0.1, 0.9, 0, 0, False)
    assert_allclose(w, wanted)
    w = rng.standard_normal((4, 5))
    before = w.copy()
    k.sgd_step(w, np.broadcast_to(1.0, w.shape), None, 0.1, 0, 0, 0, False)
    assert_allclose(w, before - 0.1)


def test_a_nan_among_the_largest_stays_one(k):
    ones = np.ones(3)
    largest = np.array([np.nan, 0, 1e9])
    k.adam_step(ones.copy(), ones, ones.copy(), np.array([1, np.nan, 1]), largest, 1, 0.1, 0.9, 0.99, 0, 0, False)
    assert np.isnan(largest[:2]).all() and largest[2] == 1e9
