"""Stepping through backpropagation: record a forward and a backward pass once, then look at any moment of it.

    t = trace.record(model, images, labels)      or any function of tensors
    t.nodes, t.moments, t.faults                 what ran, what happened, and whether it is consistent
    t.save("t.json"); trace.load("t.json")       for other programs, and to be compared: trace.diff(t, other)
"""
from minidl.trace import bugs, exercises
from minidl.trace.difference import diff
from minidl.trace.recording import of, record
from minidl.trace.saving import load
from minidl.trace.tape import Trace

__all__ = ["Trace", "bugs", "diff", "exercises", "load", "of", "record"]
