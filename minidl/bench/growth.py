"""How time and memory of a training step grow with batch, depth, width and image, and where that stops being as expected.

Time is expected to grow as the multiplications do, and memory as the arrays that minidl.footprint foresees. So nothing
has to be known about a network: its exponents come from its shapes.
"""
from dataclasses import dataclass, field

from minidl.bench.cases import MINIDL, PYTORCH, Case
from minidl.bench.networks import fault
from minidl.bench.processes import ask
from minidl.bench.report import median, mib, ms, number, slope

OPPONENTS = tuple(setting for setting in PYTORCH if setting.fused)        # with pages kept, in both layouts
CLEARLY = 1.25               # times more or less than expected, from one point to the next: less than that is noise
DEEPEST = (1202, Case("resnet1202", 8))


@dataclass(frozen=True)
class Curve:
    """What grows, and `points`: pairs of its size and the Case in which it has it."""
    name: str
    points: tuple

    sizes = property(lambda self: [x for x, _ in self.points])
    cases = property(lambda self: [case for _, case in self.points])


CURVES = (
    Curve("batch", tuple((n, Case("resnet20", n)) for n in (8, 16, 32, 64, 128, 256))),
    Curve("depth", tuple((n, Case(f"resnet{n}", 8)) for n in (20, 32, 44, 56, 110))),
    Curve("width", tuple((n, Case("mobilenet_v1", 8, {"width": n}, 96)) for n in (0.25, 0.5, 1.0, 2.0))),
    Curve("image", tuple((n, Case("resnet20", 8, {}, n)) for n in (16, 32, 64, 128, 256))),
)


def curves(names, deep=False):
    """The curves of these names, all of them without; `deep` adds 1202 layers to the depths."""
    known = {curve.name: curve for curve in CURVES}
    for name in names or ():
        if name not in known:
            raise ValueError(f"bench: nothing called {name!r} grows; there are {', '.join(known)}")
    if deep:
        known["depth"] = Curve("depth", (*known["depth"].points, DEEPEST))
    return [known[name] for name in names or known]


@dataclass(eq=False)
class Result:
    """What a Curve came to.

    macs      : multiplications of the forward pass, for the whole batch, point by point
    foreseen  : bytes of arrays, point by point
    agreement : what agreement.verdict said of the smallest point; None without PyTorch
    runs      : point by point, a setting's name -> what the worker answered, round by round
    """
    curve: Curve
    macs: list
    foreseen: list
    agreement: dict | None = None
    runs: list = field(default_factory=list)

    wrong = property(lambda self: self.agreement is not None and not self.agreement["agrees"])
    engines = property(lambda self: ["minidl", *(["PyTorch"] if self.of("PyTorch") else [])])

    def of(self, engine, what="steps"):
        """Seconds of a step, or bytes of "memory", point by point: of PyTorch in the layout that is faster there."""
        settings = [setting.name for setting in OPPONENTS] if engine == "PyTorch" else [MINIDL.name]
        found = []
        for run in self.runs:
            if timed := [name for name in settings if name in run]:
                best = min(timed, key=lambda name: median([median(answer["steps"]) for answer in run[name]]))
                found.append(median([median(x[what]) if what == "steps" else x[what] for x in run[best]]))
        return found if None not in found else []

    def expected(self, engine, what="steps"):
        """What the cost ought to be proportional to. A process takes some memory for itself: what is beside the arrays
        at the smallest point."""
        if what == "steps":
            return self.macs
        own = max(0, self.of(engine, what)[0] - self.foreseen[0])
        return [own + size for size in self.foreseen]

    def exponent(self, costs):
        """b, where costs grow as size^b."""
        return slope(self.curve.sizes, costs)

    def departures(self, engine, what="steps"):
        """(a size, the next one, how much the cost grew, how much was expected) where these are CLEARLY different."""
        sizes, costs, expected = self.curve.sizes, self.of(engine, what), self.expected(engine, what)
        found = []
        for i in range(1, len(sizes)):
            grew, should = costs[i] / costs[i - 1], expected[i] / expected[i - 1]
            if not 1 / CLEARLY <= grew / should <= CLEARLY:
                found.append((sizes[i - 1], sizes[i], grew, should))
        return found

    def as_dict(self):
        """For the file of results."""
        exponents = {engine: {what: self.exponent(self.of(engine, what)) for what in ("steps", "memory")
                              if self.of(engine, what)} for engine in self.engines if self.runs}
        return {"name": self.curve.name, "sizes": self.curve.sizes, "cases": [case.as_dict() for case in self.curve.cases],
                "agreement": self.agreement, "wrong": self.wrong, "macs": self.macs, "foreseen": self.foreseen,
                "seconds": {engine: self.of(engine) for engine in self.engines},
                "memory": {engine: self.of(engine, "memory") for engine in self.engines},
                "exponents": exponents | {"MACs": self.exponent(self.macs), "foreseen": self.exponent(self.foreseen)},
                "runs": self.runs}


