"""What a program waits for and copies: counted, with the place that it comes from."""
import contextlib
import os
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(__file__)
ALIEN = (HERE, os.path.dirname(contextlib.__file__), os.sep + "numpy" + os.sep)


@dataclass
class Watch:
    """Since it began: places in the source where the program waited for the device, and copies from host to device."""
    synchronisations: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)             # from any memory of the host
    pinned_uploads: list[str] = field(default_factory=list)      # those of them from pinned memory


class DeviceSynchronized(RuntimeError):
    """The program waits for the device where that is not allowed; cupyx has the same name for it."""


everything = Watch()                  # since the double was imported
watches = [everything]
allowed = True


@contextlib.contextmanager
def watching():
    """with watching() as seen: what a block waits for and copies."""
    watch = Watch()
    watches.append(watch)
    try:
        yield watch
    finally:
        watches.remove(watch)


@contextlib.contextmanager
def allow_synchronize(allow):
    """cupyx.allow_synchronize: whether a block may wait for the device."""
    global allowed
    before, allowed = allowed, allow
    try:
        yield
    finally:
        allowed = before


def synchronised():
    place = caller()
    for watch in watches:
        watch.synchronisations.append(place)
    if not allowed:
        raise DeviceSynchronized(f"the program waits for the device at {place}")


def uploaded(pinned):
    place = caller()
    for watch in watches:
        watch.uploads.append(place)
        if pinned:
            watch.pinned_uploads.append(place)


def caller():
    """ "file:line in function", of the innermost code that is neither the double's nor NumPy's."""
    frame = sys._getframe(1)
    while frame.f_back and any([part in frame.f_code.co_filename for part in ALIEN]):
        frame = frame.f_back
    return f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_name}"
