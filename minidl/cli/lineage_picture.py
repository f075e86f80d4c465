"""The picture of the lineage: how often networks are wrong by what they cost, one panel for what can be compared."""
import os
from dataclasses import dataclass
from itertools import product
from math import cos, pi, sin, sqrt

from minidl.bench.pictures import BLUE

YEARS = 2014, 2015, 2016, 2019                  # whose frontiers are drawn
DISC = {"color": "#dddddd", "edgecolor": "black", "linewidth": 0.7, "zorder": 3}


@dataclass(frozen=True)
class Point:
    """A network in a panel: error in percent, parameters and MACs by minidl's count."""
    network: str
    year: int
    parameters: int
    macs: int
    error: float


def frontier(points):
    """The points that no other one beats, by being as cheap and as often right: from the cheapest on."""
    best = []
    for point in sorted(points, key=lambda point: (point.macs, point.error)):
        if not best or point.error < best[-1].error:
            best.append(point)
    return best


def picture(panels, families):
    """A large panel above two small ones: [(title, points), ...].

    To the right are MACs on logarithmic paper, upwards the error, and the area of a disc is the number of parameters. Lines
    join the networks of a family; steps go from one network to the next on a year's frontier.
    """
    from matplotlib.figure import Figure
    figure = Figure((10, 12.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.5, 1))
    cells = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    for axes, (title, points) in zip(cells, panels):
        axes.set_title(title)
        draw_networks(axes, points, families)
        draw_frontiers(axes, points)
    draw_legend(cells[0])
    figure.draw_without_rendering()             # now everything has a place,
    figure.set_layout_engine("none")            # and keeps it
    for axes, (_, points) in zip(cells, panels):
        write_names(axes, points, families)
    return figure


def draw_networks(axes, points, families):
    from matplotlib.ticker import MaxNLocator

    from minidl.cli.models import rounded
    for point in sorted(points, key=lambda point: -point.parameters):           # small discs lie on large ones
        axes.scatter(point.macs, point.error, area(point.parameters), **DISC)
    by_name = {point.network: point for point in points}
    for family in families:
        there = [by_name[name] for name in family if name in by_name]
        axes.plot([point.macs for point in there], [point.error for point in there], color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="MACs for an image", ylabel="top-1 error, %")
    axes.margins(0.09, 0.07)
    axes.xaxis.set_major_formatter(lambda macs, _: rounded(macs))
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, linewidth=0.3)


def draw_frontiers(axes, points):
    """Steps up to the right edge of the panel, where the year stands."""
    _, right = axes.get_xlim()
    axes.set_xlim(axes.get_xlim())
    drawn, years = [], {}                                                       # years by the error that they came to
    for year in YEARS:
        best = frontier([point for point in points if point.year <= year])
        if best and best != drawn:
            drawn, last = best, best[-1].error
            axes.step([*[point.macs for point in best], right], [*[point.error for point in best], last], where="post",
                      color=BLUE, linewidth=1.2, alpha=1 if year == YEARS[-1] else 0.4, zorder=1)
            years.setdefault(last, []).append(str(year))
    for error, there in years.items():
        axes.annotate(",\n".join(there), (right, error), (3, 0), textcoords="offset points", va="center", fontsize=8,
                      color=BLUE)


def draw_legend(axes):
    from matplotlib.lines import Line2D
    handles = [axes.scatter([], [], area(n * 10 ** 6), label=f"{n} million parameters", **DISC) for n in (1, 10, 100)]
    handles += [Line2D([], [], color="black", linewidth=0.8, label="one design, made larger"),
                Line2D([], [], color=BLUE, linewidth=1.2, label="the best for their MACs, until that year")]
    axes.legend(handles=handles, frameon=False, loc="upper right", labelspacing=1.1)


def area(parameters):
    """Of a disc, in square points."""
    return 8 + 6.5e-6 * parameters


# ---- names


def write_names(axes, points, families):
    """Each name beside its disc, where it hides the least of other names, discs and lines."""
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox
    pixels = axes.figure.dpi / 72                                               # in a point
    names = short_names([point.network for point in points], families)
    discs = []
    for point in points:
        (x, y), r = axes.transData.transform((point.macs, point.error)), sqrt(area(point.parameters) / pi) * pixels
        discs.append(Bbox.from_extents(x - r, y - r, x + r, y + r))
    lines = [line.get_path().transformed(line.get_transform()) for line in axes.lines]
    written = []

    def hides(box):
        """Square pixels, the worst ones counted several times; those outside the panel, most often."""
        size = box.width * box.height
        return (10 * sum([shared(box, other) for other in written]) + 3 * sum([shared(box, disc) for disc in discs])
                + sum([size for line in lines if line.intersects_bbox(box, filled=False)])
                + 100 * (size - shared(box, axes.bbox)))

    for point, disc in zip(points, discs):
        text = axes.annotate(names[point.network], (point.macs, point.error), (0, 0), textcoords="offset points",
                             va="center", ha="center", fontsize=8,
                             path_effects=[withStroke(linewidth=1.5, foreground="white")])
        box = min(around(disc, text.get_window_extent(), pixels), key=hides)
        text.xyann = tuple((middle(box) - middle(disc)) / pixels)
        written.append(box)


def around(disc, text, pixels):
    """Boxes as large as that of a text, near a disc: those that are liked best first."""
    from matplotlib.transforms import Bbox
    for gap, k in product((3, 7, 12, 18), (0, 1, 15, 8, 7, 9, 4, 12, 2, 14, 6, 10, 3, 13, 5, 11)):
        right, up = cos(k * pi / 8), sin(k * pi / 8)
        reach = disc.width / 2 + gap * pixels
        x, y = middle(disc)
        x += reach * right + text.width / 2 * max(-1, min(1.5 * right, 1))
        y += reach * up + text.height / 2 * max(-1, min(1.5 * up, 1))
        yield Bbox.from_bounds(x - text.width / 2, y - text.height / 2, text.width, text.height)


def middle(box):
    return (box.min + box.max) / 2


def shared(a, b):
    """The area that two boxes share."""
    return max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))


def short_names(networks, families):
    """The first of a family by its name, the others by what differs: resnet18, 34, 50."""
    names = {name: name for name in networks}
    for family in families:
        there = [name for name in family if name in names]
        beginning = os.path.commonprefix(there).rstrip("0123456789")
        names.update({name: name.removeprefix(beginning) for name in there[1:]})
    return names
