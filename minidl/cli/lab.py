"""minidl lab laws | plain-vs-residual | degradation | figures | explore | search"""
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
    """Both of these, and the pictures of docs/lab.md: ten minutes on two cores."""
    plain_vs_residual("mlp", False, quick, processes, out)
    degradation(None, quick, processes, out)
    from minidl.lab.plain_vs_residual.study import put
    for picture in sorted(out.glob("lab-*.png")):
        put(folder / picture.name, picture.read_bytes())
        print(f"in {folder}: {picture.name}")


@app.command()
def explore(
    context: typer.Context,
    depth: Annotated[int, typer.Option(help="Layers between the first and the last.", show_default="20")] = None,
    width: Annotated[int, typer.Option(help="Features of each.", show_default="64")] = None,
    norm: Annotated[str, typer.Option(help="none or batch.", show_default="none")] = None,
    activation: Annotated[str, typer.Option(help="relu tanh sigmoid gelu ...", show_default="relu")] = None,
    gain: Annotated[str, typer.Option(help="sigma_w^2, or he xavier pytorch orthogonal fixup zero_gamma.",
                                      show_default="he")] = None,
    shortcut: Annotated[str, typer.Option(help="none, pre (He 2016) or post (He 2015).", show_default="none")] = None,
    shortcut_scale: Annotated[str, typer.Option(help="lambda of lambda x + F(x).", show_default="1")] = None,
    batch: Annotated[int, typer.Option(help="Examples.", show_default="64")] = None,
    seed: Annotated[int, typer.Option(help="Of weights and examples.", show_default="0")] = None,
    precision: Annotated[str, typer.Option(help="float32 or float64.", show_default="float32")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Draw it, too.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 is any that is free.")] = 0,
):
    """How the gradient gets to a network's input: a page with sliders or, with any option, one look in the terminal."""
    given = {name: str(value) for name, value in context.params.items() if name not in ("out", "port") and value is not None}
    if not given and out is None:
        return open_page(port)
    from minidl.bench.pictures import save
    from minidl.cli.bench import show
    from minidl.lab.explore.knobs import Knobs
    from minidl.lab.explore.look import look
    from minidl.lab.explore.show import lines, picture, table
    if out and out.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"explore: {out} should end in .png, .svg or .pdf, which is what is drawn")
    seen = look(Knobs.read(given))
    print(*lines(seen), sep="\n")
    show(*table(seen), left=0)
    if out:
        save(picture(seen), out)
        print(f"in {out}: the profile")


def open_page(port):
    """Serve the page until Ctrl-C."""
    import webbrowser

    from minidl.lab.explore.server import server
    with server(port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        print(f"{address} has the page, as long as this runs; Ctrl-C ends it", flush=True)
        webbrowser.open(address)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


@app.command()
def search(
    budget: Annotated[int, typer.Option(min=1, help="Cells that each search draws, from every seed.",
                                        show_default="100")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often both searches are run.", show_default="5")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in the folder, also with a larger budget "
                                         "or more seeds.")] = False,
    out: Annotated[Path, typer.Option(help="The folder for the checkpoint, the samples and the picture.")] =
    Path("runs/search"),
):
    """Search a cell for the digits by REINFORCE, and at random at equal budget. Ctrl-C stops it, --resume goes on."""
    from minidl.bench.pictures import save
    from minidl.cli.bench import show
    from minidl.lab.search import report
    from minidl.lab.search.experiment import Experiment
    given = {name: value for name, value in (("budget", budget), ("seeds", seeds)) if value is not None}
    experiment = Experiment.resumed(out, **given) if resume else Experiment(out, **given)
    if not resume:
        experiment.start()
    with at_work() as progress:
        for track in experiment.run():
            drawn = len(track.samples)
            progress(f"{track.name}, seed {track.seed}: {drawn} of {experiment.budget} cells drawn, the best reads "
                     f"{100 * track.rewards.max():.1f} % of the validation images")
            if drawn == experiment.budget:
                print(report.line(track), flush=True)
        progress("training the best cells")
        finals = list(experiment.finals())
    experiment.write_samples()
    save(report.picture(experiment.tracks, experiment.title), out / "search.png")
    show(*report.table(experiment.tracks, finals), left=1)
    print(*report.sentences(experiment.tracks, finals), *report.winners(finals), sep="\n")
    print(f"in {out}: checkpoint.safetensors, samples.csv and search.png")


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
