"""minidl lab search"""
from pathlib import Path
from typing import Annotated

import typer


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
    from minidl.cli.working import working
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
    save(report.picture(experiment.tracks, experiment.title), out / "search.png")
    show(*report.table(experiment.tracks, finals), left=1)
    print(*report.sentences(experiment.tracks, finals), *report.winners(finals), sep="\n")
    print(f"in {out}: checkpoint.safetensors, samples.csv and search.png")
