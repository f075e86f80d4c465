"""Pictures of results: bars beside PyTorch's."""
import io
from pathlib import Path

BLUE, GREY, ORANGE = "#1f5fbf", "#b8b8b8", "#c65a11"


def save(figure, path):
    """Write a figure, in the format that the path ends with, when it is whole."""
    from minidl.utils.data.files import replacing
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix[1:], dpi=130)
    with replacing(Path(path)) as file:
        file.write(picture.getvalue())


def bars(rows, title):
    """minidl's bars on top of PyTorch's, whose length is 1: rows of (name, minidl's seconds, PyTorch's seconds)."""
    from matplotlib.figure import Figure

    from minidl.bench.report import ms
    figure = Figure((9, 1.6 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows) - 1, -1, -1)                                           # the first row on top
    for place, (_, mine, theirs) in zip(places, rows):
        for shift, seconds, colour, name in ((0.2, mine, BLUE, "minidl"), (-0.2, theirs, GREY, "PyTorch, its best")):
            axes.barh(place + shift, seconds / theirs, 0.36, color=colour, label=name if place == len(rows) - 1 else None)
            axes.annotate(f"{ms(seconds)} ms", (seconds / theirs, place + shift), (4, 0), va="center", fontsize=9,
                          textcoords="offset points")
    axes.set_yticks(places, [name for name, _, _ in rows])
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="time by PyTorch's: shorter is faster",
             xlim=(0, 1.15 * max(1, *(mine / theirs for _, mine, theirs in rows))))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure
