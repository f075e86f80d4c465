"""cupy.cuda and cupyx of the double: one device, work that is done at once, memory that can run out."""
import time
import types

from strictcupy import memory, watch
from strictcupy.array import ndarray


class Device:
    """The one device there is."""

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)
        if self.id != 0:
            raise runtime.CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self): return self
    def __exit__(self, *_): pass
    def __int__(self): return self.id
    def __eq__(self, other): return isinstance(other, Device) and other.id == self.id
    def __hash__(self): return hash(self.id)
    def __repr__(self): return f"<CUDA Device {self.id}>"
    def use(self): pass
    def synchronize(self): watch.synchronised()

    @property
    def compute_capability(self): return "90"

    @property
    def mem_info(self): return runtime.memGetInfo()


class Stream:
    """A queue of work; here each piece is done when it is queued."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0

    def __enter__(self): return self
    def __exit__(self, *_): pass
    def use(self): return self
    def synchronize(self): watch.synchronised()
    def wait_event(self, event): pass

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event


Stream.null = Stream(null=True)


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.time = None

    def record(self, stream=None): self.time = time.perf_counter()
    def synchronize(self): watch.synchronised()

    @property
    def done(self): return True


def get_elapsed_time(start_event, end_event):
    """Milliseconds between two events."""
    return (end_event.time - start_event.time) * 1000


def get_current_stream(): return Stream.null
def is_available(): return True
def alloc_pinned_memory(size): return memory.Pinned(size)


class CUDARuntimeError(RuntimeError):
    pass


runtime = types.ModuleType("cupy.cuda.runtime")
runtime.CUDARuntimeError = CUDARuntimeError
runtime.memGetInfo = lambda: (memory.total - memory.used, memory.total)
runtime.getDeviceCount = lambda: 1
runtime.getDevice = lambda: 0
runtime.deviceSynchronize = watch.synchronised
runtime.driverGetVersion = runtime.runtimeGetVersion = lambda: 13000
runtime.getDeviceProperties = lambda device: {"name": b"a double of a GPU", "totalGlobalMem": memory.total,
                                              "multiProcessorCount": 1, "major": 9, "minor": 0}

module = types.ModuleType("cupy.cuda")
module.memory = types.ModuleType("cupy.cuda.memory")
module.memory.OutOfMemoryError = memory.OutOfMemoryError
module.PinnedMemoryPointer = memory.Pinned
module.runtime = runtime
for name in ("Device", "Stream", "Event", "get_elapsed_time", "get_current_stream", "is_available", "alloc_pinned_memory"):
    setattr(module, name, globals()[name])

cupyx = types.ModuleType("cupyx")
cupyx.DeviceSynchronized, cupyx.allow_synchronize = watch.DeviceSynchronized, watch.allow_synchronize
cupyx.empty_pinned = memory.empty_pinned


def zeros_pinned(shape, dtype=float, order="C"):
    made = memory.empty_pinned(shape, dtype, order)
    made.fill(0)
    return made


def scatter_add(a, slices, value): ndarray.scatter_add(a, slices, value)
def scatter_max(a, slices, value): ndarray.scatter_max(a, slices, value)
def scatter_min(a, slices, value): ndarray.scatter_min(a, slices, value)


for thing in (zeros_pinned, scatter_add, scatter_max, scatter_min):
    setattr(cupyx, thing.__name__, thing)
