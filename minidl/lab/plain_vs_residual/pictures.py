"""Pictures of the comparison: theory dashed beside measurement, bands over nets or seeds, scales as the laws want them."""
import io
import math
import statistics
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from minidl.lab.plain_vs_residual.cases import GAINS, NORMS, SHAPES
from minidl.lab.plain_vs_residual.training import PROFILED, digits

BLUE, ORANGE, GREY = "#1f5fbf", "#c65a11", "#8a8a8a"
# Of gains: told apart without colours, too, by their markers.
STYLES = dict(zip(GAINS, [(BLUE, "o"), (ORANGE, "s"), ("#2a8f5b", "^"), ("#8a4fbf", "D"), ("#c2a200", "v"),
                          ("#3aa6c0", "P"), ("#b03a6a", "X")]))
MOMENTS = {"before": (ORANGE, "-", "before training"), "after one epoch": (BLUE, "-", "after one epoch"),
           "end": ("black", "-", "at the end")}
PAIR = {"plain": (ORANGE, "s", "--"), "residual": (BLUE, "o", "-")}


# ---- at initialisation


def activations(rows, layers):
    """||dL/dx|| along networks of so many layers, as a multiple of what it is at the last block."""
    return by_layer(rows, layers, "trunk", "||dL/dx|| by the last block's", "Gradients of activations")


def weights(rows, layers):
    """||dL/dW|| of their weight layers, as a multiple of the last one's."""
    return by_layer(rows, layers, "weights", "||dL/dW|| by the last one's", "Gradients of weights")


def by_layer(rows, layers, what, label, title):
    figure = Figure((11, 6.6), layout="constrained")
    panels = figure.subplots(len(NORMS), len(SHAPES), sharex=True, sharey="row", squeeze=False)
    for of_norm, norm in zip(panels, NORMS):
        for axes, shape in zip(of_norm, SHAPES):
            here = [row for row in rows if (row.case.norm, row.case.shape, row.case.layers) == (norm, shape, layers)]
            for row in here:
                along(axes, row, what)
            axes.set_yscale("log")
            axes.set_title(f"{shape}, {NORMS[norm]}", fontsize=10)
            axes.axhline(1, color=GREY, linewidth=0.6)
            finish(axes)
        of_norm[0].set_ylabel(label)
    for axes in panels[-1]:
        axes.set_xlabel("layer, from the input")
    task = rows[0].task
    name(figure, f"{title} at initialisation: {layers} layers, {setup(task)}")
    legend(figure, *panels.ravel())
    return figure


def along(axes, row, what):
    """One network's line, its band over nets, and on the trunk what theory says."""
    colour, marker = STYLES[row.case.gain]
    logs = relative_logs([profile[what] for profile in row.found["float64"]])
    if logs is None:
        return
    places = 1 + row.case.layers_per_block * np.arange(logs.shape[1]) if what == "trunk" else 1 + np.arange(logs.shape[1])
    axes.plot(places, np.exp(logs.mean(0)), color=colour, marker=marker, markersize=3.5, markevery=max(1, len(places) // 9),
              linewidth=1.4, label=row.case.gain)
    axes.fill_between(places, np.exp(logs.min(0)), np.exp(logs.max(0)), color=colour, alpha=0.18, linewidth=0)
    if what == "trunk" and row.theory:
        axes.plot(places, row.theory, "--", color="black", linewidth=0.9, label="theory", zorder=3)


def relative_logs(profiles):
    """log(norm / last norm), nets x layers; None where one is 0 in every net, as behind a layer that starts at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(profiles, float))
        logs = logs - logs[:, -1:]
    logs[~np.isfinite(logs)] = np.nan
    return None if np.isnan(logs).all(0).any() else logs


def two_laws(rows):
    """Batch norm and He: plain networks on a scale where exponentials are straight, residual ones where powers are."""
    figure = Figure((10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row in rows:
        if (row.case.norm, row.case.gain) != ("batch", "He") or row.case.shape == "residual, post":
            continue
        axes = left if row.case.shape == "plain" else right
        shade = 0.3 + 0.7 * row.case.layers / max(other.case.layers for other in rows)
        logs = relative_logs(row.trunks)
        places = np.arange(logs.shape[1]) + (axes is right)
        colour = ORANGE if axes is left else BLUE
        axes.plot(places, np.exp(logs.mean(0)), color=colour, alpha=shade, linewidth=1.6)
        axes.annotate(str(row.case.layers), (places[0], np.exp(logs.mean(0)[0])), (-4, 0), textcoords="offset points",
                      ha="right", va="center", fontsize=8)
        if row.theory:
            axes.plot(places, row.theory, "--", color="black", linewidth=0.9)
    left.set(yscale="log", title="plain: a factor per layer", xlabel="layers after the first",
             ylabel="||dL/dx|| by the last block's")
    right.set(xscale="log", yscale="log", title="residual (pre): a power of the block's number", xlabel="block + 1")
    for axes in (left, right):
        axes.margins(x=0.1)
        finish(axes)
    name(figure, f"Batch norm, He, the number of layers at each line; theory dashed; {setup(rows[0].task)}")
    return figure


def rates(rows):
    """The factor per layer of every network of the grid, beside theory's."""
    keys = list(dict.fromkeys((row.case.norm, row.case.shape, row.case.gain) for row in rows))
    figure = Figure((8.5, 1.4 + 0.27 * len(keys)), layout="constrained")
    axes = figure.subplots()
    depths = sorted({row.case.layers for row in rows})
    for row in rows:
        place = -keys.index((row.case.norm, row.case.shape, row.case.gain))
        shift = 0.3 - 0.6 * depths.index(row.case.layers) / max(1, len(depths) - 1)
        rate, colour = row.rate, STYLES[row.case.gain][0]
        if not math.isfinite(rate.factor):
            continue
        axes.errorbar(rate.factor, place + shift, xerr=[[rate.factor - rate.low], [rate.high - rate.factor]], fmt="o",
                      color=colour, markersize=3, linewidth=1)
        if row.theory_rate:
            axes.plot([row.theory_rate] * 2, [place + shift - 0.07, place + shift + 0.07], color="black", linewidth=1.6)
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks([-i for i in range(len(keys))], [f"{NORMS[norm]}, {shape}, {gain}" for norm, shape, gain in keys],
                    fontsize=8)
    ticks = [0.2, 0.3, 0.5, 0.7, 1, 1.2, 1.5, 2]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="factor of ||dL/dx|| per layer, toward the input", ylim=(-len(keys) + 0.4, 0.6))
    finish(axes)
    name(figure, f"Factor per layer at initialisation, {', '.join(map(str, depths))} layers from top to bottom in each row; "
         f"black: theory; bars: 95 % over nets; {setup(rows[0].task)}", 90)
    return figure


