"""The roofline's kernels are those that are launched, and its bytes those that the simulator counts."""
import cudasim
import gpu_cases
import gpu_typical
import numpy as np
import pytest

from minidl.bench import launches
from minidl.kernels import meta
from minidl.kernels.meta import MetaArray

AT_LEAST = {"relu_gradient": 0.8,                        # half of gy is not needed, but comes along in whole sectors
            "local_response_norm_gradient": 0.8}         # what is written and read again may come from a cache


def without_numbers(x):
    if isinstance(x, (tuple, list)):
        return type(x)([without_numbers(part) for part in x])
    return MetaArray(x.shape, x.dtype) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("call", [pytest.param(call, id=f"{call.kernel}-{i}") for i, call in enumerate(gpu_typical.CALLS)])
def test_what_a_call_launches_and_moves(gpu, call):
    args = without_numbers(call.drawn("float32"))
    foreseen = launches.launches(call.kernel, args, getattr(meta, call.kernel)(*args))
    with cudasim.recording() as found:
        getattr(gpu, call.kernel)(*[gpu_cases.on_gpu(x) for x in call.drawn("float32")])
    if not call.kernel.startswith("conv2d"):             # in which CuPy adds up parts, and turns filters
        assert len(found) == len(foreseen)
    moved = sum([one.distinct_loaded + one.distinct_stored for one in found])
    assert moved == pytest.approx(sum([one.bytes for one in foreseen]), rel=1.02 - AT_LEAST.get(call.kernel, 1))


def test_convolutions_are_chunked_and_chosen_as_in_the_kernel_set(gpu):
    from minidl.kernels.gpu import convolution
    for name in "CHUNK_BYTES", "TILE", "FILTERS":
        assert getattr(launches, name) == getattr(convolution, name)
