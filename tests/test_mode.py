"""The modes: left when their block is left, and each thread's own."""
import threading

import numpy as np
import pytest

import minidl
from minidl.mode import Mode
from tests.engine import leaf


def test_no_grad_and_enable_grad_nest_and_decorate():
    x = leaf(2)

    @minidl.no_grad()
    def f(x):
        with minidl.enable_grad():
            inner = x * 2
        return x * 2, inner

    outer, inner = f(x)
    assert not outer.requires_grad and inner.requires_grad and minidl.is_grad_enabled()
    assert f(x)[0].requires_grad is False                              # a second call, too


def test_set_grad_enabled_acts_at_once_and_as_a_block():
    x = leaf(2)
    with minidl.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    try:
        minidl.set_grad_enabled(False)
        assert not (x * 2).requires_grad and not minidl.is_grad_enabled()
    finally:
        minidl.set_grad_enabled(True)


def test_a_mode_is_left_by_an_exception():
    with pytest.raises(KeyError), minidl.no_grad():
        raise KeyError
    assert minidl.is_grad_enabled()


def test_an_unknown_mode_is_an_error_that_lists_the_known():
    with pytest.raises(TypeError, match="no switch is called 'recordings'; there are recording, elementary"):
        with minidl.mode(recordings=False):
            pass


def test_modes_are_each_threads_own():
    x, seen, inside, leave = leaf(2), [], threading.Event(), threading.Event()

    def other():
        with minidl.no_grad(), minidl.mode(elementary=True, anomaly=True):
            inside.set()
            leave.wait(10)
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with minidl.mode(elementary=False):
        assert (x * 2).requires_grad and not Mode.elementary
    leave.set()
    thread.join()
    assert seen == [False] and minidl.is_grad_enabled()


def test_threads_walk_their_own_graphs():
    gradients = {}

    def work(i):
        x = leaf(50, seed=i)
        y = x
        for _ in range(50):
            y = y * 1.01 + x
        y.sum().backward()
        gradients[i] = x.grad.array[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want = 1.01 ** 50 + sum(1.01 ** k for k in range(50))
    np.testing.assert_allclose([gradients[i] for i in range(8)], want)
