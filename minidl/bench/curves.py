"""Do networks learn alike, whatever algorithm computes their convolutions? Curves on the digits, over several seeds.

Algorithms round differently, and training magnifies that: after some epochs two runs from the same weights, on the same
batches, are as far apart as runs from different ones. So it is asked whether their differences have a direction. For
every epoch, and for training loss and test accuracy, there is a pair of numbers for each seed, and the mean of their
differences is held against what it would be by chance: Student's t-test for pairs. As many tests are made as there are
points on the curves, so each may find something by chance in only a twentieth of one in that many cases (Bonferroni).
Algorithms *differ* at a point where the test finds a difference which is more than a tenth of the spread, the
standard deviation over seeds: rounding always the same way is no matter as long as nobody could see it.

One time in twenty this finds something where nothing is. So a network in which algorithms differ is trained once more,
from as many other seeds, and those points count that differ again, in the same direction.
"""
import math
import statistics
from dataclasses import dataclass, replace

from minidl.bench.processes import ask

ALGORITHMS = ("auto", "im2col")
MEASURES = {"loss": "training loss", "accuracy": "test accuracy"}
CHANCE, VISIBLE = 0.05, 0.1


def recipes():
    """What is trained: LeNet-5 as usual, and ResNet-20, whose 3x3 convolutions "auto" gives to Winograd, on 16x16."""
    from architectures.recipes import LENET5_DIGITS
    from minidl.utils.data.transforms import Resize
    prepare = LENET5_DIGITS.prepare[:-1] + (Resize(16),)
    return {"lenet5": LENET5_DIGITS, "resnet20": replace(
        LENET5_DIGITS, name="resnet20_digits", model="resnet20", source="for comparison only", prepare=prepare, epochs=12,
        options={"in_channels": 1}, weight_decay=1e-4)}


def trained(network, algorithm, seed, epochs=None):
    """{"loss": of the training images, "accuracy": on the test images}: lists, with a number for every epoch; and
    "algorithms", which compute the convolutions of a training step."""
    import architectures
    import minidl
    from minidl.bench.convolutions import of_model
    from minidl.kernels.cpu.convolution import PASSES
    from minidl.kernels.cpu.convolution import algorithm as chosen
    from minidl.train import evaluate, train
    from minidl.utils.data import DataLoader, datasets
    recipe = recipes()[network]
    recipe = replace(recipe, epochs=epochs or recipe.epochs)
    images, test_images = (datasets.load("digits", train=is_train, transform=transform) for is_train, transform in (
        (True, recipe.train_transform), (False, recipe.test_transform)))
    found = {"loss": [], "accuracy": []}
    def build():
        return architectures.build(recipe.model, **recipe.options)
    with minidl.conv_algorithm(algorithm):
        convolutions = of_model(build, (recipe.batch_size, *images[0][0].shape))
        found["algorithms"] = sorted({chosen(step, how) for how in convolutions for step in PASSES})
        minidl.manual_seed(seed)
        model = build()
        loader, optimizer = DataLoader(images, recipe.batch_size, shuffle=True), recipe.optimizer_for(model)
        test_loader, losses = DataLoader(test_images, 450), []
        for step in train(model, loader, optimizer, recipe.epochs, scheduler=recipe.scheduler_for(optimizer, len(loader))):
            losses.append((step.loss, step.images))
            if step.ends_epoch:
                found["loss"].append(sum(loss * n for loss, n in losses) / sum(n for _, n in losses))
                found["accuracy"].append(evaluate(model, test_loader).top1)
                losses = []
    return found


@dataclass
class Result:
    """The curves of a network: {algorithm: what `trained` found, seed by seed}, and `again`, from other seeds, or None."""
    network: str
    curves: dict
    again: dict | None = None

    def points(self, curves=None):
        """A Point for every measure and epoch."""
        curves = curves or self.curves
        epochs = range(len(curves[ALGORITHMS[0]][0]["loss"]))
        return [Point.of(measure, epoch, *(at(curves[name], measure, epoch) for name in ALGORITHMS))
                for measure in MEASURES for epoch in epochs]

    @property
    def suspected(self):
        """The points that differ in the first curves."""
        points = self.points()
        return [point for point in points if point.differs(len(points))]

    @property
    def differing(self):
        """The points that differ in both: of as many as were suspected it is asked whether they do so again."""
        if not self.suspected or not self.again:
            return self.suspected
        others = {(point.measure, point.epoch): point for point in self.points(self.again)}
        pairs = [(point, others[point.measure, point.epoch]) for point in self.suspected]
        return [point for point, other in pairs
                if other.differs(len(pairs)) and other.difference * point.difference > 0]

    @property
    def verdict(self):
        """A sentence."""
        a, b = ALGORITHMS
        points = len(self.points())
        if differing := self.differing:
            worst = min(differing, key=lambda point: point.chance)
            return (f"{self.network}: {a} and {b} DIFFER at {len(differing)} of {points} points, most in the "
                    f"{MEASURES[worst.measure]} of epoch {worst.epoch + 1}: by {worst.difference:.2g}, where the spread "
                    f"over seeds is {worst.spread:.2g}")
        chance = f"; what {len(self.suspected)} of them seemed to show, other seeds did not" if self.suspected else ""
        return f"{self.network}: {a} and {b} agree within noise at all {points} points{chance}"

    def as_dict(self):
        points = self.points()
        return {"network": self.network, "verdict": self.verdict, "differs": bool(self.differing), "curves": self.curves,
                "again": self.again, "points": [vars(point) | {"differs": point.differs(len(points))} for point in points]}


