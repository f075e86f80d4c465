"""Calls of the kernels of activation.cu."""
from gpu_cases import Call

CALLS = [
    Call("relu", lambda d: (d.x(3, 5),)),
    Call("relu_gradient", lambda d: (d.x(3, 5), d.x(3, 5))),
    Call("relu_gradient", lambda d: (d.x(5, 3).T, d.x(3, 5))),
    Call("relu_gradient", lambda d: (d.x(0, 5), d.x(0, 5))),
    Call("relu_gradient", lambda d: (d.x(2, 300), d.x(2, 300))),          # more than a block's threads
]
