"""minidl demo"""
from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Where the page and the trained network are put.")] = Path("demo"),
    device: Annotated[str, typer.Option(help="Where it is trained: cpu, or cuda, an NVIDIA GPU. [default: cpu]")] = None,
):
    """Train LeNet-5 on handwritten digits, check its gradient, and draw what it learned."""
    from minidl.cli.page import write_page
    from minidl.cli.tables import print_table
    from minidl.cli.train import follow, show
    from minidl.cli.training import run_of, settings_for
    from minidl.train import checkpoint_in
    settings = settings_for("lenet5", "digits", device=device)
    run = run_of(settings, out)
    checkpoint_in(out).unlink(missing_ok=True)             # of the demo before
    run.start()
    show(settings, run)
    if status := follow(run, settings, f"minidl train --resume --out {out}"):
        return status
    run.model.cpu()
    report = checked(run)
    print_table(*table_of(report))
    print(f"the gradient of the trained network, {len(report.checks)} parts of it along random directions: "
          f"{'every one is right' if report.passed else 'WRONG'}")
    page = write_page(out / "index.html", run, report)
    print(f"\nwhat it learned is drawn in {page.resolve()}")
    return 0


def checked(run):
    """The gradient of the network as it now is, on sixteen test digits, against finite differences."""
    from minidl.gradcheck import GradcheckError, gradcheck_model
    images, labels = next(iter(run.test_loader))
    try:
        return gradcheck_model(run.model, (images[:16], labels[:16]), name="lenet5")
    except GradcheckError as error:
        return error.report


def table_of(report):
    from minidl.cli.gradcheck import model_table
    return model_table(report)
