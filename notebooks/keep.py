"""Runs notebooks anew and keeps what they show: python notebooks/keep.py [NAME ...]; all of them without a name.

Their pictures are kept in 64 colours, which a drawing does not notice, and which takes a quarter of the bytes.
"""
import base64
import io
import sys
from pathlib import Path

import nbclient
import nbformat
from PIL import Image

HERE = Path(__file__).parent


def keep(path):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": HERE}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)                    # at what time it ran
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = fewer_colours(output.data["image/png"])
    nbformat.write(notebook, path)


def fewer_colours(png):
    picture, smaller = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    few = picture.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)   # rare ones, too
    few.save(smaller, "PNG", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode()


if __name__ == "__main__":
    names = sys.argv[1:] or sorted([path.stem for path in HERE.glob("*.ipynb")])
    for name in names:
        keep(HERE / f"{name.removesuffix('.ipynb')}.ipynb")
        print(name, "is kept")
