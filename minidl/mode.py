"""The switches that change what an op does when it is called; each thread has its own."""
import threading
from contextlib import contextmanager


class _Mode(threading.local):
    recording = True        # are ops remembered, so that gradients can flow back?
    elementary = False      # do fused ops run their definition in place of their kernel?
    keep_all = False        # does every op keep all its inputs and its output, read or not?
    device = None           # where are tensors made that are not told where? None is "cpu"
    anomaly = False         # is every result checked for NaN and Inf, and every op's origin noted?
    observer = None         # wraps every forward and every rule: the profiler, the stepper
    rule = None             # the op whose gradient rule is running


Mode = _Mode()


class switch:
    """Set attributes of `Mode` in this thread, at once; as a with-block, set them back at its end."""

    def __init__(self, **settings):
        unknown = [name for name in settings if not hasattr(_Mode, name)]
        if unknown:
            known = [name for name in vars(_Mode) if not name.startswith("_")]
            raise TypeError(f"mode: no switch is called {unknown[0]!r}; there are {', '.join(known)}")
        self.before = {name: getattr(Mode, name) for name in settings}
        self.set(settings)

    def set(self, settings):
        for name, value in settings.items():
            setattr(Mode, name, value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.set(self.before)


@contextmanager
def mode(**settings):
    """Set attributes of `Mode` in this thread for the length of a with-block, or of a decorated function."""
    with switch(**settings):
        yield


class Observer:
    """For Mode.observer: one that only looks on at forward passes, and is told of every op, note(op, arrays, y)."""

    def forward(self, op, forward):
        def run(k, *arrays):
            y = forward(k, *arrays)
            self.note(op, arrays, y)
            return y
        return run


def no_grad():
    """Ops in this block, or in the decorated function, are not recorded: results require no gradient."""
    return mode(recording=False)


def enable_grad():
    """Ops in this block are recorded again, inside a `no_grad`."""
    return mode(recording=True)


def is_grad_enabled():
    """Are ops being recorded in this thread?"""
    return Mode.recording


def set_grad_enabled(mode):
    """Record ops from here on, or do not; as a with-block, until its end."""
    return switch(recording=bool(mode))
