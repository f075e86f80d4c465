"""Recipes: that each can be followed, that it has its paper's rates, and what the one for the digits reaches."""
import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from networks import REDUCED, with_lively_weights

import architectures
import minidl
from architectures import recipes
from architectures.googlenet import loss_of_all
from architectures.nasnet import loss_of_both
from architectures.recipes import RECIPES, CrossEntropy, Decay, Polynomial, Stages, WarmUp, named
from minidl import nn
from minidl.optim.swa_utils import AveragedModel
from minidl.train import evaluate, train
from minidl.utils.data import DataLoader, TensorDataset, datasets
from minidl.utils.data.transforms import Normalize

OF_PICTURES = [recipe for recipe in RECIPES if recipe.data != recipes.MASKS]


def by_name(chosen):
    return pytest.mark.parametrize("recipe", chosen, ids=lambda recipe: recipe.name)


# ---- each can be followed


def some_pictures(data):
    """Two images of the data set as they are found, those of a folder of two sizes."""
    shapes = [(3, 90, 120), (3, 110, 70)] if data == recipes.IMAGENET else [datasets.info(data).shape] * 2
    return [np.random.default_rng(0).integers(0, 256, shape, np.uint8) for shape in shapes]


@functools.cache
def shapes_after(data, transform):
    """What the images become by the transform of this repr, the same in many recipes."""
    made = next(one for recipe in RECIPES for one in (recipe.train_transform, recipe.test_transform)
                if repr(one) == transform)
    return {made(image, np.random.default_rng(0)).shape for image in some_pictures(data)}


@by_name(OF_PICTURES)
def test_a_recipe_makes_of_the_data_what_its_network_takes(recipe):
    for transform in recipe.train_transform, recipe.test_transform:
        assert shapes_after(recipe.data, repr(transform)) == {architectures.MODELS[recipe.model].input_shape}


@by_name([recipe for recipe in OF_PICTURES if recipe.options])
def test_a_network_takes_the_options_of_its_recipe_and_the_loss_all_of_its_scores(recipe):
    with minidl.device("meta"):
        scores = architectures.build(recipe.model, **recipe.options)(
            minidl.zeros(2, *architectures.MODELS[recipe.model].input_shape))
    count = len(scores) if isinstance(scores, tuple) else 1
    assert count == (3 if recipe.model == "googlenet" else 2 if "aux" in recipe.options else 1)
    assert (count > 1) == (isinstance(recipe.loss, CrossEntropy) and recipe.loss.auxiliary > 0)


@by_name(RECIPES)
def test_the_rate_of_a_recipe_is_the_highest_of_its_schedule_and_stages_last_as_long_as_the_training(recipe):
    assert recipe.optimizer_for(nn.Linear(1, 1)).param_groups[0]["lr"] == recipe.lr
    assert all([0 <= recipe.factor(epoch) <= 1 for epoch in range(recipe.epochs)])
    if isinstance(recipe.schedule, Stages):
        assert 0 <= recipe.epochs - sum(length for length, _ in recipe.schedule.stages) < 1
        assert recipe.lr == max(rate for _, rate in recipe.schedule.stages)


@by_name([recipe for recipe in RECIPES if recipe.model.startswith(("lenet5", "keras"))])
def test_a_few_updates_of_a_recipe_lower_the_loss_of_a_batch(recipe):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, *datasets.info(recipe.data).shape), np.uint8)
    x, labels = minidl.tensor(recipe.test_transform(images)), minidl.tensor(rng.integers(0, 10, 16))
    losses = followed(recipe, architectures.build(recipe.model, **recipe.options), x, labels, 8)
    assert losses[-1] < losses[0]


