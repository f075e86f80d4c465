"""minidl lab laws | explore | search | ..."""
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The gradient-flow lab: plain and residual networks, theory beside measurement.",
                  no_args_is_help=True)


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
    from minidl.cli.bench import show
    from minidl.lab.explore.knobs import Knobs
    from minidl.lab.explore.look import look
    from minidl.lab.explore.show import lines, picture, save, table
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
    from minidl.cli.bench import show, working
    from minidl.lab.search import report
    from minidl.lab.search.experiment import Experiment
    given = {name: value for name, value in (("budget", budget), ("seeds", seeds)) if value is not None}
    experiment = Experiment.resumed(out, **given) if resume else Experiment(out, **given)
    if not resume:
        experiment.start()
    with working() as progress:
        for track in experiment.run():
            drawn = len(track.samples)
            progress(f"{track.name}, seed {track.seed}: {drawn} of {experiment.budget} cells drawn, the best reads "
                     f"{100 * track.rewards.max():.1f} % of the validation images")
            if drawn == experiment.budget:
                print(report.line(track), flush=True)
        progress("training the best cells")
        finals = list(experiment.finals())
    experiment.write_samples()
    report.save(report.picture(experiment.tracks, experiment.title), out / "search.png")
    show(*report.table(experiment.tracks, finals), left=1)
    print(*report.sentences(experiment.tracks, finals), *report.winners(finals), sep="\n")
    print(f"in {out}: checkpoint.safetensors, samples.csv and search.png")
