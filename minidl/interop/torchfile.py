"""The tensors in a file of PyTorch's, by name: .pt and .pth as torch.save writes them, and .safetensors."""
import io
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from minidl.interop.saving import CheckpointError
from minidl.interop.unpickling import Strided, unpickle

ZIP, LEGACY = b"PK\3\4", b"\x80\2\x8a\n"        # how files of torch.save begin, and those from before PyTorch 1.6
MAGIC = 0x1950A86A20F9469CFC6C, 1001             # the first two values in the latter: any number, and a version
BFLOAT16 = "bf16"                                # the upper half of a float32, which NumPy does not know


def read(path):
    """The arrays in the file, by name; bfloat16, which NumPy does not have, becomes float32.

    Which of the formats it is, its first bytes tell. Nothing in the file is run. CheckpointError if it is damaged, or
    holds anything else than tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    with open(path, "rb") as file:
        start = file.read(4)
    try:
        return {ZIP: from_zip, LEGACY: from_legacy}.get(start, from_safetensors)(path)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def from_zip(path):
    """A zip of the pickle data.pkl, and of one entry data/<key> for each storage, not compressed."""
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            root = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
            if root is None:
                raise ValueError("is a zip, but not one that torch.save wrote: no data.pkl is in it")
            if any([entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()]):
                raise ValueError("is a compressed zip, which torch.save does not write")
            big = f"{root}byteorder" in names and file.read(f"{root}byteorder") == b"big"
            state = tensors_in(unpickle(io.BytesIO(file.read(f"{root}data.pkl"))))
            return arrays(state, lambda storage: file.read(f"{root}data/{storage.key}"), ">" if big else "<")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, OSError) as error:
        raise ValueError(f"is a damaged file of torch.save, or a part of one is missing ({error})") from None


def from_legacy(path):
    """Five pickles (a magic number, a version, the sizes of C's types, the state, the storages' keys), then, for each
    key in turn, a length in eight bytes and the numbers.
    """
    file, contents = io.BytesIO(path.read_bytes()), {}
    try:
        if (unpickle(file), unpickle(file)) != MAGIC:
            raise ValueError("is a pickle, but not one that torch.save wrote")
        order = "<" if unpickle(file)["little_endian"] else ">"
        state = tensors_in(unpickle(file))
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in state.values()}
        for key in unpickle(file):
            length = int.from_bytes(file.read(8), "little")
            contents[key] = file.read(length * itemsize(dtypes[key]))
        return arrays(state, lambda storage: contents[storage.key], order)
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"is a damaged file of torch.save, or a part of one is missing ({error})") from None


def from_safetensors(path):
    import safetensors
    try:
        entries = sorted(safetensors.deserialize(path.read_bytes()))         # by name
    except safetensors.SafetensorError as error:
        raise ValueError(f"is no file of torch.save or safetensors, or a part of one is missing ({error})") from None
    kinds = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": BFLOAT16, "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
             "U8": "u1", "BOOL": "b1"}
    for name, entry in entries:
        if entry["dtype"] not in kinds:
            raise ValueError(f"{name} has numbers of type {entry['dtype']}, which are not known here")
    return {name: numbers(entry["data"], kinds[entry["dtype"]], "<").reshape(entry["shape"]) for name, entry in entries}


def tensors_in(state):
    """`state`, if it is a dict of tensors by name."""
    if not isinstance(state, dict) or not all([isinstance(name, str) for name in state]):
        raise ValueError(f"holds a {type(state).__name__}, and a dict of tensors by name is wanted")
    others = [name for name, value in state.items() if not isinstance(value, Strided)]
    if others:
        raise ValueError(f"holds more than tensors by name: {others[0]!r} is none; "
                         "torch.save(model.state_dict(), path) writes what can be read")
    return state


def arrays(state, content, order):
    """The numbers of every tensor of `state`; those that share a storage share memory. `order` is that of the bytes.

    content : the bytes of a Storage
    """
    @cache
    def whole(storage):
        found = numbers(content(storage), storage.dtype, order)
        if found.size != storage.size:
            raise ValueError(f"storage {storage.key} should have {storage.size:,} numbers, and there are {found.size:,}")
        return found
    return {name: strided(tensor, whole(tensor.storage)) for name, tensor in state.items()}


def strided(tensor, numbers):
    """The array whose elements lie in `numbers` as the tensor says."""
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, numbers.dtype)
    steps = [step * numbers.itemsize if n > 1 else 0 for n, step in zip(tensor.shape, tensor.stride)]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset:], tensor.shape, steps, writeable=False)


def numbers(content, dtype, order):
    """Bytes as an array of one axis."""
    if dtype == BFLOAT16:
        return (np.frombuffer(content, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, order + dtype)


def itemsize(dtype):
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
