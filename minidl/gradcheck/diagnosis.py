"""What a failure says: which input, which entry, both numbers, and what is usually wrong with such a gradient."""
from itertools import accumulate, permutations

import numpy as np


def explanation(point, level, i, index, verdict, m, explain):
    """Which input, which entry, both numbers, their ratio, and what that usually means."""
    where = "along a random direction" if index is None else f"at {index}"
    ratio = f"{m.backprop / m.numeric:.6g}" if m.numeric else "infinite"
    numbers = f"{where} backprop says {m.backprop:.9g}, finite differences say {m.numeric:.9g}"
    head = f"gradcheck of {point.report.name}, order {level}: the gradient of {point.names[i]} is "
    if verdict == "kink":
        return (f"{head}not proven: there is a kink within {m.step:.1g} of this point, where the slopes to the left "
                f"and to the right differ; {numbers}. Move the input away from it")
    if verdict == "noise":
        return f"{head}not proven: rounding in f ({m.noise:.1g}) drowns the slope; {numbers}. Is float32 used inside?"
    if verdict == "blind":
        return (f"{head}not proven: the outputs move by {m.reach:.2g}, but this cotangent does not see it, so a "
                f"gradient of 0 would pass, too; {numbers}. Use cotangent=\"random\"")
    lines = [f"{head}wrong: {numbers}; their ratio is {ratio}."]
    got, wanted = point.gradients[i], point.numeric_gradient(i) if explain else None
    if got is None:
        return lines[0] + " No gradient came at all: an op on the way is not recorded, or its rule answers None."
    if wanted is not None:
        if index is None and got.size > 1:
            worst = np.unravel_index(np.argmax(np.abs(got - wanted)), got.shape)
            lines.append(f"Entry {tuple(map(int, worst))} is worst: {got[worst]:.9g}, but {wanted[worst]:.9g} by "
                         "differences.")
        lines.append(f"The gradient: {diagnose(got, wanted, sizes(point))}.")
    return " ".join(lines)


def sizes(point):
    """(size, name) of everything that a wrong factor could be the size of."""
    for what, arrays in (("input", point.xs), ("output", point.ys)):
        for i, x in enumerate(arrays):
            yield from ((n, f"dimension {d} of {what} {i} {x.shape}") for d, n in enumerate(x.shape))
            yield x.size, f"{what} {i} {x.shape}"
            for n in accumulate(x.shape[::-1], int.__mul__):
                yield n, f"the last dimensions of {what} {i} {x.shape}"


def diagnose(got, wanted, sizes=()):
    """One sentence about `got`, a gradient by backprop, and `wanted`, the same by finite differences.

    sizes : sizes that a factor could stem from, e.g. of the batch
    """
    if close(got, 0 * got, wanted):
        return "it is zero everywhere: the rule loses it, or the op is not recorded"
    factor = float((got * wanted).sum() / (wanted * wanted).sum()) if wanted.any() else np.inf
    if np.isfinite(factor) and close(got, factor * wanted, wanted):
        return about_factor(factor, sizes)
    for name, guess in guesses(got, wanted):
        if close(got, guess, wanted):
            return name
    right = np.isclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max(initial=0))
    if got.size > 1 and right.any():
        where = np.unravel_index(np.argmin(right), right.shape)
        return (f"right in {right.sum()} of {right.size} entries, wrong first at {tuple(map(int, where))}: a mask, a "
                "border, or parts that overwrite where they should add")
    return "no simple multiple of what it should be: a term is missing or wrong"


def about_factor(factor, sizes=()):
    """What it usually means that a gradient is `factor` times what it should be."""
    if near(factor, -1):
        return "the sign is wrong: -1 times what it should be"
    for size, name in sizes:
        for value, how in ((size, f"{size}"), (1 / size, f"1/{size}"), (-size, f"-{size}")):
            if size > 2 and near(factor, value):
                return (f"{how} times what it should be, and {size} is the size of {name}: a sum in place of a mean, a "
                        "mean in place of a sum, or a sum forgotten")
    if near(factor, 2):
        return "twice what it should be: counted in two places"
    if near(factor, 0.5):
        return "half of what it should be: a factor of 2, or the second of two equal parts, is missing"
    return f"{factor:.6g} times what it should be, everywhere: a constant factor"


def guesses(got, wanted):
    """What `got` would be if this or that mistake had been made."""
    axes = range(wanted.ndim)
    for order in permutations(axes) if wanted.ndim < 5 else ():
        if order != tuple(axes) and wanted.transpose(order).shape == wanted.shape:
            yield f"it is transposed: its dimensions are in the order {order}", wanted.transpose(order)
    for axis in axes:
        yield f"it is mirrored along dimension {axis}", np.flip(wanted, axis)
        n = wanted.shape[axis]
        total = np.broadcast_to(wanted.sum(axis, keepdims=True), wanted.shape)
        yield f"it was summed over dimension {axis}, which should have been left alone", total
        yield f"it was averaged over dimension {axis}, which should have been left alone", total / max(1, n)


def close(a, b, scale):
    return bool(np.abs(a - b).max(initial=0) <= 1e-4 * np.abs(scale).max(initial=0))


def near(a, b):
    return abs(a - b) <= 1e-4 * abs(b)
