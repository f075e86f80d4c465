"""Words by rule: what may be said of numbers, and when.

Nothing else decides what the texts say. Of seeds it is only asked whether *all* of one kind are on one side of all of the
other, which needs no distribution; how often chance alone does that is said beside it.
"""
import math

import numpy as np

FAR = 10                     # a gradient is called uneven when it differs so many times between the ends of a network
GUESSING = math.log(10)      # the loss of a network that gives each of ten digits the same probability


# ---- gradients at a moment


def gradient(total, rate, law, zeros=0.0):
    """What a gradient does on its way from the output to the input: one of four words.

    underflows : more than half of dL/dx_0 is exactly 0 in float32
    explodes   : it is certainly more than FAR times as large at the input as at the output, and grows from layer to layer
                 by a factor that is certainly above 1; and `law` does not say that it is a power of depth
    vanishes   : the same the other way round
    neither    : all the rest

    total, rate : Rates; "certainly" is said of their 95 % intervals
    """
    if zeros > 0.5:
        return "underflows"
    if law != "power" and total.low > FAR and rate.low > 1:
        return "explodes"
    if law != "power" and total.high < 1 / FAR and rate.high < 1:
        return "vanishes"
    return "neither"


def law(trunks):
    """How gradients change with depth: "exponential" where log ||dL/dx_l|| is in every net fitted better by a line in l,
    "power" where it is by a line in log(l + 1), l counting blocks from the input; else "undecided"."""
    better = []
    for trunk in trunks:
        with np.errstate(divide="ignore"):
            logs, places = np.log(np.asarray(trunk, float)), np.arange(len(trunk))
        if not np.isfinite(logs).all() or len(logs) < 4:
            return "undecided"
        better.append(misfit(places, logs) < misfit(np.log(places + 1), logs))
    return "exponential" if all(better) else "undecided" if any(better) else "power"


def misfit(x, y):
    return float(np.square(y - np.polyval(np.polyfit(x, y, 1), x)).sum())


def evens_out(before, after):
    """Whether ||dL/dx_0|| / ||dL/dx_L||, seed by seed, comes nearer to 1.

    was even, evens out : in every seed it was less than FAR from 1; it is less than half as far as before, as a logarithm
    stays uneven        : in no seed it is
    depends on the seed : all the rest
    """
    before, after = (abs(np.log(np.asarray(ratios, float))) for ratios in (before, after))
    if (before < math.log(FAR)).all():
        return "was even"
    halved = after < before / 2
    return "evens out" if halved.all() else "depends on the seed" if halved.any() else "stays uneven"


# ---- trainings


def learned(losses):
    """Of the last epoch's training losses, by seed: "trains" if all are below half of what guessing costs, "fails" if
    none is, else "depends on the seed"."""
    below = [loss < GUESSING / 2 for loss in losses]
    return "trains" if all(below) else "depends on the seed" if any(below) else "fails"


def compared(a, b):
    """Of numbers by seed: "lower" if all of a are below all of b, "higher" the other way round, else "not told apart"."""
    if max(a) < min(b):
        return "lower"
    return "higher" if min(a) > max(b) else "not told apart"


def by_chance(n, m):
    """How often n and m draws from one distribution lie apart, in one order or the other: 2 in (n + m choose n)."""
    return 2 / math.comb(n + m, n)


def needed(intact, cut):
    """What leaving out one block does, from the error of the whole and the errors without each block.

    hardly matters  : on average, at most 0.05 more errors
    breaks it       : on average, at least half the errors of guessing
    matters         : all the rest
    """
    mean = sum(cut) / len(cut)
    return "hardly matters" if mean <= intact + 0.05 else "breaks it" if mean >= 0.45 else "matters"
