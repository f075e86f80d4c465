"""A look without a browser: lines for the terminal, and a picture."""
import math

import numpy as np

from minidl.lab.explore.look import sentences

BLUE, ORANGE, GREY = "#1f5fbf", "#c65a11", "#b8b8b8"
BARS = "▁▂▃▄▅▆▇"                                 # seven: what lies in the middle is not torn apart
ROWS = 12


def lines(seen):
    """What was seen, in words and as a row of bars; they are as high as the logarithm of the norm."""
    yield str(seen.knobs)
    yield from sentences(seen)
    yield f"‖dL/dx‖  input {bars(seen.trunk)} output"
    yield f"‖dL/dW‖  input {bars(seen.weights)} output"


def bars(norms, most=56):
    """At most so many bars, from the smallest norm to the largest, at least a thousand apart; 0 is a point."""
    norms = np.array(norms)[np.unique(np.linspace(0, len(norms) - 1, most).round().astype(int))]
    with np.errstate(divide="ignore"):
        logs = np.log10(norms)
    there = logs[np.isfinite(logs)]
    if not len(there):
        return "·" * len(norms)
    middle, reach = (there.max() + there.min()) / 2, max(there.max() - there.min(), 3)
    heights = np.clip((logs - middle) / reach + 0.5, 0, 1) * (len(BARS) - 1)
    return "".join(BARS[round(height)] if np.isfinite(log) else "·" for height, log in zip(heights, logs))


def table(seen):
    """Headings, and a row of strings for some of the blocks, from the input on."""
    chosen = np.unique(np.linspace(0, len(seen.trunk) - 1, ROWS).round().astype(int))
    number = lambda x: f"{x:.3g}"
    rows = []
    for l in chosen:
        place = seen.places[l]
        weight = number(seen.weights[place - 1]) if place else ""
        rows.append([str(place), number(seen.trunk[l]), number(seen.theory[l]) if seen.theory else "", weight])
    return ["after layer", "‖dL/dx‖", "theory", "‖dL/dW‖"], rows


def picture(seen):
    """The profile of the activations' gradient beside theory's, and that of the weights'."""
    from matplotlib.figure import Figure
    figure = Figure((10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    x, axis = seen.axis
    left.plot(x, positive(seen.trunk), "o-", color=BLUE, markersize=3, linewidth=1.4, label="measured")
    if seen.theory:
        left.plot(x, seen.theory, "--", color=ORANGE, linewidth=1.8, label="theory")
    left.legend(frameon=False)
    left.set(title="gradient in the activations", xlabel=axis, ylabel="‖dL/dx‖", yscale="log",
             xscale="log" if seen.law == "power" else "linear")
    right.plot(seen.weight_places, positive(seen.weights), "o-", color=BLUE, markersize=3, linewidth=1.4)
    right.set(title="gradient in the weights", ylabel="‖dL/dW‖", yscale="log", xlabel="layer, from the input")
    for axes in (left, right):
        at_least_three_decades(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, linewidth=0.3)
    figure.suptitle(str(seen.knobs), fontsize=10)
    return figure


def positive(norms):
    """0 and what is not finite have no place on a logarithmic axis."""
    return [x if 0 < x < math.inf else math.nan for x in norms]


def at_least_three_decades(axes):
    """So that a line which is nearly flat looks it."""
    low, high = np.log10(axes.get_ylim())
    more = max(0, 3 - (high - low)) / 2
    axes.set_ylim(10 ** (low - more), 10 ** (high + more))
