"""The viewer in a notebook: the same as a page, with a cursor that Python can read and move. Needs `anywidget`."""
from minidl.trace.pack import pack
from minidl.trace.page import SCRIPT, STYLE


def widget(trace):
    """A widget that steps through a Trace; its `at` is the number of the moment that it shows, from 0."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise ImportError("a trace as a widget needs anywidget: pip install 'minidl[notebook]'; without it, a cell that "
                          "ends in the trace itself shows the same viewer, which Python cannot move") from None

    class Viewer(anywidget.AnyWidget):
        _esm = SCRIPT.read_text()
        _css = STYLE.read_text() + ".minidl { height: 640px; }"
        trace = traitlets.Unicode().tag(sync=True)
        at = traitlets.Int(0).tag(sync=True)

    return Viewer(trace=pack(trace))
