"""What `minidl lab probe` does: observe a network, and print or draw what was seen."""
import architectures
import minidl
from architectures import recipes
from minidl.cli.step import of_all, of_data_set
from minidl.cli.tables import print_table
from minidl.lab import observe
from minidl.lab.probes.table import as_csv, layer_table


def observed(network, data, batch, by_loss, seed):
    """(the Observation of a network in train mode, a sentence that says what was observed)"""
    if by_loss and data is None:
        raise ValueError("lab probe: --loss is of the labels of a data set, which --data names")
    known = architectures.find(network)
    minidl.manual_seed(seed)
    if data is None:
        model = architectures.build(network)
        images, labels = minidl.randn(batch, *known.input_shape).numpy(), None
    else:
        model, images, labels = of_data_set(network, data, 0, batch)
    loss = None
    if by_loss:
        losses = [recipe.loss for recipe in recipes.RECIPES if recipe.model == network]
        of_scores = of_all(losses[0] if losses else minidl.nn.functional.cross_entropy)
        loss = lambda scores: of_scores(scores, minidl.tensor(labels))
    seen = observe(model, images, loss=loss, seed=seed)
    what = f"images of {data}" if data else "random images"
    start = "the loss" if by_loss else "a random cotangent N(0, 1)"
    return seen, f"{network} at its first weights (seed {seed}), {batch} {what}, gradients of {start}"


def print_layers(seen):
    """The table, and what becomes of the gradient from the last layer to the first."""
    headings = ("layer", "kind", "shape", "mean", "std", "zeros", "dead", "saturated", "RMS dL/dy", "||dL/dw||",
                "by ||w||")
    rows = [(row.layer, row.kind, "x".join(map(str, row.shape)), number(row.mean), number(row.std), share(row.zeros),
             share(row.dead), share(row.saturated), number(row.gradient_rms), number(row.weight_gradient),
             number(row.gradient_by_weight)) for row in layer_table(seen)]
    print_table(headings, rows, right=headings[2:], cut=("layer",))


def number(x):
    return "" if x is None else f"{x:.3g}"


def share(x):
    """Of 0 nothing is printed."""
    return f"{x:.1%}" if x else ""


def write(seen, setting, out):
    """The table or the picture, whatever the path ends with."""
    from minidl.bench.pictures import save
    from minidl.lab.probes.pictures import profile
    from minidl.utils.data.files import replacing
    if out.suffix == ".csv":
        with replacing(out) as file:
            file.write(as_csv(layer_table(seen)).encode())
    else:
        save(profile(seen, setting), out)
