"""A trace as a file, FILE.json with its numbers in FILE.npz, which other programs can read and check again.

The JSON holds, in order,

    leaves   {name, kind, value}
    nodes    {kind, settings, text, module, where, value, slots: [{name, source, value, wanted}]}
    moments  {kind, node, ...}, the kinds being forward, seed, enter, send and leaf, as in `tape`

A source or a node is "node 3" or "leaf 5". An array is {shape, dtype, digest, numbers, statistics}: `numbers` is its name in
the npz, and statistics are there where only a corner of it is. The same trace always gives the same bytes. Who reads it can
check that the contributions of the `send`s to each node add up to the gradient of its `enter`, that none comes later, and
that arrays have the digest that is written: BLAKE2b, 8 bytes, of "(2, 3) <f4" (shape and dtype) and the numbers in C order.
"""
import json
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from minidl.op import Op
from minidl.trace.tape import Arrive, Enter, Forward, Leaf, Node, Seed, Send, Slot, Snapshot, Statistics, Trace, digest
from minidl.utils.data.files import replacing

FORMAT = "minidl trace 1"
MOMENTS = {"forward": Forward, "seed": Seed, "enter": Enter, "send": Send, "leaf": Arrive}


def save(trace, path):
    """Write a Trace to `path`, which ends in .json, and its arrays beside it."""
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"{path}: a trace is written to a file that ends in .json, and one in .npz beside it")
    writer = Writer(trace)
    text = json.dumps(writer.document(), indent=1, allow_nan=True)
    with replacing(path.with_suffix(".npz")) as file:
        np.savez(file, **writer.arrays)
    with replacing(path) as file:
        file.write(text.encode())


