"""minidl lab laws"""
from pathlib import Path
from typing import Annotated

import typer


def laws(
    names: Annotated[list[str], typer.Argument(metavar="[NAME...]", help="Only these; a name may be the beginning of "
                                               "several, as relu.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks per law, whose mean is judged.")] = 4,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Draw a picture of each, and write all numbers there.")] = None,
):
    """Measure every law of gradient flow on networks at initialisation: does what theory predicts come out?"""
    from minidl.cli.tables import print_table
    from minidl.cli.working import working
    from minidl.lab.laws import find
    from minidl.lab.laws.run import run, table
    chosen = find(names)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    results = []
    with working() as progress:
        for law in chosen:
            progress(law.name)
            results.append(run(law, seeds))
    print_table(*table(results), right=("prediction", "measured", "tolerance", "seconds"))
    if out is not None:
        draw(results, out)
    failed = [result.law.name for result in results if result.verdict == "FAILS"]
    judged = sum(result.verdict != "no verdict" for result in results)
    print(f"{judged} laws judged in {sum(result.seconds for result in results):.0f} s: "
          + (f"{len(failed)} FAIL: {', '.join(failed)}" if failed else "all hold"))
    return 1 if failed else 0


def draw(results, out):
    from minidl.bench.pictures import save as save_picture
    from minidl.lab.laws import pictures
    from minidl.lab.laws.run import save
    for result in results:
        save_picture(pictures.figure(result), out / f"{result.law.name}.png")
    save_picture(pictures.sheet(results), out / "laws.png")
    save(results, out / "laws.json")
    print(f"in {out}: laws.json, laws.png, and a picture of each")
