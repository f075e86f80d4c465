"""How far does the identity reach? What is added to passes on along shortcuts, until an activation cuts it."""
from typing import NamedTuple

import minidl
from minidl.lab.additions import Additions
from minidl.op import Elementwise


class Identity(NamedTuple):
    """Of a block whose shortcut changes no number but, perhaps, by an activation or a factor.

    stage    : blocks that follow one another without anything between have the same number
    cut      : the share of all (unit, example) pairs whose derivative along the shortcut is 0 in this block
    survival : the share of them that nothing cuts from this block's input to the end of its stage
    """
    block: str
    stage: int
    cut: float
    survival: float


def identity_survival(model, x):
    """An Identity for each block whose shortcut is the identity, with all activations up to the next block.

    The residual networks of He et al. 2015 (arXiv 1512.03385, figure 2) have a ReLU after each addition, which also cuts
    what came along the shortcut: He et al. 2016, arXiv 1603.05027, section 4.1. At initialisation the sum is a random walk
    reflected at 0, and by the discrete arcsine law the survival through n blocks from block l on is the sum over k <= l + 1
    of u_k u_{n-k}, u_j = C(2j, j) / 4^j; with the ReLU inside of the branch it is 1. A block with a projection is not
    counted, and ends a stage. Costs a forward pass, and an op's rule for each activation on the way.
    """
    additions = Additions(model, x)
    additions.needed_by("identity_survival", model)
    blocks = [block for addition in additions.residual if (block := shortcut(additions, addition))]
    stage, stages = [], []
    for name, start, end, alive in blocks:
        if stage and stage[-1][2] is start:
            stage.append((name, start, end, alive))
        else:
            stage = [(name, start, end, alive)]
            stages.append(stage)
    rows = []
    for number, stage in enumerate(stages, 1):
        survivors, of_stage = True, []
        for name, _, _, alive in reversed(stage):
            survivors = alive & survivors
            of_stage.append(Identity(name, number, 1 - float(alive.mean()), float(survivors.mean())))
        rows += reversed(of_stage)
    return rows


def shortcut(additions, addition):
    """(name, where the branch leaves, where the next block begins, which pairs are not cut between); None if the shortcut
    is not the identity."""
    name, op, branch = addition
    alive = minidl.ones(op.y.shape, device=additions.map.y.device).array > 0
    start, readers = op.edges[1 - branch], additions.readers
    while len(readers[start]) == 1:                              # up to where the branch reads it, too
        if not passes(additions, start):
            return None
        alive, start = alive & slope(additions, start), inputs(additions, start)[0]
    end = op
    while len(readers[end]) == 1 and passes(additions, readers[end][0]):
        end, = readers[end]
        alive = alive & slope(additions, end)
    return name, start, end, alive


def passes(additions, op):
    """Does every number of its input go on by itself, and nothing else with it?"""
    return isinstance(op, Elementwise) and op.number_by_number and len(inputs(additions, op)) == 1


def inputs(additions, op):
    return [edge for edge in op.edges if edge in additions.depth]


def slope(additions, op):
    """Where its derivative is not 0."""
    gy = minidl.ones(op.y.shape, dtype=op.y.dtype, device=additions.map.y.device).array
    gx, = [gx for gx in additions.gradients(op, gy) if gx is not None]
    return gx != 0
