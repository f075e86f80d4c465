"""minidl lab laws | ..."""
import typer

app = typer.Typer(help="The gradient-flow lab: plain and residual networks, theory beside measurement.",
                  no_args_is_help=True)
