"""A reader of the pickles that torch.save writes; it makes descriptions of tensors, and can run nothing.

A pickle is a program for a machine with a stack. Python's own reader lets a program import any function and call it,
so that opening a file may delete others. This one knows the two dozen instructions that PyTorch uses, and the only
functions that a program can name are those of KNOWN, which make tuples and dicts.
"""
import pickletools
from math import prod
from typing import NamedTuple


class Refused(ValueError):
    """A pickle asks for something that has no place in a state dict."""


class Storage(NamedTuple):
    """`size` numbers in a row, which are under `key` somewhere else in the file."""
    dtype: str
    key: str
    size: int


class Strided(NamedTuple):
    """A tensor: element (i, j, ..) is number offset + i * stride[0] + j * stride[1] + .. of the storage."""
    storage: Storage
    offset: int
    shape: tuple
    stride: tuple


def unpickle(stream):
    """The value that the next pickle in `stream` describes, a tensor being a Strided. The stream is left behind it.

    ValueError if the pickle is damaged; Refused if it asks for anything but dicts, lists and tensors of plain values.
    """
    stack, memo = [], {}
    try:
        for opcode, arg, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return stack.pop()
            step(opcode, arg, stack, memo)
    except Refused:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"its pickle makes no sense ({type(error).__name__}: {error})") from None


def step(opcode, arg, stack, memo):
    """Do what one instruction says."""
    match opcode.name:
        case "PROTO" | "FRAME":
            pass
        case "NONE":
            stack.append(None)
        case "NEWTRUE" | "NEWFALSE":
            stack.append(opcode.name == "NEWTRUE")
        case "EMPTY_DICT":
            stack.append({})
        case "EMPTY_LIST":
            stack.append([])
        case "EMPTY_TUPLE":
            stack.append(())
        case "MARK":
            stack.append(MARK)
        case "TUPLE":
            stack.append(tuple(above_mark(stack)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            n = int(opcode.name[-1])
            stack[-n:] = [tuple(stack[-n:])]
        case "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        case "APPENDS":
            values = above_mark(stack)
            stack[-1].extend(values)
        case "SETITEM":
            key, value = stack[-2:]
            del stack[-2:]
            put(stack[-1], [key], [value])
        case "SETITEMS":
            values = above_mark(stack)
            put(stack[-1], values[::2], values[1::2])
        case "BUILD":                                       # an OrderedDict's attributes: PyTorch's version numbers
            stack.pop()
        case "BINPUT" | "LONG_BINPUT":
            memo[arg] = stack[-1]
        case "MEMOIZE":
            memo[len(memo)] = stack[-1]
        case "BINGET" | "LONG_BINGET":
            stack.append(memo[arg])
        case "GLOBAL":
            stack.append(known(arg))
        case "STACK_GLOBAL":
            module, name = stack[-2:]
            stack[-2:] = [known(module + " " + name)]
        case "REDUCE":
            function, args = stack[-2:]
            stack[-2:] = [function(*args)]
        case "BINPERSID":
            stack.append(storage(*stack.pop()))
        case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE" \
                | "BINSTRING" | "SHORT_BINSTRING":          # the last two: written by Python 2
            stack.append(arg)
        case _:
            raise Refused(f"its pickle has an instruction {opcode.name}, which no state dict of tensors needs")


MARK = object()


def above_mark(stack):
    """Take what lies above the last mark from the stack, and the mark."""
    n = len(stack) - stack[::-1].index(MARK)
    values = stack[n:]
    del stack[n - 1:]
    return values


def put(target, keys, values):
    """Into a dict; a key of tuples in tuples, each of them twice in the next, would take forever to be hashed."""
    if not all([isinstance(key, (str, int)) for key in keys]):
        raise Refused("its pickle has a key that is neither a string nor a number")
    target.update(zip(keys, values))


# ---- what a program may name: a function or a class, by module and name


def known(name):
    if name not in KNOWN:
        raise Refused(f"its pickle names {name.replace(' ', '.')}, and only tensors of plain numbers by name are read: "
                         "what torch.save(model.state_dict(), path) writes")
    return KNOWN[name]


def ordered_dict(*pairs):
    if pairs:
        raise TypeError("an OrderedDict that is not made empty")
    return {}


def storage(kind, dtype, key, location, size, view=None):
    """What PyTorch keeps outside of a pickle, only its place being inside."""
    if kind != "storage" or dtype not in DTYPES.values() or not isinstance(key, str) or view or not is_size(size):
        raise TypeError("a storage has a type, a key and a size")
    return Storage(dtype, key, size)


def tensor(storage, offset, shape, stride, *of_no_interest):
    if not isinstance(storage, Storage) or not all(map(is_size, [offset, *shape, *stride])) or len(shape) != len(stride):
        raise TypeError("a tensor has a storage, an offset, a shape and strides")
    last = offset + sum([(n - 1) * step for n, step in zip(shape, stride)])
    if prod(shape) > 0 and last >= storage.size:
        raise TypeError(f"a tensor of shape {tuple(shape)} ends at number {last} of {storage.size}")
    return Strided(storage, offset, tuple(shape), tuple(stride))


def parameter(data, *of_no_interest):
    return data


def is_size(n):
    return type(n) is int and 0 <= n < 1 << 63


DTYPES = {
    "torch DoubleStorage": "f8", "torch FloatStorage": "f4", "torch HalfStorage": "f2", "torch BFloat16Storage": "bf16",
    "torch LongStorage": "i8", "torch IntStorage": "i4", "torch ShortStorage": "i2", "torch CharStorage": "i1",
    "torch ByteStorage": "u1", "torch BoolStorage": "b1"}

KNOWN = {
    "collections OrderedDict": ordered_dict,
    "torch._utils _rebuild_tensor": tensor,                 # before PyTorch 0.4
    "torch._utils _rebuild_tensor_v2": tensor,
    "torch._utils _rebuild_parameter": parameter,
    **DTYPES}
