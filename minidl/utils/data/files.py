"""Data files, distrusted: read within bounds, checked, and put in place only when whole."""

import contextlib
import gzip
import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidl.utils.data.dataset import DataError

BROKEN = (EOFError, OSError, zlib.error)             # what gzip raises for a file that is cut off or damaged
CHUNK = 1 << 20
LARGEST = 1 << 28                                    # bytes in a file; CIFAR-100's largest has 155 million


def cache_dir():
    """Where fetched data lives: $MINIDL_DATA, else minidl in the user's cache directory."""
    if chosen := os.environ.get("MINIDL_DATA"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidl"


@dataclass(frozen=True)
class File:
    """A file as it has to be. An MD5 tells damage and mix-ups; it is no proof of origin."""
    name: str
    md5: str
    size: int | None = None

    def is_in(self, folder):
        """Whether the folder has it, by hand compressed or not. What is in it, the reader will see."""
        return any((Path(folder) / (self.name + ending)).is_file() for ending in ("", ".gz"))

    def save(self, chunks, folder):
        """Write the chunks, unzipped if they are gzip and this is no .gz; a wrong file leaves nothing."""
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with replacing(Path(folder) / self.name) as out:
            for chunk in chunks if self.name.endswith(".gz") else gunzipped(chunks, self.name):
                size += len(chunk)
                if size > (self.size or LARGEST):
                    raise DataError(f"{self.name}: longer than {self.size or LARGEST:,} bytes")
                digest.update(chunk)
                out.write(chunk)
            if self.size and size < self.size:
                raise DataError(f"{self.name}: ended after {size:,} of {self.size:,} bytes")
            if digest.hexdigest() != self.md5:
                raise DataError(f"{self.name}: its MD5 is {digest.hexdigest()}, and {self.md5} is wanted: "
                                f"damaged, or another file of that name")


@contextlib.contextmanager
def replacing(path):
    """Open a temporary file to write; the end of the block makes it `path`, an error removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())                       # on the disk before it takes the old one's place
        os.chmod(temporary, 0o644)                       # mkstemp's file is for its owner only
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def gunzipped(chunks, name):
    """Chunks as they are, or unzipped a bounded piece at a time if the first begins like gzip."""
    unzip = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk[:2] == b"\x1f\x8b":
            unzip = zlib.decompressobj(wbits=31)
        if unzip is None:
            yield chunk
            continue
        try:
            while chunk and not unzip.eof:
                yield unzip.decompress(chunk, CHUNK)
                chunk = unzip.unconsumed_tail
        except zlib.error as error:
            raise DataError(f"{name}: its compressed data is damaged ({error})") from None
    if unzip is not None and not unzip.eof:
        raise DataError(f"{name}: its compressed data breaks off")


def chunks_of(stream):
    """A stream's bytes, piece by piece."""
    return iter(lambda: stream.read(CHUNK), b"")


def read_idx(path, ndim):
    """An array of bytes with `ndim` axes from an IDX file, raw or gzip: the format of MNIST.

    Big-endian: 0, 0, 8 (for bytes), ndim, then each length in four bytes, then the numbers.
    """
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(path, "rb") as file:
            magic = file.read(4)
            if magic != bytes([0, 0, 8, ndim]):
                raise DataError(f"{path}: begins with {magic.hex() or 'nothing'}, not 0000080{ndim}: "
                                f"not an IDX file of {'labels' if ndim == 1 else 'images'}")
            header = file.read(4 * ndim)
            shape = np.frombuffer(header[:len(header) // 4 * 4], ">u4").tolist()
            size = int(np.prod(shape, dtype=object))
            if len(shape) < ndim or size > LARGEST:
                raise DataError(f"{path}: its header says shape {tuple(shape)}, which is no data set's")
            values = file.read(size + 1)
    except BROKEN as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if len(values) != size:
        raise DataError(f"{path}: its header says {size:,} bytes for shape {tuple(shape)}, but it holds "
                        f"{'more' if len(values) > size else f'{len(values):,}'}")
    return np.frombuffer(values, np.uint8).reshape(shape)
