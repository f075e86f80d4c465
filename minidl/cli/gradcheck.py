"""minidl gradcheck"""
from typing import Annotated

import typer


def gradcheck(
    model: Annotated[str, typer.Argument(help="A network, to be checked as a whole; without it, every op is.")] = None,
    mutants: Annotated[bool, typer.Option("--mutants", help="Break every rule in every way: is it noticed?")] = False,
    source: Annotated[bool, typer.Option("--source", help="Break the lines of the source, one by one; slow.")] = False,
):
    """Compare every gradient with finite differences, and prove that a wrong one would be noticed."""
    if model is not None and (mutants or source):
        raise ValueError("gradcheck: a network is checked as it is; --mutants and --source break the ops, without one")
    if model is not None:
        return check_model(model)
    if mutants and not source:
        return check_mutants()
    if source:
        return check_source()
    return check_ops()


def check_ops():
    from minidl.cli.tables import print_table
    from minidl.gradcheck import check_ops
    rows = {}
    for row in working(check_ops(), lambda row: row.op):
        rows.setdefault(row.op, []).append(row)
    lines = []
    for op, calls in rows.items():
        failed = [row for row in calls if not row.passed]
        lines.append([op, str(len(calls)), str(max(row.order for row in calls)),
                      f"{max(row.error for row in calls):.1e}", failed[0].verdict if failed else "pass"])
    print_table(["op", "calls", "order", "worst error / tolerance", "verdict"], lines)
    calls = [row for calls in rows.values() for row in calls]
    return verdict(calls, f"{len(rows)} ops in {len(calls)} calls, gradients of gradients too",
                   [f"{row.call}: {row.message}" for row in calls if not row.passed])


def check_mutants():
    from minidl.cli.tables import print_table
    from minidl.gradcheck import check_mutants
    from minidl.gradcheck.mutants import total
    rows = list(working(check_mutants(), lambda row: row.op))
    ops = {}
    for row in rows:
        ops.setdefault(row.op, []).append(row)
    print_table(["op", "mutants", "killed", "only at order 2", "exempt"],
                [[op, str(len(of_op)), str(sum(row.killed for row in of_op)),
                  str(sum(row.order == 2 for row in of_op) or ""),
                  str(sum(row.exempt is not None for row in of_op) or "")]
                 for op, of_op in ops.items()])
    return survivors(rows, total(rows), lambda row: f"{row.op}, input {row.input}, {row.where}: {row.mutation}")


def check_source():
    from minidl.gradcheck import check_source
    from minidl.gradcheck.mutants import total
    rows = list(working(check_source(), lambda row: row.place))
    return survivors(rows, total(rows), lambda row: f"{row.place}: {row.change}")


def survivors(rows, total, name):
    """The last lines, and the exit status."""
    alive = [row for row in rows if not row.killed and row.exempt is None]
    for row in alive:
        print(f"survived: {name(row)}")
    print(total)
    return 1 if alive else 0


def check_model(name):
    import architectures
    import minidl
    from minidl.cli.tables import print_table
    from minidl.gradcheck import GradcheckError, gradcheck_model
    minidl.manual_seed(0)
    known = architectures.find(name)
    model = architectures.build(name)
    images, labels = minidl.randn(4, *known.input_shape), minidl.randint(0, 10, (4,))
    try:
        report, message = gradcheck_model(model, (images, labels), name=name), None
    except GradcheckError as error:
        report, message = error.report, str(error)
    print_table(*model_table(report))
    return verdict(report.checks, f"{name}, {len(report.checks)} gradients of its parameters and input",
                   [message] if message else [])


def model_table(report):
    """Headings, and a row for every parameter."""
    rows = [[check.input, f"{check.backprop:.9g}", f"{check.numeric:.9g}", f"{check.error:.1e}", check.verdict]
            for check in report.checks]
    return ["parameter", "backprop", "finite differences", "error", "verdict"], rows


def verdict(checks, what, failures):
    """The last line, and the exit status."""
    for failure in failures:
        print(failure)
    print(f"{what}: {f'{len(failures)} WRONG' if failures else 'every gradient is right'}")
    return 1 if failures else 0


def working(rows, name):
    """The same rows; on a terminal, what is at work is shown meanwhile."""
    from rich.console import Console
    console = Console(stderr=True)
    with console.status("starting") as status:
        for row in rows:
            status.update(name(row))
            yield row
