"""From what a person asks for to what is trained: settings, recipe, data, model."""
from dataclasses import replace
from pathlib import Path

import numpy as np

import architectures
import minidl
from architectures import recipes
from minidl.creation import the_gpu
from minidl.interop import torch
from minidl.optim.swa_utils import AveragedModel
from minidl.train import Run, checkpoint_in, freeze, heads, load_pretrained, read_checkpoint, weights_in
from minidl.utils.data import DataLoader, Subset, datasets
from minidl.utils.data.digits import stratified_split

OPTIMIZERS = ("SGD", "RMSprop", "RMSpropTF", "Adagrad", "Adam", "AdamW")
OF_THE_RECIPE = ("epochs", "batch_size", "optimizer", "optimizer_options", "lr", "weight_decay")
WHERE_USED = ("pretrained", "new_head", "freeze", "lr_decay", "device")      # settings that are only there where they are


def settings_for(model, data=None, recipe=None, *, momentum=None, seed=0, accumulate=1, hold_out=0, **flags):
    """All settings of a training as plain values: the recipe's, with those that are given in their place.

    data   : None is the recipe's, or else the digits if there is a recipe for them, or else what there is one for
    recipe : its name; None is that of the training that `pretrained` is the folder of, or else the usual one for model
             and data
    """
    architectures.find(model)
    given = {name: value for name, value in flags.items() if value is not None}
    recipe = recipe or recipe_before(model, given.get("pretrained"))
    recipe = recipes.named(recipe) if recipe else recipes.find(model, data or usual_data(model))
    check_data(recipe, data or recipe.data)
    if given.get("optimizer", recipe.optimizer) != recipe.optimizer:
        given["optimizer"] = known_optimizer(given["optimizer"])
        given["optimizer_options"] = {}
    settings = {"model": model, "data": data or recipe.data, "recipe": recipe.name,
                **{name: given.get(name, getattr(recipe, name)) for name in OF_THE_RECIPE},
                "seed": seed, "accumulate": accumulate, "hold_out": hold_out,
                **{name: given[name] for name in WHERE_USED if name in given}}
    if momentum is not None:
        if settings["optimizer"] not in ("SGD", "RMSprop", "RMSpropTF"):
            raise ValueError(f"{settings['optimizer']} has no momentum to set; SGD, RMSprop and RMSpropTF have")
        settings["optimizer_options"] = settings["optimizer_options"] | {"momentum": momentum}
    return settings


def recipe_before(model, pretrained):
    """The name of the recipe with which the network was trained, if `pretrained` is the folder of its training."""
    if pretrained and Path(pretrained).is_dir():
        settings = read_checkpoint(checkpoint_in(pretrained))["settings"]
        return settings["recipe"] if settings["model"] == model else None


def usual_data(model):
    known = [recipe.data for recipe in recipes.RECIPES if recipe.model == model]
    return "digits" if "digits" in known else next(iter(known), None)


def check_data(recipe, data):
    """Is it something that this command can train on?"""
    if recipe.data == recipes.MASKS:
        raise ValueError(f"train: {recipe.name} is for pictures with a class for every pixel, and this command trains on "
                         f"pictures with one each; the numbers are there in Python, architectures.recipes.named("
                         f"'{recipe.name}')")
    if data == recipes.IMAGENET and not Path(data).is_dir():
        raise ValueError(f"train: {recipe.name} is for ImageNet, which minidl does not fetch; --data FOLDER trains on any "
                         "pictures in FOLDER/train/CLASS/ and FOLDER/test/CLASS/")


def known_optimizer(name):
    for known in OPTIMIZERS:
        if known.lower() == name.lower():
            return known
    raise ValueError(f"there is no optimizer {name!r}{architectures.like(name, OPTIMIZERS)}; "
                     f"there are {', '.join(OPTIMIZERS)}")


def recipe_of(settings):
    """The recipe with the settings in it, fitted to the data."""
    changed = {name: settings[name] for name in ("model", *OF_THE_RECIPE)}
    return replace(recipes.named(settings["recipe"]).on(settings["data"]), **changed)


