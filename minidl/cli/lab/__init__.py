"""minidl lab: how gradients flow through plain and residual networks, theory beside measurement."""
import typer

from minidl.cli.lab import comparison, explore, laws, probe, search

app = typer.Typer(help="The gradient-flow lab: plain and residual networks, theory beside measurement.",
                  no_args_is_help=True)
app.command("laws")(laws.laws)
app.command("plain-vs-residual")(comparison.plain_vs_residual)
app.command("degradation")(comparison.degradation)
app.command("figures")(comparison.figures)
app.command("probe")(probe.probe)
app.command("explore")(explore.explore)
app.command("search")(search.search)
