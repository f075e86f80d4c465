"""What a search came to: a table, sentences that say no more than its numbers, and a picture."""
import math

import numpy as np

from minidl.lab.search.space import words

BLUE, ORANGE = "#1f5fbf", "#c65a11"
COLOURS = {"REINFORCE": BLUE, "random": ORANGE}
WINDOW = 20                                                # cells in the running mean


def measures(tracks, finals):
    """{measure: {search: a number for every seed}}: accuracies, 0 to 1."""
    names = list(dict.fromkeys(track.name for track in tracks))
    of = lambda name, what: [what(track) for track in tracks if track.name == name]
    return {
        "all cells drawn": {name: of(name, lambda track: track.rewards.mean()) for name in names},
        "the last quarter": {name: of(name, lambda track: track.rewards[-(len(track.rewards) // 4 or 1):].mean())
                             for name in names},
        "the best": {name: of(name, lambda track: track.rewards.max()) for name in names},
        "test": {name: [final.test for final in finals if final.name == name] for name in [*names, "the first cell"]},
    }


def table(tracks, finals):
    """Headings, and a row of strings for every search: percent, mean ± standard deviation over seeds."""
    found = measures(tracks, finals)
    rows = []
    for name in found["test"]:
        different = [track.different for track in tracks if track.name == name]
        rows.append([name, f"{np.mean(different):.0f}" if different else "1",
                     *[percent(of_measure[name]) if name in of_measure else "" for of_measure in found.values()]])
    return ["search", "different cells", "validation: all drawn", "the last quarter", "the best", "test: the best"], rows


def percent(numbers):
    spread = f" ± {100 * np.std(numbers, ddof=1):.2f}" if len(numbers) > 1 else ""
    return f"{100 * np.mean(numbers):.2f}{spread}"


def sentences(tracks, finals):
    """For every measure, REINFORCE beside random search: the mean difference over seeds, and whether it is one."""
    for measure, found in measures(tracks, finals).items():
        difference, half_width = paired(found["REINFORCE"], found["random"])
        of = {"test": "test accuracy of the best cell", "the best": "validation accuracy of the best cell"}.get(
            measure, f"mean validation accuracy of {measure}")
        said = f"{of}: REINFORCE {100 * difference:+.2f}"
        if math.isnan(half_width):
            yield f"{said} beside random search; one seed tells nothing about chance"
            continue
        verdict = ("no difference can be seen" if abs(difference) <= half_width else
                   "more than random search" if difference > 0 else "less than random search")
        yield f"{said} ± {100 * half_width:.2f} percentage points (95 %, {len(found['random'])} pairs): {verdict}"


def paired(a, b):
    """The mean of the differences a - b, and half the width of its 95 % interval: Student's t for pairs."""
    from scipy.special import stdtrit
    differences = np.subtract(a, b)
    n = len(differences)
    if n == 1:
        return differences[0], math.nan
    return differences.mean(), stdtrit(n - 1, 0.975) * differences.std(ddof=1) / math.sqrt(n)


def line(track):
    """A track that is done, in one line."""
    return (f"{track.name}, seed {track.seed}: {len(track.samples)} cells, {track.different} different ones; the best reads "
            f"{100 * track.rewards.max():.2f} % of the validation images: {words(track.best)}")


def winners(finals):
    """Of every search the cell, among those of its seeds, with the best *validation* accuracy, and its test accuracy."""
    for name in dict.fromkeys(final.name for final in finals):
        best = max([final for final in finals if final.name == name], key=lambda final: final.reward)
        yield f"{name}: {100 * best.test:.2f} % of the test images with {words(best.cell)}"


# ---- the picture


def running_mean(rewards, window):
    """The mean of each reward and of those before it, at most `window` together."""
    return np.array([rewards[max(0, i - window + 1):i + 1].mean() for i in range(len(rewards))])


def picture(tracks, title):
    """Reward over samples: the running mean, and the best so far; the mean over seeds in a band of one deviation."""
    from matplotlib.figure import Figure
    figure = Figure((10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    done = min(len(track.samples) for track in tracks)
    for axes, curve, heading in ((left, lambda rewards: running_mean(rewards, WINDOW), f"mean of the last {WINDOW} cells"),
                                 (right, np.maximum.accumulate, "best cell so far")):
        for name, colour in COLOURS.items():
            curves = np.array([curve(100 * track.rewards[:done]) for track in tracks if track.name == name])
            samples, mean, spread = np.arange(1, done + 1), curves.mean(0), curves.std(0, ddof=int(len(curves) > 1))
            axes.fill_between(samples, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)
            axes.plot(samples, mean, "-" if name == "REINFORCE" else "--", color=colour, linewidth=1.8, label=name)
        axes.set(title=heading, xlabel="cells drawn", ylabel="validation accuracy, %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, linewidth=0.3)
    left.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure
