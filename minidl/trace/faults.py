"""The invariants of a backward pass: three that every trace is held to, whatever was computed."""
from dataclasses import dataclass

import numpy as np

ROUNDINGS = 64                   # of each number that was added, by which a sum may be off: of the norms of its parts


@dataclass(frozen=True)
class Fault:
    """A rule that was broken, where, and how.

    rule : "ledger" : a gradient is the sum of its contributions, one from each slot that reads the value
           "late"   : no contribution comes to what was processed already
           "saved"  : what a rule reads is what forward saw
    slot : of the node, or None where it is about the whole of it
    """
    rule: str
    node: object
    slot: int | None
    text: str

    def __str__(self):
        where = self.node.label if self.slot is None else f"{self.node.label}[{self.node.slots[self.slot].name}]"
        return f"{self.rule}: {where}: {self.text}"


def faults(trace):
    """All Faults of a Trace, in the order in which they happened."""
    found = [fault for moment in trace.moments for fault in RULES.get(moment.kind, nothing)(moment)]
    if not trace.error:
        found += [Fault("ledger", node, None, "contributions arrived, but it was never processed")
                  for node in trace.nodes if node.ledger and node.enter is None]
    return found


def nothing(moment):
    return ()


def of_total(moment):
    """A node or leaf and its full gradient: is that what the ledger comes to, and is what the rule reads as it was?"""
    node = moment.node
    sent = [(entry.node, entry.slot) for entry in node.ledger]
    for twice, slot in {entry for entry in sent if sent.count(entry) > 1}:
        yield Fault("ledger", node, None, f"{twice.label} sent {sent.count((twice, slot))} contributions through one slot")
    if not moment.hooked and moment.mismatch > ROUNDINGS * np.finfo(moment.gradient.dtype).eps * max(len(sent), 1):
        entries = " + ".join([f"{entry.contribution.norm:.4g} ({entry.node.label})" for entry in node.ledger]) or "nothing"
        yield Fault("ledger", node, None, f"was given a gradient of norm {moment.gradient.norm:.4g}, which is not the sum "
                    f"of its contributions: {entries}")
    for name in getattr(moment, "changed", ()):
        slot = next((i for i, slot in enumerate(node.slots) if slot.name == name), None)
        what = "its result was" if slot is None else f"{name} was"
        yield Fault("saved", node, slot, f"{what} changed after forward, and before the rule that reads it")


def of_send(send):
    if send.late:
        yield Fault("late", send.node, send.slot, f"its contribution came to {send.target.label} after that was processed")


RULES = {"enter": of_total, "leaf": of_total, "send": of_send}
