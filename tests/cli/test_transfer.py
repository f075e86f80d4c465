"""minidl train --from, --freeze, --lr-decay, and minidl evaluate of several networks and crops."""
import json
import re
import shutil

import numpy as np
import pytest

from minidl.cli import main
from minidl.train import read_checkpoint

TINY = ["train", "lenet5", "--data", "mnist", "--batch-size", "32"]


@pytest.fixture
def run(capsys):
    """Run a command line that must be all right; what it prints."""
    def run(*args):
        assert main(list(map(str, args))) == 0
        return capsys.readouterr().out
    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def first(tmp_path, run, kept):
    """The folder of a training of one epoch, which is done once."""
    if not kept.exists():
        run(*TINY, "--epochs", 1, "--out", kept)
    return shutil.copytree(kept, tmp_path / "first")


@pytest.fixture
def fewer_classes(monkeypatch):
    """Makes a data set of MNIST's first seven digits, under the name of Fashion-MNIST."""
    from minidl.utils.data import datasets
    load = datasets.load

    def loads(name, train=True, transform=None):
        if name != "fashion-mnist":
            return load(name, train, transform)
        images = load("mnist", train, transform)
        few = images.labels < 7
        images.images, images.labels, images.classes = images.images[few], images.labels[few], images.classes[:7]
        return images
    monkeypatch.setattr(datasets, "load", loads)


def numbers(folder):
    return {name: x.numpy() for name, x in read_checkpoint(folder / "checkpoint.safetensors")["model"].items()}


def test_a_head_for_other_classes_is_drawn_anew_and_the_frozen_body_stays(tmp_path, run, first, fewer_classes):
    text = run("train", "lenet5", "--data", "fashion-mnist", "--from", first, "--freeze", "body", "--epochs", 2, "--out",
               tmp_path / "second")
    assert "recipe     lenet5_mnist (" in text                                       # which is the first training's
    assert f"\nfrom       {first}, but for output.weight, output.bias, which are drawn anew\n" in text
    assert f"\nfrozen     body; {7 * 85} of the parameters are trained\n" in text
    before, after = numbers(first), numbers(tmp_path / "second")
    assert after["output.weight"].shape == (7, 84)
    assert all([np.array_equal(after[name], before[name]) for name in before if not name.startswith("output.")])
    assert "right" in run("evaluate", tmp_path / "second")


def test_a_stopped_transfer_goes_on_bit_for_bit_without_the_weights_that_it_began_with(tmp_path, run, first):
    how = [*TINY, "--from", first / "model.safetensors", "--new-head", "--freeze", "c1", "--freeze", "c3", "--lr-decay", 0.5]
    straight = run(*how, "--epochs", 2, "--out", tmp_path / "straight")
    assert "but for output.weight, output.bias, which" in straight and "frozen     c1, c3; " in straight
    assert "\nrates      output 0.05, f6 0.025, c5 0.0125\n" in straight
    from minidl.cli.training import begin, run_of
    half = run_of(json.loads((tmp_path / "straight" / "settings.json").read_text()), tmp_path / "stopped")
    begin(half)
    steps = half.train(2)
    for _ in range(3):
        next(steps)
    half.save()
    (first / "model.safetensors").unlink()
    text = run("train", "--resume", "--out", tmp_path / "stopped")
    assert "resumed after 3 updates" in text and f"from       {first / 'model.safetensors'}, but for" in text
    stopped = tmp_path / "stopped" / "checkpoint.safetensors"
    assert stopped.read_bytes() == (tmp_path / "straight" / "checkpoint.safetensors").read_bytes()
    changed = {name for name, x in numbers(tmp_path / "stopped").items() if not np.array_equal(x, numbers(first)[name])}
    assert changed == {f"{layer}.{kind}" for layer in ("c5", "f6", "output") for kind in ("weight", "bias")}


def test_an_average_of_weights_begins_with_those_of_the_other_training(tmp_path, first, monkeypatch):
    from dataclasses import replace

    from architectures import recipes
    from minidl.cli.training import begin, run_of, settings_for
    monkeypatch.setattr(recipes, "RECIPES", (replace(recipes.LENET5_MNIST, average=0.9),))
    begin(run_of(settings_for("lenet5", "mnist", pretrained=str(first)), tmp_path / "second"))
    content = read_checkpoint(tmp_path / "second" / "checkpoint.safetensors")
    np.testing.assert_array_equal(content["average"]["module.c1.weight"].numpy(), numbers(first)["c1.weight"])


