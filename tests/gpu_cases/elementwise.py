"""Calls of functions that are computed in one pass, and of those that are made of CuPy's."""
import numpy as np

from gpu_cases import Call

INF = np.inf

CALLS = [
    *[Call(name, lambda d, shape=shape: (d.x(*shape),), 300)
      for name in ("erf", "sigmoid", "softplus") for shape in [(300,), (2, 0), (1,)]],
    *[Call("rsqrt", lambda d, shape=shape: (1 + d.x(*shape) ** 2,)) for shape in [(300,), (2, 0), (1,)]],
    Call("erf", lambda d: (d.x(5, 3).T,), 300),
    Call("sigmoid", lambda d: (d.ints(5, 7) - 2,)),
    Call("sigmoid", lambda d: (np.array([-INF, -900, -0.0, 900, INF, np.nan], d.dtype),)),
    Call("softplus", lambda d: (np.array([-INF, -900, -0.0, 900, INF, np.nan], d.dtype),)),
    *[Call("logsumexp", lambda d, axes=axes, keep=keep: (d.x(2, 3, 5), axes, keep))
      for axes in [(0,), (2,), (0, 2), (0, 1, 2)] for keep in (False, True)],
    Call("logsumexp", lambda d: (d.x(2, 3), 1)),
    Call("logsumexp", lambda d: (np.array([[-INF, -INF], [INF, 1], [900, 901], [np.nan, 0]], d.dtype), (1,))),
    Call("logsumexp", lambda d: (d.x(2, 0, 3), (1,))),
    Call("logsumexp", lambda d: (d.x(2, 0, 3), (1,), True)),
]
