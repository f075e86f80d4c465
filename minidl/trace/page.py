"""A trace as one HTML file that needs nothing else: no network, no server, no other program."""
import base64
import hashlib
import html
from pathlib import Path
from string import Template

from minidl.trace.pack import pack
from minidl.utils.data.files import replacing

PAGE, SCRIPT, STYLE = [Path(__file__).with_name(name) for name in ("page.html", "viewer.js", "viewer.css")]


def page(trace):
    """The HTML of a page that steps through a Trace.

    Whatever a model or a module is called, only the viewer's own script may run, and nothing may be fetched.
    """
    script = SCRIPT.read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(PAGE.read_text()).substitute(
        title=html.escape(trace.title), style=STYLE.read_text(), trace=pack(trace), script=script, digest=digest)


def write(trace, path):
    """Write the page into a file, which is smaller than 1 MB unless the trace has thousands of moments."""
    with replacing(Path(path)) as file:
        file.write(page(trace).encode())
    return Path(path)


def frame(trace, height=640):
    """The page inside another one, such as a notebook that knows no widgets."""
    return (f'<iframe srcdoc="{html.escape(page(trace))}" title="{html.escape(trace.title)}, step by step" '
            f'style="width: 100%; height: {height}px; border: 1px solid #8888"></iframe>')
