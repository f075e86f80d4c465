"""zoom: into the definition of a fused op, as a trace of its own."""
import copy
import os
import sys

import minidl
from minidl.anomaly import shortened
from minidl.fused import Fused
from minidl.tensor import of
from minidl.trace.recording import Recorder
from minidl.trace.replay import all_numbers
from minidl.trace.tape import Trace


def inside(node) -> Trace:
    """The Trace of a fused node's `definition` in elementary ops, on its recorded inputs and incoming gradient.

    Its leaves are the node's slots, by their names, and receive what the node sends through them. A fused op among the
    elementary ones, as the log-softmax in a cross-entropy, can be zoomed into in turn. ValueError where there is nothing
    inside, or where the trace does not have all the numbers.
    """
    if not isinstance(node.op, Fused):
        raise ValueError(f"{node.label} is an elementary op: there is no definition to step into, only its rule")
    if node.enter is None:
        raise ValueError(f"{node.label}: no gradient came here, so there is none to step through its definition with")
    inputs = [all_numbers(node, slot.name, slot.value) for slot in node.slots]
    inputs = [of(x.copy()).requires_grad_(slot.wanted) if hasattr(x, "dtype") else x for x, slot in zip(inputs, node.slots)]
    recorder = InDefinition(node)
    for slot, x in zip(node.slots, inputs):
        if isinstance(x, minidl.Tensor):
            recorder.know({slot.name: x}, "input" if slot.wanted else "constant")
    return recorder.run(copy.copy(node.op).definition, inputs, all_numbers(node, "incoming gradient", node.enter.gradient))


class InDefinition(Recorder):
    """A Recorder whose nodes stand in a line of a definition, where others stand in one of the user's."""

    def __init__(self, node):
        super().__init__(None, node.label)
        self.module, self.code = node.module, type(node.op).definition.__code__

    def add_node(self, op, slots):
        frame = sys._getframe()
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back
        line = self.code.co_firstlineno if frame is None else frame.f_lineno
        op.origin = self.module, f"{shortened(self.code.co_filename, os.getcwd())}:{line}"
        return super().add_node(op, slots)
