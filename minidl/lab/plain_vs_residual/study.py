"""The two studies: which networks are trained, how often, and what is written about them."""
from dataclasses import dataclass, replace
from pathlib import Path

from minidl.lab.plain_vs_residual import page, pictures, pool, story, tables
from minidl.lab.plain_vs_residual.cases import LAYERS, NORMS, Case, grid
from minidl.lab.plain_vs_residual.runs import Runs, trainings
from minidl.lab.plain_vs_residual.start import AtStart, Row
from minidl.lab.plain_vs_residual.store import Store
from minidl.utils.data.files import replacing


@dataclass(frozen=True)
class Grid:
    """The networks at initialisation: `nets` of each, `batch` inputs."""
    kind: str
    layers: tuple = LAYERS
    width: int = 256
    nets: int = 4
    batch: int = 128


@dataclass(frozen=True)
class Trainings:
    """Plain and residual networks with so many `layers`, all seeds at all learning rates: same width, same images, same
    updates. Rates are by norm, because without one smaller ones are needed."""
    kind: str
    layers: tuple
    width: int
    epochs: int
    seeds: int
    rates: dict

    def __str__(self):
        size = f"width {self.width}" if self.kind == "mlp" else f"{self.width} channels"
        rates = "; ".join(f"{', '.join(f'{lr:g}' for lr in rates)} ({NORMS[norm]})" for norm, rates in self.rates.items())
        return (f"{self.kind} on the 1,347 digits, {size}, {self.epochs} epochs of SGD (momentum 0.9, batch 64), residual: "
                f"pre-activation, {self.seeds} seeds, the best learning rate of {rates}")


SHORT = {"mlp": Trainings("mlp", (8, 20, 56), 48, 25, 3, {"none": (0.01, 0.003), "batch": (0.1, 0.01)}),
         "cnn": Trainings("cnn", (10, 22, 42), 12, 8, 3, {"none": (0.01, 0.003), "batch": (0.1, 0.03)})}
DEGRADATION = (Trainings("mlp", (8, 20, 32, 56), 48, 25, 3, {"batch": (0.1, 0.03, 0.01)}),
               Trainings("cnn", (10, 22, 42), 12, 8, 3, {"batch": (0.1, 0.03, 0.01)}))


def settings(kind="mlp", deep=False, quick=False):
    """The Grid and the Trainings of `minidl lab plain-vs-residual`."""
    if kind not in SHORT:
        raise ValueError(f"lab: kind is {' or '.join(SHORT)}, not {kind!r}")
    grid = Grid(kind, width=256 if kind == "mlp" else 32, batch=128 if kind == "mlp" else 16)
    short = SHORT[kind]
    if quick:
        grid, short = replace(grid, layers=(8, 20), width=grid.width // 4, nets=3), shortened(short)
    return replace(grid, layers=(*grid.layers, 110)) if deep else grid, short


def degradation_settings(seeds=None, quick=False):
    """The Trainings of `minidl lab degradation`."""
    chosen = tuple(shortened(one) if quick else one for one in DEGRADATION)
    return tuple(replace(one, seeds=seeds) for one in chosen) if seeds else chosen


def shortened(how):
    return replace(how, layers=how.layers[:2], width=how.width // 2, epochs=3, seeds=2)


# ---- computing


def rows_of(how, store, processes, progress):
    """A Row for every network of a Grid."""
    cases = grid(how.layers)
    tasks = [AtStart(case.design(how.kind, how.width), how.nets, how.batch) for case in cases]
    return [Row(case, task, found) for case, task, found in
            zip(cases, tasks, pool.results(tasks, store, processes, progress))]


def runs_of(how, store, processes, progress):
    """Runs for every network of Trainings, plain and residual in turn."""
    cases = [Case(shape, norm, "He", layers) for norm in how.rates for layers in how.layers
             for shape in ("plain", "residual")]
    planned = {case: trainings(case, how.kind, how.width, how.rates[case.norm], how.seeds, how.epochs) for case in cases}
    tasks = [task for by_rate in planned.values() for seeds in by_rate.values() for task in seeds]
    found = dict(zip(tasks, pool.results(tasks, store, processes, progress)))
    return [Runs(case, how.kind, {lr: [found[task] for task in seeds] for lr, seeds in by_rate.items()})
            for case, by_rate in planned.items()]


# ---- writing


def plain_vs_residual(out, how, short, processes, progress=lambda text: None):
    """The grid at initialisation and the short trainings: pictures, tables and a page in the folder `out`.

    What was computed for it before, in out/results, is not computed again. Gives the sentences about the deepest networks,
    and the path of the page.
    """
    out, store = Path(out), Store(Path(out) / "results")
    rows = rows_of(how, store, processes, progress)
    runs = runs_of(short, store, processes, progress)
    deepest, trained = max(how.layers), str(short)
    drawn = {"activations": pictures.activations(rows, deepest), "weights": pictures.weights(rows, deepest),
             "two-laws": pictures.two_laws(rows), "rates": pictures.rates(rows),
             "profiles": pictures.profiles(runs, trained), "losses": pictures.losses(runs, trained),
             "final": pictures.degradation({f"{NORMS[norm].capitalize()}; {trained}":
                                            [one for one in runs if one.case.norm == norm] for norm in short.rates}),
             "lesions": pictures.lesions(runs, trained)}
    drawn = {name: pictures.png(figure) for name, figure in drawn.items()}
    for name, picture in drawn.items():
        put(out / f"lab-{name}.png", picture)
    tables.write(out / "start.csv", *tables.at_start(rows))
    tables.write(out / "profiles.csv", *tables.profiles(rows))
    tables.write(out / "trainings.csv", *tables.trained(runs))
    put(out / "plain-vs-residual.html", page.page(rows, runs, trained, drawn).encode())
    said = [sentence for of_title in story.four_stories(rows).values() for sentence in of_title]
    return said + story.comparisons(runs), out / "plain-vs-residual.html"


def degradation(out, how, processes, progress=lambda text: None):
    """Plain beside residual networks as they get deeper: a picture and a table in the folder `out`; sentences."""
    out, store = Path(out), Store(Path(out) / "results")
    groups = {str(one): runs_of(one, store, processes, progress) for one in how}
    put(out / "lab-degradation.png", pictures.png(pictures.degradation(groups)))
    tables.write(out / "degradation.csv", *tables.trained([run for runs in groups.values() for run in runs]))
    return [sentence for title, runs in groups.items() for sentence in
            (f"{title}:", *story.trainings(runs), *story.comparisons(runs), *story.with_depth(runs))]


def put(path, data):
    with replacing(path) as file:
        file.write(data)
