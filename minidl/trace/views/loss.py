"""Softmax and cross-entropy, apart and fused: the 1 / p of the loss meets the p of the softmax."""
from typing import NamedTuple

import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.replay import all_numbers
from minidl.trace.views.moments import gradient_of, needs, place


class Row(NamedTuple):
    """One example of a cross-entropy: p (C,) the softmax, t (C,) the target, label, g what of the loss it gets.

    jacobian : (C, C), dp/dx = diag(p) - p p^T       outer : (C,), the gradient in p: -g t / p
    fused    : (C,), g (p sum(t) - t)                gx : what was recorded, (C,)
    """
    p: np.ndarray
    t: np.ndarray
    label: int
    g: float
    jacobian: np.ndarray
    outer: np.ndarray
    fused: np.ndarray
    gx: np.ndarray | None


def row_of(node, n, d=0) -> Row:
    """Example n (and, of scores (N, C, ...), pixel d of it) of a CrossEntropy."""
    needs(node, "CrossEntropy")
    if gradient_of(node) is None:
        raise ValueError(f"{node.label}: no gradient came here")
    op = node.op
    x, labels, weight = [all_numbers(node, slot.name, slot.value, np.float64) for slot in node.slots]
    N, C = x.shape[:2]
    x, labels = x.reshape(N, C, -1), labels.reshape(N, -1)
    n, d = place("labels", labels.shape, n, d)
    gy = np.broadcast_to(all_numbers(node, "gy", gradient_of(node), np.float64).reshape(-1, 1)
                         if op.reduction != "none" else
                         all_numbers(node, "gy", gradient_of(node), np.float64).reshape(N, -1), labels.shape)
    g = float(gy[n, d]) * (1.0 if op.reduction == "none" else op.share)
    p, label = np.exp(x[n, :, d] - x[n, :, d].max()), int(labels[n, d])
    p = p / p.sum()
    t = (1 - op.label_smoothing) * (np.arange(C) == label) + op.label_smoothing / C
    t = t * (1.0 if weight is None else weight) * (label != op.ignore_index)
    sent = next((all_numbers(node, "gx", send.raw) for send in node.sends if send.slot == 0), None)
    with np.errstate(divide="ignore", invalid="ignore"):
        outer = np.where(t == 0, 0.0, -g * t / p)
    return Row(p, t, label, g, np.diag(p) - np.outer(p, p), outer, g * (p * t.sum() - t),
               None if sent is None else sent.reshape(N, C, -1)[n, :, d])


def softmax_cross_entropy(node, n=0, d=0) -> Panel:
    """Example n: scores, probabilities, target, and the gradient in two ways: Jacobian times -t / p, and p - t."""
    r = row_of(node, n, d)
    x = all_numbers(node, "x", node.slots[0].value)
    x = x.reshape(*x.shape[:2], -1)[n, :, d]
    split = r.jacobian @ r.outer
    name = "y" if set(np.unique(r.t)) <= {0.0, 1.0} else "t"
    rows = [[c, float(x[c]), float(r.p[c]), float(r.t[c]), float(r.p[c] - r.t[c]), float(r.outer[c]), float(split[c]),
             float(r.fused[c]), "" if r.gx is None else float(r.gx[c])] for c in range(len(r.p))]
    share = f"its loss counts {number(r.g)}"
    if node.op.reduction == "mean":
        share += f" = 1 / {number(node.op.count)} of the mean, times the incoming {number(gradient_of(node).all())}"
    return Panel(f"{node.label}: example {n}", [
        Text(f"label {r.label}, p = {number(r.p[r.label])}, loss {number(-np.log(r.p[r.label]))}; {share}"
             if r.t.any() else f"label {r.label} is ignored: no gradient"),
        Table(["class", "x", "p", name, f"p − {name}", f"−{name} / p, times the share", "Jacobian times it", "fused", "gx"],
              rows),
        Text(f"In parts: the loss sends −{name} / p to p, which is large where p is small; the softmax's Jacobian "
             f"multiplies by p again. Fused, the 1 / p is never computed: gx = (p − {name}) times the share."),
        Matrix("Jacobian of the softmax, diag(p) − p pᵀ", r.jacobian)])
