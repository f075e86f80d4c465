"""Batch norm's gradient takes three paths: straight through, through the mean, and through the variance."""
import numpy as np

from minidl.trace.panel import Matrix, Panel, Table, Text, number
from minidl.trace.replay import all_numbers
from minidl.trace.views.moments import gradient_of, needs, place

PATHS = {"direct": "w / √(σ² + ε) · gy", "through the mean": "−w / √(σ² + ε) · mean(gy)",
         "through the variance": "−w / √(σ² + ε) · x̂ · mean(gy · x̂)"}


def three_paths(node, channel):
    """What each path brings to gx[:, channel]: name -> (N, H, W), in float64. They add up to gx."""
    needs(node, "BatchNorm")
    if gradient_of(node) is None:
        raise ValueError(f"{node.label}: no gradient came here")
    x, w, _ = [all_numbers(node, slot.name, slot.value, np.float64) for slot in node.slots]
    gy = all_numbers(node, "gy", gradient_of(node), np.float64)
    place("x", x.shape[1:2], channel)
    x, gy = x[:, channel], gy[:, channel]
    inv_std = 1 / np.sqrt(x.var() + node.op.eps)
    x_hat = (x - x.mean()) * inv_std
    scale = inv_std * (1.0 if w is None else w[channel])
    parts = scale * gy, np.full_like(gy, -scale * gy.mean()), -scale * x_hat * (gy * x_hat).mean()
    return dict(zip(PATHS, parts))


def paths_of_batch_norm(node, channel=0, n=0, i=0, j=0) -> Panel:
    """The three parts of gx in one channel: their norms, and at one pixel each a number."""
    parts = three_paths(node, channel)
    total = sum(parts.values())
    n, _, i, j = place("x", node.value.shape, n, channel, i, j)
    rows = [[name, how, float(np.linalg.norm(part)), float(part[n, i, j])]
            for (name, part), how in zip([*parts.items(), ("gx", total)], [*PATHS.values(), "their sum"])]
    sent = next((send.raw for send in node.sends if send.slot == 0), None)
    numbers = " + ".join([f"({number(part[n, i, j])})" for part in parts.values()])
    said = "" if sent is None or not sent.whole else f"; backward computed {number(sent.numbers[n, channel, i, j])}"
    blocks = [Text(f"gx[{n},{channel},{i},{j}] = {numbers} = {number(total[n, i, j])}{said}"),
              Table(["path", "", "norm", f"at [{n},{channel},{i},{j}]"], rows),
              Text("Mean and variance are made of the same x: whoever takes them as constants keeps the first path only. "
                   "The second takes away what all pixels of the first have in common, the third what is left of it "
                   "along x̂; so a bias before batch norm gets no gradient, and a scale hardly any.")]
    blocks += [Matrix(f"{name}, image {n}", part[n]) for name, part in parts.items()]
    return Panel(f"{node.label}: three paths of channel {channel}", blocks)
