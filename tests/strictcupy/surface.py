"""What CuPy has: its names and the arguments they take, frozen in cupy_surface.json.

`python -m strictcupy.surface`, run in tests/ where CuPy is installed, writes that file anew.
"""
import functools
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
    things = {part: functools.reduce(getattr, path.split("."), cupy) if path else cupy for part, path in PARTS.items()}
    names = {part: {name: parameters(getattr(thing, name)) for name in dir(thing) if not name.startswith("_")}
             for part, thing in things.items()}
    return {"version": cupy.__version__, **names}


def parameters(thing):
    """ "a, axis=None": of a function, or of what Cython made, which tells it in its first line of documentation."""
    if not callable(thing) or isinstance(thing, type):
        return None
    try:
        text = str(inspect.signature(thing).replace(return_annotation=inspect.Signature.empty))
    except (TypeError, ValueError):
        line = (thing.__doc__ or "").partition("\n")[0].replace("\\*", "*")
        inside = line.partition("(")[2].rpartition(")")[0]
        if not inside or "[" in inside or thing.__name__ == "fuse":
            return None
        text = re.sub(r"\b(_ndarray_base|int|bool|Py_ssize_t) (?=\w)", "", f"({inside})")
    return without_values(text)


def without_values(text):
    """A signature's text with None for each default, and without annotations: those need not be Python's."""
    depth, part, parts = 0, "", []
    for letter in text[1:-1] + ",":
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            parts.append(re.match(r"\s*([*/\w]*)", part)[1] + ("=None" if "=" in part else ""))
            part = ""
        else:
            part += letter
    return ", ".join([name for name in parts if name])


SURFACE = json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    FILE.write_text(json.dumps(written(), indent=0, sort_keys=True) + "\n")
