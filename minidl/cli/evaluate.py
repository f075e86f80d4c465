"""minidl evaluate"""
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    path: Annotated[Path, typer.Argument(help="The folder of a training, or a checkpoint.")],
    data: Annotated[str, typer.Option(help="Another data set than the one it was trained on.")] = None,
):
    """Loss and accuracy of a trained network on the test images."""
    from minidl.cli.training import data_of, loader_of, model_of, recipe_of
    from minidl.train import checkpoint_in, load_weights, read_checkpoint
    from minidl.train import evaluate as evaluated
    from minidl.utils.data import datasets
    path = checkpoint_in(path) if path.is_dir() else path
    settings = read_checkpoint(path)["settings"]
    train, test = data_of(settings)
    model = model_of(settings, train)
    load_weights(path, model)
    if data:
        test = datasets.load(data, train=False, transform=recipe_of(settings).test_transform)
    result = evaluated(model, loader_of(settings, test), recipe_of(settings).loss)
    print(f"{settings['model']} from {path} on {result.images:,} images of {data or settings['data']}: "
          f"loss {result.loss:.4f}, {result.top1:.2%} right, {result.top5:.2%} in the first five")
