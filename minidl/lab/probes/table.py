"""The main probes of an Observation side by side: a row for each layer."""
import csv
import io
from typing import NamedTuple

from minidl.lab.probes.activations import activations
from minidl.lab.probes.gradients import activation_gradients, norm, ratio


class LayerRow(NamedTuple):
    """`Activation`, `ActivationGradient` and, for layers with weights, `WeightGradient` tell what the numbers are."""
    layer: str
    kind: str
    shape: tuple
    mean: float
    std: float
    zeros: float
    dead: float
    saturated: float | None
    gradient_norm: float | None
    gradient_rms: float | None
    weight_gradient: float | None
    gradient_by_weight: float | None


def layer_table(seen):
    """A LayerRow for each layer of an Observation."""
    gradients = {row.layer: row for row in activation_gradients(seen)}
    rows = []
    for layer, row in zip(seen.layers, activations(seen)):
        gradient = gradients.get(layer.name)
        of_weight = (norm(layer.gw), ratio(norm(layer.gw), norm(layer.w))) if layer.gw is not None else (None, None)
        of_y = (gradient.norm, gradient.rms) if gradient else (None, None)
        rows.append(LayerRow(layer.name, layer.kind, layer.y.shape[1:], row.mean, row.std, row.zeros, row.dead,
                             row.saturated, *of_y, *of_weight))
    return rows


def as_csv(rows):
    """Rows of one kind, with their names in the first line and all digits; what is not there stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0]._fields)
    for row in rows:
        writer.writerow(["x".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in row])
    return text.getvalue()
