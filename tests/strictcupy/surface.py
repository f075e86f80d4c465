"""What CuPy has: its names and the arguments they take, frozen in cupy_surface.json.

`python -m strictcupy.surface`, run in tests/ where CuPy is installed, writes that file anew.
"""
import inspect
import json
import re
from pathlib import Path

FILE = Path(__file__).with_name("cupy_surface.json")
PARTS = {"cupy": "", "ndarray": "ndarray", "linalg": "linalg", "random": "random", "Generator": "random.Generator",
         "stride_tricks": "lib.stride_tricks"}


def written():
    """part -> name -> its parameters as Python writes them, defaults as None; null where CuPy tells nothing."""
    import cupy
    names = {"version": cupy.__version__}
    for part, path in PARTS.items():
        thing = cupy
        for name in path.split(".") if path else []:
            thing = getattr(thing, name)
        names[part] = {name: parameters(getattr(thing, name)) for name in dir(thing) if not name.startswith("_")}
    return names


def parameters(thing):
    """ "a, axis=None": of a function, or of what Cython made, which tells it in its first line of documentation."""
    if not callable(thing) or isinstance(thing, type):
        return None
    try:
        text = str(inspect.signature(thing).replace(return_annotation=inspect.Signature.empty))
    except (TypeError, ValueError):
        line = (thing.__doc__ or "").partition("\n")[0].replace("\\*", "*")
        text = line.partition("(")[2].rpartition(")")[0] if "[" not in line else None
        if not text or thing.__name__ == "fuse":
            return None
        text = re.sub(r"\b(_ndarray_base|int|bool|Py_ssize_t) (?=\w)", "", f"({text})")
    plain = []
    for parameter in inspect.signature(eval(f"lambda {without_values(text)}: 0")).parameters.values():
        plain.append(parameter)
    return str(inspect.Signature(plain))[1:-1]


def without_values(text):
    """A signature's text with None for each default and no annotations: those need not be Python."""
    inside, depth, part, parts = text[1:-1], 0, "", []
    for letter in inside + ",":
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            name = re.match(r"\s*([*/\w]*)", part).group(1)
            parts.append(name + ("=None" if "=" in part.replace("->", "") else ""))
            part = ""
        else:
            part += letter
    return ", ".join([name for name in parts if name])


SURFACE = json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    FILE.write_text(json.dumps(written(), indent=0, sort_keys=True) + "\n")
