"""Recipes: that each can be followed, what their schedules do, and what the one for the digits reaches."""
import numpy as np
import pytest

import architectures
import minidl
from architectures import recipes
from architectures.recipes import RECIPES
from minidl.train import evaluate, train
from minidl.utils.data import DataLoader, datasets

each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


@each
def test_a_recipe_makes_of_the_data_what_its_network_takes(recipe):
    data = datasets.info(recipe.data)
    images = np.random.default_rng(0).integers(0, 256, (4, *data.shape), np.uint8)
    wanted = (4, *architectures.MODELS[recipe.model].input_shape)
    assert recipe.test_transform(images).shape == wanted
    assert recipe.train_transform(images, np.random.default_rng(0)).shape == wanted
    assert architectures.build(recipe.model, **recipe.options)(minidl.zeros(wanted)).shape == (4, data.classes)


@each
def test_a_few_updates_of_a_recipe_lower_the_loss_of_a_batch(recipe):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, *datasets.info(recipe.data).shape), np.uint8)
    x, labels = minidl.tensor(recipe.test_transform(images)), minidl.tensor(rng.integers(0, 10, 16))
    model = architectures.build(recipe.model, **recipe.options)
    optimizer = recipe.optimizer_for(model)
    scheduler = recipe.scheduler_for(optimizer, 100)
    losses = []
    for _ in range(8):
        loss = recipe.loss(model(x), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    assert losses[-1] < losses[0]


def test_names_are_not_used_twice():
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


def test_the_usual_recipe_of_a_pair_is_the_first():
    assert recipes.find("lenet5", "mnist").name == "lenet5_mnist"
    assert recipes.find("lenet5", "digits").name == "lenet5_digits"


def test_a_pair_without_a_recipe_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no recipe for lenet5 on cifar10; there are those for lenet5 on digits, "):
        recipes.find("lenet5", "cifar10")


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no recipe 'lenet5_course', did you mean lenet5_courses"):
        recipes.named("lenet5_course")


def rates(recipe):
    """The learning rate of every epoch, as the optimizer has it at its first update."""
    optimizer = recipe.optimizer_for(architectures.build(recipe.model, **recipe.options))
    scheduler = recipe.scheduler_for(optimizer, 3)
    found = []
    for update in range(3 * recipe.epochs):
        if update % 3 == 0:
            found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return found


def test_the_courses_schedule_is_the_one_they_quote():
    """0.005 for 2 epochs, 0.0002 for 3, 0.00005 for 4, then 0.00001: 20 epochs."""
    wanted = [0.005] * 2 + [0.0002] * 3 + [0.00005] * 4 + [0.00001] * 11
    np.testing.assert_allclose(rates(recipes.named("lenet5_courses")), wanted)


def test_the_cosine_falls_from_the_rate_to_nothing():
    """Loshchilov & Hutter 2017, equation 5, without restarts."""
    recipe = recipes.named("lenet5_mnist")
    epochs = np.arange(recipe.epochs)
    np.testing.assert_allclose(rates(recipe), recipe.lr / 2 * (1 + np.cos(np.pi * epochs / recipe.epochs)))
    assert recipe.factor(recipe.epochs) == 0


def test_the_published_network_sees_paper_as_minus_0_1_and_ink_as_1_175():
    """Section II.B."""
    black_and_white = np.zeros((1, 1, 28, 28), np.uint8)
    black_and_white[..., 10] = 255
    seen = recipes.named("lenet5_1998_mnist").test_transform(black_and_white)
    np.testing.assert_allclose(np.unique(seen), [-0.1, 1.175], atol=1e-6)


@pytest.mark.slow
def test_lenet5_reads_97_5_percent_of_the_test_digits():
    """The mean of five seeds, with the last epoch's weights."""
    recipe = recipes.find("lenet5", "digits")
    images = datasets.load("digits", True, recipe.train_transform)
    test_images = DataLoader(datasets.load("digits", False, recipe.test_transform), 450)
    right = []
    for seed in range(5):
        minidl.manual_seed(seed)
        model = architectures.build(recipe.model, **recipe.options)
        loader = DataLoader(images, recipe.batch_size, shuffle=True)
        optimizer = recipe.optimizer_for(model)
        scheduler = recipe.scheduler_for(optimizer, len(loader))
        for _ in train(model, loader, optimizer, recipe.epochs, loss=recipe.loss, scheduler=scheduler):
            pass
        right.append(evaluate(model, test_images).top1)
    assert np.mean(right) >= 0.975, right
