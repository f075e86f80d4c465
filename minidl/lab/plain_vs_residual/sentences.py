"""Sentences from numbers: each says what its numbers say, in the words that `verdicts` gives them, and no more."""
import math

from minidl.lab.plain_vs_residual import verdicts
from minidl.lab.plain_vs_residual.verdicts import FAR, GUESSING


def gradient(name, verdict, law, rate, total, nets, theory=None, zeros=0.0):
    """Of a network at initialisation. rate, total: Rates; theory: the factor per layer that is predicted, or None."""
    known = f"theory {factor(theory)}" if theory is not None else "no law is drawn beside it"
    measured = f"{factor(rate.factor)} per layer (95 %: {factor(rate.low)} to {factor(rate.high)}, {nets} nets); {known}"
    in_all = f"From the last block to the input that is a factor of {number(total.factor)}."
    if verdict == "underflows":
        return (f"{name}: the gradient underflows: {100 * zeros:.0f} % of what reaches the input is exactly 0 in float32, "
                f"and not in float64. {in_all}" + ("" if math.isnan(rate.factor) else f" It changes by {measured}."))
    if verdict == "explodes":
        return f"{name}: the gradient explodes by {measured}. {in_all}"
    if verdict == "vanishes":
        return f"{name}: the gradient vanishes, by {measured}. {in_all}"
    if total.low > FAR or total.high < 1 / FAR:
        way = "grows" if total.low > FAR else "shrinks"
        how = ("as a power of depth, which fits every net better than a factor per layer" if law == "power" else
               "by which law these nets do not say")
        return (f"{name}: the gradient neither explodes nor vanishes at a steady rate: it {way}, {how}. {in_all} The "
                f"mean factor is {factor(rate.factor)} per layer; {known}.")
    return f"{name}: the gradient neither explodes nor vanishes: {measured}. {in_all}"


def weights(name, total, apart):
    """Gradients of weights beside those of activations. apart: the largest ||dL/dW|| by the smallest, as a Rate."""
    return (f"{name}: ||dL/dx|| changes by a factor of {number(total.factor)} from the last block to the input, and the "
            f"largest ||dL/dW|| of a layer is {number(apart.factor)} times the smallest.")


# ---- trainings

TOLD = {"trains": "trains", "fails": "fails to train", "depends on the seed": "trains or not, depending on the seed"}


def training(name, losses, errors, lr, at_the_edge, diverged):
    """Of one network's seeds at its best learning rate."""
    edge = ", at the edge of those tried" if at_the_edge else ""
    if diverged == len(losses):
        return f"{name}: all {diverged} seeds diverged at every learning rate."
    lost = f" {diverged} of {len(losses)} seeds diverged at every learning rate." if diverged else ""
    return (f"{name}: {TOLD[verdicts.learned(losses)]}: training loss {spread(losses)} in the last epoch (guessing costs "
            f"{GUESSING:.2f}), test error {percents(errors)}, learning rate {lr:g}{edge}.{lost}")


def comparison(layers, plain, residual):
    """Of training losses of a plain and a residual network of as many layers, by seed."""
    numbers = f"{spread(residual)} against {spread(plain)}"
    of_residual, of_plain = (sum(map(math.isinf, losses)) for losses in (residual, plain))
    if of_residual or of_plain:
        return (f"At {layers} layers the residual network diverges in {of_residual} of {len(residual)} seeds, the plain one "
                f"in {of_plain} of {len(plain)}; training loss {numbers}.")
    word = verdicts.compared(residual, plain)
    if word == "not told apart":
        return f"At {layers} layers the seeds do not tell the two apart: training loss {numbers}."
    return (f"At {layers} layers the residual network's training loss is {word} in every seed: {numbers}"
            f"{chance(residual, plain)}.")


