"""A look at the data: a grid of pictures with their labels."""

import math

import numpy as np

from minidl.utils.data.dataset import as_array


def picture_grid(dataset, path, count=40, columns=10):
    """Draw `count` samples of (image, label), evenly spread over the data set, and write them to `path`."""
    from matplotlib.figure import Figure

    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    rows = math.ceil(len(indices) / columns)
    figure = Figure(figsize=(columns, 1.25 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, index in zip(axes, indices):
        image, label = dataset[int(index)]
        axis.imshow(as_picture(as_array(image)), cmap="gray_r", vmin=0, vmax=1)
        axis.set_title(dataset.classes[label] if dataset.classes else label, fontsize=8)
    figure.savefig(path, dpi=120)


def as_picture(image):
    """(C, H, W) -> (H, W, 3) or (H, W), 0 to 1; a wider range is drawn from its lowest to its highest."""
    image = image / 255 if image.dtype == np.uint8 else image.astype(float)
    if image.min() < 0 or image.max() > 1:
        image = (image - image.min()) / max(image.max() - image.min(), 1e-12)
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)
