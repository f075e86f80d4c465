"""Every .cu file is CUDA C that NVIDIA's compiler takes, and no kernel runs out of registers."""
import nvrtc
import pytest

try:
    nvrtc.library()
except FileNotFoundError as missing:
    pytest.skip(str(missing), allow_module_level=True)

ARCHS = ["sm_75", "sm_80", "sm_90"]
STACKS = {}                 # kernel -> bytes of local memory that it may have, with the reason


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("topic", nvrtc.topics())
def test_it_compiles_without_warnings_spills_and_local_memory(topic, arch, real):
    binary, log = nvrtc.compile(nvrtc.source(topic), arch, (f"-DREAL={real}", "--ptxas-options=-v"))
    assert binary.startswith(b"\x7fELF")
    assert "warning" not in log
    kernels = nvrtc.report(topic, arch, real)
    assert len(kernels) == nvrtc.source(topic).count('extern "C" __global__')
    assert {name: used.spills for name, used in kernels.items() if used.spills} == {}
    assert {name: used.stack for name, used in kernels.items() if used.stack > STACKS.get(name, 0)} == {}


def test_a_broken_source_is_refused():
    with pytest.raises(nvrtc.NVRTCError, match="nowhere"):
        nvrtc.compile('extern "C" __global__ void wrong(float* x) { x[0] = nowhere; }')


def test_spills_and_local_memory_are_seen():
    used = nvrtc.resources("""
        extern "C" __global__ void __launch_bounds__(1024, 2) many(float* x, int n)
        {
            __shared__ float part[8];
            float a[100];
            for (int i = 0; i < 100; ++i) a[i] = x[i * n];
            for (int i = 0; i < 100; ++i) x[i] = a[(int)a[i] % 100];
            part[threadIdx.x] = x[0];
            __syncthreads();
            x[1] = part[(threadIdx.x + 1) % 8];
        }""", "sm_80")["many"]
    assert used.stack >= 400
    assert used.registers <= 32
    assert used.shared == 32
