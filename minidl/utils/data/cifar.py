"""CIFAR-10 and CIFAR-100, "python version": pickles, read without letting them do anything."""

import math
import os
import pickle

import numpy as np

from minidl.utils.data.dataset import DataError
from minidl.utils.data.files import LARGEST


def read_cifar(paths, label_key):
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of batch files; a row is three planes, RGB."""
    images, labels = [], []
    for path in paths:
        batch = read_pickle(path)
        if not isinstance(batch, dict) or not {b"data", label_key} <= set(batch):
            raise DataError(f"{path}: holds no data and {label_key.decode()}: not a batch of this set")
        data, numbers = batch[b"data"], batch[label_key]
        if not isinstance(data, Bytes) or len(data.shape) != 2 or data.shape[1] != 3072:
            raise DataError(f"{path}: its data is not an array of bytes with 3072 columns")
        if not isinstance(numbers, list) or len(numbers) != data.shape[0] or {*map(type, numbers)} - {int}:
            raise DataError(f"{path}: {data.shape[0]} images, but its labels are not as many whole numbers")
        images.append(data.array().reshape(-1, 3, 32, 32))
        labels.append(np.array(numbers, np.int64))
    return np.concatenate(images), np.concatenate(labels)


def read_class_names(path, key):
    names = read_pickle(path)
    names = names.get(key) if isinstance(names, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{path}: holds no list {key.decode()}: not this set's file of class names")
    return [name.decode("latin1") for name in names]


class Bytes:
    """What stands for a NumPy array in the pickle: NumPy itself is never called with what the file says."""

    shape = ()

    def __setstate__(self, state):
        _, self.shape, dtype, self.fortran, self.buffer = state
        if not (isinstance(dtype, ByteType) and isinstance(self.buffer, bytes)
                and isinstance(self.shape, tuple)
                and all(type(length) is int and length >= 0 for length in self.shape)
                and math.prod(self.shape) == len(self.buffer)):
            raise pickle.UnpicklingError("an array that does not fit its own shape")

    def array(self):
        return np.frombuffer(self.buffer, np.uint8).reshape(self.shape, order="F" if self.fortran else "C")


class ByteType:
    """What stands for NumPy's dtype; only that of a byte is let through."""

    def __init__(self, name, *_):
        if name not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {name!r}, and bytes are wanted")

    def __setstate__(self, state):
        pass


class DataUnpickler(pickle.Unpickler):
    """Dictionaries, lists, numbers, bytes and arrays of bytes; any other name in the file is refused."""

    KNOWN = {("numpy", "ndarray"): Bytes, ("numpy", "dtype"): ByteType}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        KNOWN[module, "_reconstruct"] = lambda kind, shape, code: Bytes()

    def find_class(self, module, name):
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        asked = repr(f"{module}.{name}")[:80]                # repr: the file's own text may be anything
        raise pickle.UnpicklingError(f"it asks for {asked}, which a data file has no use for")


def read_pickle(path):
    """What a pickle file holds, read by DataUnpickler; DataError for anything that is wrong with it."""
    try:
        if os.stat(path).st_size > LARGEST:
            raise DataError(f"{path}: larger than {LARGEST:,} bytes, which no file of this set is")
        with open(path, "rb") as file:
            return DataUnpickler(file, encoding="bytes").load()
    except DataError:
        raise
    except (Exception, MemoryError) as error:            # a hostile pickle can raise anything
        raise DataError(f"{path}: not a file of this set ({error})") from None
