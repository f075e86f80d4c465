"""minidl summary"""
from typing import Annotated

import typer


def summary(
    model: Annotated[str, typer.Argument(help="A network, such as lenet5.")],
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, if not the paper's.")] = None,
    algorithms: Annotated[bool, typer.Option("--algorithms", help="Also how each convolution is computed: forward/"
                                             "gradient of its input/gradient of its weights.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time, on which that and the memory of a "
                                         "training step depend.")] = 32,
):
    """What every layer of a network makes, costs and sees: shapes, parameters, multiplications, memory."""
    import architectures
    import minidl
    from minidl.cli.tables import print_table
    from minidl.summary import summary as summarised
    known = architectures.find(model)
    channels, *image = known.input_shape
    with minidl.device("meta"):
        network = architectures.build(model)
    result = summarised(network, (channels, *([size] * len(image) if size else image)), batch_size)
    headings, *rows = result.table(algorithms)
    print(f"{model}: {known.paper}, {known.year}")
    print_table(headings, rows, right=headings[3:8])
    print(result.totals())
    print(result.memory())
