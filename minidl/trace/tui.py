"""The stepper as a program that fills the terminal: the graph, the numbers, the rule and the ledger beside one another."""
import io

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from minidl.trace import rules, views
from minidl.trace.panel import Formula, lines_of
from minidl.trace.stepper import Stepper, shape
from minidl.trace.tape import Node, Snapshot

NEGATIVE, ZERO, POSITIVE = np.array([86, 180, 233]), np.array([40, 40, 40]), np.array([230, 159, 0])    # Okabe & Ito 2008
NARROW = 110                     # columns; with fewer, the rule and the ledger are among the numbers
PIXELS = 28                      # of a picture, in each direction


class StepperApp(App):
    """Arrow keys step; whatever the line stepper can do, it does here after a colon."""

    TITLE = "minidl"
    CSS = """
    #graph { width: 34; border: round $primary; }
    #middle { width: 1fr; }
    #moment { border: round $primary; height: 1fr; padding: 0 1; }
    #right { width: 44; }
    #rule { border: round $primary; height: auto; max-height: 40%; padding: 0 1; }
    #ledger { border: round $primary; height: 1fr; padding: 0 1; }
    #answer { border: round $secondary; height: auto; max-height: 40%; padding: 0 1; display: none; }
    #answer.used { display: block; }
    #faults { background: $error; color: $text; display: none; padding: 0 1; }
    #faults.any { display: block; }
    .-narrow #right { display: none; }
    .-narrow #graph { width: 26; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
    BINDINGS = [
        Binding("right,n", "step('next')", "next"),
        Binding("left,p", "step('previous')", "back"),
        Binding("shift+right,N", "step('next-node')", "next op"),
        Binding("shift+left,P", "step('previous-node')", "op before"),
        Binding("g", "step('go first')", "first"),
        Binding("G", "step('go last')", "last"),
        Binding("i", "step('into')", "into"),
        Binding("o", "step('out')", "out"),
        Binding("c", "answer('check')", "check"),
        Binding("s", "answer('special')", "special"),
        Binding("colon,slash", "command", "command"),
        Binding("escape", "leave", "leave", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, trace, alarm=True):
        super().__init__()
        self.alarm = alarm                       # are faults told before anybody asks?
        self.stepper = Stepper(trace, io.StringIO(), io.StringIO())
        self.shown = None                        # the trace whose nodes are listed

    def compose(self) -> ComposeResult:
        yield Static(id="faults")
        with Horizontal():
            yield OptionList(id="graph")
            with Vertical(id="middle"):
                with VerticalScroll(id="moment"):
                    yield Static(id="text", markup=False)
                    yield Static(id="picture")
                with VerticalScroll(id="answer"):
                    yield Static(id="said", markup=False)
            with Vertical(id="right"):
                with VerticalScroll(id="rule"):
                    yield Static(id="formula", markup=False)
                with VerticalScroll(id="ledger"):
                    yield Static(id="entries", markup=False)
        yield Input(placeholder=": a command of the line stepper, such as  until relu,  pixel 0 0 1 1,  help", id="command")
        yield Footer()

    def on_mount(self):
        self.query_one("#graph").border_title = "graph"
        self.query_one("#rule").border_title = "rule"
        self.query_one("#ledger").border_title = "ledger"
        self.query_one("#answer").border_title = "answer"
        self.query_one("#graph").focus()
        self.refresh_all()

    def on_resize(self):
        self.refresh_all()

    # ---- what keys do

    def action_step(self, command):
        answer = self.said(command)
        failed = answer.startswith("?")
        self.say(answer if failed else "")
        self.refresh_all()

    def action_answer(self, command):
        self.say(self.said(command))

    def action_command(self):
        self.query_one("#command").focus()

    def action_leave(self):
        self.say("")
        self.query_one("#graph").focus()

    def on_input_submitted(self, event):
        event.input.clear()
        if event.value.strip() in ("q", "quit"):
            self.exit()
            return
        self.say(self.said(event.value) if event.value.strip() else "")
        self.query_one("#graph").focus()
        self.refresh_all()

    def on_option_list_option_selected(self, event):
        self.action_step(f"forward #{event.option_index}")

    def said(self, command):
        """What the line stepper answers."""
        self.stepper.stdout = io.StringIO()
        self.stepper.onecmd(command)
        return self.stepper.stdout.getvalue().rstrip()

    def say(self, text):
        self.query_one("#said").update(text)
        self.query_one("#answer").set_class(bool(text), "used")

    # ---- what is shown

    def refresh_all(self):
        stepper = self.stepper
        trace = stepper.trace
        if self.shown is not trace:
            self.shown = trace
            self.list_nodes()
        problems = [*([trace.error] if trace.error else []), *map(str, trace.faults if self.alarm else ())]
        self.query_one("#faults").update("\n".join(problems[:3]))
        self.query_one("#faults").set_class(bool(problems), "any")
        if not trace.moments:
            self.query_one("#text").update("nothing was recorded")
            return
        moment = stepper.cursor.moment
        panel = stepper.here()
        self.query_one("#moment").border_title = panel.title
        beside = self.size.width >= NARROW
        lines = [lines_of(block) for block in panel.blocks if not (beside and isinstance(block, Formula))]
        self.query_one("#text").update("\n".join(sum(lines, [])))
        self.query_one("#picture").update(picture(snapshot_of(moment)))
        node = moment.node
        graph = self.query_one("#graph")
        if isinstance(node, Node):
            with self.prevent(OptionList.OptionHighlighted):
                graph.highlighted = trace.nodes.index(node)
            self.query_one("#formula").update(f"{node.text}\n\n{rules.rule(node).text}")
        else:
            self.query_one("#formula").update(f"{node.name}: a leaf, which was not computed")
        self.query_one("#entries").update(str(views.ledger(node)))

    def list_nodes(self):
        graph = self.query_one("#graph")
        graph.clear_options()
        lines = [f"{node.index:>3} {node.kind:11.11} {shape(node.value)}" for node in self.shown.nodes]
        graph.add_options([Option(Text(line)) for line in lines])


def snapshot_of(moment):
    """The array that a moment is about."""
    if moment.kind == "forward":
        return moment.node.value
    return moment.contribution if moment.kind == "send" else moment.gradient


def picture(snapshot):
    """The first image of an array, channel beside channel, in half blocks: blue is negative, orange positive."""
    if not isinstance(snapshot, Snapshot) or snapshot.numbers is None or snapshot.numbers.ndim not in (2, 4):
        return Text("")
    numbers = snapshot.numbers[0, :3] if snapshot.numbers.ndim == 4 else snapshot.numbers[None]
    numbers = np.nan_to_num(numbers[:, :PIXELS, :PIXELS].astype(np.float64), posinf=0, neginf=0)
    larger = max(1, PIXELS // (2 * max(numbers.shape[1:])))
    numbers = numbers.repeat(larger, 1).repeat(larger, 2)
    largest = np.abs(numbers).max(initial=0)
    text = Text(f"\n±{largest:.3g}, the first {'image, channel by channel' if snapshot.numbers.ndim == 4 else 'rows'}\n",
                no_wrap=True)
    around = (0, numbers.shape[1] % 2), (0, 1)
    rows = np.concatenate([np.pad(plane, around, constant_values=np.nan) for plane in numbers], 1)
    for above, below in zip(rows[::2], rows[1::2]):
        for up, down in zip(above, below):
            text.append("▀", Style(color=colour(up, largest), bgcolor=colour(down, largest)))
        text.append("\n")
    return text


def colour(x, largest):
    """As #rrggbb: black for no pixel, grey for 0."""
    if np.isnan(x):
        return "#000000"
    part = min(abs(x) / largest, 1) if largest else 0
    mixed = ZERO + part * ((POSITIVE if x > 0 else NEGATIVE) - ZERO)
    return "#" + "".join([f"{int(c):02x}" for c in mixed])
