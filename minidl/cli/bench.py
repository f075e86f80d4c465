"""minidl bench networks | conv | ops | growth | curves | trainings | roofline"""
from pathlib import Path
from typing import Annotated

import typer

from minidl.cli.working import working

app = typer.Typer(help="Time minidl beside PyTorch, on the same cores, and only what computes the same as PyTorch.",
                  no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(help="Only these: lenet5 resnet20; any network with a batch: resnet56:32")]
Rounds = Annotated[int, typer.Option(min=1, help="How often every measurement is repeated, in turn.")]
Seconds = Annotated[float, typer.Option(min=0, max=3600, help="How long each one takes, about.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of every library.")]
PyTorch = Annotated[bool, typer.Option("--pytorch/--no-pytorch", help="Beside PyTorch, or minidl alone.")]
Quick = Annotated[bool, typer.Option("--quick", help="A few of them, in a minute or two.")]
Device = Annotated[str, typer.Option(help="cpu, or cuda: both engines on the GPU.")]
Out = Annotated[Path, typer.Option(help="The folder for tables and pictures.")]
RESULTS = Path("benchmarks/results")


@app.command()
def networks(
    names: Names = None, rounds: Rounds = 3, seconds: Seconds = 4.0, threads: Threads = 2, pytorch: PyTorch = True,
    cold: Annotated[bool, typer.Option("--cold", help="Time the first step without compiled kernels, too.")] = False,
    device: Device = "cpu", out: Out = RESULTS,
):
    """Training steps of networks: forward, loss, backward, update."""
    from minidl.bench import pictures, report
    from minidl.bench.limits import table as table_of_limits
    from minidl.bench.networks import cases, last_line, line, measure, table
    how, chosen, results = settings(rounds, seconds, threads, pytorch, device), cases(names), []
    how["device"], file = device, "networks" if device == "cpu" else f"networks_{device}"
    machine = facts(how)
    with working() as progress:
        for case in chosen:
            results.append(measure(case, **how, cold=cold, progress=progress))
            print(line(results[-1]), flush=True)
            report.save(out / f"{file}.json", "networks", machine, how, [result.as_dict() for result in results])
    show(*table(results), left=1)
    if limits := [(result.case, result.limits) for result in results if result.limits]:
        show(*table_of_limits(limits, machine), left=1)
    if compared := [(result.case.name, result.of("minidl"), result.of(result.opponent)) for result in results
                    if result.ratio]:
        picture = pictures.bars(compared, "One training step: forward, loss, backward, update")
        pictures.save(picture, out / f"{file}.png")
    if said := last_line(results):
        print(said)
    print(f"in {out}: {file}.json{f' and {file}.png' if compared else ''}")
    return 1 if any(result.wrong for result in results) else 0


@app.command()
def conv(names: Names = None, rounds: Rounds = 3, seconds: Seconds = 0.2, threads: Threads = 2, pytorch: PyTorch = True,
         quick: Quick = False, out: Out = RESULTS):
    """The convolutions of networks, one by one: all three passes, with every algorithm that suits."""
    from minidl.bench import pictures, report
    from minidl.bench.convolutions import SHORT, few, last_lines, measure, shapes, table
    from minidl.bench.networks import cases
    how, found, results = settings(rounds, seconds, threads, pytorch), shapes(cases(names)), []
    found = few(found) if quick else found
    machine = facts(how)
    with working() as progress:
        for case in cases(names):                    # a process for each, so that what is lost is one network at most
            first_seen_here = {one: where for one, where in found.items() if next(iter(where)) == case.name}
            if first_seen_here:
                results += measure(first_seen_here, **how, progress=progress)
            report.save(out / "conv.json", "conv", machine, how, [result.as_dict() for result in results])
    show(*table(results), left=3)
    print(*last_lines(results), sep="\n")
    if how["pytorch"]:
        rows = [(result.name, {SHORT[step]: (result.chosen(step), result.ratio(step)) for step in SHORT})
                for result in results]
        pictures.save(pictures.panels(rows, "auto's time by PyTorch's best: left of the line, minidl is faster"),
                      out / "conv.png")
    print(f"in {out}: conv.json{' and conv.png' if how['pytorch'] else ''}")
    return 1 if any(result.wrong for result in results) else 0


