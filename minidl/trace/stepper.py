"""A stepper for the terminal, one line at a time: works over ssh, and from a file of commands."""
import cmd
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from minidl.trace import check, rules, views, zoom
from minidl.trace.cursor import Cursor, condition
from minidl.trace.difference import diff
from minidl.trace.panel import Panel, Table, Text
from minidl.trace.saving import load
from minidl.trace.tape import Node, Trace

INTRO = "next, previous, N (the next node), into, out, until, break, rule, ledger, check; help says more, quit ends"


@dataclass
class Frame:
    """A trace that one is in, and where; the name of the op whose definition it is, or of what was recorded."""
    cursor: Cursor
    name: str
    breaks: dict = field(default_factory=dict)       # what to stop at, in words -> condition


class Stepper(cmd.Cmd):
    """Commands move a cursor over a Trace, and print what there is to see.

    Short forms are the letters in brackets. A wrong command is answered with one line; nothing can break the trace.
    """
    prompt = "(step) "
    intro = INTRO

    def __init__(self, trace: Trace, stdin=None, stdout=None, alarm=True):
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.alarm = alarm                       # are faults told before anybody asks?
        self.frames = [Frame(Cursor(trace), trace.title)]
        self.watched: list[str] = []

    def run(self):
        """Until `quit` or the end of the input."""
        self.say(self.opening())
        self.cmdloop()

    def run_script(self, path):
        """The commands in a file, each printed before its answer; what follows a # is a comment."""
        self.say(self.opening())
        for line in Path(path).read_text().splitlines():
            if line.split("#")[0].strip():
                self.say(f"{self.prompt}{line.strip()}")
                if self.onecmd(line.split(" #")[0].strip()):
                    break

    # ---- where one is

    frame = property(lambda self: self.frames[-1])
    cursor = property(lambda self: self.frame.cursor)
    trace = property(lambda self: self.cursor.trace)

    def say(self, text):
        print(text, file=self.stdout)

    def opening(self):
        trace = self.trace
        lines = [f"{trace.title}: {len(trace.nodes)} ops forward, {len(trace.moments)} moments in all"]
        lines += [f"stopped by an error: {trace.error}"] if trace.error else []
        lines += [f"! {fault}" for fault in trace.faults if self.alarm]
        return "\n".join([*lines, str(self.here())] if trace.moments else [*lines, "nothing was recorded"])

    def here(self):
        """The Panel of the moment, with a heading that says where in the trace it is."""
        panel = views.overview(self.cursor.moment)
        inside = " > ".join([frame.name for frame in self.frames[1:]])
        title = f"[{self.cursor.at + 1}/{len(self.trace.moments)}{f' in {inside}' if inside else ''}] {panel.title}"
        return Panel(title, [*panel.blocks, *self.watches()])

    def watches(self):
        rows = [[name, *self.state_of(name)] for name in self.watched if self.found(name)]
        return [Table(["watched", "value", "gradient so far"], rows)] if rows else []

    def state_of(self, name):
        """The norm of what a node or leaf is worth, and of what has arrived there until now."""
        source = self.found(name)
        until_now = set(map(id, self.trace.moments[:self.cursor.at + 1]))
        arrived = [send for send in source.ledger if id(send) in until_now]
        value = source.value.norm if source.value is not None and source.value.numbers is not None else "-"
        return value, arrived[-1].total.norm if arrived else 0.0

    def found(self, name):
        try:
            return self.trace[int(name.lstrip("#"))] if name.lstrip("#").isdigit() else self.trace[name]
        except (KeyError, IndexError):
            return None

    def named(self, words):
        """The node or leaf that a command is about: the one that is named, or the one where the cursor is."""
        if not words:
            return self.cursor.node
        source = self.found(words[0])
        if source is None:
            raise ValueError(f"there is no node, module or leaf {words[0]!r}; `list` shows what there is")
        return source

    def node(self, words=()):
        source = self.named(words)
        if not isinstance(source, Node):
            raise ValueError(f"{source.label} is a leaf, which was not computed: there is no rule to look at")
        return source

    def show(self, moved):
        self.say(self.here() if moved else "there is nothing further on")

    # ---- the machinery of cmd

    def onecmd(self, line):
        """One command; what is wrong with it is said in one line."""
        if not self.trace.moments and line.strip() not in ("q", "quit", "EOF"):
            self.say("? nothing was recorded")
            return None
        try:
            return super().onecmd(line)
        except (ValueError, IndexError, KeyError, TypeError, OSError) as error:
            self.say(f"? {error.args[0] if isinstance(error, KeyError) else error}")
            return None

    def parseline(self, line):
        """Short forms, and names with a dash."""
        word, _, rest = line.strip().partition(" ")
        word = SHORT.get(word, word).replace("-", "_")
        return super().parseline(f"{word} {rest}".strip())

    def default(self, line):
        self.say(f"? there is no command {line.split()[0].replace('_', '-')!r}; help lists them")

    def emptyline(self):
        self.do_next("")

    def do_help(self, name):
        """help [COMMAND]: what the commands do."""
        short = {long: letter for letter, long in SHORT.items()}
        name = SHORT.get(name, name).replace("-", "_")
        names = [name] if name else [n[3:] for n in self.get_names() if n.startswith("do_") and n != "do_EOF"]
        for n in names:
            if not hasattr(self, f"do_{n}"):
                raise ValueError(f"there is no command {name!r}")
            usage, _, what = getattr(self, f"do_{n}").__doc__.partition(": ")
            self.say(f"  {short.get(n, ''):2} {usage:28} {what}")

    # ---- moving

    def do_next(self, line):
        """next: on by one moment. An empty line does the same."""
        self.show(self.cursor.next())

    def do_previous(self, line):
        """previous: back by one moment."""
        self.show(self.cursor.previous())

    def do_next_node(self, line):
        """next-node: on to the next op."""
        self.show(self.cursor.next_node())

    def do_previous_node(self, line):
        """previous-node: back to the op before."""
        self.show(self.cursor.previous_node())

    def do_go(self, line):
        """go NUMBER: to a moment by its number, counted from 1; or `go first`, `go last`."""
        number = {"first": 1, "last": len(self.trace.moments)}.get(line) or whole_number(line, "go")
        if self.cursor.to(number - 1) is None:
            raise ValueError(f"there are moments 1 to {len(self.trace.moments)}, and no {number}")
        self.show(True)

    def do_forward(self, line):
        """forward [NAME]: to where a node was computed."""
        self.show(self.cursor.to_forward_of(self.node(line.split())))

    def do_backward(self, line):
        """backward [NAME]: to where the gradient of a node or leaf is complete."""
        if self.cursor.to_backward_of(self.named(line.split())) is None:
            raise ValueError("no gradient came there")
        self.show(True)

    def do_until(self, line):
        """until WHAT: on to where WHAT holds: an op, a module, a leaf, #12, nan, inf, zero, >3 or <1e-6 (a norm)."""
        self.show(self.cursor.seek(condition(line)))

    def do_break(self, line):
        """break [WHAT]: let `continue` stop there; without WHAT, list the breakpoints; `break -` forgets them."""
        breaks = self.frame.breaks
        if line == "-":
            breaks.clear()
        elif line:
            breaks[line] = condition(line)
        self.cursor.breakpoints = list(breaks.values())
        self.say("stops at " + ", ".join(breaks) if breaks else "no breakpoints")

    def do_continue(self, line):
        """continue: on to the next breakpoint, or to the end."""
        self.cursor.on()
        self.show(True)

    def do_into(self, line):
        """into [NAME]: inside a fused op: its definition in elementary ops, on the same numbers."""
        node = self.node(line.split())
        self.frames.append(Frame(Cursor(zoom.inside(node)), node.label))
        self.say(self.opening())

    def do_out(self, line):
        """out: back out of a definition."""
        if len(self.frames) == 1:
            raise ValueError("this is the outermost trace")
        self.frames.pop()
        self.show(True)

    # ---- looking

    def do_where(self, line):
        """where: the moment again."""
        self.show(True)

    def do_list(self, line):
        """list [all]: the nodes around this one; or all."""
        nodes, at = self.trace.nodes, self.trace.nodes.index(self.cursor.node) if isinstance(self.cursor.node, Node) else 0
        some = nodes if line == "all" else nodes[max(at - 5, 0):at + 6]
        rows = [[">" if node is self.cursor.node else "", f"#{node.index}", node.kind, node.module,
                 shape(node.value), ", ".join([origin(slot) for slot in node.slots])] for node in some]
        self.say(Panel("", [Table(["", "", "op", "module", "shape", "of"], rows)]))

    def do_watch(self, line):
        """watch [NAME]: show a node or leaf at every moment; without a NAME, forget all of them."""
        if not line:
            self.watched = []
        elif self.named([line]) and line not in self.watched:
            self.watched.append(line)
        self.say(Panel("", self.watches() or [Text("nothing is watched")]))

    def do_rule(self, line):
        """rule [NAME]: the gradient rule as mathematics."""
        node = self.node(line.split())
        self.say(Panel(node.text, [rules.rule(node)]))

    def do_ledger(self, line):
        """ledger [NAME]: who sent which part of the gradient."""
        self.say(views.ledger(self.named(line.split())))

    def do_check(self, line):
        """check [NAME | all]: is the rule right for these numbers? Finite differences of this one node."""
        nodes = [node for node in self.trace.nodes if node.enter] if line == "all" else [self.node(line.split())]
        rows = [[node.label, *one[:5], one.text] for node in nodes for one in check.check(node)]
        self.say(Panel("finite differences", [Table(["node", "input", "verdict", "backprop", "numeric", "error", ""], rows)]
                       if rows else [Text("no gradient came here, so there is nothing to check")]))

    def do_jacobian(self, line):
        """jacobian [SLOT]: the derivatives of each output number in each input number, of a small node."""
        node = self.node()
        self.say(views.jacobian(node, slot_of(node, line.strip())))

    def do_pixel(self, line):
        """pixel N F I J: how a convolution computed one number of its output: image, filter, row, column."""
        self.say(views.pixel(self.node(), *whole_numbers(line, 4, "pixel N F I J")))

    def do_pixel_gradient(self, line):
        """pixel-gradient N C I J: what a convolution sent to one number of its input, and from where."""
        self.say(views.pixel_gradient(self.node(), *whole_numbers(line, 4, "pixel-gradient N C I J")))

    def do_columns(self, line):
        """columns: a convolution as a product of matrices: im2col."""
        self.say(views.columns(self.node()))

    def do_special(self, line):
        """special: what else there is to see of this op: winners of a pool, the paths of batch norm, p - y, shares."""
        panels = views.special(self.node())
        self.say("\n".join(map(str, panels)) if panels else "there is nothing special about this op")

    def do_paths(self, line):
        """paths [NAME]: which share of a gradient came along which route."""
        self.say(views.paths(self.trace, self.named(line.split())))

    def do_why_zero(self, line):
        """why-zero [NAME] [I J ...]: why is this gradient 0, or this number of it? Follows it to where it was lost."""
        words = line.split()
        numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
        name = [word for word in words if not word.lstrip("-").isdigit()]
        self.say(views.why_zero(self.trace, self.named(name), tuple(numbers) or None))

    def do_faults(self, line):
        """faults: what the invariants found."""
        self.say("\n".join([f"! {fault}" for fault in self.trace.faults]) or "the ledger adds up, nothing came late, and "
                 "what the rules read is what forward saw")

    def do_save(self, line):
        """save FILE: write the trace; FILE.json, with the numbers in FILE.npz."""
        self.trace.save(line)
        self.say(f"written to {line}")

    def do_diff(self, line):
        """diff FILE: where this trace differs from one that was saved."""
        self.say(diff(self.trace, load(line)))

    def do_quit(self, line):
        """quit: end."""
        return True

    do_EOF = do_quit


