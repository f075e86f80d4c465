"""Calls of the product that is CuPy's but for batches times one matrix."""
from gpu_cases import Call

CALLS = [
    Call("matmul", lambda d: (d.x(3, 4), d.x(4, 5))),
    Call("matmul", lambda d: (d.x(3, 4), d.x(5, 4).T)),
    Call("matmul", lambda d: (d.x(2, 3, 4), d.x(5, 4).T)),
    Call("matmul", lambda d: (d.x(2, 3, 6, 4), d.x(4, 5))),
    Call("matmul", lambda d: (d.x(4, 3, 2).T, d.x(4, 5))),
    Call("matmul", lambda d: (d.x(2, 3, 4), d.x(2, 4, 5))),
    Call("matmul", lambda d: (d.x(3, 4), d.x(2, 4, 5))),
    Call("matmul", lambda d: (d.x(0, 3, 4), d.x(4, 5))),
    Call("matmul", lambda d: (d.x(2, 3, 0), d.x(0, 5))),
]
