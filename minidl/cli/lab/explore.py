"""minidl lab explore"""
from pathlib import Path
from typing import Annotated

import typer


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
