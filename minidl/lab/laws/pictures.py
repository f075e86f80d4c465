"""A picture of each law, theory and networks, and all of them on one sheet."""
import math
import textwrap

import numpy as np

THEORY, MEASURED, FAILED = "black", "#1f5fbf", "#c65a11"


def figure(result):
    """One law: the line of theory, the mean of the networks, bars from the lowest to the highest network."""
    from matplotlib.figure import Figure
    picture = Figure((5.6, 4.4), layout="constrained")
    axes = picture.subplots()
    draw(axes, result)
    law = result.law
    axes.set_title("\n".join(textwrap.wrap(law.says, 68)), fontsize=9, loc="left")
    axes.set(xlabel=law.picture.x_is, ylabel=law.picture.y_is)
    axes.legend(frameon=False, fontsize=8)
    picture.supxlabel("\n".join([*textwrap.wrap(f"{law.setup()}; {len(result.values)} networks at initialisation", 95),
                                 f"{law.value_is}: predicted {law.predicted:.4g}, measured {result.measured:.4g}"]),
                      fontsize=7, color="#555555")
    return picture


def sheet(results, columns=7):
    """All laws, small."""
    from matplotlib.figure import Figure
    rows = math.ceil(len(results) / columns)
    picture = Figure((2.5 * columns, 2.15 * rows + 0.4), layout="constrained")
    cells = picture.subplots(rows, columns, squeeze=False).ravel()
    for axes, result in zip(cells, results):
        draw(axes, result, small=True)
        axes.set_title(result.law.name, fontsize=8, loc="left")
        axes.set_xlabel(result.law.picture.x_is, fontsize=6, labelpad=1)
        axes.set_ylabel("\n".join(textwrap.wrap(result.law.picture.y_is, 26)), fontsize=6, labelpad=1)
        axes.tick_params(which="both", labelsize=6, pad=1)
        if result.law.picture.log_x:
            axes.xaxis.set_minor_formatter("")                        # there is room for 1, 10, 100 only
    for axes in cells[len(results):]:
        axes.set_axis_off()
    picture.legend(*cells[0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    return picture


def draw(axes, result, small=False):
    law, x = result.law, result.law.picture.x
    ys = result.ys
    middle = np.exp(np.log(ys).mean(0)) if law.picture.log_y and (ys > 0).all() else ys.mean(0)
    colour = FAILED if result.verdict == "FAILS" else MEASURED
    spread = np.maximum(0, [middle - ys.min(0), ys.max(0) - middle])
    axes.errorbar(x, middle, spread, fmt="o", color=colour, markersize=2 if small or len(x) > 60 else 3.5, elinewidth=0.8,
                  label="networks: mean, lowest, highest")
    axes.plot(x, law.picture.theory, color=THEORY, linewidth=1, label="theory", zorder=3)
    axes.set_xscale("log" if law.picture.log_x else "linear")
    axes.set_yscale("log" if law.picture.log_y else "linear")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="minor", labelsize=6)                      # an axis of less than a decade labels them, too
    theory = np.asarray(law.picture.theory, float)
    if not law.picture.log_y and np.ptp(theory) == 0:                 # rounding errors are not to be blown up
        axes.set_ylim(theory[0] - 1, theory[0] + 1)
