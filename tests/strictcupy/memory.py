"""Device memory that can run out, and the host's pinned memory."""
import weakref

import numpy as np

BLOCK = 512                           # CuPy's pool hands out memory in multiples of it
total = 16 * 2 ** 30                  # bytes of the device; a test may set fewer
allocated = {}                        # id of an array that owns memory: a weak reference to it, bytes
used = 0
most_used = 0


class OutOfMemoryError(MemoryError):
    def __init__(self, size, allocated, limit=0):
        at_most = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {allocated:,} bytes{at_most}).")


class Pool:
    """What the default memory pool tells and does; what is freed goes straight back to the device."""
    limit = 0

    def used_bytes(self): return used

    def total_bytes(self): return used

    def free_bytes(self): return 0

    def n_free_blocks(self): return 0

    def get_limit(self): return self.limit

    def set_limit(self, size=None, fraction=None):
        self.limit = int(total * fraction) if size is None else size

    def free_all_blocks(self, stream=None): pass


class PinnedPool:
    def n_free_blocks(self): return 0

    def free_all_blocks(self): pass


class Pinned(bytearray):
    """Memory of the host that stays where it is, so that a device copies from it by itself."""


default, default_pinned = Pool(), PinnedPool()
POISON = {"f": (np.uint32, 0x7FC0DEAD), "d": (np.uint64, 0x7FF8DEADDEADDEAD), "i": (np.int32, 0x7EADDEAD),
          "l": (np.int64, 0x7EADDEAD7EADDEAD), "q": (np.int64, 0x7EADDEAD7EADDEAD)}


def poison(a):
    """Unwritten numbers: NaN and integers that the simulator of kernels knows, and that no index survives."""
    if a.dtype.char in POISON and a.flags.forc:
        dtype, value = POISON[a.dtype.char]
        a.view(dtype).fill(value)
    else:
        a.fill(np.nan if a.dtype.kind in "fc" else 77)
    return a


def room_for(size):
    """OutOfMemoryError where `size` more bytes are not there."""
    limit = min(default.limit or total, total)
    size = -(-size // BLOCK) * BLOCK
    if used + size > limit:
        raise OutOfMemoryError(size, used, default.limit)


def allocate(a):
    """`a` is the device's from now on, as long as it lives."""
    global used, most_used
    if a.base is not None or id(a) in allocated or not a.nbytes:
        return
    room_for(a.nbytes)
    size = -(-a.nbytes // BLOCK) * BLOCK
    used += size
    most_used = max(most_used, used)
    key = id(a)
    allocated[key] = weakref.ref(a, lambda _: free(key)), size


def free(key):
    global used
    used -= allocated.pop(key)[1]


def is_pinned(a):
    while isinstance(a, np.ndarray) and a.base is not None:
        a = a.base
    return isinstance(a, Pinned)


def empty_pinned(shape, dtype=float, order="C"):
    """cupyx.empty_pinned: a NumPy array."""
    like = np.empty(shape, dtype, order)
    if like.size == 0:
        return like
    return np.ndarray(like.shape, dtype, Pinned(like.nbytes), order=order)
