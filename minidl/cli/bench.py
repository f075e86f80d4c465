"""minidl bench"""
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

WHAT = ("networks",)


def bench(
    what: Annotated[str, typer.Argument(help="networks.")] = "networks",
    names: Annotated[list[str], typer.Argument(help="Only these: lenet5 resnet20; any network with a batch: resnet56:32")]
        = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often every measurement is repeated, in turn.")] = 3,
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="How long each one takes, about.")] = 4.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every library.")] = 2,
    pytorch: Annotated[bool, typer.Option("--pytorch/--no-pytorch", help="Beside PyTorch, or minidl alone.")] = True,
    cold: Annotated[bool, typer.Option("--cold", help="Time the first step without compiled kernels, too.")] = False,
    out: Annotated[Path, typer.Option(help="The folder for tables and pictures.")] = Path("runs/bench"),
):
    """Time minidl beside PyTorch, on the same cores. A network is timed only if its gradients are PyTorch's."""
    import architectures
    if what not in WHAT:
        raise ValueError(f"bench: there is no benchmark {what!r}{architectures.like(what, WHAT)}; there are "
                         f"{', '.join(WHAT)}")
    from minidl.bench.machine import cores
    if threads > cores():
        raise ValueError(f"bench: {threads} threads are more than the {cores()} cores that this process may use")
    if pytorch and not there():
        print("PyTorch is not installed, so minidl is timed alone")
        pytorch = False
    how = {"rounds": rounds, "seconds": seconds, "threads": threads, "pytorch": pytorch}
    return networks(names, how, cold, out)


def there():
    """Is PyTorch installed?"""
    from importlib.util import find_spec
    return find_spec("torch") is not None


def networks(names, how, cold, out):
    from minidl.bench import pictures, report
    from minidl.bench.networks import cases, last_line, line, measure, table
    from minidl.cli.tables import print_table
    chosen, results = cases(names), []
    machine = facts(how)
    with working() as progress:
        for case in chosen:
            results.append(measure(case, **how, cold=cold, progress=progress))
            print(line(results[-1]), flush=True)
            report.save(out / "networks.json", "networks", machine, how, [result.as_dict() for result in results])
    headings, rows = table(results)
    print_table(headings, rows, right=headings[1:-1])
    if compared := [(result.case.name, result.of("minidl"), result.of(result.opponent)) for result in results
                    if result.ratio]:
        picture = pictures.bars(compared, "One training step: forward, loss, backward, update")
        pictures.save(picture, out / "networks.png")
    if said := last_line(results):
        print(said)
    print(f"in {out}: networks.json{' and networks.png' if compared else ''}")
    return 1 if any(result.wrong for result in results) else 0


def facts(how):
    """The facts about the machine, which are printed first."""
    from minidl.bench import report
    from minidl.bench.processes import ask
    machine = ask({"do": "machine"}, how["threads"])
    print(report.facts_line(machine))
    if said := report.warning(machine):
        print(said)
    return machine


@contextmanager
def working():
    """On a terminal, what is at work is shown meanwhile: call what this gives with a text."""
    from rich.console import Console
    with Console(stderr=True).status("starting") as status:
        yield status.update
