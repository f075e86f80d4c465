"""The numbers behind pictures and texts, as CSV files."""
import csv
import io
import statistics

from minidl.lab.plain_vs_residual.profile import first_by_last
from minidl.utils.data.files import replacing


def write(path, headings, rows):
    """Numbers with six figures; what is None stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def at_start(rows):
    """A line for every network of the grid."""
    return (["norm", "shape", "gain", "layers", "nets", "verdict", "law", "factor per layer", "from", "to", "theory",
             "first by last", "first by last from", "first by last to", "zeros in float32"],
            [[row.case.norm, row.case.shape, row.case.gain, row.case.layers, row.task.nets, row.verdict, row.law, *row.rate,
              row.theory_rate, *row.total, row.zeros] for row in rows])


def profiles(rows):
    """A line for every network of the grid, quantity and layer: the mean of the logarithm over nets."""
    lines = []
    for row in rows:
        for what in ("trunk", "outputs", "weights"):
            for layer, norms in enumerate(zip(*[profile[what] for profile in row.found["float64"]])):
                mean = statistics.geometric_mean(norms) if min(norms) > 0 else 0.0
                lines.append([row.case.norm, row.case.shape, row.case.gain, row.case.layers, what, layer, mean, min(norms),
                              max(norms)])
    return ["norm", "shape", "gain", "layers", "gradient of", "place", "geometric mean", "smallest", "largest"], lines


def trained(runs):
    """A line for every training."""
    lines = []
    for one in runs:
        for lr, seeds in one.found.items():
            for seed, found in enumerate(seeds):
                ratios = [first_by_last(found["profiles"][moment]["trunk"]) if moment in found["profiles"] else None
                          for moment in ("before", "after one epoch", "end")]
                lines.append([one.kind, one.case.norm, one.case.shape, one.case.layers, lr, lr == one.lr, seed,
                              found["losses"][-1] if not found["diverged"] else None, found["error"], found["diverged"],
                              *ratios, *(([statistics.fmean(found["lesions"]), max(found["lesions"])])
                                         if found["lesions"] else [None, None])])
    return ["kind", "norm", "shape", "layers", "learning rate", "best", "seed", "training loss", "test error", "diverged in",
            "first by last before", "after one epoch", "at the end", "error without a block, mean", "largest"], lines
