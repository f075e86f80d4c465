"""Matrix products, on the kernels' own threads."""
import numpy as np

from minidl.kernels.cpu import few_rows
from minidl.kernels.cpu.memory import empty
from minidl.kernels.cpu.panels import Layout, product, transposed

FEW = 2 ** 18                # multiplications that a BLAS has done before a kernel of ours is called, on one thread


def matmul(a, b):
    if a.ndim < 2 or b.ndim < 2 or a.dtype.kind != "f" or a.dtype != b.dtype or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b)                           # or says what is wrong
    (M, K), N = a.shape[-2:], b.shape[-1]
    if M * K * N < FEW:
        return np.matmul(a, b)
    if a.ndim == b.ndim == 2:
        return multiply(a, b, empty((M, N), a.dtype))
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = empty((*batch, M, N), a.dtype)
    a, b = np.broadcast_to(a, (*batch, M, K)), np.broadcast_to(b, (*batch, K, N))
    for i in np.ndindex(batch):
        multiply(a[i], b[i], y[i])
    return y


def multiply(a, b, y):
    """y (M, N) = a (M, K) b (K, N)"""
    (M, K), N = a.shape, b.shape[1]
    turned = b.T.flags.c_contiguous                      # as the weights of a linear layer are
    a = transposed(a.T[None])[0] if a.T.flags.c_contiguous else np.ascontiguousarray(a)
    b = np.ascontiguousarray(b.T if turned else b)
    if few_rows.suits(a, b, turned):
        few_rows.product(a, b, y, turned)
    else:
        product(*laid_out(a), *laid_out(b), *laid_out(y), (M, K, N), turned=turned)
    return y


def laid_out(x):
    return x.reshape(-1), Layout(x.shape[1], x.shape[1], 0)
