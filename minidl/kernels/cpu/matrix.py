"""Matrix products, on the kernels' own threads."""
import numpy as np

from minidl.kernels.cpu.memory import flat
from minidl.kernels.cpu.panels import Layout, product

FEW = 2 ** 15                # multiplications that a BLAS has done before a kernel of ours is called


def matmul(a, b):
    if a.ndim < 2 or b.ndim < 2 or a.dtype.kind != "f" or a.dtype != b.dtype or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b)                           # or says what is wrong
    (M, K), N = a.shape[-2:], b.shape[-1]
    if M * K * N < FEW:
        return np.matmul(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = np.empty((*batch, M, N), a.dtype)
    a, b = np.broadcast_to(a, (*batch, M, K)), np.broadcast_to(b, (*batch, K, N))
    for i in np.ndindex(batch):
        multiply(a[i], b[i], y[i])
    return y


def multiply(a, b, y):
    """y (M, N) = a (M, K) b (K, N)"""
    (M, K), N = a.shape, b.shape[1]
    turned = b.T.flags.c_contiguous                      # as the weights of a linear layer are
    b = np.ascontiguousarray(b.T if turned else b)
    product(flat(a), Layout(K, K, 0), flat(b), Layout(b.shape[1], b.shape[1], 0), flat(y), Layout(N, N, 0), (M, K, N),
            turned=turned)
