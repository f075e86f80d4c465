"""minidl summary"""
from typing import Annotated

import typer


def summary(
    model: Annotated[str, typer.Argument(help="A network, such as lenet5.")] = None,
    compare: Annotated[tuple[str, str], typer.Option(metavar="A B", help="Two networks side by side instead.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, if not the paper's.")] = None,
    stages: Annotated[bool, typer.Option("--stages", help="A line for the layers of one height and width together, not for "
                                         "each layer.")] = False,
    algorithms: Annotated[bool, typer.Option("--algorithms", help="In the place of memory, how each convolution is "
                                             "computed: forward/gradient of its input/gradient of its weights.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time, on which that and the memory of a "
                                         "training step depend.")] = 32,
):
    """What every layer of a network makes, costs and sees: shapes, parameters, multiplications, memory."""
    import architectures
    from minidl.cli.tables import print_table
    from minidl.summary import MEMORY
    if (model is None) == (compare is None):
        raise ValueError("summary: of which network? For example: minidl summary lenet5, "
                         "or minidl summary --compare vgg16 resnet50")
    if algorithms and (stages or compare):
        raise ValueError("summary: --algorithms is for layers, and here is no line for each of them")
    if compare:
        headings, *rows = side_by_side(compare, [summarised(name, size, batch_size) for name in compare])
        print_table(headings, rows, right=headings[1:])
        return
    known = architectures.find(model)
    result = summarised(model, size, batch_size)
    headings, *rows = result.table_of_stages() if stages else result.table(algorithms)
    print(f"{model}: {known.paper}, {known.year}")
    print_table(headings, rows, right=("parameters", "MACs", "sees", *MEMORY, "im2col"))
    print(result.totals())
    print(result.memory())


def summarised(name, size, batch_size):
    """The Summary of a network for its paper's images, or square ones of `size` pixels."""
    import architectures
    import minidl
    from minidl.summary import summary
    channels, *image = architectures.find(name).input_shape
    with minidl.device("meta"):
        network = architectures.build(name)
    return summary(network, (channels, *([size] * len(image) if size else image)), batch_size)


def side_by_side(names, summaries):
    """What two networks come to, and by what factor the second differs; then their stages by size: headings, rows."""
    from minidl.summary import count, times
    from minidl.summary import size as memory
    rows = [("image", *[times(network.input_shape) for network in summaries], ""),
            row("parameters", [network.parameters for network in summaries], count),
            row("MACs", [network.macs for network in summaries], count),
            ("the last map sees", *[times(network.field) for network in summaries], ""),
            row("activations, one image", [network.activations for network in summaries], memory),
            row("kept to train, one image", [network.kept for network in summaries], memory),
            row("gradients, one image", [network.gradients for network in summaries], memory),
            row("largest im2col", [network.columns for network in summaries], memory)]
    if all([network.training for network in summaries]):
        peaks = [network.training.peak for network in summaries]
        rows.append(row(f"training step, batch of {summaries[0].training.batch_size}", peaks, memory))
    sizes = {stage.shape[1:] for network in summaries for stage in network.stages}
    for size in sorted(sizes, reverse=True):
        pair = [[stage for stage in network.stages if stage.shape[1:] == size] for network in summaries]
        rows += [("", "", "", ""),
                 row(f"{f'at {times(size)}' if size else 'full layers'}: parameters", sums(pair, "parameters"), count),
                 row("MACs", sums(pair, "macs"), count),
                 row("activations", sums(pair, "activations"), memory),
                 row("kept to train", sums(pair, "kept"), memory),
                 ("sees", *[times(stages[-1].field) if stages else "" for stages in pair], "")]
    return [("", *names, "factor"), *rows]


def row(heading, values, shown):
    a, b = values
    return heading, shown(a), shown(b), f"{b / a:.3g}" if a and b else ""


def sums(pair, what):
    return [sum(getattr(stage, what) for stage in stages) for stages in pair]
