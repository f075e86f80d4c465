"""minidl evaluate"""
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders of trainings, or checkpoints.")],
    data: Annotated[str, typer.Option(help="Another data set than the one that was trained on.")] = None,
    crops: Annotated[int, typer.Option(help="The mean over 5 crops of every image, at its corners and in the middle, or "
                                       "over 10, with their mirror images.")] = 1,
    device: Annotated[str, typer.Option(help="Where it is computed: cpu, or cuda, an NVIDIA GPU.")] = "cpu",
):
    """Loss and accuracy of a trained network on the test images; of several, their errors and that of their mean.

    The crops are the outermost of those that training takes at random, as its recipe says.
    """
    from minidl.cli.training import recipe_of
    from minidl.nn.functional import cross_entropy
    from minidl.train import averaged, checkpoint_in, measure, read_checkpoint
    if crops not in (1, 5, 10):
        raise ValueError(f"evaluate --crops: there can be 5 or 10, not {crops}")
    checkpoints = [checkpoint_in(path) if path.is_dir() else path for path in paths]
    trainings = [read_checkpoint(path)["settings"] for path in checkpoints]
    images = images_of(trainings[0]) | {"device": device} | ({"data": data, "hold_out": 0} if data else {})
    if not data:
        check_images(paths, trainings)
    found = [predicted(path, settings, images, crops) for path, settings in zip(checkpoints, trainings)]
    losses = [recipe_of(settings).loss if crops == 1 else cross_entropy for settings in trainings]
    results = [measure(pairs, loss) for pairs, loss in zip(found, losses)]
    of = f"{results[0].images:,} images of {images['data']}" + (f", {crops} crops of each" if crops > 1 else "")
    if len(paths) > 1:
        return print_errors(paths, trainings, results, measure(averaged(found)), of)
    print(f"{trainings[0]['model']} from {checkpoints[0]} on {of}: loss {results[0].loss:.4f}, {results[0].top1:.2%} right, "
          f"{results[0].top5:.2%} in the first five")


def images_of(settings):
    """The settings that say which images there are, and how many at a time: to be averaged, batches must be alike."""
    return {name: settings[name] for name in ("data", "hold_out", "batch_size")}


def check_images(paths, trainings):
    """Were they all evaluated on the same images?"""
    for path, settings in zip(paths, trainings):
        for name in ("data", "hold_out"):
            if settings[name] != trainings[0][name]:
                raise ValueError(f"evaluate: {paths[0]} is of a training with {name} {trainings[0][name]}, {path} of one "
                                 f"with {settings[name]}; --data names test images for all")


def predicted(path, settings, images, crops):
    """Pairs (scores, labels) for all the batches of `images`, as images_of names them, by the network in a checkpoint.

    `images` also says on which device.
    """
    from minidl.cli.training import data_of, device_of, loader_of, model_of
    from minidl.train import load_weights, predictions
    model = model_of(settings, data_of(settings)[0]).to(device_of(images))
    load_weights(path, model)
    model, transform = over_crops(model, settings, crops)
    _, test = data_of(settings | images, transform)
    return list(predictions(model, loader_of(images, test)))


def over_crops(model, settings, crops):
    """The network that averages over so many crops, and what makes of an image the larger one that they are taken of."""
    from minidl.cli.training import recipe_of
    from minidl.train import OverCrops, five_crop, ten_crop
    from minidl.utils.data.transforms import Compose, Pad, RandomCrop
    recipe = recipe_of(settings)
    if crops == 1:
        return model, recipe.test_transform
    for crop in recipe.augment:
        if isinstance(crop, RandomCrop):
            larger = Compose([*recipe.prepare, Pad(crop.padding, crop.fill, crop.padding_mode), *recipe.last])
            return OverCrops(model, crop.size, ten_crop if crops == 10 else five_crop), larger
    raise ValueError(f"evaluate --crops: the recipe {recipe.name} takes no random crops of images in training, so that "
                     "there are none to average over")


def print_errors(paths, trainings, results, together, of):
    """A row for each network, and one for the mean of their probabilities."""
    from minidl.cli.tables import print_table
    names = [settings["model"] for settings in trainings] + [f"the mean of the {len(paths)}"]
    rows = [[name, str(path), f"{result.loss:.4f}", f"{1 - result.top1:.2%}", f"{1 - result.top5:.2%}"]
            for name, path, result in zip(names, [*paths, ""], [*results, together])]
    print(f"on {of}:")
    measured = ["loss", "top-1 error", "top-5 error"]
    print_table(["network", "from", *measured], rows, right=measured)
