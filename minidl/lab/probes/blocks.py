"""What is a block worth? Drop it, swap two, or bring all out of order, and see what the network still does."""
from collections import defaultdict
from itertools import combinations
from typing import NamedTuple

import numpy as np

from minidl.lab.observe import tensors_in
from minidl.lab.untouched import input_for, untouched
from minidl.mode import no_grad
from minidl.nn import Module, Sequential


class Block(NamedTuple):
    """A module that can be left out: it has weights, runs once, and gives a tensor of the shape that it is given."""
    name: str
    module: Module
    shape: tuple


def find_blocks(model, x):
    """The Blocks of a model, in the order in which they run.

    Of modules inside one another the outer one is the block, except that a Sequential of modules that have layers inside is
    a stage, whose blocks are these. Nothing inside of a module of a block's class is a block: a residual block that halves
    the image is left alone, with what is in it. So it is residual blocks, in plain networks what stands in their place, and
    in a Sequential of layers the layers. Costs a forward pass.
    """
    calls = defaultdict(list)

    def note(module, args, output):
        calls[module].append((tensors_in(args), tensors_in(output)))

    with untouched(model), no_grad():
        for module in model.modules():
            module.register_forward_hook(note)
        model(input_for(model, x))
    order = {module: i for i, module in enumerate(calls)}
    found = list(outermost(model, "", {module: shape_kept(calls[module]) for module in calls}))
    kinds = {type(block.module) for block in found if block.module._modules} - {Sequential}
    found = [block for block in found if not kinds & {type(module) for module in around(model, block.name)}]
    if not found:
        raise ValueError(f"find_blocks: {type(model).__name__} has no blocks that can be left out: no module inside it has "
                         "weights, runs once, and gives a tensor of the shape that it is given")
    return sorted(found, key=lambda block: order[block.module])


def around(model, name):
    """The modules that the module of that name is in, but for the model."""
    path = name.split(".")
    return [model.get_submodule(".".join(path[:i])) for i in range(1, len(path))]


def shape_kept(calls):
    """The shape of the one tensor that goes in and comes out in the one call there was, or None."""
    (xs, ys), *others = calls
    return xs[0].shape if not others and len(xs) == len(ys) == 1 and xs[0].shape == ys[0].shape else None


def outermost(module, path, shapes):
    """The Blocks that are inside no other."""
    for name, child in module.named_children():
        name = f"{path}.{name}" if path else name
        if shapes.get(child) and has_weights(child) and not is_stage(child):
            yield Block(name, child, shapes[child])
        else:
            yield from outermost(child, name, shapes)


def has_weights(module):
    return any([p.ndim > 1 for p in module.parameters()])


def is_stage(module):
    """A row of modules, all of which that have weights have them in modules of their own?"""
    return type(module) is Sequential and not any([has_weights(child) and not child._modules for child in module.children()])


class Scores(NamedTuple):
    """whole : the score of the model as it is        changed : what was changed -> the score then"""
    whole: float
    changed: dict


def lesion(model, x, score):
    """The Scores of the model with each of its blocks left out, by the block's name.

    score : a function of the output that gives a number, such as the share that is right

    A. Veit, M. Wilber, S. Belongie. Residual networks behave like ensembles of relatively shallow networks. 2016, arXiv
    1605.06431, section 4.1, figure 3: a residual network hardly notices, a plain one is lost. Costs a forward pass for
    each block, on copies (see `untouched`), in the mode that the model is in: eval, to speak of a trained one.
    """
    blocks = find_blocks(model, x)
    return Scores(scored(model, x, score), {name: scored(model, x, score, {module: left_out}) for name, module, _ in blocks})


def swap(model, x, score):
    """The Scores of the model with each two blocks of the same shape in each other's place, by their two names.

    Veit et al. 2016, section 4.3. Costs a forward pass for each pair.
    """
    pairs = [(a, b) for a, b in combinations(find_blocks(model, x), 2) if a.shape == b.shape]
    return Scores(scored(model, x, score), {
        (a.name, b.name): scored(model, x, score, {a.module: b.module.forward, b.module: a.module.forward})
        for a, b in pairs})


class Reordered(NamedTuple):
    """swaps : how many random pairs have changed places        tau : Kendall's, 1 for the old order, about 0 for any"""
    swaps: int
    tau: float
    score: float


def permute(model, x, score, draws=10, *, seed=0):
    """A Reordered for the model as it is, and for each of `draws` random orders of its blocks: the k-th has k random swaps
    of two blocks of the same shape.

    Veit et al. 2016, section 4.3, figure 5(b). Costs a forward pass for each.
    """
    from scipy.stats import kendalltau
    blocks, rng = find_blocks(model, x), np.random.default_rng(seed)
    pairs = [pair for pair in combinations(range(len(blocks)), 2) if blocks[pair[0]].shape == blocks[pair[1]].shape]
    if not pairs:
        raise ValueError(f"permute: {type(model).__name__} has no two blocks of the same shape")
    rows = []
    for swaps in range(draws + 1):
        order = list(range(len(blocks)))
        for i, j in rng.choice(pairs, swaps):
            order[i], order[j] = order[j], order[i]
        forwards = {blocks[place].module: blocks[i].module.forward for place, i in enumerate(order) if i != place}
        tau = float(kendalltau(range(len(order)), order).statistic)
        rows.append(Reordered(swaps, tau, scored(model, x, score, forwards)))
    return rows


def scored(model, x, score, forwards=None):
    """The score of the model, modules computing what `forwards` says in the place of their own forward."""
    with untouched(model), no_grad():
        for module, forward in (forwards or {}).items():
            vars(module)["forward"] = forward                    # untouched takes it away again
        return float(score(model(input_for(model, x))))


def left_out(x):
    return x
