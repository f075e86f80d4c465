"""Convolutions, shape by shape: every algorithm of minidl's beside PyTorch's best, pass by pass."""
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from minidl.bench.cases import MINIDL, PYTORCH
from minidl.bench.passes import as_lists, macs, wrong
from minidl.bench.processes import ask
from minidl.bench.report import geometric_mean, median, ms, number
from minidl.kernels.cpu.convolution import ALGORITHMS, PASSES, Convolution, algorithm
from minidl.mode import Observer, mode

OPPONENTS = tuple(setting for setting in PYTORCH if setting.keep_pages and not setting.fused)
CLEARLY = 1.1                # times as long: less than that is noise
SHORT = dict(zip(PASSES, ("y", "gx", "gw")))


def shapes(cases):
    """{Convolution: Counter of the names of the cases it is in}, in the order in which they come."""
    found = {}
    for case in cases:
        for how, times in of_network(case).items():
            found.setdefault(how, Counter())[case.name] += times
    return found


def of_network(case):
    """Counter of a Case's Convolutions, in the order of its layers; nothing is computed."""
    from minidl.bench.step import input_shape, network
    return of_model(lambda: network(case, "minidl"), (case.batch, *input_shape(case)))


def of_model(build, shape):
    """Counter of the Convolutions of the model that `build` makes, on images of `shape` (N, C, H, W)."""
    import minidl
    seen = Watcher()
    with minidl.device("meta"), mode(observer=seen, recording=False):
        build()(minidl.empty(*shape))
    return seen.found


class Watcher(Observer):
    """Sees every op run, and notes the convolutions."""

    def __init__(self):
        self.found = Counter()

    def note(self, op, arrays, y):
        from minidl.ops.convolution import Conv2d
        if isinstance(op, Conv2d):
            x, w = arrays[:2]
            self.found[Convolution(x.shape, w.shape, op.stride, op.padding, op.dilation, op.groups,
                                   np.dtype(np.float32))] += 1


def few(found):
    """One convolution for every combination of algorithms that `auto` chooses."""
    kinds = {}
    for how, networks in found.items():
        kinds.setdefault(tuple(algorithm(step, how) for step in PASSES), (how, networks))
    return dict(kinds.values())


@dataclass
class Result:
    """What a convolution came to.

    networks : the names of the cases it is in -> how often
    errors   : what passes.errors said; None without PyTorch
    runs     : a setting's name -> what passes.times said, round by round
    """
    how: Convolution
    networks: dict
    errors: dict | None = None
    runs: dict = field(default_factory=dict)

    wrong = property(lambda self: wrong(self.errors) if self.errors else [])

    def of(self, step, name):
        """The median over rounds of a pass with an algorithm, or of PyTorch's faster layout; None if there is none."""
        settings = OPPONENTS if name == "PyTorch" else [MINIDL]
        found = [median([run[step].get(name) for run in self.runs.get(setting.name, [])]) for setting in settings]
        return min([seconds for seconds in found if seconds is not None], default=None)

    def chosen(self, step):
        """The algorithm that `auto` takes."""
        return algorithm(step, self.how)

    def fastest(self, step):
        timed = [name for name in ALGORITHMS if self.of(step, name)]
        return min(timed, key=lambda name: self.of(step, name), default=None)

    def ratio(self, step):
        """auto's time by PyTorch's, or None."""
        mine, theirs = self.of(step, self.chosen(step)), self.of(step, "PyTorch")
        return mine / theirs if mine and theirs else None

    @property
    def name(self):
        N, C, H, W = self.how.x_shape
        F, _, KH, KW = self.how.w_shape
        text = f"{N}x{C}x{H}x{W} to {F}, {KH}x{KW}"
        if max(self.how.stride) > 1:
            text += f"/{max(self.how.stride)}"
        return text if self.how.groups == 1 else f"{text}, {self.how.groups} groups"

    def as_dict(self):
        """For the file of results."""
        return {"name": self.name, "convolution": as_lists(self.how), "networks": self.networks, "macs": macs(self.how),
                "errors": self.errors, "wrong": self.wrong, "runs": self.runs,
                "medians": {step: {name: self.of(step, name) for name in (*ALGORITHMS, "PyTorch")} for step in PASSES},
                "auto": {step: self.chosen(step) for step in PASSES},
                "ratio": {step: self.ratio(step) for step in PASSES}}


def measure(found, *, rounds, seconds, threads, pytorch=True, progress=lambda what: None):
    """A Result for each of `found`, as `shapes` gives them; every setting measures all of them in one process."""
    results = [Result(how, dict(networks)) for how, networks in found.items()]
    task, where = {"shapes": [as_lists(how) for how in found]}, next(iter(results[0].networks))
    if pytorch:
        progress(f"{where}: do the results agree?")
        for result, errors in zip(results, ask(task | {"do": "convolution_errors"}, threads)["errors"]):
            result.errors = errors
    for i in range(rounds):
        for setting in (MINIDL, *(OPPONENTS if pytorch else ())):
            progress(f"{where}: round {i + 1} of {rounds}, {setting.name}")
            answer = ask(task | {"do": "convolutions", "setting": setting.as_dict(), "seconds": seconds}, threads,
                         setting.keep_pages)
            for result, times in zip(results, answer["times"]):
                result.runs.setdefault(setting.name, []).append(times)
    return results


def table(results):
    """Headings, and a row of strings for every pass of every Result."""
    timed = [name for name in ALGORITHMS if any(result.of(step, name) for result in results for step in PASSES)]
    rows = []
    for result in results:
        for step in PASSES:
            name = result.chosen(step)
            mine = result.of(step, name)
            error = (result.errors or {}).get(step, {}).get(name)
            rows.append([result.name if step == PASSES[0] else "", SHORT[step], name, ms(mine),
                         ms(result.of(step, "PyTorch")), number(result.ratio(step)),
                         number(mine and 2e-9 * macs(result.how) / mine, 0), f"{error:.0e}" if error else "",
                         *[ms(result.of(step, other)) for other in timed]])
    return ["convolution", "pass", "auto", "auto ms", "PyTorch ms", "ratio", "GFLOP/s", "error", *timed], rows


def last_lines(results):
    """Sentences: the mean of the ratios, whether `auto` took the fastest algorithm, and what is wrong."""
    lines = []
    for step in PASSES:
        if ratios := [result.ratio(step) for result in results if result.ratio(step)]:
            lines.append(f"{SHORT[step]}: auto's time by PyTorch's best, geometric mean of {len(ratios)}: "
                         f"{geometric_mean(ratios):.2f}; the slowest {max(ratios):.2f}")
    passes = [(result, step) for result in results for step in PASSES]
    slower = [(result, step) for result, step in passes
              if result.of(step, result.chosen(step)) > CLEARLY * result.of(step, result.fastest(step))]
    lines.append(f"auto takes the fastest algorithm, or one less than {CLEARLY - 1:.0%} slower, in "
                 f"{len(passes) - len(slower)} of {len(passes)} passes")
    lines += [f"  {result.name}, {SHORT[step]}: {result.chosen(step)} {ms(result.of(step, result.chosen(step)))} ms, but "
              f"{result.fastest(step)} {ms(result.of(step, result.fastest(step)))} ms" for result, step in slower]
    lines += [f"WRONG: {SHORT[step]} of {result.name} by {name}" for result in results for step, name in result.wrong]
    return lines

