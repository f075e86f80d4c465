"""minidl lab plain-vs-residual | degradation | figures"""
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The gradient-flow lab: plain and residual networks, theory beside measurement.",
                  no_args_is_help=True)

Processes = Annotated[int, typer.Option(min=1, help="Networks at a time, a process each; by default as many as cores.")]
Results = Annotated[Path, typer.Option(metavar="FOLDER", help="For results, too: what is there is not computed again.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small networks, few epochs, two seeds: to see what comes out.")]


@app.command()
def plain_vs_residual(
    kind: Annotated[str, typer.Option(help="mlp or cnn.")] = "mlp",
    deep: Annotated[bool, typer.Option("--deep", help="Also networks of 110 layers, at initialisation.")] = False,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Where do gradients go in plain and in residual networks? At initialisation, beside theory, and in short trainings."""
    from minidl.lab.plain_vs_residual.study import plain_vs_residual, settings
    grid, short = settings(kind, deep, quick)
    with working() as progress:
        said, page = plain_vs_residual(out, grid, short, processes or cores(), progress)
    print(*said, f"in {page.parent}: {page.name}, pictures, and CSV files", sep="\n")


@app.command()
def degradation(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network at each learning rate.")] = None,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Does depth hurt plain networks and not residual ones? MLPs and CNNs on the digits, the best of three rates for each."""
    from minidl.lab.plain_vs_residual.study import degradation, degradation_settings
    with working() as progress:
        said = degradation(out, degradation_settings(seeds, quick), processes or cores(), progress)
    print(*said, f"in {out}: lab-degradation.png and degradation.csv", sep="\n")


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path("docs"),
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Both of these, and the pictures of docs/lab.md: ten minutes on two cores."""
    plain_vs_residual("mlp", False, quick, processes, out)
    degradation(None, quick, processes, out)
    from minidl.lab.plain_vs_residual.study import put
    for picture in sorted(out.glob("lab-*.png")):
        put(folder / picture.name, picture.read_bytes())
        print(f"in {folder}: {picture.name}")


def cores():
    from minidl.bench.machine import cores
    return cores()


@contextmanager
def working():
    """On a terminal, what is at work is shown meanwhile: call what this gives with a text."""
    from rich.console import Console
    with Console(stderr=True).status("starting") as status:
        yield status.update
