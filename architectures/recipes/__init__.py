"""Training recipes: how a network is trained on a data set, number by number, and where each number is from.

    recipe = recipes.find("lenet5", "mnist")                  the usual one for this pair
    recipe = recipes.named("lenet5_courses")                  another one

    model = architectures.build(recipe.model, **recipe.options)
    optimizer = recipe.optimizer_for(model)
    scheduler = recipe.scheduler_for(optimizer, len(loader))  stepped after every update
    training images go through recipe.train_transform, shuffled, in batches of recipe.batch_size,
    test images through recipe.test_transform, and the loss is recipe.loss(scores, labels)

Another number: `dataclasses.replace(recipe, lr=0.1)`. Other images: `recipe.on("fashion-mnist")`.
"""
import architectures
from architectures.recipes.recipe import IMAGENET, MASKS, CrossEntropy, Recipe, statistics
from architectures.recipes.schedules import Constant, Cosine, Decay, Polynomial, Stages, WarmUp
from architectures.recipes.small import (
    KERAS_CIFAR100, KERAS_MNIST, LENET5_1998_DIGITS, LENET5_1998_MNIST, LENET5_COURSES, LENET5_DIGITS, LENET5_MNIST,
    RESNET20_PHOTO_DIGITS, SMALL)
from architectures.recipes.cifar import OF_CIFAR10
from architectures.recipes.imagenet import OF_IMAGENET
from architectures.recipes.unet import UNET
from minidl.utils.data.datasets import DATASETS

RECIPES = (*SMALL, *OF_CIFAR10, *OF_IMAGENET, UNET, RESNET20_PHOTO_DIGITS)       # a network's own first


def find(model, data):
    """The usual recipe for a network on a data set or a folder: the first of RECIPES for both.

    If there is none for this data, it is the network's first for images of the same shape, or its first, as
    `Recipe.on` fits it to the data. ValueError if there is none for the network.
    """
    known = [recipe for recipe in RECIPES if recipe.model == model]
    if not known:
        raise ValueError(f"there is no recipe for {model}; --recipe names another network's, out of `minidl recipes`")
    shape = lambda name: DATASETS[name].shape if name in DATASETS else None
    likeness = lambda recipe: (recipe.data == data) + (shape(recipe.data) == shape(data))
    return max(known, key=likeness).on(data)


def named(name):
    """The recipe of this name; ValueError with the nearest names if there is none."""
    by_name = {recipe.name: recipe for recipe in RECIPES}
    if name not in by_name:
        raise ValueError(f"there is no recipe {name!r}{architectures.like(name, by_name)}; `minidl recipes` lists "
                         f"those there are")
    return by_name[name]
