"""minidl recipes"""
import dataclasses
from typing import Annotated

import typer


def recipes(name: Annotated[str, typer.Argument(help="A network, or one recipe: say all about it.")] = None):
    """All recipes: how a network is trained, number by number, and where the numbers are from.

    A recipe's name begins with its network's. One for "imagenet" is for any folder of pictures.
    """
    from architectures.recipes import RECIPES, named
    from minidl.cli.tables import print_table
    if name:
        for i, recipe in enumerate([recipe for recipe in RECIPES if recipe.model == name] or [named(name)]):
            if i:
                print()
            print_rows(description(recipe))
        return
    for data in dict.fromkeys([recipe.data for recipe in RECIPES]):
        rows = [[recipe.name, str(recipe.epochs), str(recipe.batch_size), recipe.optimizer, f"{recipe.lr:g}",
                 recipe.schedule.words(recipe.lr), recipe.source] for recipe in RECIPES if recipe.data == data]
        print_table([f"on {data}", "epochs", "batch", "optimizer", "rate", "schedule", "source"], rows,
                    right=["epochs", "batch", "rate"], cut=["schedule", "source"])


def description(recipe):
    """What a recipe says, in words: {"network": "...", "data": "...", ...}."""
    test = f"; in testing {in_words(recipe.test_transform)}" if recipe.view else ""
    options = "".join([f", {name} {value}" for name, value in recipe.optimizer_options.items()])
    return {
        "network": recipe.model + "".join([f", {name} {value}" for name, value in recipe.options.items()]),
        "data": recipe.data,
        "images": in_words(recipe.train_transform) + test,
        "recipe": f"{recipe.name} ({recipe.source})",
        "epochs": f"{recipe.epochs}, in batches of {recipe.batch_size}",
        "optimizer": f"{recipe.optimizer}, learning rate {recipe.lr:g}{options}, weight decay {recipe.weight_decay:g}"
                     + ("" if recipe.decay_vectors else " but for biases and norms")
                     + (f", gradients of at most {recipe.max_norm:g}" if recipe.max_norm else "")
                     + (f", weights averaged with {recipe.average:g}" if recipe.average else ""),
        "schedule": recipe.schedule.words(recipe.lr),
        "loss": getattr(recipe.loss, "__name__", str(recipe.loss)),
    }


def print_rows(rows):
    for name, value in rows.items():
        print(f"{name:10} {value}")


def in_words(transforms):
    return ", then ".join(map(as_written, transforms.transforms))


def as_written(transform):
    """A transform without what is as by default: RandomCrop(32, padding=4)."""
    shown = []
    for field in dataclasses.fields(transform):
        value = getattr(transform, field.name)
        if field.default is dataclasses.MISSING:
            shown += [numbers(value)] if field.repr else []
        elif value != field.default:
            shown.append(f"{field.name}={numbers(value)}")
    return f"{type(transform).__name__}({', '.join(shown)})"


def numbers(value):
    """Numbers with four digits at most."""
    if isinstance(value, tuple):
        return f"({', '.join(map(numbers, value))})"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
