"""The GPU's kernels: on a double of CuPy, which simulates them, and on CuPy where there is a GPU."""
import shutil
import sys

import pytest

import minidl.kernels


@pytest.fixture(scope="module", params=["double", pytest.param("device", marks=pytest.mark.gpu)])
def gpu(request):
    """The kernel set. While a test has it, `import cupy` gives the double, or CuPy, and so does device "cuda"."""
    if request.param == "device":
        yield minidl.kernels.gpu_kernels()
        return
    if not shutil.which("g++"):
        pytest.skip("the simulator of CUDA kernels needs g++")
    import strictcupy
    before = forget_gpu()
    sys.modules.update(strictcupy.modules())
    try:
        yield minidl.kernels.gpu_kernels()
    finally:
        forget_gpu()
        sys.modules.update(before)


@pytest.fixture
def checked(gpu):
    """Kernels that are simulated run in the build that finds races, and accesses outside of an array."""
    import cudasim
    with cudasim.using(checked=True):
        yield


@pytest.fixture(scope="session")
def compiler():
    """NVRTC is there."""
    import nvrtc
    try:
        nvrtc.library()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


def forget_gpu():
    """CuPy and the kernels that use it are imported no more; returns their modules."""
    names = [name for name in sys.modules
             if name.split(".")[0] in ("cupy", "cupyx") or name.startswith("minidl.kernels.gpu")]
    for cls in [cls for cls in minidl.kernels._set_of if cls.__module__ in ("cupy", "minidl.kernels.gpu.formula")]:
        del minidl.kernels._set_of[cls]
    return {name: sys.modules.pop(name) for name in names}
