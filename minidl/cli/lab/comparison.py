"""minidl lab plain-vs-residual, degradation, figures"""
from pathlib import Path
from typing import Annotated

import typer

Processes = Annotated[int, typer.Option(min=1, help="Networks at a time, a process each; by default as many as cores.")]
Results = Annotated[Path, typer.Option(metavar="FOLDER", help="For results, too: what is there is not computed again.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small networks, few epochs, two seeds: to see what comes out.")]


def plain_vs_residual(
    kind: Annotated[str, typer.Option(help="mlp or cnn.")] = "mlp",
    deep: Annotated[bool, typer.Option("--deep", help="Also networks of 110 layers, at initialisation.")] = False,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Where do gradients go in plain and in residual networks? At initialisation, beside theory, and in short trainings."""
    from minidl.bench.machine import cores
    from minidl.cli.working import working
    from minidl.lab.plain_vs_residual.study import plain_vs_residual, settings
    grid, short = settings(kind, deep, quick)
    with working() as progress:
        said, page = plain_vs_residual(out, grid, short, processes or cores(), progress)
    print(*said, f"in {page.parent}: {page.name}, pictures, and CSV files", sep="\n")


def degradation(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network at each learning rate.")] = None,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Does depth hurt plain networks and not residual ones? MLPs and CNNs on the digits, each at its best rate."""
    from minidl.bench.machine import cores
    from minidl.cli.working import working
    from minidl.lab.plain_vs_residual.study import degradation, degradation_settings
    with working() as progress:
        said = degradation(out, degradation_settings(seeds, quick), processes or cores(), progress)
    print(*said, f"in {out}: lab-degradation.png and degradation.csv", sep="\n")


def figures(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path("docs"),
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Both of these, and the pictures of docs/lab.md: a few minutes on two cores."""
    plain_vs_residual("mlp", False, quick, processes, out)
    degradation(None, quick, processes, out)
    from minidl.lab.plain_vs_residual.study import put
    for picture in sorted(out.glob("lab-*.png")):
        put(folder / picture.name, picture.read_bytes())
        print(f"in {folder}: {picture.name}")
