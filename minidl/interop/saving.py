"""save and load: nested dicts and lists of tensors and plain values, in one file, without pickle."""
import json
import zlib
from pathlib import Path

import numpy as np

from minidl.creation import from_numpy, on_device
from minidl.kernels import is_array
from minidl.tensor import Tensor

# The tensors are stored under their path in the object, "model.conv1.weight", so that safetensors in any
# language reads them. The rest is JSON in the file's metadata. What JSON does not know is a dict of one tag.
TENSOR, ARRAY, TUPLE, ITEMS = "$tensor", "$array", "$tuple", "$items"
PLAIN = (str, int, float, bool, type(None))


class CheckpointError(ValueError):
    """A saved file is damaged, or not the one that is wanted; the message is one sentence for a person."""


def save(obj, path):
    """Write `obj` to the file `path`: dicts, lists and tuples of tensors, arrays, numbers, strings and None.

    The file is put in place only when it is whole: whatever goes wrong, an old one stays as it was. Tensors
    are saved as numbers, without their graph. Anything that only pickle could store is a TypeError.
    """
    from safetensors.numpy import save as serialize

    from minidl.utils.data.files import replacing
    arrays = {}
    tree = json.dumps(outline(obj, "", arrays))
    content = serialize(arrays, {"minidl": f"{checksum(tree, arrays)} {tree}"})     # one entry: they have no order
    with replacing(Path(path)) as file:
        file.write(content)


def load(path):
    """What `save` wrote to `path`; or the tensors by name of any other safetensors file, as a dict."""
    import safetensors
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: {why_not(path, error)}") from None
    except (KeyError, TypeError) as error:                  # a type of number that NumPy does not have
        raise CheckpointError(f"{path}: holds numbers of a type that is not known here ({error})") from None
    if "minidl" not in metadata:
        return {name: from_numpy(array) for name, array in arrays.items()}
    crc32, _, tree = metadata["minidl"].partition(" ")
    if crc32 != checksum(tree, arrays):
        raise CheckpointError(f"{path}: is damaged: its checksum is not that of its content")
    try:
        return filled(json.loads(tree), arrays)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{path}: was not written by minidl: its metadata makes no sense") from None


def outline(obj, name, arrays):
    """`obj` as JSON can hold it; its tensors and arrays go into `arrays`, each under its path."""
    if isinstance(obj, Tensor) or is_array(obj):
        array = on_device(obj.array if isinstance(obj, Tensor) else obj, "cpu")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"save: {name or 'the object'} is an array of {array.dtype}; "
                            "only numbers can be saved")
        while name in arrays or name in ("", "__metadata__"):
            name += "_"
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)       # the former makes 0-d 1-d
        return {TENSOR if isinstance(obj, Tensor) else ARRAY: name}
    if isinstance(obj, np.generic):
        obj = obj.item()
    if isinstance(obj, PLAIN):
        return obj
    inside = lambda key: f"{name}.{key}" if name else str(key)
    if isinstance(obj, dict):
        for key in obj:
            if not isinstance(key, PLAIN):
                raise TypeError(f"save: {name or 'the object'} has a key {key!r}; "
                                "strings and numbers can be saved")
        values = [(key, outline(value, inside(key), arrays)) for key, value in obj.items()]
        as_they_are = all(isinstance(key, str) and not key.startswith("$") for key in obj)
        return dict(values) if as_they_are else {ITEMS: values}
    if isinstance(obj, (list, tuple)):
        values = [outline(value, inside(i), arrays) for i, value in enumerate(obj)]
        return values if isinstance(obj, list) else {TUPLE: values}
    raise TypeError(f"save: {name or 'the object'} is a {type(obj).__name__}; tensors, arrays, numbers, strings "
                    "and None can be saved, in dicts, lists and tuples (of a module, its state_dict())")


def filled(tree, arrays):
    """The object that `outline` was given."""
    if isinstance(tree, list):
        return [filled(value, arrays) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if TENSOR in tree:
        return from_numpy(arrays[tree[TENSOR]])
    if ARRAY in tree:
        return arrays[tree[ARRAY]]
    if TUPLE in tree:
        return tuple(filled(value, arrays) for value in tree[TUPLE])
    if ITEMS in tree:
        return {key: filled(value, arrays) for key, value in tree[ITEMS]}
    return {key: filled(value, arrays) for key, value in tree.items()}


def checksum(tree, arrays):
    """CRC-32 of everything in the file, for safetensors itself would not notice a number that has changed."""
    crc = zlib.crc32(tree.encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8), crc)
    return f"{crc:08x}"


def why_not(path, error):
    """What is wrong with a file that safetensors refuses."""
    with open(path, "rb") as file:
        start = file.read(8)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return "is a zip or a pickle, as torch.save writes; minidl.interop.torch.load(model, path) reads weights from it"
    return f"is no safetensors file, or a part of one is missing ({error})"