def load(path):
    """The Trace in a file that `save` wrote.

    ValueError, with a sentence, for a file that is not one or is damaged. Nothing in it is run, and no array is larger than
    the file. Sums of gradients are computed again, so `faults` are those of the numbers and not of what the file claims.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text())
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"it does not begin with the words {FORMAT!r}")
        with zipfile.ZipFile(path.with_suffix(".npz")) as archive:
            return Reader(document, archive).trace()
    except FileNotFoundError as error:
        raise ValueError(f"{error.filename}: there is no such file; a trace is a file in .json and one in .npz") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, zipfile.BadZipFile, EOFError,
            UnicodeDecodeError, NotImplementedError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: this is not the trace that minidl wrote: {what}") from None


class Writer:
    def __init__(self, trace):
        self.trace, self.arrays, self.names = trace, {}, {}

    def document(self):
        trace = self.trace
        return {
            "format": FORMAT, "title": trace.title, "error": trace.error, "result": place(trace.result),
            "leaves": [{"name": leaf.name, "kind": leaf.kind, "value": self.snapshot(leaf.value)} for leaf in trace.leaves],
            "nodes": [self.node(node) for node in trace.nodes],
            "moments": [self.moment(moment) for moment in trace.moments],
        }

    def node(self, node):
        return {"kind": node.kind, "settings": settings(node.op), "text": node.text, "module": node.module,
                "where": node.where, "value": self.snapshot(node.value), "slots": [
                    {"name": slot.name, "source": place(slot.source), "wanted": slot.wanted,
                     "value": self.snapshot(slot.value)} for slot in node.slots]}

    def moment(self, moment):
        """Its fields, arrays by name and nodes by number."""
        described = {"kind": moment.kind}
        for field in fields(moment):
            value = getattr(moment, field.name)
            described[field.name] = place(value) if isinstance(value, (Node, Leaf)) else self.snapshot(value)
        return described

    def snapshot(self, value):
        if not isinstance(value, Snapshot):
            return plain(value)
        return {"shape": list(value.shape), "dtype": value.dtype.str, "digest": value.digest,
                "numbers": self.name_of(value), "statistics": list(value._statistics) if value._statistics else None}

    def name_of(self, value):
        """Equal arrays are written once."""
        if value.numbers is None:
            return None
        key = value.digest, value.numbers.shape
        if key not in self.names:
            self.names[key] = f"a{len(self.names)}"
            self.arrays[self.names[key]] = value.numbers
        return self.names[key]


def place(source):
    return None if source is None else f"{'node' if isinstance(source, Node) else 'leaf'} {source.index}"


def plain(value):
    """A constant as JSON can say it; what it cannot, in words."""
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def settings(op):
    """The settings of an op as JSON, or None where JSON has no word for one of them."""
    try:
        return {field.name: encoded(getattr(op, field.name)) for field in fields(op)} if hasattr(
            op, "__dataclass_fields__") else {} if op is not None and not vars(op) else None
    except TypeError:
        return None


def encoded(value):
    if isinstance(value, (tuple, list)):
        return [encoded(part) for part in value]
    if isinstance(value, slice):
        return {"slice": [encoded(part) for part in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"no word for {type(value).__name__}")


def decoded(value):
    match value:
        case list():
            return tuple([decoded(part) for part in value])
        case {"slice": [start, stop, step]}:
            return slice(start, stop, step)
        case {"ellipsis": True}:
            return Ellipsis
        case {"dtype": str(name)}:
            return np.dtype(name)
    return value


class Reader:
    """Takes nothing in the file for granted."""

    def __init__(self, document, archive):
        self.document, self.archive = document, archive
        self.members = {info.filename: info for info in archive.infolist()}
        self.cache = {}

    def trace(self):
        document = self.document
        self.leaves = [Leaf(i, word(one["name"]), word(one["kind"]), self.snapshot(one["value"]))
                       for i, one in enumerate(document["leaves"])]
        self.nodes = [self.node_without_slots(i, one) for i, one in enumerate(document["nodes"])]
        for node, one in zip(self.nodes, document["nodes"]):
            node.slots = [self.slot(node, slot) for slot in one["slots"]]
        trace = Trace(self.leaves, self.nodes, [], self.place(document["result"]), word(document["error"]),
                      word(document["title"]))
        self.totals = {}
        for one in document["moments"]:
            trace.moments.append(self.moment(one))
        return trace

    def node_without_slots(self, i, one):
        op = op_of(word(one["kind"]), one["settings"])
        return Node(i, op, one["kind"], word(one["text"]), word(one["module"]), word(one["where"]), [],
                    self.snapshot(one["value"]))

    def slot(self, node, one):
        source = self.place(one["source"])
        if isinstance(source, Node) and source.index >= node.index:
            raise ValueError(f"{node.label} reads {source.label}, which comes later")
        return Slot(word(one["name"]), source, self.snapshot(one["value"]), bool(one["wanted"]))

    def moment(self, one):
        """A moment, put in its place: ledgers and sums are made anew."""
        node = self.place(one["node"])
        match one["kind"]:
            case "forward":
                return Forward(node)
            case "seed":
                seed = Seed(node, self.snapshot(one["gradient"]))
                self.totals[node] = seed.gradient
                return seed
            case "enter":
                node.enter = Enter(node, self.snapshot(one["gradient"]), 0.0, bool(one["hooked"]),
                                   [word(name) for name in one["changed"]])
                node.enter.mismatch = self.mismatch(node, node.enter.gradient, float(one["mismatch"]))
                return node.enter
            case "leaf":
                node.arrive = Arrive(node, self.snapshot(one["gradient"]), 0.0, bool(one["hooked"]))
                node.arrive.mismatch = self.mismatch(node, node.arrive.gradient, float(one["mismatch"]))
                return node.arrive
            case "send":
                send = Send(node, int(one["slot"]), *[self.snapshot(one["raw"]), tuple(map(int, one["summed"])),
                            self.snapshot(one["contribution"]), self.snapshot(one["total"])])
                target = send.target
                if target is None:
                    raise ValueError(f"{node.label} sends a gradient to a constant")
                send.late = (target.enter if isinstance(target, Node) else target.arrive) is not None
                node.sends.append(send)
                target.ledger.append(send)
                self.totals[target] = send.total
                return send
        raise ValueError(f"there is no moment of the kind {one['kind']!r}")

    def mismatch(self, source, gradient, claimed):
        """From the numbers, where they are all there."""
        parts = [entry.contribution for entry in source.ledger] or [self.totals.get(source)]
        if not all([part is not None and part.whole for part in (*parts, gradient)]):
            return claimed
        total = np.sum([part.numbers.astype(np.float64) for part in parts], axis=0)
        off, sent = np.linalg.norm(gradient.numbers - total), sum([part.norm for part in parts])
        return float(off / sent) if sent and off else float(off)

    def place(self, text):
        if text is None:
            return None
        kind, _, index = word(text).partition(" ")
        if kind not in ("node", "leaf") or not index.isdigit():
            raise ValueError(f"{text!r} is neither a node nor a leaf")
        return (self.nodes if kind == "node" else self.leaves)[int(index)]

    def snapshot(self, one):
        if not isinstance(one, dict):
            return tuple(one) if isinstance(one, list) else one
        shape, dtype = tuple([int(n) for n in one["shape"]]), np.dtype(word(one["dtype"]))
        numbers = None if one["numbers"] is None else self.array(word(one["numbers"]), dtype)
        statistics = None if one["statistics"] is None else Statistics(*one["statistics"])
        snapshot = Snapshot(shape, dtype, numbers, one["digest"], statistics)
        if numbers is not None and (numbers.ndim != len(shape) or any([n > m for n, m in zip(numbers.shape, shape)])):
            raise ValueError(f"the array {one['numbers']} of shape {numbers.shape} is no part of one of shape {shape}")
        if numbers is not None and not snapshot.whole and statistics is None:
            raise ValueError(f"the statistics of {one['numbers']}, of which there is only a corner, are missing")
        if snapshot.whole and digest(numbers) != snapshot.digest:
            raise ValueError(f"the numbers of {one['numbers']} are not those that were written: their digest is "
                             f"{digest(numbers)}, not {snapshot.digest}")
        return snapshot

    def array(self, name, dtype):
        """An array of the npz; stored as it is, so that it cannot be larger than the file."""
        if name not in self.cache:
            info = self.members[f"{name}.npy"]
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"the array {name} is compressed, which traces are not")
            with self.archive.open(info) as file:
                version = np.lib.format.read_magic(file)
                read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, fortran, found = read_header[version](file)
                content = file.read()
            if found.hasobject or found.kind not in "fiub" or fortran or len(content) != found.itemsize * int(
                    np.prod(shape, dtype=object)):
                raise ValueError(f"the array {name} is damaged")
            self.cache[name] = np.frombuffer(content, found).reshape(shape)
        if self.cache[name].dtype != dtype:
            raise ValueError(f"the array {name} is {self.cache[name].dtype}, not {dtype}")
        return self.cache[name]


def word(value):
    if not isinstance(value, str):
        raise ValueError(f"{value!r} stands where a word should be")
    return value


def op_of(kind, written):
    """An op of minidl's with these settings; None for any other, and for one whose settings JSON could not say."""
    cls = ops_by_name().get(kind)
    if cls is None or written is None:
        return None
    names = [field.name for field in fields(cls)] if hasattr(cls, "__dataclass_fields__") else []
    if sorted(written) != sorted(names):
        return None
    return cls(**{name: decoded(value) for name, value in written.items()})


def ops_by_name():
    found, stack = {}, [Op]
    while stack:
        cls = stack.pop()
        stack += cls.__subclasses__()
        if cls.__module__.startswith("minidl.ops."):
            found[cls.__name__] = cls
    return found
