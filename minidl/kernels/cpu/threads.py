"""Who runs in parallel: one pool of threads, Numba's; a matrix product inside it runs on its caller's thread.

NumPy's BLAS has a pool of its own. Two pools that take turns on the same cores wait for each other's idle
threads, up to a scheduler's quantum per turn, so a kernel never mixes parallel loops with parallel BLAS.
"""
import functools
import importlib
import pathlib
import warnings
from contextlib import contextmanager


@functools.cache
def numba():
    """The module, imported now, and set to use threads that Python's own threads may share."""
    import numba
    if numba.config.THREADING_LAYER == "default":        # else NUMBA_THREADING_LAYER was set, and is respected
        numba.config.THREADING_LAYER = threading_layer() or "default"
    return numba


def threading_layer():
    """"omp" or "tbb"; never "workqueue", which aborts when two Python threads run kernels. None if neither loads."""
    for layer in "omp", "tbb":
        try:
            importlib.import_module(f"numba.np.ufunc.{layer}pool")
            return layer
        except ImportError:
            pass
    return None


@functools.cache
def has_threads():
    if numba().config.THREADING_LAYER != "default":
        return True
    warnings.warn("neither OpenMP nor TBB can be loaded, so kernels run on one thread", stacklevel=2)
    return False


@functools.cache
def thread_count():
    return numba().get_num_threads() if has_threads() else 1


@contextmanager
def one_blas_thread():
    """Within the block, np.dot in a jitted function runs on the thread that calls it."""
    libraries = blas_of_scipy()
    for library, _ in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in libraries:
            library.set_num_threads(count)


@functools.cache
def blas_of_scipy():
    """The BLAS that Numba's np.dot calls, and its usual number of threads: SciPy's own, or the one it shares."""
    import scipy.linalg.cython_blas                      # noqa: F401, loads the library
    from threadpoolctl import ThreadpoolController
    found = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    own = [lib for lib in found if {"scipy", "scipy.libs"} & set(pathlib.Path(lib.filepath).parts)]
    return [(lib, lib.get_num_threads()) for lib in own or found]
