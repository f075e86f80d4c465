"""minidl data list | fetch | show"""
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The data sets: list them, fetch one, look at one.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A data set of `minidl data list`, or a folder of pictures.")]


@app.command("list")
def list_():
    """The data sets minidl knows, and where they are."""
    from minidl.cli.tables import print_table
    from minidl.utils.data import datasets
    known = datasets.describe()
    print_table(list(known[0]), [list(map(str, one.values())) for one in known])


@app.command()
def fetch(name: Name):
    """Download a data set, checking every file, unless it is there already."""
    from minidl.utils.data import datasets
    if not datasets.info(name).files:
        print(f"{name} comes with minidl: there is nothing to fetch")
        return
    print(f"{name} is in {datasets.fetch(name)}")


@app.command()
def show(name: Name,
         test: Annotated[bool, typer.Option("--test", help="Not the training but the test images.")] = False,
         out: Annotated[Path, typer.Option(help="Where to put the picture.")] = None):
    """Draw a grid of pictures with their labels."""
    from minidl.utils.data import datasets, picture_grid
    dataset = datasets.load(name, train=not test)
    out = out or Path("runs") / f"{Path(name).name}.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    picture_grid(dataset, out)
    print(f"{len(dataset):,} images; 40 of them are drawn in {out}")