def deeper(name, shallow, deep, few, many):
    """Does depth cost training loss? few, many: losses by seed with `shallow` and with `deep` layers."""
    numbers = f"{spread(few)} with {shallow} layers, {spread(many)} with {deep}"
    word = verdicts.compared(many, few)
    if word == "higher":
        return (f"{name}: degrades: the training loss is higher with more layers in every seed: {numbers}"
                f"{chance(many, few)}.")
    if word == "lower":
        return (f"{name}: does not degrade: the training loss is lower with more layers in every seed: {numbers}"
                f"{chance(many, few)}.")
    return f"{name}: the seeds do not say that depth costs training loss: {numbers}."


def healthy(name, ratios, losses):
    """Do even norms at the start mean that a network trains? ratios: ||dL/dx_0|| / ||dL/dx_L|| at the start, by seed."""
    word = verdicts.learned(losses)
    if all(1 / FAR < ratio < FAR for ratio in ratios):
        start, link = "the norms are healthy", "; still it" if word == "fails" else "; it"
    else:
        start, link = "the norms are not even in every seed", "; it"
    return (f"{name}: at the start {start}, ||dL/dx_0|| / ||dL/dx_L|| is {spread(ratios)}{link} {TOLD[word]}: training loss "
            f"{spread(losses)}.")


def evening(name, before, after, end):
    """How ||dL/dx_0|| / ||dL/dx_L|| goes on, from the start, after one epoch, at the end: by seed."""
    if len(after) < len(before):
        return f"{name}: not all seeds came to the end of an epoch."
    if not all(map(math.isfinite, [*before, *after])):
        return f"{name}: in a seed the gradient is exactly 0, and has no first by last."
    said = {"was even": f"first and last gradient are less than {FAR} times apart from the start",
            "evens out": "the gradient evens out in the first epoch, in every seed",
            "stays uneven": "the gradient does not even out in the first epoch",
            "depends on the seed": "whether the gradient evens out in the first epoch depends on the seed"}
    numbers = f"{spread(before)} at the start, {spread(after)} after one epoch"
    return (f"{name}: {said[verdicts.evens_out(before, after)]}: {numbers}"
            + (f", {spread(end)} at the end." if end else "."))


def lesion(name, unit, intact, cut):
    """Of test errors: of whole networks, by seed, and without one `unit`, of all units and seeds."""
    whole = sum(intact) / len(intact)
    said = {"hardly matters": f"no single {unit} matters much on average", "matters": f"each {unit} matters, on average",
            "breaks it": f"it breaks without any one {unit}, on average"}[verdicts.needed(whole, cut)]
    return (f"{name}: {said}: test error {percent(whole)} whole, {percent(sum(cut) / len(cut))} on average with one {unit} "
            f"left out, {percent(max(cut))} at worst.")


# ---- numbers


def factor(x):
    return f"{x:.3f}" if x >= 0.1 else f"{x:.3g}"


def number(x):
    """Two or three figures: 31,000 and 0.53, and 1.2e-10 where there would be many zeros."""
    if not math.isfinite(x) or x == 0:
        return f"{x:g}"
    if not 1e-3 <= abs(x) < 1e6:
        return f"{x:.1e}"
    return f"{float(f'{x:.2g}'):,.0f}" if abs(x) >= 100 else f"{x:.2g}"


def spread(values):
    """Of numbers by seed: the smallest and the largest, and how many are none."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "no number"
    low, high = (small(value) for value in (min(known), max(known)))
    lost = f", and no number in {len(values) - len(known)}" if len(known) < len(values) else ""
    return (low if low == high else f"{low} to {high}") + lost


def small(x):
    return f"{x:.3f}" if 0.001 <= x < 100 else number(x)


def percent(x):
    return f"{100 * x:.1f} %"


def percents(values):
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def chance(a, b):
    """How often seeds alone would separate so, for the end of a sentence."""
    return f" (by chance alone, {verdicts.by_chance(len(a), len(b)):.2g} of the time)"
