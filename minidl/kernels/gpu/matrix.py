"""Matrix products: cuBLAS's, as CuPy calls it, which computes float32 in float32 (not in TF32, unless CUPY_TF32 says so)."""
import math

import cupy


def matmul(a, b):
    """CuPy's, with which batches (.., M, K) times one matrix (K, N) would be many products of M rows, and of a copy of b.
    Here all rows are in one product, and b may be transposed, as the weights of a linear layer are."""
    if a.ndim < 3 or b.ndim != 2:
        return cupy.matmul(a, b)
    return cupy.matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
