"""`jit`, the project's one way to compile a kernel.

Nothing is imported or compiled before the first call, and NUMBA_DISABLE_JIT=1 leaves plain Python loops to step
through. What is compiled is kept on disk, in a folder named after the contents of this one: a kernel may call
the kernels of other files, and is compiled again when any of them changes.

A kernel whose work falls into parts that do not touch one another, which as a rule are the threads' portions, is
written for one of them:

    @jit(each="threads")
    def _double(t, x, y, threads):
        first, end = portion(len(x), t, threads)
        for i in range(first, end):
            y[i] = 2 * x[i]

and called without the number of the part: _double(x, y, thread_count()) does all, on all threads where there is enough
to do. Parts should be few, as it takes a microsecond to call one.
"""
import functools
import hashlib
import os
import shutil
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from minidl.kernels.cpu import threads

SUMS = {"reassoc", "contract"}           # fastmath for sums: faster, more accurate, and NaN stays NaN
WORTH_A_THREAD = 2 ** 15                 # numbers to handle; below, waking a thread takes longer than the work


def jit(function=None, *, each=None, fastmath=False, inline=False):
    """Compile a function of arrays and numbers when it is first called, for the types it is called with.

    each   : the argument that says how many parts the work has, an array, which has one for each of its rows, or a number
    inline : make it a part of the functions that call it, before these are compiled; where there is only one, that saves
             to compile it by itself
    """
    if function is None:
        return lambda function: jit(function, each=each, fastmath=fastmath, inline=inline)
    return ParallelKernel(function, fastmath, each) if each else Kernel(function, fastmath, inline)


class Kernel:
    """A function that is compiled when it is first called; then the compiled one takes its place in its file."""

    def __init__(self, function, fastmath, inline=False):
        self.function, self.fastmath, self.inline = function, fastmath, inline
        functools.update_wrapper(self, function)

    def __call__(self, *args):
        link(self.function.__globals__)
        return self.compiled(*args)

    @functools.cached_property
    def compiled(self):
        return self.compile()

    def compile(self):
        import numba
        compiled = kept(numba.njit, self.function, fastmath=self.fastmath, error_model="numpy", nogil=True,
                        inline="always" if self.inline else "never")

        def for_types(args, kws):                        # Numba would compile f(x, 0) and f(x, n) one by one
            return type(compiled).get_call_template(compiled, tuple(map(numba.types.unliteral, args)), kws)
        compiled.get_call_template = for_types
        return compiled


class ParallelKernel(Kernel):
    """Does all parts of its work, on all threads where there is enough to do, and one after the other where there is not.

    What there is to do is told by the sizes of its arrays, but for `work`, which is memory to do it in.
    """

    def __init__(self, function, fastmath, each):
        super().__init__(function, fastmath)
        _, *names = function.__code__.co_varnames[:function.__code__.co_argcount]
        self.each, self.counts, self.codes = names.index(each), [name != "work" for name in names], {}

    def __call__(self, *args):
        kinds = fingerprint()(args)
        code = self.codes.get(kinds) or self.code(args, kinds)
        if code is None:                                 # an error could not be raised from there
            return self.one_by_one(self.compiled, *args)
        numbers = sum([x.size for x, counts in zip(args, self.counts) if counts and type(x) is np.ndarray])
        if numbers < WORTH_A_THREAD or not threads.in_parallel():
            return caller().one_by_one(self.parts(args), code.address, *args)
        with threads.launch():
            caller().on_threads(self.parts(args), code.address, *args)

    def parts(self, args):
        """How many parts the work has."""
        many = args[self.each]
        return len(many) if isinstance(many, np.ndarray) else many

    def one_by_one(self, function, *args):
        for part in range(self.parts(args)):
            function(part, *args)

    def code(self, args, kinds):
        """The function of C's that does a part, for arguments of these types; for debugging, there is none."""
        import numba
        link(self.function.__globals__)
        if numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK:
            return None
        types = numba.void(numba.int64, *map(numba.typeof, args))
        compiler = functools.partial(numba.cfunc, types)
        self.codes[kinds] = kept(compiler, self.function, fastmath=self.fastmath, error_model="numpy")
        return self.codes[kinds]


@functools.cache
def fingerprint():
    """Numba's own function of what is compiled for: a short text for the types of all arguments."""
    from numba._dispatcher import compute_fingerprint
    return compute_fingerprint


@functools.cache
def caller():
    from minidl.kernels.cpu import parts                 # which imports Numba
    return parts


def kept(compiler, function, **options):
    """What a compiler of Numba's makes of a function, from our folder if it was made before."""
    import numba
    folder = cache_folder()
    with alone_in(folder):
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder              # the setting is all of Numba's
        try:
            compiled = compiler(cache=bool(folder), **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return compiler(**options)(function)         # a function without a file has no place in a cache
        finally:
            numba.config.CACHE_DIR = before
    if cache := getattr(compiled, "_cache", None):       # not where Numba leaves Python as it is
        cache.save_overload = functools.partial(save_alone, folder, cache.save_overload)
    return compiled


def save_alone(folder, save, *what):
    with alone_in(folder):
        save(*what)


@contextmanager
def alone_in(folder):
    """Within the block no other thread, and no other process with the same folder, does the same.

    Numba numbers the files of a function's compiled forms, and looks for a free number. Two processes that find the same
    one write to the same file, and afterwards one form is taken for the other, which ends the process.
    """
    global _inside
    with threads.one_at_a_time(), open(Path(folder, "lock"), "w") if folder and not _inside else nullcontext() as file:
        try:
            import fcntl
            if file:
                fcntl.flock(file, fcntl.LOCK_EX)         # until the file is closed
        except (ImportError, OSError):                   # not on this system, not on this disk
            pass
        _inside += 1
        try:
            yield
        finally:
            _inside -= 1


_inside = 0                  # how many blocks of this process we are in


def link(file, done=()):
    """Let the names of kernels in a file, and in the files that they are from, stand for the compiled ones."""
    done = (*done, id(file))
    for name, value in list(file.items()):
        if isinstance(value, Kernel) and not isinstance(value, ParallelKernel):
            file[name] = value.compiled
            _linked[id(value.compiled)] = value
            if id(value.function.__globals__) not in done:
                link(value.function.__globals__, done)


_linked: dict = {}           # id of a compiled kernel -> the kernel, which keeps it alive


def plain(f):
    """The Python function behind a kernel, or behind the compiled one that stands for it; any other f as it is."""
    kernel = f if isinstance(f, Kernel) else _linked.get(id(f))
    return kernel.function if kernel else f


@functools.cache
def cache_folder():
    """Where compiled kernels are kept: a folder for these very sources; "" where none can be made.

    Folders for other versions of the sources are removed when they were not used for a month.
    """
    settings = [os.environ.get(name, "") for name in ("MINIDL_SIMD", "NUMBA_BOUNDSCHECK")]
    sources = hashlib.sha256(repr(settings).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    home = os.environ.get("NUMBA_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(home) / "minidl" / "kernels" / sources.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in folder.parent.iterdir():
            if other.stat().st_mtime < time.time() - 30 * 86400:
                shutil.rmtree(other, ignore_errors=True)
        return str(folder) if os.access(folder, os.W_OK) else ""
    except OSError:
        return ""


@jit
def portion(count, t, threads):
    """Of `count` things, those that fall to thread t: the first of them, and where they end."""
    return count * t // threads, count * (t + 1) // threads