def setup(task):
    """What a picture of the start must say of how it was measured."""
    size = f"width {task.design.width}" if task.design.kind == "mlp" else f"{task.design.width} channels, 8x8"
    return f"{task.design.kind}, {size}, batch {task.batch}, {task.nets} nets, float64"


# ---- trainings


def profiles(runs, settings):
    """Gradients along the deepest networks before, after one epoch, and at the end."""
    deepest = max(one.case.layers for one in runs)
    here = [one for one in runs if one.case.layers == deepest]
    figure = Figure((10, 6.4), layout="constrained")
    for axes, one in zip(figure.subplots(2, 2, sharex=True).ravel(), here):
        for moment, (colour, line, label) in MOMENTS.items():
            if trunks := one.trunks(moment):
                logs = relative_logs(trunks)
                places = 1 + one.case.layers_per_block * np.arange(logs.shape[1])
                axes.plot(places, np.exp(logs.mean(0)), line, color=colour, linewidth=1.6, label=label)
                axes.fill_between(places, np.exp(logs.min(0)), np.exp(logs.max(0)), color=colour, alpha=0.18, linewidth=0)
        theory = one.case.theory(one.case.design(one.kind, 1), PROFILED, variance())
        if theory:
            axes.plot(places, theory, "--", color="black", linewidth=0.9, label="theory, at the start")
        lost = "; diverges" if one.diverged else ""
        log(axes, "||dL/dx|| by the last block's")
        axes.set_title(f"{one.case.shape}-{deepest}, {NORMS[one.case.norm]}, lr {one.lr:g}{lost}", fontsize=10)
        axes.axhline(1, color=GREY, linewidth=0.6)
        axes.set_xlabel("layer, from the input")
        finish(axes)
    legend(figure, axes)
    name(figure, f"Gradients of activations in training; {settings}; {PROFILED} images, a random cotangent at the output")
    return figure


def variance():
    """Of a pixel over the images that are profiled, on average."""
    return float(digits(True)[0].numpy()[:PROFILED].var(0).mean())


def losses(runs, settings):
    """Training loss by epoch: mean of the seeds and their range."""
    depths, norms = sorted({one.case.layers for one in runs}), list(dict.fromkeys(one.case.norm for one in runs))
    figure = Figure((3.4 * len(depths), 3.1 * len(norms) + 0.4), layout="constrained")
    panels = figure.subplots(len(norms), len(depths), sharex=True, sharey=True, squeeze=False)
    for of_norm, norm in zip(panels, norms):
        for axes, layers in zip(of_norm, depths):
            for one in runs:
                if (one.case.norm, one.case.layers) == (norm, layers):
                    curve(axes, one)
            axes.axhline(math.log(10), color=GREY, linewidth=0.8, linestyle=":")
            log(axes)
            axes.set_title(f"{layers} layers, {NORMS[norm]}", fontsize=10)
            finish(axes)
        of_norm[0].set_ylabel("training loss (dotted: guessing)")
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    legend(figure, panels[-1][0])
    name(figure, f"Training loss, mean and range of the seeds; {settings}")
    return figure