def foreseen(case):
    """Multiplications of a forward pass, and bytes of arrays in a training step; nothing is computed."""
    import minidl
    from minidl.bench.step import input_shape, network
    with minidl.device("meta"):
        model = network(case, "minidl")
    found = minidl.summary(model, input_shape(case), case.batch)
    return case.batch * found.macs, found.training.peak


def measure(curve, *, rounds, seconds, threads, pytorch=True, progress=lambda what: None):
    """The Result of a Curve. Where minidl and PyTorch disagree at its smallest point, it is not timed."""
    result = Result(curve, *map(list, zip(*map(foreseen, curve.cases))))
    if pytorch:
        progress(f"{curve.name}: do the gradients agree?")
        result.agreement = ask({"do": "agreement", "case": curve.cases[0].as_dict()}, threads)
        if result.wrong:
            return result
    for case in curve.cases:
        progress(f"{curve.name}: {case.name} is compiled")
        task, runs = {"do": "step", "case": case.as_dict(), "seconds": seconds}, {}
        ask(task | {"setting": MINIDL.as_dict(), "seconds": 0}, threads)     # a compiler would count as memory of the step
        for i in range(rounds):
            for setting in (MINIDL, *(OPPONENTS if pytorch else ())):
                progress(f"{curve.name}: {case.name}, round {i + 1} of {rounds}, {setting.name}")
                answer = ask(task | {"setting": setting.as_dict()}, threads, setting.keep_pages)
                runs.setdefault(setting.name, []).append(answer)
        result.runs.append(runs)
    return result


# ---- for a person


def table(results):
    """Headings, and a row of strings for every point of every Result."""
    rows = []
    for result in results:
        columns = [result.of(engine, what) or [None] * len(result.macs)
                   for what in ("steps", "memory") for engine in ("minidl", "PyTorch")]
        for i, (size, case) in enumerate(result.curve.points):
            mine, theirs, my_memory, their_memory = (column[i] for column in columns)
            rows.append([
                result.curve.name if i == 0 else "", f"{size:g}", case.name, number(result.macs[i] / 1e6, 0), ms(mine),
                ms(theirs), "WRONG" if result.wrong else number(mine / theirs if theirs else None), mib(my_memory),
                mib(their_memory), mib(result.foreseen[i])])
    return ["grows", "to", "network", "million MACs", "minidl ms", "PyTorch ms", "ratio", "minidl MiB", "PyTorch MiB",
            "arrays MiB"], rows


def sentences(result):
    """How time and memory grow, and between which points not as expected."""
    name, lines = result.curve.name, []
    if result.wrong:
        return [f"{name}: WRONG, and not timed: {fault(result.agreement)}"]
    for what, word, source in (("steps", "time", "MACs"), ("memory", "memory", "arrays and what a process takes")):
        for engine in result.engines:
            if costs := result.of(engine, what):
                line = (f"{name}: {engine}'s {word} grows as {name}^{result.exponent(costs):.2f}, the {source} as "
                        f"{name}^{result.exponent(result.expected(engine, what)):.2f}")
                lines.append("; ".join([line, *[f"from {a:g} to {b:g} it grows {grew:.2f} times, where {should:.2f} was "
                                                "expected" for a, b, grew, should in result.departures(engine, what)]]))
    return lines


def panels(result):
    """For pictures.curves: two panels (title, unit, [(name, sizes, costs)]), the last curve of each being the expected."""
    name, sizes, panels = result.curve.name, result.curve.sizes, []
    largest = result.of("minidl")[-1] / result.macs[-1]      # the purest: little of it is overhead
    for what, word, unit, factor, expected in (
            ("steps", "time", "ms", 1e3, ("as the MACs", sizes, [1e3 * largest * n for n in result.macs])),
            ("memory", "memory", "MiB", 2 ** -20, ("arrays, foreseen", sizes, [n / 2 ** 20 for n in result.foreseen]))):
        found = [(engine, sizes, [factor * x for x in costs]) for engine in result.engines
                 if (costs := result.of(engine, what))]
        exponent = f" ~ {name}^{result.exponent(found[0][2]):.2f}" if found else f" by {name}"
        panels.append((f"minidl's {word}{exponent}", unit, [*found, expected]))
    return panels
