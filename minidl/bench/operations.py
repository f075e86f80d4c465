"""Single ops beside PyTorch's best: how fast they are on large arrays, and what the engine costs on small ones."""
from dataclasses import dataclass, field

from minidl.bench.cases import MINIDL, PYTORCH
from minidl.bench.processes import ask
from minidl.bench.report import geometric_mean, median, ms, number
from minidl.bench.single import LARGE, SMALL, Operation, is_wrong

OPPONENTS = tuple(setting for setting in PYTORCH if setting.fused)        # with pages kept, in both layouts
QUICK = {"add", "relu", "batch_norm", "max_pool2d 3x3/2", "cross_entropy of 4096", "sgd, momentum"}


@dataclass
class Result:
    """What an op came to.

    error : how far minidl was from PyTorch; None without PyTorch, or for what is no number
    runs  : a setting's name -> what single.times said, round by round
    """
    op: Operation
    error: float | None = None
    wrong: bool = False
    runs: dict = field(default_factory=dict)

    def of(self, engine, what):
        """The median over rounds of "forward", "backward", "both" or "bytes"; PyTorch's in the layout that is faster."""
        settings = OPPONENTS if engine == "PyTorch" else [MINIDL]
        parts = ("forward", "backward") if what == "both" else (what,)
        found = [median([sum(run.get(part, 0) for part in parts) for run in self.runs.get(setting.name, [])])
                 for setting in settings]
        return min([seconds for seconds in found if seconds], default=None)

    @property
    def ratio(self):
        """minidl's time by PyTorch's, forward and backward; None where one is missing."""
        mine, theirs = self.of("minidl", "both"), self.of("PyTorch", "both")
        return mine / theirs if mine and theirs else None

    @property
    def bandwidth(self):
        """Bytes a second that minidl's forward pass reads and writes, if it reads and writes nothing twice."""
        seconds = self.of("minidl", "forward")
        return seconds and self.of("minidl", "bytes") / seconds

    def as_dict(self):
        """For the file of results."""
        return {"name": self.op.name, "kind": self.op.kind, "shapes": self.op.shapes, "error": self.error,
                "wrong": self.wrong, "ratio": self.ratio, "runs": self.runs}


def measure(*, rounds, seconds, threads, pytorch=True, quick=False, progress=lambda what: None):
    """Results for the ops on LARGE arrays and for those on SMALL ones."""
    chosen = [i for i, op in enumerate(LARGE) if not quick or op.name in QUICK]
    results = [Result(LARGE[i]) for i in chosen] + [Result(op) for op in SMALL]
    task = {"large": chosen}
    if pytorch:
        progress("do the results agree?")
        for result, error in zip(results, ask(task | {"do": "operation_errors"}, threads)["errors"]):
            result.error, result.wrong = error, is_wrong(error)
    for i in range(rounds):
        for setting in (MINIDL, *(OPPONENTS if pytorch else ())):
            progress(f"round {i + 1} of {rounds}, {setting.name}")
            answer = ask(task | {"do": "operations", "setting": setting.as_dict(), "seconds": seconds}, threads,
                         setting.keep_pages)
            for result, times in zip(results, answer["times"]):
                result.runs.setdefault(setting.name, []).append(times)
    return results[:len(chosen)], results[len(chosen):]


def table(results):
    """Headings, and a row of strings for every Result on large arrays."""
    rows = []
    for result in results:
        rows.append([
            result.op.name, result.op.kind, "x".join(map(str, result.op.shapes[0])), ms(result.of("minidl", "forward")),
            ms(result.of("PyTorch", "forward")), ms(result.of("minidl", "backward")), ms(result.of("PyTorch", "backward")),
            "WRONG" if result.wrong else number(result.ratio),
            number(result.bandwidth and result.bandwidth / 1e9, 0)])
    return ["op", "kind", "array", "forward ms", "PyTorch's", "backward ms", "PyTorch's", "ratio", "GB/s forward"], rows


def overhead_table(results):
    """Headings, and a row of strings for every Result on small arrays, in millionths of a second."""
    microseconds = lambda seconds: number(seconds and 1e6 * seconds, 1)
    rows = [[result.op.name, *[microseconds(result.of(engine, what)) for what in ("forward", "both")
                               for engine in ("minidl", "PyTorch")],
             "WRONG" if result.wrong else number(result.ratio)] for result in results]
    return ["8x8", "forward us", "PyTorch's", "and backward us", "PyTorch's", "ratio"], rows


def last_lines(large, small):
    """Sentences: the means of the ratios, the slowest, and what is wrong."""
    lines = []
    for results, where in ((large, "large arrays"), (small, "8x8 arrays")):
        if timed := [result for result in results if result.ratio]:
            slowest = max(timed, key=lambda result: result.ratio)
            lines.append(f"{where}: minidl's time by PyTorch's best, geometric mean of {len(timed)}: "
                         f"{geometric_mean(result.ratio for result in timed):.2f}; the slowest is {slowest.op.name}: "
                         f"{slowest.ratio:.2f}")
    lines += [f"WRONG: {result.op.name}" for result in [*large, *small] if result.wrong]
    return lines
