"""The machine that was measured on: what it is, and how fast it multiplies matrices and copies memory."""
import datetime
import importlib.metadata
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np


def facts(threads):
    """A dict for the file of results; called in a process of its own, whose libraries have `threads` threads."""
    return {
        "processor": processor(), "cores": cores(), "threads": threads, "memory GiB": memory_of_all(),
        "system": f"{platform.system()} {platform.machine()}", "Python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "scipy", "torch")}, "revision": revision(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "load": load(),
        "GFLOP/s": round(matrix_product() / 1e9, 1), "copy GB/s": round(copy(threads) / 1e9, 1),
    }


def gpu():
    """The GPU's facts, as `facts` are the machine's."""
    import cupy
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    return {"GPU": properties["name"].decode(), "GPU memory GiB": round(properties["totalGlobalMem"] / 2 ** 30, 1),
            "CUDA": cupy.cuda.runtime.runtimeGetVersion(), "cupy": cupy.__version__}


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def cores():
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def memory_of_all():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def revision():
    """The commit of this minidl, with a "+" if files were changed since; None outside of a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
        changes = subprocess.run([*git, "status", "--porcelain", "-uno", "."], capture_output=True, text=True)
    except OSError:
        return None
    return commit.stdout.strip() + ("+" if changes.stdout else "") if commit.returncode == 0 else None


def load():
    """How many programs wanted a core in the last minute; a measurement wants a machine of its own."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def matrix_product(n=3072, repeats=4):
    """Operations a second in a product of two float32 matrices, the best of some."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, n), np.float32) for _ in range(2))
    c = np.empty_like(a)
    return 2 * n ** 3 / best(lambda: np.matmul(a, b, c), repeats)


def copy(threads, size=2 ** 26, repeats=8):
    """Bytes read and written a second, when every thread copies its part of 256 MiB; the best of some."""
    x, y = np.ones(size, np.float32), np.empty(size, np.float32)
    y[:] = 0                                                            # the pages are there
    parts = [slice(size * i // threads, size * (i + 1) // threads) for i in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        return 2 * x.nbytes / best(lambda: list(pool.map(lambda part: np.copyto(y[part], x[part]), parts)), repeats)


def best(function, repeats):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)
