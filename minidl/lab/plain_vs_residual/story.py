"""What is said about which networks: the sentences of the page, in its order."""
from minidl.lab.plain_vs_residual import sentences
from minidl.lab.plain_vs_residual.cases import NORMS


def name_of(case):
    return f"{case.name}, {NORMS[case.norm]}, {case.gain}"


def start(row):
    """A sentence about a Row of the grid."""
    return sentences.gradient(name_of(row.case), row.verdict, row.law, row.rate, row.total, row.task.nets, row.theory_rate,
                              row.zeros)


def four_stories(rows):
    """{title: sentences} about the deepest networks at initialisation."""
    deepest = max(row.case.layers for row in rows)
    found = {(row.case.shape, row.case.norm, row.case.gain): start(row) for row in rows if row.case.layers == deepest}
    return {
        "Plain, no norm, other gains than He's": [found["plain", "none", gain] for gain in
                                                     ("Xavier", "PyTorch default", "sigmoid")],
        "Plain, no norm, He's gain": [found["plain", "none", gain] for gain in ("He", "orthogonal")],
        "Plain with batch norm": [found["plain", "batch", gain] for gain in ("He", "Xavier", "sigmoid")],
        "Residual": [found["residual", "none", "He"], found["residual", "none", "Fixup"], found["residual", "batch", "He"],
                     found["residual, post", "batch", "He"], found["residual, post", "batch", "zero-gamma"]]}


def weights(rows):
    """Of the deepest plain networks: how uneven gradients of weights are, beside those of activations."""
    deepest, gains = max(row.case.layers for row in rows), ("He", "Xavier", "PyTorch default")
    return [sentences.weights(name_of(row.case), row.total, row.apart) for row in rows
            if (row.case.shape, row.case.layers) == ("plain", deepest) and row.case.gain in gains]


def trainings(runs):
    """A sentence for every network that was trained."""
    return [sentences.training(name_of(one.case), one.losses, one.errors, one.lr, one.at_the_edge, one.diverged)
            for one in runs]


def pairs(runs):
    """(plain, residual) Runs of the same norm and depth."""
    found = {(one.case.norm, one.case.layers, one.case.shape): one for one in runs}
    return [(found[norm, layers, "plain"], found[norm, layers, "residual"])
            for norm, layers in dict.fromkeys((one.case.norm, one.case.layers) for one in runs)]


def comparisons(runs):
    """Plain beside residual, norm by norm and depth by depth."""
    return [f"{NORMS[plain.case.norm].capitalize()}. "
            + sentences.comparison(plain.case.layers, plain.losses, residual.losses) for plain, residual in pairs(runs)]


def with_depth(runs):
    """Does the deepest network of a kind have a higher training loss than the shallowest?"""
    said = []
    for norm, shape in dict.fromkeys((one.case.norm, one.case.shape) for one in runs):
        here = sorted((one for one in runs if (one.case.norm, one.case.shape) == (norm, shape)),
                      key=lambda one: one.case.layers)
        said.append(sentences.deeper(f"{shape.capitalize()}, {NORMS[norm]}", here[0].case.layers, here[-1].case.layers,
                                     here[0].losses, here[-1].losses))
    return said


def healthy(runs):
    """Of the plain networks without norm: the gradient at the start, and whether they train."""
    return [sentences.healthy(name_of(one.case), one.ratios("before"), one.losses) for one in runs
            if one.case.norm == "none" and one.case.shape == "plain"]


def evening(runs):
    """Of the deepest networks: first and last gradient at the start, after an epoch, at the end."""
    deepest = max(one.case.layers for one in runs)
    return [sentences.evening(name_of(one.case), one.ratios("before"), one.ratios("after one epoch"), one.ratios("end"))
            for one in runs if one.case.layers == deepest]


def lesions(runs):
    """Of the networks with batch norm that train in every seed."""
    unit = {"plain": "layer", "residual": "block"}
    return [sentences.lesion(name_of(one.case), unit[one.case.shape], one.errors, one.lesions) for one in runs
            if one.case.norm == "batch" and one.learned == "trains"]
