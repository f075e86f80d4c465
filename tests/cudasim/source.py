"""CUDA C rewritten such that g++ reads it."""
import re

KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(\w+)\s*\(')
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")


def without_comments(code):
    """The code, every token on the line where it was."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n") or " ", code, flags=re.S)


def kernels(code):
    """The names of the kernels in code without comments."""
    return KERNEL.findall(code)


def dynamic_shared(code):
    """`extern __shared__ REAL row[];` as a pointer to the simulator's memory."""
    return DYNAMIC.sub(r"auto \2 = cudasim::dynamic_shared<\1>();", code)


def for_gxx(code, header):
    """A C++ source with `code`, without comments, and a function for each kernel that launches it."""
    launchers = [f"CUDASIM_KERNEL({name})" for name in kernels(code)]
    return "\n".join([f'#include "{header}"', '#line 1 "kernel.cu"', dynamic_shared(code), *launchers, ""])
