"""Training steps of networks: rounds of fresh processes, minidl and every setting of PyTorch in turn."""
import tempfile
from dataclasses import dataclass, field

from minidl.bench.cases import MINIDL, MINIDL_CUDA, NETWORKS, PYTORCH, PYTORCH_CUDA, Case
from minidl.bench.processes import ask
from minidl.bench.report import geometric_mean, median, mib, ms, number

ON = {"cpu": (MINIDL, PYTORCH), "cuda": (MINIDL_CUDA, PYTORCH_CUDA)}
AT_ONCE = {"cpu": 1, "cuda": 20}         # steps that are timed together


@dataclass
class Result:
    """What a Case came to.

    agreement : what agreement.verdict said; None without PyTorch
    runs      : a setting's name -> what the worker answered, round by round
    cold      : seconds of the first step where no kernel was compiled before, if that was asked for
    limits    : where minidl's time goes, see limits.py
    """
    case: Case
    agreement: dict | None = None
    runs: dict = field(default_factory=dict)
    cold: float | None = None
    limits: dict | None = None

    wrong = property(lambda self: self.agreement is not None and not self.agreement["agrees"])

    def of(self, name, what="steps"):
        """The median over rounds of a setting's step, memory or first step; None if there is none."""
        return median([median(run[what]) if what == "steps" else run[what] for run in self.runs.get(name, [])])

    @property
    def opponent(self):
        """The name of PyTorch's fastest setting, or None."""
        timed = [name for name in self.runs if name != MINIDL.name and self.of(name)]
        return min(timed, key=self.of, default=None)

    @property
    def ratio(self):
        """minidl's time by PyTorch's: below 1, minidl is faster. None where one is missing."""
        return self.of(MINIDL.name) / self.of(self.opponent) if self.opponent and self.of(MINIDL.name) else None

    def as_dict(self):
        """For the file of results."""
        return {"case": self.case.as_dict(), "agreement": self.agreement, "wrong": self.wrong,
                "runs": self.runs, "medians": {name: self.of(name) for name in self.runs},
                "memory": {name: self.of(name, "memory") for name in self.runs},
                "first step": {name: self.of(name, "first") for name in self.runs}, "first step, cold": self.cold,
                "opponent": self.opponent, "ratio": self.ratio, "limits": self.limits}


def measure(case, *, rounds, seconds, threads, pytorch=True, cold=False, device="cpu", progress=lambda what: None):
    """The Result of a Case. A network on which minidl and PyTorch disagree is not timed."""
    result, (ours, theirs) = Result(case), ON[device]
    task = {"do": "step", "case": case.as_dict(), "seconds": seconds, "at_once": AT_ONCE[device]}
    if pytorch:
        progress(f"{case.name}: do the gradients agree?")
        result.agreement = ask({"do": "agreement", "case": case.as_dict(), "device": device}, threads)
        if result.wrong:
            return result
    if cold:
        progress(f"{case.name}: the first step of all")
        with tempfile.TemporaryDirectory() as empty:
            result.cold = ask(task | {"setting": ours.as_dict(), "seconds": 0}, threads,
                              NUMBA_CACHE_DIR=empty, CUPY_CACHE_DIR=empty)["first"]
    for i in range(rounds):
        for setting in (ours, *(theirs if pytorch else ())):
            progress(f"{case.name}: round {i + 1} of {rounds}, {setting.name}")
            answer = ask(task | {"setting": setting.as_dict()}, threads, setting.keep_pages)
            result.runs.setdefault(setting.name, []).append(answer)
    if device == "cpu":                                  # by the profiler's clock, which does not wait for a GPU
        progress(f"{case.name}: where the time goes")
        result.limits = ask({"do": "limits", "case": case.as_dict()}, threads)
    return result


def table(results):
    """Headings, and a row of strings for every Result."""
    rows = []
    for result in results:
        row, opponent = [result.case.network, str(result.case.batch)], result.opponent
        if result.wrong:
            rows.append([*row, "WRONG", "", "", "", "", "", "", fault(result.agreement)])
            continue
        rows.append([
            *row, ms(result.of("minidl")), ms(result.of(opponent)), number(result.ratio),
            mib(result.of("minidl", "memory")), mib(result.of(opponent, "memory")),
            number(result.of("minidl", "first")), number(result.cold), how(opponent)])
    return ["network", "batch", "minidl ms", "PyTorch ms", "ratio", "minidl MiB", "PyTorch MiB", "first step s",
            "uncompiled s", "PyTorch's best"], rows


def how(setting):
    """A setting of PyTorch's, without the word PyTorch."""
    return "" if setting is None else setting.removeprefix("PyTorch").removeprefix(", ") or "as shipped"


def fault(agreement):
    """Where minidl and PyTorch disagree, and by how much."""
    worst, dtype, error, allowed = (agreement[key] for key in ("worst", "dtype", "error", "allowed"))
    if error is None:
        return f"{worst} is not even a number in {dtype}, or of another shape"
    return f"{worst} is wrong by {error:.1e} of itself in {dtype}, where {allowed:.0e} is allowed"


def line(result):
    """A Result in a line, for those who wait."""
    if result.wrong:
        return f"{result.case.name}: WRONG: {fault(result.agreement)}"
    text = f"{result.case.name}: minidl {ms(result.of('minidl'))} ms"
    if result.opponent:
        text += f", PyTorch {ms(result.of(result.opponent))} ms ({how(result.opponent)}), ratio {result.ratio:.2f}"
    return text


def last_line(results):
    """The geometric mean of the ratios, and what is wrong, as a sentence."""
    ratios = [result.ratio for result in results if result.ratio]
    wrong = [result.case.name for result in results if result.wrong]
    words = []
    if ratios:
        words.append(f"minidl's time by PyTorch's best, geometric mean of {len(ratios)}: {geometric_mean(ratios):.2f}")
    if wrong:
        words.append(f"WRONG, and not timed: {', '.join(wrong)}")
    return "; ".join(words)



def cases(names):
    """The cases of some networks, all of the table without names; "resnet56:32" is any network with a batch."""
    import architectures
    table = {case.network: case for case in NETWORKS}
    chosen = []
    for name in names or table:
        network, colon, batch = name.partition(":")
        architectures.find(network)
        if not colon and network not in table:
            raise ValueError(f"bench: {network} needs a batch, {network}:8 for example; without one there are "
                             f"{', '.join(table)}")
        if colon and not (batch.isdecimal() and int(batch)):
            raise ValueError(f"bench: in {name!r} the batch is no number of at least 1")
        chosen.append(Case(network, int(batch)) if colon else table[network])
    return chosen
