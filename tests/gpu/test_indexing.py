"""Gradients of reading by very many indices, which CuPy sorts."""
import numpy as np
import pytest

from minidl.kernels import reference


@pytest.mark.parametrize("shape, index_shape", [((7, 5), (4, 6)), ((5,), (40,))])
def test_many_indices_are_sorted_by_cupy_to_the_same_sums(gpu, shape, index_shape, rng, monkeypatch):
    import cupy

    from minidl.kernels.gpu import indexing
    index = rng.integers(-shape[0], shape[0], index_shape)
    gy = rng.standard_normal((*index_shape, *shape[1:]))
    wanted = reference.getitem_gradient(gy, shape, index)
    for many in 2 ** 16, 0:
        monkeypatch.setattr(indexing, "MANY", many)
        got = gpu.getitem_gradient(cupy.asarray(gy), shape, cupy.asarray(index))
        np.testing.assert_array_equal(got.get(), wanted)