@app.command()
def ops(rounds: Rounds = 3, seconds: Seconds = 0.3, threads: Threads = 2, pytorch: PyTorch = True, quick: Quick = False,
        out: Out = RESULTS):
    """Single ops: elementwise, norms, pooling, losses and updates on large arrays, and the engine's cost on 8x8."""
    from minidl.bench import pictures, report
    from minidl.bench.operations import last_lines, measure, overhead_table, table
    how = settings(rounds, seconds, threads, pytorch)
    machine = facts(how)
    with working() as progress:
        large, small = measure(**how, quick=quick, progress=progress)
    report.save(out / "ops.json", "ops", machine, how, [result.as_dict() for result in (*large, *small)])
    show(*table(large), left=3)
    show(*overhead_table(small), left=1)
    print(*last_lines(large, small), sep="\n")
    if how["pytorch"]:
        rows = [(f"{result.op.name}{' 8x8' if result in small else ''}", result.of("minidl", "both"),
                 result.of("PyTorch", "both")) for result in (*large, *small)]
        pictures.save(pictures.bars(rows, "Single ops, forward and backward"), out / "ops.png")
    print(f"in {out}: ops.json{' and ops.png' if how['pytorch'] else ''}")
    return 1 if any(result.wrong for result in (*large, *small)) else 0


@app.command()
def growth(
    names: Annotated[list[str], typer.Argument(help="Only these: batch depth width image")] = None,
    rounds: Rounds = 2, seconds: Seconds = 1.0, threads: Threads = 2, pytorch: PyTorch = True,
    deep: Annotated[bool, typer.Option("--deep", help="Also 1202 layers, which take minutes.")] = False, out: Out = RESULTS,
):
    """Time and memory of a training step as batch, depth, width and images grow, and where that is not as expected."""
    from minidl.bench import pictures, report
    from minidl.bench.growth import curves, measure, panels, sentences, table
    how, chosen, results = settings(rounds, seconds, threads, pytorch), curves(names, deep), []
    machine = facts(how)
    with working() as progress:
        for curve in chosen:
            results.append(measure(curve, **how, progress=progress))
            print(*sentences(results[-1]), sep="\n", flush=True)
            report.save(out / "growth.json", "growth", machine, how, [result.as_dict() for result in results])
    show(*table(results), left=3)
    if drawn := [panels(result) for result in results if not result.wrong]:
        pictures.save(pictures.curves(drawn), out / "growth.png")
    print(f"in {out}: growth.json{' and growth.png' if drawn else ''}")
    return 1 if any(result.wrong for result in results) else 0


