"""g++, and a folder of what it has compiled before."""
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from cudasim import source
from cudasim.places import Places

HERE = Path(__file__).parent
FLAGS = ["-std=gnu++17", "-fPIC", "-shared", "-w", "-ffp-contract=off", "-fno-exceptions", "-fno-rtti",
         "-fno-threadsafe-statics", f"-I{HERE}"]


def fast(code, defines):
    return library(source.for_gxx(source.dynamic_shared(code), "fast.hpp"), ["-O2", *defines])


def checked(code, defines):
    return library(source.for_gxx(source.checked(source.dynamic_shared(code)), "checked.hpp"), ["-O1", *defines])


def mutated(code, defines):
    return with_mutants(code, tuple(defines))[0]


@functools.cache
def with_mutants(code, defines):
    """(path, mutants): of a library with all mutants of the code.

    Where a change is no C++, as in an array's size, g++ says in which line, and that line's mutants are given up.
    """
    without = set()
    while True:
        places = Places(code, without)
        text = source.for_gxx(source.checked(source.dynamic_shared(places.text())), "mutants.hpp")
        try:
            return library(text, ["-O1", f"-DCUDASIM_MUTANTS={places.count}", *defines]), places.mutants
        except RuntimeError as error:
            refused = {(file, int(line)) for file, line in re.findall(r"^([\w.]+):(\d+):\d+: error", str(error), re.M)}
            if refused <= without:
                raise
            without |= refused


def library(text, flags):
    """The path of a shared library made of C++ source `text`; compiled once for each text, flags and simulator."""
    compiler = gxx()
    key = "\0".join([text, headers(), compiler, *FLAGS, *flags])
    path = folder() / (hashlib.sha256(key.encode()).hexdigest()[:24] + ".so")
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        source, made = Path(scratch, "kernel.cpp"), Path(scratch, "kernel.so")
        source.write_text(text)
        done = subprocess.run([compiler, *FLAGS, *flags, source, "-o", made], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"g++ does not compile these kernels:\n{done.stderr}")
        os.replace(made, path)                       # at once: other processes see no half of it
    return path


@functools.cache
def gxx():
    found = os.environ.get("CXX") or shutil.which("g++")
    if not found:
        raise RuntimeError("the simulator of CUDA kernels needs g++")
    return found


@functools.cache
def headers():
    return "\0".join([path.read_text() for path in sorted(HERE.glob("*.hpp"))])


def folder():
    """The user's cache; the folder of temporary files where there is no home."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    if os.access(Path(home).parent, os.W_OK) or os.access(home, os.W_OK):
        return Path(home, "cudasim")
    return Path(tempfile.gettempdir(), f"cudasim-{os.getuid()}")
