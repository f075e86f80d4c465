"""The roofline's kernels are those that are launched, and its bytes those that the simulator counts."""
import cudasim
import gpu_cases
import gpu_typical
import numpy as np
import pytest

from minidl.bench import launches
from minidl.kernels import meta
from minidl.kernels.meta import MetaArray

NOT_IN_THE_NETWORKS = "getitem_gradient", "scatter_add", "cumprod_gradient"
CALLS = [call for call in gpu_typical.CALLS if call.kernel not in NOT_IN_THE_NETWORKS]
WITHIN = 0.05                # padding has no numbers to be read, and what a few blocks leave behind is not foreseen
LESS = {"relu_gradient": 0.2,                            # half of gy is not needed, but comes along in whole sectors
        "local_response_norm_gradient": 0.2}             # what is written and read again may come from a cache


def without_numbers(x):
    if isinstance(x, (tuple, list)):
        return type(x)([without_numbers(part) for part in x])
    return MetaArray(x.shape, x.dtype) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("call", [pytest.param(call, id=f"{call.kernel}-{i}") for i, call in enumerate(CALLS)])
def test_what_a_call_launches_and_moves(gpu, call):
    args = without_numbers(call.drawn("float32"))
    foreseen = launches.launches(call.kernel, args, getattr(meta, call.kernel)(*args))
    if call.kernel.startswith("conv2d"):                 # in which CuPy turns filters around, and adds up parts
        foreseen = [one for one in foreseen if one.kind == launches.PRODUCTS]
    with cudasim.recording() as found:
        getattr(gpu, call.kernel)(*[gpu_cases.on_gpu(x) for x in call.drawn("float32")])
    assert len(found) == len(foreseen)
    moved = sum([one.distinct_loaded + one.distinct_stored for one in found])
    assert moved == pytest.approx(sum([one.bytes for one in foreseen]), rel=LESS.get(call.kernel, WITHIN))


def test_convolutions_are_chunked_and_chosen_as_in_the_kernel_set(gpu):
    from minidl.kernels.gpu import convolution
    for name in "CHUNK_BYTES", "TILE":
        assert getattr(launches, name) == getattr(convolution, name)
