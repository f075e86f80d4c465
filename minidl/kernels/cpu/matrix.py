"""Matrix products, on the kernels' own threads."""
import numpy as np

from minidl.kernels.cpu.threads import in_parts, one_blas_thread


def matmul(a, b):
    if a.ndim < 2 or b.ndim < 2 or a.dtype.kind != "f" or a.dtype != b.dtype or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b)                           # or says what is wrong
    M, K, N = a.shape[-2], a.shape[-1], b.shape[-1]
    if max(a.size * N, M * b.size) < 2 ** 13:            # BLAS does not wake its threads for so few
        return np.matmul(a, b)
    y = np.empty((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), M, N), a.dtype)
    size = y.size * K // 8                               # BLAS handles more numbers at a time than a loop does
    with one_blas_thread():
        if M >= N:
            in_parts(lambda i, j: np.matmul(a[..., i:j, :], b, out=y[..., i:j, :]), M, size)
        else:
            in_parts(lambda i, j: np.matmul(a, b[..., i:j], out=y[..., i:j]), N, size)
    return y