@app.command()
def curves(
    names: Annotated[list[str], typer.Argument(help="Only these of lenet5 and resnet20.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="How often each is trained, from other weights.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images; by default the recipe's.")] = None,
    threads: Threads = 2, out: Out = RESULTS,
):
    """Training on the digits with the algorithms that auto chooses, and with im2col: do networks learn alike?"""
    from minidl.bench import pictures
    from minidl.bench.curves import measure, names_of, picture, table
    how, chosen = settings(1, 0, threads, pytorch=False), names_of(names)
    how = {"seeds": seeds, "epochs": epochs, "threads": how["threads"]}
    machine = facts(how)
    with working() as progress:
        results = as_found(measure(chosen, **how, progress=progress), out, "curves", machine, how)
    show(*table(results), left=2)
    pictures.save(picture(results), out / "curves.png")
    print(f"in {out}: curves.json and curves.png")
    return 1 if any(result.differing for result in results) else 0


@app.command()
def trainings(
    names: Annotated[list[str], typer.Argument(help="Only these: lenet resnet")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images; by default 5 to 12.")] = None,
    images: Annotated[int, typer.Option(min=10, max=60_000, help="So many training images.")] = 10_000,
    held_out: Annotated[bool, typer.Option("--held-out", help="Read 5,000 other training images instead of the test images, "
                                                              "as one should who tries sizes and epochs.")] = False,
    threads: Threads = 2, out: Out = RESULTS,
):
    """A small network of every family on Fashion-MNIST: does it read 3 % more than a linear softmax?"""
    from minidl.bench import pictures
    from minidl.bench.trainings import HELD_OUT, measure, names_of, picture, table
    from minidl.utils.data import datasets
    if held_out and images + HELD_OUT > 60_000:
        raise ValueError(f"bench: {images:,} images to train on leave fewer than the {HELD_OUT:,} of 60,000 to be held out")
    how, chosen = settings(1, 0, threads, pytorch=False), names_of(names)
    how = {"images": images, "epochs": epochs, "held_out": held_out, "threads": how["threads"]}
    datasets.fetch("fashion-mnist")
    machine = facts(how)
    with working() as progress:
        results = as_found(measure(chosen, **how, progress=progress), out, "trainings", machine, how)
    show(*table(results), left=1)
    pictures.save(picture(results), out / "trainings.png")
    print(f"in {out}: trainings.json and trainings.png")
    return 0 if all(result.passes for result in results) else 1


@app.command()
def roofline(names: Names = None):
    """A prediction: how long training steps take on an H100 at the least, by its roofline. Nothing is timed."""
    from minidl.bench.networks import cases
    from minidl.bench.roofline import last_line, predict, table
    headings, rows = table([predict(case) for case in cases(names)])
    show(headings[:6], [row[:6] for row in rows], left=1)
    show([headings[0], *headings[6:]], [[row[0], *row[6:]] for row in rows], left=1)      # the parts of the time
    print(last_line())


# ---- what all of them do


def settings(rounds, seconds, threads, pytorch, device="cpu"):
    """How to measure, checked."""
    import minidl
    from minidl.bench.machine import cores
    if threads > cores():
        raise ValueError(f"bench: {threads} threads are more than the {cores()} cores that this process may use")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"bench: networks are timed on the device cpu or cuda, not on {device!r}")
    minidl.zeros(1).to(device)                           # an error that says so, where there is no GPU
    if pytorch and not there():
        print("PyTorch is not installed, so minidl is timed alone")
        pytorch = False
    if pytorch and device == "cuda" and not has_cuda():
        print("PyTorch is there, but was built without CUDA, so minidl is timed alone")
        pytorch = False
    return {"rounds": rounds, "seconds": seconds, "threads": threads, "pytorch": pytorch}


def there():
    """Is PyTorch installed?"""
    from importlib.util import find_spec
    return find_spec("torch") is not None


def has_cuda():
    """Can PyTorch use the GPU?"""
    import torch
    return torch.cuda.is_available()


def facts(how):
    """The facts about the machine, which are printed first."""
    from minidl.bench import report
    from minidl.bench.processes import ask
    machine = ask({"do": "machine", "device": how.get("device", "cpu")}, how["threads"])
    print(report.facts_line(machine))
    if said := report.warning(machine):
        print(said)
    return machine


def as_found(results, out, name, machine, how):
    """The results of a benchmark as a list; each is said when it is found, and with those before it saved."""
    from minidl.bench import report
    found = []
    for result in results:
        found.append(result)
        print(result.verdict, flush=True)
        report.save(out / f"{name}.json", name, machine, how, [one.as_dict() for one in found])
    return found


def show(headings, rows, left):
    """Print a table: the first columns, `left` of them, and one that holds words are aligned left, numbers right."""
    from minidl.cli.tables import print_table
    print_table(headings, rows, right=[heading for heading in headings[left:] if heading != "PyTorch's best"])
