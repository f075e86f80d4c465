"""minidl draw"""
from pathlib import Path
from typing import Annotated

import typer


def draw(
    model: Annotated[str, typer.Argument(help="A network, such as lenet5.")],
    out: Annotated[Path, typer.Option(metavar="FILE.svg", help="Draw into a file instead.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, if not the paper's.")] = None,
):
    """A picture of a network: its layers and where their results go; what repeats is drawn once, with a number."""
    import architectures
    import minidl
    from minidl.drawing import draw as drawn
    from minidl.utils.data.files import replacing
    if out and out.suffix != ".svg":
        raise ValueError(f"draw: {out} should end in .svg, which is what is drawn")
    channels, *image = architectures.find(model).input_shape
    with minidl.device("meta"):
        network = architectures.build(model)
    drawing = drawn(network, (channels, *([size] * len(image) if size else image)), model)
    if out:
        with replacing(out) as file:
            file.write(drawing.svg().encode())
        print(f"{model} is drawn in {out}")
    else:
        show(drawing)


def show(drawing):
    """On a terminal, as wide as that is; in a file or a pipe, as wide as it needs to be."""
    from rich.console import Console
    from rich.text import Text

    from minidl.drawing.render import text
    console = Console(highlight=False)
    if not console.is_terminal:
        print(drawing)
        return
    picture = drawing.picture(console.width)
    for line in text(picture):
        console.print(Text.assemble(*line), no_wrap=True, crop=True)
    if picture.width > console.width:
        console.print(f"cut off on the right, where {picture.width - console.width} columns are missing; "
                      "--out FILE.svg has them all")
