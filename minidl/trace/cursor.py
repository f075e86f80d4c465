"""A place in a trace: since everything is recorded, going back is as easy as going on."""
from minidl.trace.tape import Node, Snapshot, Trace

WORDS = "nan", "inf", "zero"


class Cursor:
    """Where one is in a Trace: at one of its moments.

    Every move answers with the moment it came to, or with None where there is nothing further on; it then stays.
    """

    def __init__(self, trace: Trace, at=0):
        self.trace, self.at = trace, at
        self.breakpoints: list = []              # conditions; `on` stops at the first that holds

    @property
    def moment(self):
        return self.trace.moments[self.at]

    @property
    def node(self):
        return self.moment.node

    def to(self, at):
        """Go to a moment by its number."""
        if not 0 <= at < len(self.trace.moments):
            return None
        self.at = at
        return self.moment

    def next(self): return self.to(self.at + 1)
    def previous(self): return self.to(self.at - 1)
    def first(self): return self.to(0)
    def last(self): return self.to(len(self.trace.moments) - 1)

    def next_node(self): return self.seek(lambda moment: moment.node is not self.node)
    def previous_node(self): return self.seek(lambda moment: moment.node is not self.node, -1)

    def seek(self, condition, direction=1):
        """The next moment (or, with -1, the one before) of which the condition is true."""
        at = self.at + direction
        while 0 <= at < len(self.trace.moments):
            if condition(self.trace.moments[at]):
                return self.to(at)
            at += direction
        return None

    def on(self):
        """To the next moment at which a breakpoint holds, or to the last of all."""
        return self.seek(lambda moment: any([condition(moment) for condition in self.breakpoints])) or self.last()

    def to_backward_of(self, node): return self.seek_from_start(lambda m: m.node is node and m.kind in ("enter", "leaf"))
    def to_forward_of(self, node): return self.seek_from_start(lambda m: m.node is node and m.kind == "forward")

    def seek_from_start(self, condition):
        at = next((i for i, moment in enumerate(self.trace.moments) if condition(moment)), None)
        return None if at is None else self.to(at)


def condition(text):
    """What to stop at, from a word: nan, inf, zero; >3 (a norm); 12 or #12 (a node); the name of an op, module or leaf.

    Zero is a gradient of which every number is 0. Raises ValueError for what is none of these.
    """
    text = text.strip()
    if not text:
        raise ValueError(f"stop at what? One of {', '.join(WORDS)}, a norm as >3 or <1e-6, the number of a node as #12, or "
                         "the name of an op, a module or a leaf")
    if text.lower() in WORDS:
        return {"nan": has("nans"), "inf": has("infs"), "zero": is_zero}[text.lower()]
    if text[0] in "<>":
        try:
            bound = float(text[1:])
        except ValueError:
            raise ValueError(f"a norm to stop at looks like >3 or <1e-6, not {text!r}") from None
        return lambda moment: any([x.norm > bound if text[0] == ">" else x.norm < bound for x in numbers_in(moment)])
    if text.lstrip("#").isdigit():
        index = int(text.lstrip("#"))
        return lambda moment: isinstance(moment.node, Node) and moment.node.index == index
    return lambda moment: is_called(moment.node, text)


def is_called(node, name):
    """Is this the name of a leaf, or of the op or the module of a node, or of a module around it?"""
    name = name.lower()
    if not isinstance(node, Node):
        return node.name.lower() == name
    return node.kind.lower() == name or f"{node.module.lower()}.".startswith(f"{name}.")


def has(what):
    return lambda moment: any([getattr(x.statistics, what) > 0 for x in numbers_in(moment)])


def is_zero(moment):
    return moment.kind != "forward" and any([x.norm == 0 for x in numbers_in(moment)])


def numbers_in(moment):
    """The Snapshots that a moment is about."""
    match moment.kind:
        case "forward":
            found = moment.node.value
        case "send":
            found = moment.contribution
        case _:
            found = moment.gradient
    return [found] if isinstance(found, Snapshot) and found.numbers is not None else []