def data_of(settings, test_transform=None):
    """The training and the test set; with `hold_out`, so many training images are the test set instead.

    test_transform : in the place of the recipe's
    """
    recipe = recipe_of(settings)
    test_transform = test_transform or recipe.test_transform
    train = datasets.load(recipe.data, train=True, transform=recipe.train_transform)
    if not settings["hold_out"]:
        return train, datasets.load(recipe.data, train=False, transform=test_transform)
    if settings["hold_out"] >= len(train):
        raise ValueError(f"{recipe.data} has {len(train):,} training images; {settings['hold_out']:,} held out "
                         "leave none to train on")
    held_out = stratified_split(train.labels, settings["hold_out"])
    others = np.setdiff1d(np.arange(len(train)), held_out)
    same = datasets.load(recipe.data, train=True, transform=test_transform)
    return Subset(train, others), Subset(same, held_out)


def model_of(settings, dataset):
    """The network, with as many outputs as the data has classes and as many input channels as its images."""
    recipe = recipe_of(settings)
    known = architectures.find(recipe.model).options
    image, _ = dataset[0]
    fitting = {"num_classes": len(dataset.classes), "in_channels": len(image)}
    options = {name: n for name, n in fitting.items() if known.get(name) not in (None, n)} | recipe.options
    return architectures.build(recipe.model, **options)


def freeze_as(settings, model):
    """Freeze the parts of the network that the settings name; "body" is all but its head."""
    for name in settings.get("freeze", ()):
        try:
            freeze(model, heads(model)) if name == "body" else freeze(model.get_submodule(name))
        except AttributeError as error:
            raise ValueError(f"--freeze {name}: {error}; and there is body, all but the head") from None
    if not any([x.requires_grad for x in model.parameters()]):
        raise ValueError(f"--freeze {' --freeze '.join(settings['freeze'])}: then nothing is left to train in "
                         f"{settings['model']}")


def device_of(settings):
    """Where it is computed, "cpu" or "cuda"; an error where there is none to use."""
    device = settings.get("device", "cpu")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"--device {device}: there are cpu and cuda")
    if device == "cuda":
        the_gpu()
    return device


def loader_of(settings, dataset, **how):
    """Batches, prepared by a thread; for a GPU in memory from which it copies while it computes."""
    return DataLoader(dataset, settings["batch_size"], num_workers=1, pin_memory=device_of(settings) == "cuda", **how)


def run_of(settings, folder):
    """Everything that the settings say, made from their seed, as a Run in `folder`."""
    recipe, device = recipe_of(settings), device_of(settings)
    train, test = data_of(settings)
    minidl.manual_seed(settings["seed"])
    model = model_of(settings, train).to(device)
    freeze_as(settings, model)
    optimizer = recipe.optimizer_for(model, settings.get("lr_decay"))
    loader = loader_of(settings, train, shuffle=True)
    updates_per_epoch = -(-len(loader) // settings["accumulate"])
    return Run(folder, settings, model, optimizer, loader, loader_of(settings, test),
               recipe.scheduler_for(optimizer, updates_per_epoch),
               AveragedModel(model, recipe.average) if recipe.average else None)


def begin(run):
    """Start a training, from the weights that its settings say; "drawn" in them then names those that are new."""
    if path := run.settings.get("pretrained"):
        weights = pretrained_weights(path, run.model)
        try:
            run.settings["drawn"] = load_pretrained(run.model, weights, run.settings.get("new_head", False))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if run.average is not None:
            run.average.module.load_state_dict(run.model.state_dict())
    run.start()


def pretrained_weights(path, model):
    """The weights in the folder of a training, or in a file of nothing else, by their names in the model."""
    if Path(path).is_dir():
        return weights_in(read_checkpoint(checkpoint_in(path)))
    return torch.weights_for(model, path)


def folder_for(settings):
    """Where a training is kept unless it is told otherwise."""
    return Path("runs") / f"{settings['model']}-{Path(settings['data']).name}"
