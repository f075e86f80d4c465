"""Every kernel of the GPU's set against the reference, in three orders of its threads where it is simulated."""
import inspect

import pytest

from gpu_cases import topics
from minidl.kernels import reference

CALLS = [(topic, i, call) for topic, calls in topics().items() for i, call in enumerate(calls)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("call", [pytest.param(call, id=f"{topic}-{call.kernel}-{i}") for topic, i, call in CALLS])
def test_it_computes_what_the_reference_computes(gpu, call, dtype):
    import cudasim
    for order in cudasim.ORDERS:
        cudasim.Kernel.order = order
        call.agrees(gpu, reference, dtype)


def functions(kernels):
    return {name: f for name, f in vars(kernels).items() if callable(f) and not name.startswith("_")}


def test_the_set_has_the_references_functions_with_their_arguments(gpu):
    missing = functions(reference).keys() - functions(gpu).keys()
    assert not missing
    for name, f in functions(reference).items():
        if inspect.isfunction(f) and inspect.isfunction(functions(gpu)[name]):
            assert str(inspect.signature(functions(gpu)[name])) == str(inspect.signature(f)), name
