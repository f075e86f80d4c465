import pytest

from minidl.kernels import KERNEL_SETS


@pytest.fixture(params=KERNEL_SETS.values(), ids=KERNEL_SETS)
def k(request):
    """Each kernel set in turn."""
    return request.param
