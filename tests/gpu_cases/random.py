"""Calls of the kernels of random.cu: the reference's bits."""
from gpu_cases import Call
from minidl.kernels import reference

KEY = 2 ** 63 + 5 * 2 ** 32 + 7                          # all 64 bits count
EDGE = int(reference.philox(KEY, 6)[5] >> 8) / 2 ** 24      # a word that is just not below this share is kept

CALLS = [
    *[Call("philox", lambda d, size=size: (KEY, size), 0) for size in (0, 1, 4, 7, 1030)],
    Call("philox", lambda d: (3, 9), 0),
    *[Call("uniform", lambda d, shape=shape: (KEY, shape, d.dtype), 0) for shape in [(), (0, 3), (5,), (3, 1, 7), (1030,)]],
    *[Call("dropout_mask", lambda d, p=p: (KEY, (3, 5, 7), p, d.dtype), 0) for p in (0, 0.1, EDGE, 1)],
    *[Call("dropout_mask", lambda d, shape=shape: (11, shape, 0.3, d.dtype), 0) for shape in [(), (0,), (1031,)]],
]
