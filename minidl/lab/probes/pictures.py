"""Pictures of probes: gradients and activations through the layers, their history, slices of the loss."""
import numpy as np

from minidl.lab.probes.activations import activations
from minidl.lab.probes.gradients import activation_gradients, weight_gradients

BLUE, ORANGE, GREEN, GREY = "#1f5fbf", "#c65a11", "#2a8f5b", "#8a8a8a"
KINDS = {"weights": ("o", BLUE), "norm": ("s", ORANGE), "others": ("^", GREY)}       # marker and colour


def profile(seen, title):
    """Four panels of an Observation, from the input on the left to the output on the right.

    title : says what was observed: network, first weights, batch, what the gradient started from
    """
    from matplotlib.figure import Figure
    figure = Figure((11, 7), layout="constrained")
    (flow, weights), (signal, zeros) = figure.subplots(2, 2)
    gradient_panel(flow, seen)
    weight_panel(weights, seen)
    rows = activations(seen)
    places = np.arange(1, len(rows) + 1)
    signal.plot(places, [row.mean for row in rows], "o", color=BLUE, markersize=3, label="mean")
    signal.plot(places, [row.std for row in rows], "s", color=ORANGE, markersize=3, label="std")
    signal.set(title="Activations", ylabel="mean and std of what a layer puts out")
    signal.set_yscale("symlog", linthresh=threshold([abs(z) for row in rows for z in (row.mean, row.std)]))
    zeros.plot(places, [row.zeros for row in rows], "o", color=BLUE, markersize=3, label="exactly 0")
    zeros.plot(places, [row.dead for row in rows], "x", color=ORANGE, markersize=5, label="units 0 for the whole batch")
    if any([row.saturated is not None for row in rows]):
        zeros.plot(places, [row.saturated if row.saturated is not None else np.nan for row in rows], "^", color=GREEN,
                   markersize=4, label="saturated")
    zeros.set(title="Zeros, dead units, saturation", ylabel="share of numbers, or of units", ylim=(-0.03, 1.03))
    for axes in (flow, signal, zeros):
        axes.set(xlabel="layer, from input to output", xlim=(0, len(rows) + 1))
    for axes in (flow, weights, signal, zeros):
        finish(axes)
    figure.suptitle(title)
    return figure


def gradient_panel(axes, seen):
    """RMS of the activation gradients, on a logarithmic scale, by what kind of layer it is."""
    rows = activation_gradients(seen)
    for name, (marker, colour) in KINDS.items():
        points = [(i, row.rms) for i, row in enumerate(rows, 1) if kind_of(row.kind) == name and row.rms > 0]
        if points:
            axes.plot(*zip(*points), marker, color=colour, markersize=3.5, label={
                "weights": "behind a layer with weights", "norm": "behind a norm", "others": "behind others"}[name])
    zero = [i for i, row in enumerate(rows, 1) if row.rms == 0]
    if zero:
        axes.plot(zero, [0.02] * len(zero), "v", color="black", markersize=4, label="exactly 0: underflow",
                  transform=axes.get_xaxis_transform())
    axes.set(title="Gradients of activations", ylabel="RMS of dL/dy")
    axes.set_yscale("log")


def weight_panel(axes, seen):
    """Norms of weight gradients, and by the norm of the weights, on a logarithmic scale."""
    matrices = {name for name, w, _ in seen.weights if w.ndim > 1}
    rows = [row for row in weight_gradients(seen) if row.parameter in matrices]
    places = np.arange(1, len(rows) + 1)
    axes.plot(places, [row.norm or np.nan for row in rows], "o", color=BLUE, markersize=3.5, label="||dL/dw||")
    axes.plot(places, [row.ratio or np.nan for row in rows], "s", color=ORANGE, markersize=3.5, label="||dL/dw|| / ||w||")
    axes.set(title="Gradients of weights", xlabel="matrix of weights, from input to output", ylabel="norm; quotient of norms",
             xlim=(0, len(rows) + 1))
    axes.set_yscale("log")


def heat_map(history, title):
    """Gradient norms of every layer (rows, the first on top) over the steps of a training, in decades."""
    from matplotlib.figure import Figure
    norms = np.where(history.matrix() > 0, history.matrix(), np.nan)
    figure = Figure((9, 1.8 + 0.17 * len(norms)), layout="constrained")
    axes = figure.subplots()
    image = axes.pcolormesh(history.steps, np.arange(1, len(norms) + 1), np.log10(norms), cmap="viridis", shading="nearest")
    axes.set(title=title, xlabel="training step")
    axes.set_yticks(np.arange(1, len(norms) + 1), history.layers, fontsize=7)
    axes.invert_yaxis()
    axes.set_facecolor("#dddddd")                                # where there is none, or 0
    figure.colorbar(image, label="log10 of the gradient's norm")
    return figure


def loss_lines(lines, title):
    """LossLines by their names, in one panel."""
    from matplotlib.figure import Figure
    figure = Figure((7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (name, line), colour, marker in zip(lines.items(), (BLUE, ORANGE, GREEN, GREY), "os^D"):
        axes.plot(line.steps, line.losses, f"{marker}-", color=colour, markersize=4, linewidth=1.2, label=name)
    axes.set(title=title, xlabel="step along the direction, in lengths of the filters", ylabel="loss")
    axes.set_yscale("log")
    finish(axes)
    return figure


def loss_contours(plane, title):
    """A LossPlane as lines of equal loss, which are equally far apart in its logarithm."""
    from matplotlib.figure import Figure
    figure = Figure((6, 5), layout="constrained")
    axes = figure.subplots()
    drawn = axes.contourf(plane.steps, plane.steps, np.log10(plane.losses).T, 15, cmap="viridis")
    axes.contour(plane.steps, plane.steps, np.log10(plane.losses).T, 15, colors="black", linewidths=0.3)
    axes.plot(0, 0, "+", color="white", markersize=10)
    axes.set(title=title, xlabel="step along d, in lengths of the filters", ylabel="step along e")
    figure.colorbar(drawn, label="log10 of the loss")
    return figure


def kind_of(kind):
    if kind.startswith(("Conv", "Linear", "MatMul")):
        return "weights"
    return "norm" if "Norm" in kind else "others"


def threshold(sizes):
    """Where a scale that is logarithmic in both directions goes over into a linear one."""
    sizes = [size for size in sizes if 0 < size < float("inf")]
    return max(min(sizes, default=1.0), 1e-3 * max(sizes, default=1.0))


def finish(axes):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, linewidth=0.3)
    axes.legend(frameon=False, fontsize=8)
