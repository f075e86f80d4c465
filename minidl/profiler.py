"""profile: how long each op and module takes, forward and backward, and what memory it makes and keeps."""
import io
from collections import defaultdict
from dataclasses import dataclass
from time import perf_counter

from minidl.footprint import Kept
from minidl.kernels import kernels_for
from minidl.mode import Mode, switch


@dataclass
class Row:
    """The calls of one op, or all ops of one module.

    calls             : how often it ran forward
    forward, backward : seconds in its kernels; a rule's include the ops it is written in
    output            : bytes of its results; views take none
    kept              : bytes that the graph keeps for its rule. Memory that several ops keep counts at the
                        first, and parameters, which live anyway, do not count
    """
    name: str
    calls: int = 0
    forward: float = 0.0
    backward: float = 0.0
    output: int = 0
    kept: int = 0

    def __iadd__(self, other):
        for what in ("calls", "forward", "backward", "output", "kept"):
            setattr(self, what, getattr(self, what) + getattr(other, what))
        return self


class profile:
    """with minidl.profile() as p: train a few steps;  print(p.table()) or print(p.table(by="module")).

    Only this thread's ops are seen. Let a step run before: kernels are compiled when they are first called. On a GPU each
    op is waited for, so that its time is that of its kernels, and not of asking for them.
    """

    def __enter__(self):
        self.parts = defaultdict(lambda: Row(""))            # by (op, module)
        self.kept = Kept()
        self.last, self.inside_rule = None, False
        self.switch, self.start = switch(observer=self), perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = perf_counter() - self.start
        self.switch.__exit__()
        self.look_at_last()

    def rows(self, by="op"):
        """A Row for each op ("Conv2d") or module ("features.0"), the slowest first."""
        if by not in ("op", "module"):
            raise ValueError(f"profile: rows are by 'op' or by 'module', not by {by!r}")
        rows = {}
        for (op, module), part in self.parts.items():
            name = op if by == "op" else module or "(no module)"
            row = rows.setdefault(name, Row(name))
            row += part
        return sorted(rows.values(), key=lambda row: -row.forward - row.backward)

    def table(self, by="op"):
        """The rows as a table, with the time that is not spent in kernels as the last one."""
        from rich.console import Console
        from rich.table import Table
        table = Table()
        for heading in (by, "calls", "forward ms", "backward ms", "share", "made MB", "kept MB"):
            table.add_column(heading, justify="left" if heading == by else "right")
        rows = self.rows(by)
        for row in rows:
            table.add_row(row.name, str(row.calls), f"{1e3 * row.forward:.2f}", f"{1e3 * row.backward:.2f}",
                          f"{(row.forward + row.backward) / self.seconds:.1%}", f"{row.output / 2 ** 20:.2f}",
                          f"{row.kept / 2 ** 20:.2f}")
        rest = self.seconds - sum(row.forward + row.backward for row in rows)
        table.add_row("the rest", "", f"{1e3 * rest:.2f}", "", f"{rest / self.seconds:.1%}", "", "")
        console = Console(file=io.StringIO(), width=120)
        console.print(table)
        return console.file.getvalue()

    # ---- the observer of ops

    def forward(self, op, forward):
        return forward if Mode.rule is not None else self.timed_forward(op, forward)

    def backward(self, op, backward):
        return backward if self.inside_rule else self.timed_backward(op, backward)

    def timed_forward(self, op, forward):
        self.look_at_last()

        def timed(k, *arrays):
            start = clock(k)
            y = forward(k, *arrays)
            part = self.part_of(op)
            part.forward += clock(k) - start
            part.calls += 1
            if not (op.view and k.may_share_memory(y, arrays[0])):
                part.output += y.nbytes
            self.last = op
            return y
        return timed

    def timed_backward(self, op, backward):
        self.look_at_last()

        def timed(gy, y, *xs):
            k = kernels_for(getattr(gy, "array", gy))
            start, self.inside_rule = clock(k), True
            try:
                return backward(gy, y, *xs)
            finally:
                self.inside_rule = False
                self.part_of(op).backward += clock(k) - start
        return timed

    def part_of(self, op):
        path, _ = op.origin or ("", "")
        return self.parts[type(op).__name__, path]

    def look_at_last(self):
        """What does the op that ran last keep? It can be seen once the op has become a node."""
        op, self.last = self.last, None
        if op is not None:
            self.part_of(op).kept += self.kept.newly(op)


def clock(k):
    """The time, once a GPU has done all that it was asked for."""
    if hasattr(k, "synchronize"):
        k.synchronize()
    return perf_counter()
