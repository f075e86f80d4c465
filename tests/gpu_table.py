"""What is known of every kernel of the GPU's set, measured and written down: python tests/gpu_table.py

The kernels are compiled by NVRTC and run in the simulator, which takes a minute or two. What comes out is kept in
tests/gpu/measured.json, and written from there into docs/gpu.md and into a line above each kernel. What is known of mutants
is read from tests/gpu/mutants.json, which gpu_mutants.py writes.
"""
import contextlib
import hashlib
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import gpu_cases
import nvrtc

ROOT = Path(__file__).parents[1]
DOCS, MEASURED, MUTANTS = ROOT / "docs/gpu.md", ROOT / "tests/gpu/measured.json", ROOT / "tests/gpu/mutants.json"
ARCHS, REALS = ("sm_75", "sm_80", "sm_90"), ("float", "double")
DECLARED = re.compile(r'^extern "C" __global__ void (\w+)\(', re.M)

# Why a kernel asks for more bytes than the least.
WHY = {
    "im2col": "a pixel is asked for once by every window that it lies in; from memory it comes once",
}


# ---- what is measured


@dataclass
class Run:
    """The launches of a kernel while `recording`."""
    topic: str
    threads: int = 0                     # of the largest block
    shared: int = 0                      # dynamic shared memory of a block
    calls: set = field(default_factory=set)


@contextlib.contextmanager
def double():
    """Within the block `import cupy` gives the double; the kernel set on it."""
    import minidl.kernels
    import strictcupy
    sys.modules.update(strictcupy.modules())
    yield minidl.kernels.gpu_kernels()


@contextlib.contextmanager
def recording(runs, call):
    """Note in `runs`, kernel -> Run, which kernels are launched, as those of a call."""
    from minidl.kernels.gpu import launch
    blocks = launch.Kernels.blocks

    def noted(self, name, grid, threads, *args, shared=0):
        run = runs.setdefault(name, Run(self.topic))
        count = threads if isinstance(threads, int) else threads[0] * threads[1]
        run.threads, run.shared = max(run.threads, count), max(run.shared, shared)
        run.calls.add(call)
        blocks(self, name, grid, threads, *args, shared=shared)

    launch.Kernels.blocks = noted
    try:
        yield
    finally:
        launch.Kernels.blocks = blocks


def occupancy(threads, registers, shared):
    """The share of the 64 warps for which a multiprocessor of an H100 has room, that it can have of such blocks.

    From CUDA's cuda_occupancy.h for compute capability 9.0: a multiprocessor has room for 32 blocks and 228 KiB of shared
    memory, of which a block takes multiples of 128 bytes and 1 KiB for the system; each of its four parts has 16384
    registers, of which a warp takes multiples of 256.
    """
    warps = -(-threads // 32)
    by_registers = 4 * (16384 // up(32 * registers, 256)) // warps
    by_shared = 228 * 1024 // up(shared + 1024, 128)
    return min(32, 64 // warps, by_registers, by_shared) * warps / 64


def up(n, unit):
    return -(-n // unit) * unit


def declared(topic):
    """The kernels in a topic's file, in order."""
    return DECLARED.findall((nvrtc.FOLDER / f"{topic}.cu").read_text())


def fingerprint(topic):
    """Of what is compiled of a topic; comments, which hold numbers that are measured, have no part in it."""
    code = re.sub(r"\s*//[^\n]*", "", nvrtc.source(topic))
    return hashlib.sha256(re.sub(r"\s+", " ", code).encode()).hexdigest()[:16]
