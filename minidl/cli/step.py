"""minidl step"""
from pathlib import Path
from typing import Annotated

import typer

Lines = Annotated[bool, typer.Option("--lines", help="Step line by line, without a program that fills the terminal.")]
Script = Annotated[Path, typer.Option(metavar="FILE", help="Commands of the line stepper, in place of a keyboard.")]


def step(
    model: Annotated[str, typer.Argument(help="A network, such as lenet5.")],
    data: Annotated[str, typer.Option(help="Images of this data set; without it, they are random numbers.")] = None,
    index: Annotated[int, typer.Option(min=0, help="The first of its images.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="How many images.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, and of random images.")] = 0,
    html: Annotated[Path, typer.Option(metavar="FILE.html", help="Write a page that steps through it.")] = None,
    pictures: Annotated[Path, typer.Option(metavar="FOLDER", help="Draw its graph, histograms, feature maps and an "
                                           "animation.")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="Write the trace, for other programs and for the command "
                                      "diff.")] = None,
    lines: Lines = False, script: Script = None,
):
    """Record a forward and a backward pass, and go through it op by op, forwards and backwards."""
    if html and html.suffix != ".html":
        raise ValueError(f"step: {html} should end in .html, which is what is written")
    if data is None and index:
        raise ValueError("step: --index is of an image of a data set, which --data names")
    trace = recorded(model, data, index, batch, seed)
    if not (html or pictures or out):
        from minidl.trace.front import open_stepper
        open_stepper(trace, lines, script)
        return 0
    print(f"{model}: {len(trace)} ops, {len(trace.moments)} moments")
    for written in files(trace, html, pictures, out):
        print(f"  in {written}")
    for problem in [*trace.faults, *([f"it ends where this happened: {trace.error}"] if trace.error else [])]:
        print(problem)
    return 1 if trace.faults or trace.error else 0


def files(trace, html, pictures, out):
    """Write what is asked for; the paths, one by one."""
    if html:
        from minidl.trace.page import write
        write(trace, html)
        yield html
    if pictures:
        from minidl.trace.pictures import write_pictures
        yield from write_pictures(trace, pictures)
    if out:
        trace.save(out)
        yield out


def recorded(model, data, index, batch, seed):
    """The Trace of a network in train mode."""
    import architectures
    import minidl
    from architectures import recipes
    from minidl import trace
    known = architectures.find(model)
    minidl.manual_seed(seed)
    if data is None:
        network = architectures.build(model)
        images, labels = minidl.randn(batch, *known.input_shape), minidl.randint(0, 10, (batch,))
    else:
        network, images, labels = of_data_set(model, data, index, batch)
    losses = [recipe.loss for recipe in recipes.RECIPES if recipe.model == model]
    return trace.record(network, images, labels, loss=of_all(losses[0] if losses else minidl.nn.functional.cross_entropy),
                        title=model)


def of_data_set(model, data, index, batch):
    """A network for a data set, and some of its test images with their labels, as a recipe prepares them."""
    import numpy as np

    from minidl.cli.training import data_of, model_of, settings_for
    train, test = data_of(settings_for(model, data))
    if index + batch > len(test):
        raise ValueError(f"step: {data} has {len(test):,} test images; {batch} from number {index} on are more")
    images, labels = zip(*[test[i] for i in range(index, index + batch)])
    return model_of(settings_for(model, data), train), np.stack(images), np.array(labels)


def of_all(loss):
    """The loss of a network that may give the scores of auxiliary classifiers, too, or of every pixel."""
    def loss_of_all(scores, labels):
        scores = [x for x in (scores if isinstance(scores, tuple) else (scores,)) if x is not None]
        first, *others = [loss(x, labels if x.ndim == 2 else everywhere(labels, x)) for x in scores]
        return sum(others, first)
    return loss_of_all


def everywhere(labels, scores):
    """One label for all pixels of an image."""
    import numpy as np

    import minidl
    N, _, H, W = scores.shape
    return minidl.tensor(np.repeat(labels.numpy(), H * W).reshape(N, H, W))
