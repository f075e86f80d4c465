"""Calls of the kernels of update.cu: each changes some of its arguments, and their changes are compared."""
import numpy as np

from gpu_cases import Call

FLAT, MANY = (7,), (3, 90)                               # MANY numbers need two blocks


def square(d, *shape):
    """Numbers of which roots are drawn."""
    return d.x(*shape) ** 2


def with_nan(d, *shape):
    """Of the numbers in the largest so far, one is none."""
    largest = square(d, *shape)
    largest[1] = np.nan
    return largest


CALLS = [
    *[Call("sgd_step", lambda d, with_v=with_v, more=more: (
        d.x(*MANY), d.x(*MANY), d.x(*MANY) if with_v else None, 0.1, 0.9, *more))
      for with_v in (False, True) for more in [(0.0, 0.0, False), (0.0, 0.01, True), (0.2, 0.01, False)]],
    *[Call("adam_step", lambda d, largest=largest, decoupled=decoupled, t=t: (
        d.x(*MANY), d.x(*MANY), d.x(*MANY), square(d, *MANY), square(d, *MANY) if largest else None, t, 0.1, 0.9, 0.99,
        1e-3, 0.05, decoupled))
      for largest in (False, True) for decoupled in (False, True) for t in (1, 5)],
    *[Call("rmsprop_step", lambda d, m=m, b=b: (
        d.x(*FLAT), d.x(*FLAT), 1 + square(d, *FLAT), d.x(*FLAT) / 8 if m else None, d.x(*FLAT) if b else None, 0.1, 0.9,
        1e-3, 0.05, 0.8)) for m in (False, True) for b in (False, True)],
    Call("rmsprop_step", lambda d: (d.x(*FLAT), d.x(*FLAT), 0 * d.x(*FLAT), 3 + d.x(*FLAT), None, 0.1, 0.9, 0.1, 0.0, 0.8)),
    Call("rmsprop_tf_step", lambda d: (d.x(*MANY), d.x(*MANY), square(d, *MANY), d.x(*MANY), 0.1, 0.9, 1e-3, 0.05, 0.8)),
    Call("adagrad_step", lambda d: (d.x(*MANY), d.x(*MANY), square(d, *MANY), 0.1, 1e-3, 0.05)),
    Call("adam_step", lambda d: (d.x(*FLAT), d.x(*FLAT), d.x(*FLAT), square(d, *FLAT), with_nan(d, *FLAT), 2, 0.1, 0.9, 0.99,
                                 1e-3, 0.0, False)),
    # what does not lie number after number, or is nothing
    Call("sgd_step", lambda d: (d.x(5, 3), d.x(3, 5).T, d.x(5, 3), 0.1, 0.9, 0.0, 0.01, True)),
    Call("sgd_step", lambda d: (d.x(3, 5).T, d.x(5, 3), d.x(5, 3), 0.1, 0.9, 0.0, 0.01, True)),
    Call("adam_step", lambda d: (d.x(3, 5).T, d.x(5, 3), d.x(5, 3), square(d, 5, 3), square(d, 5, 3), 2, 0.1, 0.9, 0.99,
                                 1e-3, 0.05, False)),
    Call("rmsprop_step", lambda d: (d.x(3, 5).T, d.x(5, 3), 1 + square(d, 5, 3), d.x(5, 3) / 8, d.x(5, 3), 0.1, 0.9, 1e-3,
                                    0.05, 0.8)),
    Call("rmsprop_tf_step", lambda d: (d.x(3, 5).T, d.x(5, 3), square(d, 5, 3), d.x(5, 3), 0.1, 0.9, 1e-3, 0.05, 0.8)),
    Call("adagrad_step", lambda d: (d.x(3, 5).T, d.x(5, 3), square(d, 5, 3), 0.1, 1e-3, 0.05)),
    Call("adagrad_step", lambda d: (d.x(0, 5), d.x(0, 5), square(d, 0, 5), 0.1, 1e-3, 0.05)),
    Call("running_average", lambda d: (d.x(*MANY), d.x(*MANY), 0.1, 1.25)),
    Call("running_average", lambda d: (d.x(3, 5).T, d.x(5, 3), 0.1, 1.25)),
    Call("running_average", lambda d: (d.x(5, 3), d.x(5, 3), d.x(), 1.25)),          # a momentum that was computed
]
