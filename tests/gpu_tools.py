"""What the commands about the GPU's kernels have in common: the double to run calls on, and files of what they find."""
import contextlib
import hashlib
import json
import re
import sys
from pathlib import Path

import gpu_cases
import nvrtc

MUTANTS = Path(__file__).parent / "gpu/mutants.json"
DECLARED = re.compile(r'^extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\(', re.M)


@contextlib.contextmanager
def on_the_double():
    """The kernel set; while the block lasts, `import cupy` gives the double."""
    import strictcupy

    import minidl.kernels
    sys.modules.update(strictcupy.modules())
    yield minidl.kernels.gpu_kernels()


@contextlib.contextmanager
def listening(told):
    """Within the block, told(topic, kernel, threads of a block, its dynamic shared memory, arguments) after each launch."""
    from minidl.kernels.gpu import launch
    blocks = launch.Kernels.blocks

    def launched(self, name, grid, threads, *args, shared=0):
        blocks(self, name, grid, threads, *args, shared=shared)
        told(self.topic, name, threads if isinstance(threads, int) else threads[0] * threads[1], shared, args)

    launch.Kernels.blocks = launched
    try:
        yield
    finally:
        launch.Kernels.blocks = blocks


def run(gpu, call, dtype="float32"):
    getattr(gpu, call.kernel)(*[gpu_cases.on_gpu(x) for x in call.drawn(dtype)], **call.settings)


def fingerprint(topic):
    """Of what is compiled of a topic; its comments, which hold numbers that are measured, have no part in it."""
    code = re.sub(r"//[^\n]*", "", nvrtc.source(topic))
    return hashlib.sha256(" ".join(code.split()).encode()).hexdigest()[:16]


def load(path):
    return json.loads(path.read_text())


def save(path, content):
    path.write_text(json.dumps(content, indent=1) + "\n")


def declared(topic):
    """The kernels in a topic's file, in order."""
    return DECLARED.findall((nvrtc.FOLDER / f"{topic}.cu").read_text())


def topics():
    """Those that have kernels in their files; one_pass.cu has what is put into kernels at run time."""
    return [topic for topic in nvrtc.topics() if declared(topic)]
