"""minidl lab probe"""
from pathlib import Path
from typing import Annotated

import typer


def probe(
    network: Annotated[str, typer.Argument(help="A network, such as resnet20.")],
    data: Annotated[str, typer.Option(help="Images of this data set; without it, they are random numbers, N(0, 1).")] = None,
    batch: Annotated[int, typer.Option(min=2, help="How many images.")] = 16,
    loss: Annotated[bool, typer.Option("--loss", help="Differentiate the loss on the labels of --data, not a random "
                                       "combination of the outputs.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, and of what is random.")] = 0,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the table as .csv, or a picture as .png, .svg or .pdf.")
                   ] = None,
):
    """What every layer of a network puts out at its first weights, and the gradients that come back."""
    from minidl.cli.lab.probing import observed, print_layers, write
    if out and out.suffix not in (".csv", ".png", ".svg", ".pdf"):
        raise ValueError(f"lab probe: {out} should end in .csv, .png, .svg or .pdf, which is what is written")
    seen, setting = observed(network, data, batch, loss, seed)
    print(setting)
    print_layers(seen)
    if out:
        write(seen, setting, out)
        print(f"in {out}")
