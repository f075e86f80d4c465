"""Between the memory of the GPU and that of the host: copies, and how much there is."""
import re

import cupy


def check_there_is_one():
    """A RuntimeError where CuPy finds no GPU, or no driver for it."""
    if cupy.is_available():
        return
    try:
        cupy.cuda.runtime.getDeviceCount()
        why = "is CUDA_VISIBLE_DEVICES empty?"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        why = str(error)
    raise RuntimeError(f"device 'cuda' needs an NVIDIA GPU and its driver, and CuPy finds none ({why})")


def from_host(array, non_blocking=False):
    """A copy of a NumPy array on the GPU; the call does not wait for it.

    An array in pageable memory CuPy first copies to page-locked memory, from which the GPU fetches it: the array may be
    changed at once. One that is page-locked (`pinned`) the GPU fetches from where it is. CuPy keeps it alive until that
    is done, and so long it must not be changed; unless it is to be non_blocking, the call then waits.
    """
    return cupy.array(array, blocking=is_pinned(array) and not non_blocking)


def to_host(array):
    """A copy on the host, as a NumPy array. This waits for all that the GPU has yet to do."""
    return cupy.asnumpy(array)


def pinned(array):
    """A copy of a NumPy array in page-locked memory, which the system leaves where it is, so that a GPU can fetch it."""
    import cupyx
    copy = cupyx.empty_pinned(array.shape, array.dtype)
    copy[...] = array
    return copy


def is_pinned(array):
    """Was the memory of a NumPy array made by `pinned`?"""
    while hasattr(array, "base"):
        array = array.base
    return isinstance(array, cupy.cuda.PinnedMemoryPointer)


def synchronize():
    """Wait until all that was asked of the GPU is done."""
    cupy.cuda.get_current_stream().synchronize()


def room():
    """Bytes that this process has, or can get: what is free on the GPU, and what CuPy's pool holds; or the pool's limit."""
    pool = cupy.get_default_memory_pool()
    free, _ = cupy.cuda.runtime.memGetInfo()
    return min(free + pool.total_bytes(), pool.get_limit() or free + pool.total_bytes())


def shortage(error):
    """What an OutOfMemoryError says, and what there is: how much was wanted, how much is free."""
    wanted = int(re.search(r"allocating ([\d,]+) bytes", str(error))[1].replace(",", ""))
    free = room() - cupy.get_default_memory_pool().used_bytes()
    return (f"the GPU's memory is full: {mebibytes(wanted)} more were wanted, and of {mebibytes(room())} {mebibytes(free)} "
            "are free")


def mebibytes(n):
    return f"{n / 2 ** 20:,.0f} MiB" if n >= 2 ** 20 else f"{n:,} bytes"
