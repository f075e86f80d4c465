"""Calls of resize.py, which computes on the host."""
from gpu_cases import Call

CALLS = [
    Call("nearest_index", lambda d: (5, 13, 5 / 13)),
    Call("nearest_index", lambda d: (13, 5, 13 / 5, True)),
    Call("linear_weights", lambda d: (5, 13, 5 / 13, False, d.dtype)),
    Call("linear_weights", lambda d: (13, 5, 13 / 5, True, d.dtype)),
    Call("linear_weights", lambda d: (3, 1, 3, True, d.dtype)),
]