def at(curves, measure, epoch):
    """A number for every seed."""
    return [curve[measure][epoch] for curve in curves]


@dataclass
class Point:
    """Two algorithms in an epoch: the means over seeds, the mean difference, the spread, and how likely chance is."""
    measure: str
    epoch: int
    means: tuple
    difference: float
    spread: float
    chance: float

    @classmethod
    def of(cls, measure, epoch, a, b):
        """a, b: a number for every seed, in the same order."""
        differences = [x - y for x, y in zip(a, b, strict=True)]
        spread = math.sqrt((statistics.variance(a) + statistics.variance(b)) / 2)
        return cls(measure, epoch, (statistics.fmean(a), statistics.fmean(b)), statistics.fmean(differences), spread,
                   chance_of(differences))

    def differs(self, points):
        """Is it a difference, when so many points are looked at?"""
        return self.chance < CHANCE / points and abs(self.difference) > VISIBLE * self.spread


def chance_of(differences):
    """How likely means as far from 0 are by chance: Student 1908, two-sided, n - 1 degrees of freedom."""
    from scipy.special import stdtr
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(len(differences) - 1, -abs(mean) / deviation * math.sqrt(len(differences))))


def measure(names, *, seeds, threads, epochs=None, progress=lambda what: None):
    """A Result for every network of `names`."""
    def curves(network, seeds):
        found = {algorithm: [] for algorithm in ALGORITHMS}
        for seed in seeds:
            for algorithm in ALGORITHMS:
                progress(f"{network}: seed {seed}, {algorithm}")
                found[algorithm].append(ask({"do": "curve", "network": network, "algorithm": algorithm, "seed": seed,
                                             "epochs": epochs}, threads))
        return found
    for network in names:
        result = Result(network, curves(network, range(seeds)))
        if result.suspected:
            result.again = curves(network, range(seeds, 2 * seeds))
        yield result


def table(results):
    """Headings, and a row of strings for the last epoch of every network and measure."""
    rows = []
    for result in results:
        points = result.points()
        for measure, name in MEASURES.items():
            here = [point for point in points if point.measure == measure]
            last = here[-1]
            rows.append([result.network, name, str(last.epoch + 1), *[f"{mean:.4f}" for mean in last.means],
                         f"{last.spread:.4f}", f"{last.difference:+.4f}",
                         f"{min(1, min(point.chance for point in here) * len(points)):.2f}"])
    return ["network", "", "epochs", *ALGORITHMS, "spread", "difference", "chance"], rows


def names_of(names):
    """The networks that are trained, or those that were asked for."""
    known = recipes()
    for name in names or ():
        if name not in known:
            raise ValueError(f"bench: there are no curves for {name}, only for {', '.join(known)}")
    return list(names or known)


def picture(results):
    """For every network, loss and accuracy by epoch: a line for each algorithm's mean, and its spread."""
    from matplotlib.figure import Figure

    from minidl.bench.pictures import BLUE, ORANGE
    figure = Figure((10, 0.6 + 3.2 * len(results)), layout="constrained")
    for row, result in zip(figure.subplots(len(results), 2, squeeze=False), results):
        for axes, (measure, name) in zip(row, MEASURES.items()):
            epochs = range(len(result.curves[ALGORITHMS[0]][0][measure]))
            for algorithm, colour, line, fill in zip(ALGORITHMS, (BLUE, ORANGE), ("-", "--"), (0.25, 0.2)):
                numbers = [at(result.curves[algorithm], measure, epoch) for epoch in epochs]
                means, spreads = [list(map(f, numbers)) for f in (statistics.fmean, statistics.stdev)]
                places = [epoch + 1 for epoch in epochs]
                axes.plot(places, means, line, color=colour, label=algorithm)
                axes.fill_between(places, [m - s for m, s in zip(means, spreads)],
                                  [m + s for m, s in zip(means, spreads)], color=colour, alpha=fill, linewidth=0)
            if measure == "loss":
                axes.set_yscale("log")
            else:
                axes.set_ylim(min(0.9, axes.get_ylim()[0]), 1)
            axes.set(title=f"{result.network}: {name}", xlabel="epoch")
            axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    return figure
