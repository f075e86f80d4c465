"""CUDA C rewritten such that g++ reads it."""
import re

KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(\w+)\s*\(')
TYPES = ["REAL", "float", "double", "bool", "int", r"long\s+long", r"unsigned\s+long\s+long", r"unsigned\s+int",
         r"unsigned\s+char", r"signed\s+char", "unsigned", "char", "short"]
STRUCT = re.compile(r"\bstruct\s+(?:alignas\(\d+\)\s+)?(\w+)\s*\{")
TYPE_PARAMETER = re.compile(r"[<,]\s*(?:class|typename)\s+(\w+)")
SEVERAL = re.compile(r"(cudasim::ptr<[^<>]*>)\s+\w+\s*=[^;{}]*;")       # const REAL *a = x, *b = y;
ADDRESS = re.compile(r"([(,=?:]\s*)&\s*(\w+)\s*\[")
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


def checked(code):
    """The code with pointers and shared arrays that the simulator looks after."""
    names = "|".join([*TYPES, *STRUCT.findall(code), *TYPE_PARAMETER.findall(code)])
    shared = re.compile(rf"__shared__\s+(?:__align__\(\d+\)\s+)?({names})\s+([^;]+);")
    pointer = re.compile(rf"((?:\bconst\s+)?)\b({names})((?:\s+const)?)\s*\*(?:\s*const\b)?(?:\s*__restrict__\b)?")
    code = shared.sub(shared_arrays, code)
    code = pointer.sub(lambda m: f"cudasim::ptr<{'const ' if m[1] or m[3] else ''}{m[2]}> ", code)
    code = SEVERAL.sub(lambda m: re.sub(r",\s*\*\s*(?=\w+\s*=)", f"; {m[1]} ", m[0]), code)
    inside = set(re.findall(r"cudasim::shared<[^;]*> (\w+)\(", code))
    return ADDRESS.sub(lambda m: m[0] if m[2] in inside else f"{m[1]}cudasim::places({m[2]})[", code)


def shared_arrays(declaration):
    """`__shared__ REAL a[4][5], b;` with the simulator's types."""
    kind, names = declaration.groups()
    made = []
    for name in re.split(r",(?![^\[]*\])", names):
        name, *sizes = [part.strip().removesuffix("]") for part in name.split("[")]
        made.append(f"static cudasim::shared<{', '.join([kind, *[f'({size})' for size in sizes]])}> {name}(\"{name}\");")
    return " ".join(made)


def for_gxx(code, header):
    """A C++ source with `code`, without comments, and a function for each kernel that launches it."""
    launchers = [f"CUDASIM_KERNEL({name})" for name in kernels(code)]
    return "\n".join([f'#include "{header}"', '#line 1 "kernel.cu"', code, *launchers, ""])
