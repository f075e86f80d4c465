"""minidl lab laws | plain-vs-residual | degradation | figures | probe"""
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
def laws(
    names: Annotated[list[str], typer.Argument(metavar="[NAME...]", help="Only these; a name may be the beginning of "
                                               "several, as relu.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks per law, whose mean is judged.")] = 4,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Draw a picture of each, and write all numbers there.")] = None,
):
    """Measure every law of gradient flow on networks at initialisation: does what theory predicts come out?"""
    from minidl.cli.tables import print_table
    from minidl.lab.laws import find
    from minidl.lab.laws.run import run, table
    chosen = find(names)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    results = [run(law, seeds) for law in working(chosen)]
    print_table(*table(results), right=("prediction", "measured", "tolerance", "seconds"))
    if out is not None:
        draw(results, out)
    failed = [result.law.name for result in results if result.verdict == "FAILS"]
    judged = sum(result.verdict != "no verdict" for result in results)
    print(f"{judged} laws judged in {sum(result.seconds for result in results):.0f} s: "
          + (f"{len(failed)} FAIL: {', '.join(failed)}" if failed else "all hold"))
    return 1 if failed else 0


@app.command()
def plain_vs_residual(
    kind: Annotated[str, typer.Option(help="mlp or cnn.")] = "mlp",
    deep: Annotated[bool, typer.Option("--deep", help="Also networks of 110 layers, at initialisation.")] = False,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Where do gradients go in plain and in residual networks? At initialisation, beside theory, and in short trainings."""
    from minidl.lab.plain_vs_residual.study import plain_vs_residual, settings
    grid, short = settings(kind, deep, quick)
    with at_work() as progress:
        said, page = plain_vs_residual(out, grid, short, processes or cores(), progress)
    print(*said, f"in {page.parent}: {page.name}, pictures, and CSV files", sep="\n")


@app.command()
def degradation(
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network at each learning rate.")] = None,
    quick: Quick = False, processes: Processes = None, out: Results = Path("lab"),
):
    """Does depth hurt plain networks and not residual ones? MLPs and CNNs on the digits, each at its best rate."""
    from minidl.lab.plain_vs_residual.study import degradation, degradation_settings
    with at_work() as progress:
        said = degradation(out, degradation_settings(seeds, quick), processes or cores(), progress)
    print(*said, f"in {out}: lab-degradation.png and degradation.csv", sep="\n")


@app.command()
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


def draw(results, out):
    from minidl.bench.pictures import save as save_picture
    from minidl.lab.laws import pictures
    from minidl.lab.laws.run import save
    for result in results:
        save_picture(pictures.figure(result), out / f"{result.law.name}.png")
    save_picture(pictures.sheet(results), out / "laws.png")
    save(results, out / "laws.json")
    print(f"in {out}: laws.json, laws.png, and a picture of each")


def working(chosen):
    """The same laws; on a terminal, the one at work is shown meanwhile."""
    from rich.console import Console
    with Console(stderr=True).status("starting") as status:
        for law in chosen:
            status.update(law.name)
            yield law


def cores():
    from minidl.bench.machine import cores
    return cores()


@contextmanager
def at_work():
    """On a terminal, what is at work is shown meanwhile: call what this gives with a text."""
    from rich.console import Console
    with Console(stderr=True).status("starting") as status:
        yield status.update


@app.command("probe")
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
    from minidl.cli.probing import observed, print_layers, write
    if out and out.suffix not in (".csv", ".png", ".svg", ".pdf"):
        raise ValueError(f"lab probe: {out} should end in .csv, .png, .svg or .pdf, which is what is written")
    seen, setting = observed(network, data, batch, loss, seed)
    print(setting)
    print_layers(seen)
    if out:
        write(seen, setting, out)
        print(f"in {out}")
