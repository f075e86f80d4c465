"""The page about the GPU says what is so: its kernels, what the compiler says of them, and the predictions."""
import gpu_mutants
import gpu_table
import gpu_tools
import nvrtc
import pytest

MEASURED, MUTANTS = gpu_tools.load(gpu_table.MEASURED), gpu_mutants.by_file(gpu_tools.load(gpu_tools.MUTANTS))
AGAIN = "measure again: python tests/gpu_table.py"


def test_every_kernel_is_in_the_table():
    assert list(MEASURED["kernels"]) == [name for topic in gpu_tools.topics() for name in gpu_tools.declared(topic)], AGAIN


def test_the_kernels_are_those_that_were_measured():
    assert MEASURED["fingerprints"] == {topic: gpu_tools.fingerprint(topic) for topic in gpu_tools.topics()}, AGAIN


@pytest.mark.parametrize("topic", gpu_tools.topics())
def test_registers_and_shared_memory_are_what_the_compiler_says(topic):
    try:
        version = ".".join(map(str, nvrtc.version()))
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    if version != MEASURED["NVRTC"]:
        pytest.skip(f"the table was measured with NVRTC {MEASURED['NVRTC']}, and this is {version}")
    for i, real in enumerate(gpu_table.REALS):
        for name, used in nvrtc.report(topic, "sm_90", real).items():
            one = MEASURED["kernels"][name]
            assert (one["registers"][i], one["shared"][i]) == (used.registers, used.shared), f"{name}, {real}; {AGAIN}"


def test_every_kernel_was_called_by_tests_and_has_a_reason_where_it_moves_more_than_the_least():
    for name, one in MEASURED["kernels"].items():
        assert one["calls"] > 0 and one["compiled"] == 6, name
        assert gpu_table.moves_more(one) == (name in gpu_table.BECAUSE), name
    assert set("".join(gpu_table.BECAUSE.values())) - set(", ") == set(gpu_table.WHY)


def test_the_page_and_the_kernels_say_what_was_measured():
    assert gpu_table.DOCS.read_text() == gpu_table.page(MEASURED, MUTANTS), AGAIN
    for topic in gpu_tools.topics():
        assert (nvrtc.FOLDER / f"{topic}.cu").read_text() == gpu_table.with_lines_beside(topic, MEASURED), AGAIN


def test_the_page_says_plainly_what_has_not_been_run():
    lines = gpu_table.DOCS.read_text().splitlines()
    text = " ".join(" ".join(lines).split())
    assert "compiled by NVRTC and executed by a CPU simulator" in text and "not yet run on a GPU" in text
    assert max([len(line) for line in lines if not line.startswith("|")]) <= 125


@pytest.mark.parametrize("threads, registers, shared, share", [
    (256, 32, 0, 1.0),
    (32, 16, 0, 0.5),                # 32 blocks of one warp
    (256, 255, 0, 0.125),            # a quarter has registers for two warps of 8192
    (256, 33, 0, 0.75),              # 33 x 32 registers are 1280: 12 warps a quarter, six blocks of 8
    (1024, 65, 0, 0.0),              # 28 warps have registers, and the block has 32
    (128, 32, 48 * 1024, 0.25),      # four blocks of 49 KiB in 228
])
def test_occupancy(threads, registers, shared, share):
    assert gpu_table.occupancy(threads, registers, shared) == share


def test_lines_beside_kernels_are_written_over(monkeypatch, tmp_path):
    monkeypatch.setattr(nvrtc, "FOLDER", tmp_path)
    one = {"registers": [24, 40], "shared": [0, 0], "dynamic": 0, "threads": 256, "asked": 12.04, "least": 12.0}
    kernel = '// What it does.\n{}extern "C" __global__ void f(REAL* x)\n'
    line = "// H100: 24 registers, 100% occupancy; 12.0 bytes per number moved, 12.0 the least.\n"
    for before in "", "// H100: something else.\n":
        (tmp_path / "some.cu").write_text(kernel.format(before))
        assert gpu_table.with_lines_beside("some", {"kernels": {"f": one}}) == kernel.format(line)
