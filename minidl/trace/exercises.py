"""Exercises: a small network whose backward pass is wrong somewhere. Where? The stepper shows."""
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import minidl
from minidl import nn
from minidl.nn import functional as F
from minidl.trace.bugs import BUGS, injected
from minidl.trace.recording import record
from minidl.trace.tape import Trace

STORIES = {
    1: "The loss falls for a while and then stays where it is. Whoever took the shortcut out of the network saw it train.",
    2: "The same network, the same symptom: with the shortcut it does not train as it should. But the cause is another one.",
    3: "Training is unstable. The weights of the first layers drift, also for images that leave most units at 0.",
    4: "Gradients of the first layers are about four times as large as a colleague's.",
    5: "With batch norm the network learns, but worse than without, and only a smaller learning rate helps.",
    6: "The filters' own gradients agree with a colleague's; the gradient of the image does not.",
    7: "With batches of 2 it trains, with batches of 256 it explodes.",
    8: "One layer is square, and the layers before it do not learn. When it was 16 by 8 there was an error, at least.",
    9: "The gradient is slightly off in the layers behind the pooling, and wrong in all those before it. Every rule passes "
       "its own tests.",
}
HINTS = {
    1: ["Values that are used twice are suspicious. Which one is it?",
        "Go to the node that the shortcut starts from: `backward bn`. What does the ledger say, and what did it get?",
        "Two contributions stand in the ledger. The gradient that entered is as large as one of them."],
    2: ["The order of the events is suspicious. When is a node allowed to go on?",
        "Step back and forth over the moments around the addition. Who has sent something when `bn` is entered?",
        "One contribution comes to a node that was processed already."],
    3: ["Each rule can be checked alone: `check all`.",
        "Compare the incoming gradient with what was sent, where the output is 0.",
        "Which op of this network has an output that is 0 in many places?"],
    4: ["Each rule can be checked alone: `check all`.",
        "How many numbers that are not 0 come in, and how many go out?",
        "`special` shows the winners of a window. Who received a gradient?"],
    5: ["Each rule can be checked alone: `check all`.",
        "The gradient of a batch norm's input sums to 0 over each channel, whatever comes in. Does it here?",
        "`special` shows three paths. How many of them are in what was sent?"],
    6: ["Each rule can be checked alone: `check all`. Look at the inputs one by one.",
        "`pixel-gradient 0 0 2 2` shows which weight belongs to which output. Compare with what was sent.",
        "Turn the kernel by 180 degrees in your mind."],
    7: ["Begin at the end: what is the very first gradient that is computed?",
        "`special` shows p - y. By what is it divided?",
        "There are two images in the batch."],
    8: ["Each rule can be checked alone: `check all`.",
        "`rule`: on which side, and which way up, does the other factor stand?",
        "Its weights are square, so that a transpose is not missed by the shapes."],
    9: ["Every rule is right for the numbers it was given. Were they the right ones?",
        "`faults` says what is always looked at.",
        "A rule reads what forward saw. Compare the weights then with the weights now."],
}


class Classroom(nn.Module):
    """Small, and with one of everything: convolution, batch norm, a shortcut, ReLU, pooling, products of matrices."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)
        self.branch = nn.Conv2d(3, 3, 3, padding=1)
        self.hidden = nn.Parameter(minidl.randn(12, 12) * 12 ** -0.5)
        self.out = nn.Linear(12, 4)

    def forward(self, x):
        y = self.bn(self.conv(x))
        y = F.relu(F.max_pool2d(self.branch(y) + y, 2))
        return self.out(y.flatten(1) @ self.hidden)


@dataclass(frozen=True)
class Exercise:
    """Number 1 to 9: look at `trace`, ask for `hint(1)` to `hint(3)`, and give an `answer`."""
    number: int

    story = property(lambda self: STORIES[self.number])

    @cached_property
    def trace(self) -> Trace:
        """Two images of 4x4 pixels through the network, in float64, forward and, somewhere wrongly, backward."""
        state = minidl.get_rng_state()
        minidl.manual_seed(self.number)
        model = Classroom().double()
        minidl.set_rng_state(state)
        images = np.random.default_rng(self.number).standard_normal((2, 1, 4, 4))
        bug = BUGS[self.number]

        def program(images, labels):
            loss = F.cross_entropy(model(images), labels)
            if bug.meddle:
                bug.meddle(model)
            return loss

        with injected(self.number):
            return record(program, images, np.array([1, 3]), title=f"exercise {self.number}")

    def hint(self, i):
        """Hint 1, 2 or 3, each saying more than the one before."""
        if not 1 <= i <= 3:
            raise ValueError(f"there are hints 1 to 3, and no hint {i}")
        return HINTS[self.number][i - 1]

    def answer(self, text):
        """(Is it right?, a sentence): `text` is where it goes wrong, the number of a node, as "#3", or its op or module."""
        bug = BUGS[self.number]
        kinds = {node.kind.lower() for node in self.trace} | {node.module.lower() for node in self.trace if node.module}
        text = text.strip().lower()
        if text.lstrip("#").isdigit() and int(text.lstrip("#")) < len(self.trace):
            given = self.trace[int(text.lstrip("#"))].kind.lower()
        elif text in kinds:
            given = self.trace[text].kind.lower()
        else:
            raise ValueError(f"there is no node {text!r}; an answer is a number, as #3, or one of "
                             f"{', '.join(sorted(kinds))}")
        if given == bug.where.lower():
            return True, f"Yes: {bug.name}. {bug.explanation}"
        return False, f"No, {given} does what it should, with what it was given."


def exercise(number):
    """The Exercise with this number; ValueError if there is none."""
    if number not in BUGS:
        raise ValueError(f"there are exercises 1 to {len(BUGS)}, and no exercise {number}")
    return Exercise(number)