@pytest.mark.parametrize("args, said", [
    (["--from", "nowhere.pth"], "nowhere.pth: there is no such file"),
    (["--new-head"], "--new-head: the head is new anyway without --from"),
    (["--freeze", "c2"], "--freeze c2: LeNet5 has no submodule 'c2'.*holds c1, c3, c5, f6, output; and there is body"),
    (["--freeze", "body", "--freeze", "output"], "then nothing is left to train in lenet5"),
    (["--lr-decay", "2"], "--lr-decay"),
])
def test_what_cannot_be_transferred_is_one_line(tmp_path, monkeypatch, capsys, args, said):
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, *args, "--out", "run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and re.search(said, lines[0]) and not (tmp_path / "run").exists()


def test_weights_of_another_network_are_one_line(tmp_path, first, capsys):
    out = tmp_path / "second"
    assert main(["train", "keras_mnist_cnn", "--from", str(first), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"{first}: the weights do not fit KerasMnistCnn, of which only the head may differ" in said
    assert not out.exists()


# ---- ensembles


def test_evaluate_of_several_prints_the_errors_of_each_and_of_their_mean(tmp_path, run, first, monkeypatch):
    """The mean, from the probabilities that the networks give by themselves."""
    run(*TINY, "--epochs", 1, "--seed", 1, "--batch-size", 24, "--out", tmp_path / "second")
    from minidl.cli.evaluate import images_of, predicted
    probabilities, labels, rows = [], None, []
    for folder in first, tmp_path / "second":
        settings = read_checkpoint(folder / "checkpoint.safetensors")["settings"]
        pairs = predicted(folder / "checkpoint.safetensors", settings, images_of(settings), 1)
        scores = np.concatenate([s.numpy() for s, _ in pairs])
        labels = np.concatenate([y.numpy() for _, y in pairs])
        probabilities.append(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))
    for p in [*probabilities, np.mean(probabilities, 0)]:
        order = np.argsort(-p, 1)
        errors = [np.mean([y not in row[:k] for y, row in zip(labels, order)]) for k in (1, 5)]
        rows.append([f"{-np.log(p[np.arange(len(p)), labels]).mean():.4f}", *[f"{error:.2%}" for error in errors]])
    text = run("evaluate", first, tmp_path / "second")
    assert text.startswith("on 50 images of mnist:")
    printed = [line.split()[-3:] for line in text.splitlines() if "%" in line]
    assert printed == rows and "the mean of the 2" in text and str(first) in text


@pytest.mark.parametrize("crops", [5, 10])
def test_crops_are_those_of_training_at_the_corners_and_in_the_middle(run, first, crops):
    """The recipe pads by a pixel and crops 32x32 of that."""
    from minidl.cli.training import data_of, loader_of, model_of
    from minidl.train import load_weights, predictions
    from minidl.utils.data.transforms import Compose, Normalize, Pad, ToFloat
    settings = read_checkpoint(first / "checkpoint.safetensors")["settings"]
    model = model_of(settings, data_of(settings)[0])
    load_weights(first / "checkpoint.safetensors", model)
    probabilities = []
    for right, bottom in ((0, 0), (2, 0), (0, 2), (2, 2), (1, 1)):
        corner = Pad((3 - right, 3 - bottom, 1 + right, 1 + bottom))                 # of 28x28 by 2, and by 1 more
        _, test = data_of(settings, Compose([ToFloat(), corner, Normalize(0.1307, 0.3081)]))
        for mirrored in (False, True)[:crops // 5]:
            batches = [(x.flip(3) if mirrored else x, y) for x, y in loader_of(settings, test)]
            pairs = list(predictions(model, batches))
            scores, labels = (np.concatenate([part.numpy() for part in column]) for column in zip(*pairs))
            probabilities.append(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))
    p = np.mean(probabilities, 0)
    loss, right = -np.log(p[np.arange(50), labels]).mean(), (p.argmax(1) == labels).mean()
    text = run("evaluate", first, "--crops", crops)
    assert f"on 50 images of mnist, {crops} crops of each: loss {loss:.4f}, {right:.2%} right" in text


@pytest.mark.parametrize("args, said", [
    (["--crops", "3"], "evaluate --crops: there can be 5 or 10, not 3"),
    (["other"], "is of a training with hold_out 0, other of one with 30; --data names test images for all"),
])
def test_an_ensemble_that_cannot_be_is_one_line(tmp_path, first, run, capsys, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    run(*TINY, "--epochs", 1, "--hold-out", 30, "--out", "other")
    assert main(["evaluate", str(first), *args]) == 2
    assert said in capsys.readouterr().err


def test_a_recipe_without_random_crops_has_none_to_average_over():
    from minidl.cli.evaluate import over_crops
    from minidl.cli.training import settings_for
    with pytest.raises(ValueError, match="the recipe lenet5_digits takes no random crops"):
        over_crops(None, settings_for("lenet5", "digits"), 10)