def curve(axes, one):
    colour, _, line = PAIR[one.case.shape]
    curves = [found["losses"] for found in one.best if not found["diverged"]]
    if not curves:
        axes.annotate(f"{one.case.shape}: diverges", (0.97, 0.95), xycoords="axes fraction", ha="right", va="top",
                      fontsize=9, color=colour)
        return
    curves = np.array(curves)
    epochs = 1 + np.arange(curves.shape[1])
    axes.plot(epochs, curves.mean(0), line, color=colour, linewidth=1.6, label=one.case.shape)
    axes.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, linewidth=0)


def degradation(groups):
    """Loss and error against depth. groups: {title: [Runs]}; a row of two panels for each."""
    figure = Figure((9.5, 0.5 + 3.3 * len(groups)), layout="constrained")
    for (left, right), (title, runs) in zip(figure.subplots(len(groups), 2, squeeze=False), groups.items()):
        for shape in PAIR:
            here = sorted((one for one in runs if one.case.shape == shape), key=lambda one: one.case.layers)
            against_depth(left, here, [one.losses for one in here])
            against_depth(right, here, [[100 * error for error in one.errors] for one in here])
        left.axhline(math.log(10), color=GREY, linewidth=0.8, linestyle=":")
        log(left, "training loss, last epoch")
        log(right, "test error, % of 450 images")
        left.set_title("\n".join(wrap(title, 62)), fontsize=8, loc="left")
        for axes in (left, right):
            axes.set_xlabel("layers")
            axes.set_xticks(sorted({one.case.layers for one in runs}))
            finish(axes)
    legend(figure, left)
    name(figure, "Mean and range of the seeds; dotted: guessing")
    return figure


def against_depth(axes, runs, values):
    """Mean of the seeds, and their range; what diverged has no loss, and is not drawn."""
    shown = [(one, numbers) for one, numbers in zip(runs, values) if all(map(math.isfinite, numbers))]
    if not shown:
        return
    colour, marker, line = PAIR[shown[0][0].case.shape]
    means = [statistics.fmean(numbers) for _, numbers in shown]
    bars = [[mean - min(numbers) for mean, (_, numbers) in zip(means, shown)],
            [max(numbers) - mean for mean, (_, numbers) in zip(means, shown)]]
    axes.errorbar([one.case.layers for one, _ in shown], means, yerr=bars, fmt=marker, linestyle=line, color=colour,
                  capsize=3, markersize=5, label=shown[0][0].case.shape)


def lesions(runs, settings):
    """Test error with one block left out, for each block: a panel for the networks with and without shortcuts."""
    figure = Figure((10, 3.8), layout="constrained")
    for axes, shape in zip(figure.subplots(1, 2, sharey=True), PAIR):
        here = [one for one in runs if one.case.shape == shape and one.case.norm == "batch"]
        for one, (line, alpha) in zip(here, (("-", 0.45), ("-", 0.7), ("-", 1.0))):
            cut = 100 * np.array([found["lesions"] for found in one.best if found["lesions"]])
            if not cut.size:
                continue
            places = (np.arange(cut.shape[1]) + 0.5) / cut.shape[1]
            colour, marker, _ = PAIR[shape]
            axes.plot(places, cut.mean(0), line, marker=marker, markersize=3, color=colour, alpha=alpha,
                      label=f"{shape}-{one.case.layers}, {cut.shape[1]} blocks")
            axes.fill_between(places, cut.min(0), cut.max(0), color=colour, alpha=0.15 * alpha, linewidth=0)
            axes.axhline(100 * statistics.fmean(one.errors), color=colour, alpha=alpha, linestyle=":", linewidth=1)
        axes.axhline(90, color=GREY, linewidth=0.8)
        axes.set(ylim=(0, 100), xlabel="which block is left out, from input (0) to output (1)",
                 title=f"{shape}: each block is {'two layers and a shortcut' if shape == 'residual' else 'one layer'}")
        axes.legend(frameon=False, fontsize=8)
        finish(axes)
    figure.axes[0].set_ylabel("test error, % (dotted: none left out)")
    name(figure, f"One block left out after training, batch norm; grey: guessing; {settings}")
    return figure


# ---- what all of them do


def png(figure):
    """The bytes of a figure's picture."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def finish(axes):
    axes.spines[["top", "right"]].set_visible(False)


def name(figure, text, width=115):
    """A figure's title, in as many lines as it needs."""
    figure.suptitle("\n".join(wrap(text, width)), fontsize=10)


def log(axes, label=None):
    """A logarithmic y axis; less than three decades are labelled 1, 2, 5."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 1000 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if label:
        axes.set_ylabel(label)


def legend(figure, *panels):
    """One legend for all panels, below them; theory comes last."""
    marks = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    labels = sorted(marks, key=lambda label: label.startswith("theory"))
    figure.legend([marks[label] for label in labels], labels, frameon=False, fontsize=9, loc="outside lower center", ncols=8)
