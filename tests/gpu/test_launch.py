"""What a launch refuses, which CuPy would pass on to the GPU unseen."""
import pytest


@pytest.fixture
def kernels(gpu):
    from minidl.kernels.gpu.launch import Kernels
    return Kernels("update", """
        extern "C" __global__ void numbered(REAL* x, int n, REAL scale, const REAL* more, long long count)
        {
            FOR_EACH(i, count) x[i] = scale * (n + i) + (more ? more[i] : (REAL)0);
        }""")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arguments_become_those_of_c(kernels, dtype):
    import cupy
    import numpy as np
    x = cupy.empty(300, dtype)
    kernels.each("numbered", 300, x, 5, 0.1, None, 300)
    np.testing.assert_array_equal(x.get(), x.dtype.type(0.1) * np.arange(5, 305).astype(dtype))
    kernels.each("numbered", 300, x, 5, 0.0, cupy.ones(300, dtype), 300)
    np.testing.assert_array_equal(x.get(), np.ones(300))


def test_nothing_is_launched_for_no_numbers(kernels):
    import cupy
    x = cupy.ones(1)
    kernels.each("numbered", 0, x, 5, 0.1, None, 1)
    assert x.get() == 1


def test_what_a_kernel_would_misread_is_refused(kernels):
    import cupy
    import numpy as np
    x, count = cupy.ones(2), 2
    with pytest.raises(ValueError, match=r"numbered: an array \(2,\) with strides"):
        kernels.each("numbered", 2, cupy.ones(4)[::2], 5, 0.1, None, count)
    with pytest.raises(TypeError, match="numbered: an array of float32 where the kernel takes an array of float64"):
        kernels.each("numbered", 2, x, 5, 0.1, cupy.ones(2, "f"), count)
    with pytest.raises(TypeError, match="numbered: an array of int64 where the kernel takes an array of float64"):
        kernels.each("numbered", 2, x, 5, 0.1, cupy.ones(2, "int64"), count)
    with pytest.raises(TypeError, match="numbered: a ndarray where the kernel takes an array of float64 on the GPU"):
        kernels.each("numbered", 2, x, 5, 0.1, np.ones(2), count)
    with pytest.raises(TypeError, match="integer"):
        kernels.each("numbered", 2, x, 5.5, 0.1, None, count)
    with pytest.raises(ValueError, match="argument"):
        kernels.each("numbered", 2, x, 5, 0.1, None)
    with pytest.raises(OverflowError, match="numbered: 2147483648 is too large for a kernel's int32"):
        kernels.each("numbered", 2, x, 2 ** 31, 0.1, None, count)


def test_float16_is_computed_in_float32_through_tuples_too(gpu):
    import cupy

    from minidl.kernels.gpu.launch import takes_float16

    @takes_float16
    def function(x, n, *, scale):
        return [x * scale, (x > n, None)]
    y, (above, nothing) = function(cupy.ones(2, "e"), 0, scale=2)
    assert (y.dtype, above.dtype, nothing) == ("float16", "bool", None)
    assert function(cupy.ones(2), 0, scale=2)[0].dtype == "float64"
