"""Pictures of results: bars beside PyTorch's, and curves."""
import io
from pathlib import Path

BLUE, GREY, ORANGE = "#1f5fbf", "#b8b8b8", "#c65a11"
COLOURS = (BLUE, ORANGE, "#2a8f5b", "#8a4fbf", "#c2a200", "#3aa6c0", "#b03a6a", "#6b6b6b", "#a65e2e",
           "#7fbf7b")              # of algorithms


def save(figure, path):
    """Write a figure, in the format that the path ends with, when it is whole."""
    from minidl.utils.data.files import replacing
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix[1:], dpi=130)
    with replacing(Path(path)) as file:
        file.write(picture.getvalue())


def bars(rows, title):
    """minidl's bars on top of PyTorch's, whose length is 1: rows of (name, minidl's seconds, PyTorch's seconds).

    A bar that would be longer than 3 ends there, so that the others can be told apart, and says how long it is.
    """
    from matplotlib.figure import Figure

    from minidl.bench.report import ms
    figure = Figure((9, 1.6 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows) - 1, -1, -1)                                           # the first row on top
    for place, (_, mine, theirs) in zip(places, rows):
        for shift, seconds, colour, name in ((0.2, mine, BLUE, "minidl"), (-0.2, theirs, GREY, "PyTorch, its best")):
            end = min(seconds / theirs, 3)
            axes.barh(place + shift, end, 0.36, color=colour, label=name if place == len(rows) - 1 else None)
            text = f"{ms(seconds)} ms" if seconds <= 3 * theirs else f"{ms(seconds)} ms: {seconds / theirs:.1f}"
            axes.annotate(text, (end, place + shift), (4, 0), va="center", fontsize=9,
                          textcoords="offset points")
    axes.set_yticks(places, [name for name, _, _ in rows])
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="time by PyTorch's: shorter is faster",
             xlim=(0, 1.15 * min(3, max(1, *(mine / theirs for _, mine, theirs in rows)))), ylim=(-0.7, len(rows) - 0.3))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def panels(rows, title):
    """A panel for every pass, a bar for every convolution: rows of (name, {pass: (algorithm, ratio)}).

    Bars are minidl's time by PyTorch's on logarithmic paper: half and twice the time are equally far from the line.
    What is more than 8 times faster or 4 times slower ends at the edge.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from minidl.kernels.cpu.convolution import ALGORITHMS
    figure = Figure((11, 1.8 + 0.24 * len(rows)), layout="constrained")
    passes, places = list(rows[0][1]), range(len(rows) - 1, -1, -1)
    colours = dict(zip(ALGORITHMS, COLOURS))
    for axes, step in zip(figure.subplots(1, len(passes), sharey=True), passes):
        for place, (_, row) in zip(places, rows):
            name, ratio = row[step]
            end, faster = min(max(ratio, 1 / 8), 4), ratio < 1
            axes.barh(place, end - 1, 0.7, left=1, color=colours[name])
            axes.annotate(f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}", (end, place), (-3 if faster else 3, 0),
                          textcoords="offset points", va="center", ha="right" if faster else "left", fontsize=7)
        axes.set_xscale("log", base=2)
        axes.set(title=step, xlim=(1 / 14, 6.5), ylim=(-0.7, len(rows) - 0.3))
        axes.set_xticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4], ["1/8", "1/4", "1/2", "1", "2", "4"])
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_yticks(places, [name for name, _ in rows], fontsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    figure.suptitle(title)
    used = {name for _, row in rows for name, _ in row.values()}
    figure.legend(handles=[Patch(color=colours[name], label=name) for name in ALGORITHMS if name in used], frameon=False,
                  loc="outside lower center", ncols=len(used))
    return figure


def curves(columns):
    """Growth on logarithmic paper, where a power is a straight line: a column for each curve, time above memory.

    columns : lists of panels (title, unit, [(name, sizes, costs), ...]); the last line of a panel, what was expected, is
              dotted
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator
    figure = Figure((1 + 3.3 * len(columns), 6.4), layout="constrained")
    colours = {"minidl": BLUE, "PyTorch": GREY}
    handles = {}
    for column, cells in zip(columns, figure.subplots(2, len(columns), squeeze=False).T):
        for (title, unit, lines), axes in zip(column, cells):
            for i, (name, sizes, costs) in enumerate(lines):
                expected = i == len(lines) - 1
                handles[name], = axes.plot(sizes, costs, ":" if expected else "o-", color=colours.get(name, ORANGE if
                                           unit == "MiB" else "black"), markersize=4, linewidth=1.4, label=name)
            axes.set(title=title, ylabel=unit)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks(lines[0][1], [f"{x:g}" for x in lines[0][1]])
            axes.set_xticks([], minor=True)
            axes.set_yticks([], minor=True)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(True, linewidth=0.3)
    figure.legend(handles=list(handles.values()), frameon=False, loc="outside lower center", ncols=2 * len(columns))
    return figure
