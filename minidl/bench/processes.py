"""A fresh process for every measurement: what it inherits, and what it answers."""
import json
import os
import subprocess
import sys
from pathlib import Path

# Whatever steers threads or memory is the benchmark's to set; what a shell happens to export is taken away.
STEERING = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "MALLOC_", "GLIBC_TUNABLES",
            "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_DISABLE_JIT")
KEEP_PAGES = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2 ** 34)}


class BenchmarkError(RuntimeError):
    """A measurement could not be made; the message is one sentence for a person."""


def environment(threads, keep_pages=False, **more):
    """The environment of a measuring process: every library has `threads` threads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    root = str(Path(__file__).parents[2])                   # this minidl, and the architectures beside it
    path = os.pathsep.join([root, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, **counts, **(KEEP_PAGES if keep_pages else {}), "PYTHONPATH": path, **more}


def ask(task, threads, keep_pages=False, **more):
    """Run the worker's function `task["do"]` with the rest of `task` in a process of its own; its answer, a dict."""
    done = subprocess.run([sys.executable, "-m", "minidl.bench.worker"], input=json.dumps(task | {"threads": threads}),
                          env=environment(threads, keep_pages, **more), capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise BenchmarkError(f"bench: the process for {task['do']} failed: {said[-1]}")
    return json.loads(done.stdout.splitlines()[-1])