SHORT = {"n": "next", "p": "previous", "N": "next-node", "P": "previous-node", "g": "go", "f": "forward", "b": "break",
         "c": "continue", "u": "until", "s": "into", "o": "out", "l": "list", "w": "watch", "r": "rule", "led": "ledger",
         "jac": "jacobian", "px": "pixel", "pxg": "pixel-gradient", "cols": "columns", "q": "quit", "h": "help", "?": "help",
         "bw": "backward"}


def whole_numbers(line, n, usage):
    words = shlex.split(line)
    if len(words) != n:
        raise ValueError(f"{usage}: {n} whole numbers, not {line!r}")
    return [whole_number(word, usage) for word in words]


def whole_number(word, usage):
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{usage}: {word!r} is no whole number") from None


def slot_of(node, name):
    """The number of a slot by its name, or of the first through which a gradient flows."""
    names = [slot.name for slot in node.slots]
    if name and name not in names:
        raise ValueError(f"{node.label} has no input {name!r}; it has {', '.join(names)}")
    return names.index(name) if name else next((i for i, slot in enumerate(node.slots) if slot.wanted), 0)


def shape(value):
    return "failed" if value is None else str(tuple(value.shape))


def origin(slot):
    if slot.source is None:
        return repr(slot.value)
    return f"#{slot.source.index}" if isinstance(slot.source, Node) else slot.source.name
