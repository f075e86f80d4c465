"""Every kernel of the GPU's set against the reference, in three orders of its threads where it is simulated."""
import inspect
import sys

import cudasim
import numpy as np
import pytest
from gpu_cases import topics

from minidl.kernels import reference

CALLS = [(topic, i, call) for topic, calls in topics().items() for i, call in enumerate(calls)]


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("call", [pytest.param(call, id=f"{topic}-{call.kernel}-{i}") for topic, i, call in CALLS])
def test_it_computes_what_the_reference_computes_and_the_same_bits_each_time(gpu, call, dtype, monkeypatch):
    first = None
    for order in cudasim.ORDERS if simulated() else ["first", "again"]:
        monkeypatch.setattr(cudasim.Kernel, "order", order)
        found = call.agrees(gpu, reference, dtype)
        first = first or found
        for a, b in zip(found, first, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{call.kernel}: other bits in the order {order!r}")


@pytest.mark.parametrize("call", [pytest.param(call, id=f"{topic}-{call.kernel}-{i}") for topic, i, call in CALLS
                                  if call.kernel != "erf"])          # SciPy's has no float16
def test_it_takes_float16_and_answers_in_it(gpu, call):
    call.agrees(gpu, reference, "float16")


def simulated():
    return sys.modules["cupy"].__name__ == "strictcupy"


def functions(kernels):
    return {name: f for name, f in vars(kernels).items() if callable(f) and not name.startswith("_")}


def test_the_set_has_the_references_functions_with_their_arguments(gpu):
    """NumPy's functions are CuPy's there; where the set has one of its own for them, it takes CuPy's arguments."""
    ours, theirs = functions(gpu), functions(reference)
    assert not theirs.keys() - ours.keys()
    for name, f in theirs.items():
        if f.__module__.startswith("minidl."):
            assert str(inspect.signature(ours[name])) == str(inspect.signature(f)), name