def googlenet(file):
    modules = {name: [max(6, n // 16) for n in columns] for name, columns in file.TABLE_1.items()}
    return file.GoogLeNet(modules, 5, width=6, aux=True, image_size=80)


# Each with something that the others have not: stages; several scores; clipped gradients; averages, and vectors apart.
REDUCED_MEMBERS = {
    "resnet110_cifar10": "resnet20", "googlenet_imagenet": "googlenet", "amoebanet_a_cifar10": "amoebanet_a_cifar10",
    "efficientnet_b0_imagenet": "efficientnet_b0"}


@pytest.mark.parametrize("name, member", REDUCED_MEMBERS.items())
def test_a_reduced_network_learns_a_batch_by_its_recipe(name, member):
    minidl.manual_seed(0)
    file, make, shape = REDUCED[member]
    make, shape = (googlenet, (3, 80, 80)) if member == "googlenet" else (make, shape)
    rng = np.random.default_rng(0)
    x, labels = minidl.tensor(rng.standard_normal((8, *shape)), dtype=minidl.float32), minidl.tensor(rng.integers(0, 5, 8))
    losses = followed(named(name), with_lively_weights(make(file)), x, labels, 16)
    assert np.mean(losses[-4:]) < losses[0] - 0.05


def followed(recipe, model, x, labels, updates):
    """The losses of so many updates on one batch, which make an epoch."""
    loader = DataLoader(TensorDataset(x, labels), len(labels))
    optimizer = recipe.optimizer_for(model)
    average = AveragedModel(model, recipe.average) if recipe.average else None
    steps = train(model, loader, optimizer, updates, loss=recipe.loss, scheduler=recipe.scheduler_for(optimizer, updates),
                  max_norm=recipe.max_norm, average=average)
    return [step.loss for step in steps]


def test_weight_decay_can_leave_biases_and_norms_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    before = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    recipe = replace(named("resnet20_cifar10"), weight_decay=0.5)
    for decay_vectors in False, True:
        optimizer = replace(recipe, decay_vectors=decay_vectors).optimizer_for(model)
        assert sum([len(group["params"]) for group in optimizer.param_groups]) == len(before)
        for p in model.parameters():
            p.grad = minidl.zeros_like(p)
        optimizer.step()
        shrunk = {name for name, p in model.named_parameters() if (p.detach().numpy() != before[name]).any()}
        assert shrunk == ({"0.weight", "0.bias", "1.weight", "2.weight", "2.bias"} if decay_vectors
                          else {"0.weight", "2.weight"})


# ---- the loss


def test_the_loss_of_several_scores_is_googlenets_and_nasnets(rng):
    scores = tuple(minidl.tensor(rng.standard_normal((4, 7))) for _ in range(3))
    labels = minidl.tensor([0, 3, 6, 3])
    assert CrossEntropy(auxiliary=0.3)(scores, labels).item() == pytest.approx(loss_of_all(scores, labels).item())
    assert CrossEntropy(auxiliary=0.4)(scores[:2], labels).item() == pytest.approx(loss_of_both(scores[:2], labels).item())
    assert CrossEntropy(auxiliary=0.4)(scores[0], labels).item() == CrossEntropy()(scores[0], labels).item()


def test_smoothing_takes_from_the_label_and_gives_to_all_classes_in_each_of_the_scores(rng):
    """Szegedy et al. 2015, arXiv 1512.00567, section 7."""
    scores, labels = rng.standard_normal((2, 4, 7)), np.array([0, 3, 6, 3])
    wanted = (1 - 0.1) * np.eye(7)[labels] + 0.1 / 7
    log_p = scores - np.log(np.exp(scores).sum(2, keepdims=True))
    first, second = -(wanted * log_p).sum(2).mean(1)
    loss = CrossEntropy(label_smoothing=0.1, auxiliary=0.4)(tuple(map(minidl.tensor, scores)), minidl.tensor(labels))
    assert loss.item() == pytest.approx(first + 0.4 * second)


# ---- finding one


def test_names_are_not_used_twice():
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


def test_names_begin_with_that_of_the_network():
    others = {recipe.name for recipe in RECIPES if not recipe.name.startswith(recipe.model)}
    assert others == {"keras_mnist", "keras_cifar100"}


def test_the_usual_recipe_of_a_pair_is_the_first():
    assert recipes.find("lenet5", "mnist").name == "lenet5_mnist"
    assert recipes.find("lenet5", "digits").name == "lenet5_digits"
    assert recipes.find("resnet50", "some/folder").name == "resnet50_imagenet"


def test_a_pair_without_a_recipe_has_one_for_images_of_the_same_shape_or_the_networks_first():
    lenet = recipes.find("lenet5", "cifar10")
    assert (lenet.name, lenet.data) == ("lenet5_digits", "cifar10")
    assert recipes.find("keras_mnist_cnn", "digits").name == "keras_mnist"
    assert recipes.find("resnet20", "cifar100").name == "resnet20_cifar10"


def test_an_unknown_recipe_and_a_network_without_one_are_answered():
    with pytest.raises(ValueError, match="no recipe 'lenet5_course', did you mean lenet5_courses"):
        named("lenet5_course")
    with pytest.raises(ValueError, match="no recipe for nin; --recipe names another network's"):
        recipes.find("nin", "cifar10")


# ---- on other data


@pytest.mark.parametrize("name, data", [
    ("resnet20_cifar10", "digits"), ("resnet20_cifar10", "mnist"), ("resnet20_cifar10", "cifar100"),
    ("lenet5_mnist", "digits"), ("lenet5_digits", "fashion-mnist"), ("lenet5_digits", "cifar10"), ("keras_mnist", "digits")])
def test_on_other_data_images_have_the_size_that_the_network_takes_and_their_own_statistics(name, data):
    recipe, known = named(name).on(data), datasets.info(data)
    assert recipe.data == data and recipe.lr == named(name).lr
    flat = np.broadcast_to(np.array(known.mean, np.float32).reshape(-1, 1, 1), known.shape)
    for transform in recipe.train_transform, recipe.test_transform:
        seen = transform(flat, np.random.default_rng(0))
        size = architectures.MODELS[recipe.model].input_shape[1:]
        assert seen.shape == (known.shape[0], *size)
    if name == "resnet20_cifar10":
        np.testing.assert_allclose(seen, 0, atol=1e-6)
        dark = recipe.test_transform(np.zeros(known.shape, np.uint8))[:, 0, 0]
        np.testing.assert_allclose(dark, -np.array(known.mean) / known.std, rtol=1e-5)


def test_a_folders_pictures_come_to_the_size_of_the_recipes_data():
    recipe = named("resnet20_cifar10").on("some/folder")
    seen = recipe.test_transform(np.full((3, 90, 140), 128, np.uint8))
    assert seen.shape == (3, 32, 32)
    np.testing.assert_allclose(seen[:, 5, 5], (128 / 255 - np.array([0.4914, 0.4822, 0.4465])) / (0.2470, 0.2435, 0.2616),
                               rtol=1e-5)
    assert named("resnet50_imagenet").on("some/folder").prepare == named("resnet50_imagenet").prepare


def test_inputs_of_a_papers_own_stay_as_they_are_on_other_data():
    assert named("lenet5_1998_mnist").on("fashion-mnist").normalize == Normalize(0.1 / 1.275, 1 / 1.275)


def test_the_published_network_sees_paper_as_minus_0_1_and_ink_as_1_175():
    """Section II.B."""
    black_and_white = np.zeros((1, 1, 28, 28), np.uint8)
    black_and_white[..., 10] = 255
    seen = named("lenet5_1998_mnist").test_transform(black_and_white)
    np.testing.assert_allclose(np.unique(seen), [-0.1, 1.175], atol=1e-6)


def test_what_is_shifted_in_has_the_mean_colour():
    """He et al. 2015, section 4.2: the mean is subtracted, then 4 pixels are padded on each side."""
    white = np.full((64, 3, 32, 32), 255, np.uint8)
    seen = named("resnet20_cifar10").train_transform(white, np.random.default_rng(0))
    assert (seen == 0).any() and len(np.unique(seen[:, 0])) == 2


# ---- schedules


def rates(recipe):
    """The learning rate of every epoch, as the optimizer has it at its first update."""
    optimizer = recipe.optimizer_for(nn.Linear(1, 1))
    scheduler = recipe.scheduler_for(optimizer, 3)
    found = []
    for update in range(3 * recipe.epochs):
        if update % 3 == 0:
            found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return found


# The rate of an epoch, counted from 0, as the paper or its code says it.
PUBLISHED = {
    # "0.005 for 2 epochs, 0.0002 for 3, 0.00005 for 4, then 0.00001: 20 epochs"
    "lenet5_courses": lambda e: 0.005 if e < 2 else 0.0002 if e < 5 else 0.00005 if e < 9 else 0.00001,
    # its train.lua counts epochs from 1: `epoch >= 122 and 2 or epoch >= 81 and 1 or 0` is the power of 0.1
    "resnet20_torch": lambda e: 0.1 * 0.1 ** (2 if e + 1 >= 122 else 1 if e + 1 >= 81 else 0),
    # "dropped by 0.2 at 60, 120 and 160 epochs and we train for total 200 epochs"
    "wrn_28_10_cifar10": lambda e: 0.1 * 0.2 ** ((e >= 60) + (e >= 120) + (e >= 160)),
    # "divided by 10 at 50% and 75% of the total number of training epochs", 300
    "densenet40_12_cifar10": lambda e: 0.1 / 10 ** ((e >= 0.5 * 300) + (e >= 0.75 * 300)),
    "resnext29_8x64d_cifar10": lambda e: 0.1 / 10 ** ((e >= 0.5 * 300) + (e >= 0.75 * 300)),
    # a tenth whenever the remaining epochs have halved
    "fractalnet20_cifar10": lambda e: 0.02 / 10 ** min(3, int(math.log2(400 / (400 - e)))),
    # "cosine (single period)" from 0.025 over 600 epochs
    "nasnet_a_cifar10": lambda e: 0.025 / 2 * (1 + math.cos(math.pi * e / 600)),
    # 3 epochs of linear warm-up; 0.97 every 2.4 epochs, in steps
    "amoebanet_a_cifar10": lambda e: 0.015 * (e / 3 if e < 3 else 0.97 ** int(e / 2.4)),
    # 4 % less every 8 epochs
    "googlenet_imagenet": lambda e: 0.01 * 0.96 ** (e // 8),
    # 0.94 "every two epochs"
    "inception_v4_imagenet": lambda e: 0.045 * 0.94 ** (e // 2),
    # "reduced by a factor of 10 every 30 epochs"
    "se_resnet50_imagenet": lambda e: 0.6 / 10 ** (e // 30),
    "resnext50_32x4d_imagenet": lambda e: 0.1 / 10 ** (e // 30),
    "densenet121_imagenet": lambda e: 0.1 / 10 ** ((e >= 30) + (e >= 60)),
    # "learning rate decay rate of 0.98 per epoch"
    "mobilenet_v2_imagenet": lambda e: 0.045 * 0.98 ** e,
    # 0.016 for every 256 images of 2048; 5 epochs of warm-up; 0.97 every 2.4 epochs, in steps
    "efficientnet_b0_imagenet": lambda e: 0.016 * 2048 / 256 * (e / 5 if e < 5 else 0.97 ** int(e / 2.4)),
    "nasnet_a_mobile_imagenet": lambda e: 0.04 * 50 * 0.97 ** int(e / 2.4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_rate_of_every_epoch_is_the_published_one(name):
    recipe = named(name)
    wanted = [PUBLISHED[name](epoch) for epoch in range(recipe.epochs)]
    np.testing.assert_allclose(rates(recipe), wanted, rtol=1e-9)


# The rate before and after these updates, where a paper counts updates: batches of an epoch, and a recipe.
UPDATES = [
    ("resnet20_cifar10", 50_000 / 128, {0: 0.1, 31_000: 0.1, 33_000: 0.01, 47_000: 0.01, 49_000: 0.001, 63_000: 0.001}),
    ("resnet110_cifar10", 50_000 / 128, {0: 0.01, 390: 0.01, 410: 0.1, 31_000: 0.1, 33_000: 0.01, 49_000: 0.001}),
    ("alexnet_bvlc", 1_281_167 / 256, {0: 1e-2, 99_000: 1e-2, 101_000: 1e-3, 301_000: 1e-5, 399_000: 1e-5, 401_000: 1e-6}),
    ("googlenet_bvlc", 1_281_167 / 32, {0: 0.01, 600_000: 0.01 * 0.75 ** 0.5, 1_200_000: 0.01 * 0.5 ** 0.5}),
    ("shufflenet_v1_imagenet", 1_281_167 / 1024, {0: 0.5, 150_000: 0.25, 299_000: 0.5 / 300}),
]


@pytest.mark.parametrize("name, batches, wanted", UPDATES, ids=[name for name, *_ in UPDATES])
def test_the_rate_after_so_many_updates_is_the_published_one(name, batches, wanted):
    """Epochs are whole, so that a training can be a little longer than the paper's."""
    recipe = named(name)
    for update, rate in wanted.items():
        assert recipe.lr * recipe.factor(update / batches) == pytest.approx(rate, rel=0.002, abs=0.002 * recipe.lr)


def test_a_training_has_about_as_many_updates_as_published():
    """64,000 for ResNet on CIFAR-10; 450,000, 370,000, 2,400,000, 600,000, 300,000, 250,000 on ImageNet."""
    for name, images, updates in [("resnet20_cifar10", 50_000, 64e3), ("alexnet_bvlc", 1_281_167, 450e3),
                                  ("vgg16_imagenet", 1_281_167, 370e3), ("googlenet_bvlc", 1_281_167, 2.4e6),
                                  ("resnet50_imagenet", 1_281_167, 600e3), ("shufflenet_v2_imagenet", 1_281_167, 300e3),
                                  ("nasnet_a_mobile_imagenet", 1_281_167, 250e3)]:
        assert named(name).epochs * images / named(name).batch_size == pytest.approx(updates, rel=0.005), name


def test_the_cosine_falls_from_the_rate_to_nothing():
    """Loshchilov & Hutter 2017, equation 5, without restarts."""
    recipe = named("lenet5_mnist")
    epochs = np.arange(recipe.epochs)
    np.testing.assert_allclose(rates(recipe), recipe.lr / 2 * (1 + np.cos(np.pi * epochs / recipe.epochs)))
    assert recipe.factor(recipe.epochs) == 0


def test_schedules_say_what_they_do():
    assert Stages(((2, 0.01), (80.5, 0.1), (4, 0.02))).words(0.2) == "0.02 for 2 epochs, 0.2 for 80.5, 0.04 for 4"
    assert WarmUp(5, Decay(0.97, 2.4)).words(1) == "up from 0 for 5 epochs, then times 0.97 every 2.4 epochs"
    assert Decay(0.98).words(1) == "times 0.98 every epoch"
    assert (Polynomial(1).words(1), Polynomial(0.5).words(1)) == ("linear, down to 0", "down to 0 as (1 - time)^0.5")


@pytest.mark.parity
@pytest.mark.parametrize("schedule, name, options", [
    (Stages(((4, 0.1), (3, 0.01), (5, 0.001))), "MultiStepLR", {"milestones": [4, 7]}),
    (Decay(0.9), "ExponentialLR", {"gamma": 0.9}),
    (Decay(0.8, 3), "StepLR", {"step_size": 3, "gamma": 0.8}),
    (Polynomial(1), "PolynomialLR", {"total_iters": 12}),
    (Polynomial(0.5), "PolynomialLR", {"total_iters": 12, "power": 0.5}),
    (recipes.Cosine(), "CosineAnnealingLR", {"T_max": 12}),
    (recipes.Constant(), "ConstantLR", {"factor": 1.0})], ids=str)
def test_a_schedule_is_pytorchs(schedule, name, options):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    for epoch in range(12):
        assert 0.1 * schedule.share(epoch, 12) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step(), theirs.step()


# ---- a result


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
