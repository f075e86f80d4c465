"""What the commands do when all is well."""
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minidl.cli import main
from minidl.interop import load
from minidl.train import read_checkpoint

TINY = ["train", "lenet5", "--data", "mnist", "--batch-size", "32"]


def minidl(*args, **how):
    return subprocess.run([sys.executable, "-m", "minidl", *map(str, args)], capture_output=True, text=True, **how)


def test_help_answers_without_loading_what_only_training_needs():
    code = ("import sys, minidl.cli; status = minidl.cli.main(['--help']);"
            "heavy = {'numba', 'matplotlib', 'scipy', 'architectures', 'safetensors', 'minidl.train', 'torch'};"
            "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else status)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for command in ("demo", "train", "evaluate", "gradcheck", "models", "lineage", "recipes", "summary", "draw", "bench",
                    "data"):
        assert f"\n  {command} " in result.stdout


def test_train_shows_its_settings_and_leaves_everything_in_the_folder(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*TINY, "--epochs", "2", "--lr", "0.02", "--momentum", "0.8", "--seed", "7", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "lenet5, 61,706 parameters" in text and "120 images to train on, 50 to test" in text
    assert "learning rate 0.02, momentum 0.8" in text and "\nseed       7" in text
    assert text.count("\nepoch ") == 2 and "epoch 2/2" in text
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["lr"], settings["seed"], settings["optimizer_options"]["momentum"]) == (0.02, 7, 0.8)
    assert sorted(os.listdir(out)) == ["checkpoint.safetensors", "history.csv", "history.png", "model.safetensors",
                                       "settings.json"]
    assert len((out / "history.csv").read_text().splitlines()) == 3
    assert load(out / "model.safetensors")["c1.weight"].shape == (6, 1, 5, 5)


def test_evaluate_finds_what_the_last_epoch_found(tmp_path, capsys):
    out = tmp_path / "run"
    main([*TINY, "--epochs", "1", "--out", str(out)])
    row = read_checkpoint(out / "checkpoint.safetensors")["history"]["rows"][-1]
    capsys.readouterr()
    for path in (out, out / "checkpoint.safetensors"):
        assert main(["evaluate", str(path)]) == 0
        text = capsys.readouterr().out
        assert f"loss {row['test_loss']:.4f}, {row['test_top1']:.2%} right" in text and "50 images of mnist" in text


def test_held_out_images_are_neither_trained_on_nor_test_images(tmp_path, capsys):
    main([*TINY, "--epochs", "1", "--hold-out", "30", "--out", str(tmp_path / "run")])
    text = capsys.readouterr().out
    assert "90 images to train on, 30 held out" in text and "held out loss" in text
    from minidl.cli.training import data_of, settings_for
    train, held_out = data_of(settings_for("lenet5", "digits", hold_out=300))
    assert len(np.intersect1d(train.indices, held_out.indices)) == 0
    assert sorted([*train.indices, *held_out.indices]) == list(range(1347))
    counts = np.bincount(held_out.dataset.labels[held_out.indices])
    assert counts.min() >= 28 and counts.max() <= 31                        # each digit has its share


def test_ctrl_c_saves_and_the_resumed_training_ends_as_one_without_a_stop(tmp_path):
    how = [*TINY, "--epochs", "9", "--seed", "3"]
    process = subprocess.Popen([sys.executable, "-m", "minidl", *how, "--out", "run"], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = []
    while not (said and said[-1].startswith("epoch 2/9")):
        said.append(process.stdout.readline())
        assert said[-1], process.communicate()[1]
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=60)
    assert process.returncode == 130 and error == ""
    assert rest.splitlines()[-1].endswith("go on with: minidl train --resume --out run")
    stopped = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")["history"]
    assert 2 <= len(stopped["rows"]) < 9

    resumed = minidl("train", "--resume", "--out", "run", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert f"resumed after {stopped['updates']:,} updates" in resumed.stdout
    straight = minidl(*how, "--out", "straight", cwd=tmp_path)
    assert straight.returncode == 0, straight.stderr
    for file in ("history.csv", "model.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "straight" / file).read_bytes(), file


def test_a_recipe_can_ask_for_short_gradients_and_averaged_weights(tmp_path, capsys, monkeypatch):
    from dataclasses import replace

    from architectures import recipes
    recipe = replace(recipes.LENET5_MNIST, max_norm=0.5, average=0.9)
    monkeypatch.setattr(recipes, "RECIPES", (recipe,))
    assert main([*TINY, "--epochs", "2", "--out", str(tmp_path)]) == 0
    assert "gradients of at most 0.5, weights averaged with 0.9" in capsys.readouterr().out
    content = read_checkpoint(tmp_path / "checkpoint.safetensors")
    kept = load(tmp_path / "model.safetensors")["output.bias"].numpy()
    np.testing.assert_array_equal(kept, content["average"]["module.output.bias"].numpy())
    assert not np.array_equal(kept, content["model"]["output.bias"].numpy())
    main(["evaluate", str(tmp_path)])
    assert f"loss {content['history']['rows'][-1]['test_loss']:.4f}" in capsys.readouterr().out


def test_a_finished_training_can_be_made_longer(tmp_path, capsys):
    out = str(tmp_path / "run")
    main([*TINY, "--epochs", "1", "--out", out])
    assert main(["train", "--resume", "--out", out, "--epochs", "2"]) == 0
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 3
    assert main(["train", "lenet5", "--data", "mnist", "--resume", "--out", out]) == 0     # nothing is left to do
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 3


def test_summary_prints_the_table_and_the_totals(capsys):
    assert main(["summary", "lenet5"]) == 0
    text = capsys.readouterr().out
    assert "61,706 parameters" in text and "416,520 MACs" in text and "Gradient-based learning" in text
    assert next(line for line in text.splitlines() if " c3 " in f" {line} ").split() == [
        "c3", "Conv2d", "16x10x10", "2,416", "240,000", "14x14", "6.2", "KiB", "4.6", "KiB", "14.0", "KiB"]
    assert main(["summary", "lenet5", "--algorithms"]) == 0
    assert "c3 Conv2d 16x10x10 2,416 240,000 14x14 58.6 KiB" in " ".join(capsys.readouterr().out.split())


def cells(text):
    """The lines of a table, without spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_summary_of_stages_has_a_line_for_each_size(capsys):
    assert main(["summary", "vgg16", "--stages"]) == 0
    lines = cells(capsys.readouterr().out)
    assert "features.4 to features.8 128x112x112 221,440 2,774,532,096 14x14 27.6 MiB 18.4 MiB 34.5 MiB" in lines
    assert len([line for line in lines if line.startswith("features")]) == 6


def test_summary_compares_two_networks_side_by_side(capsys):
    """Parameters and multiply-adds as published; receptive fields as in Araujo et al. 2019."""
    assert main(["summary", "--compare", "vgg16", "resnet50", "--batch-size", "8"]) == 0
    lines = cells(capsys.readouterr().out)
    for line in ("vgg16 resnet50 factor", "parameters 138,357,544 25,557,032 0.185",
                 "MACs 15,470,264,320 3,857,973,248 0.249", "the last map sees 212x212 483x483",
                 "at 224x224: parameters 38,720", "full layers: parameters 123,642,856 2,049,000 0.0166"):
        assert line in lines
    assert any(line.startswith("training step, batch of 8 ") for line in lines)


def test_draw_prints_a_picture_or_writes_one(tmp_path, capsys):
    assert main(["draw", "resnet50"]) == 0
    text = capsys.readouterr().out
    assert "│ Bottleneck b ×5     1024x14x14 │" in text and "\x1b" not in text
    out = tmp_path / "new" / "picture.svg"
    assert main(["draw", "resnet18", "--size", "64", "--out", str(out)]) == 0
    assert out.read_text().startswith("<svg") and "image 3x64x64" in out.read_text()
    assert os.listdir(out.parent) == ["picture.svg"]


@pytest.mark.parametrize("columns", [130, 60, 30])
def test_draw_on_a_terminal_uses_its_width(capsys, monkeypatch, columns):
    """A box of the network is 34 wide; a figure of its blocks has room beside it, below it, or none."""
    from rich.console import Console

    import architectures
    from minidl.cli.draw import show
    from minidl.drawing import draw
    monkeypatch.setattr("rich.console.Console", lambda **how: Console(force_terminal=True, width=columns, **how))
    drawing = draw(architectures.build("resnet20"), (3, 32, 32), "resnet20")
    show(drawing)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= columns and (lines[0].rstrip() != "resnet20") == (columns == 130)
    missing = drawing.picture(columns).width - columns
    said = f"cut off on the right, where {missing} columns are missing" in " ".join(" ".join(lines).split())
    assert said == (missing > 0) == (columns == 30)


def test_models_lists_every_network_with_its_paper_and_cost(capsys):
    from architectures import MODELS
    assert main(["models"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()[1:]}
    assert MODELS.keys() <= rows.keys()
    assert rows["lenet5"].split()[-5:] == ["recognition", "61,706", "417", "k", "1x32x32"]
    assert rows["vgg16"].split()[1:3] + rows["vgg16"].split()[-4:] == [
        "2014", "Simonyan,", "138,357,544", "15.5", "G", "3x224x224"]
    years = [int(rows[name].split()[1]) for name in rows if name in MODELS]
    assert years == sorted(years) and len(years) == len(MODELS)


def test_recipes_lists_every_recipe(capsys):
    from architectures.recipes import RECIPES
    assert main(["recipes"]) == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.split()[1:]}
    assert sorted(rows.keys() - {"on"}) == sorted([recipe.name for recipe in RECIPES])
    assert rows["densenet40_12_cifar10"] == ("densenet40_12_cifar10 300 64 SGD 0.1 0.1 for 150 epochs, 0.01 for 75, "
                                             "0.001 for 75 Huang et al. 2016, section 4.2")


def test_recipes_says_all_about_one_or_about_those_of_a_network(capsys):
    assert main(["recipes", "nasnet_a_mobile_imagenet"]) == 0
    text = capsys.readouterr().out
    for line in (
            "network    nasnet_a_mobile, aux True",
            "epochs     312, in batches of 1600",
            "optimizer  RMSpropTF, learning rate 2, alpha 0.9, momentum 0.9, eps 1.0, weight decay 4e-05 but for biases "
            "and norms, gradients of at most 10",
            "schedule   times 0.97 every 2.4 epochs",
            "loss       cross-entropy, labels smoothed by 0.1, plus 0.4 of each auxiliary classifier's"):
        assert line in text.splitlines()
    assert "then RandomHorizontalFlip(), then Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)); in testing " in text
    assert main(["recipes", "wrn_28_10"]) == 0
    text = capsys.readouterr().out
    assert text.count("\nrecipe     wrn_28_10_") == 2 and text.count("\n\n") == 1
    assert "RandomCrop(32, padding=4, padding_mode='reflect'), then RandomHorizontalFlip()\n" in text


def test_a_papers_recipe_trains_on_any_folder_of_pictures(tmp_path, capsys):
    """Three classes, pictures of three sizes: the network gets as many outputs, the recipe crops what it needs."""
    from PIL import Image
    rng = np.random.default_rng(0)
    for part, n in ("train", 3), ("test", 1):
        for label in range(3):
            (tmp_path / "pictures" / part / f"class{label}").mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (50 + 10 * i, 60, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pictures" / part / f"class{label}" / f"{i}.png")
    data, out = str(tmp_path / "pictures"), tmp_path / "run"
    assert main(["train", "shufflenet_v2", "--recipe", "shufflenet_v2_imagenet", "--data", data, "--epochs", "1",
                 "--batch-size", "5", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "9 images to train on, 3 to test" in text and "RandomResizedCrop(224), then ColorJitter(0.4, 0.4, 0.4)" in text
    assert "recipe     shufflenet_v2_imagenet (" in text and "fitted to these images" not in text
    assert load(out / "model.safetensors")["fc.bias"].shape == (3,)
    assert json.loads((out / "settings.json").read_text())["lr"] == 0.5
    assert main(["evaluate", str(out)]) == 0 and "on 3 images of" in capsys.readouterr().out


def test_a_network_trains_on_data_that_it_has_no_recipe_for(tmp_path, capsys):
    """CIFAR-10's, fitted to grey images of 28x28; what is evaluated later is seen as in training."""
    out = str(tmp_path / "run")
    assert main(["train", "resnet20", "--data", "mnist", "--epochs", "1", "--out", out]) == 0
    text = capsys.readouterr().out
    assert "Normalize(0.1307, 0.3081), then Resize((32, 32)), then RandomCrop(32, padding=4)" in text
    assert "; it is for cifar10, and fitted to these images\n" in text
    assert load(tmp_path / "run" / "model.safetensors")["conv1.weight"].shape == (16, 1, 3, 3)
    row = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")["history"]["rows"][-1]
    for args in [], ["--data", "mnist"]:
        assert main(["evaluate", out, *args]) == 0
        assert f"loss {row['test_loss']:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 160])
def test_a_table_with_a_column_that_is_cut_has_one_line_for_a_row(width, monkeypatch, capsys):
    from rich.console import Console

    from minidl.cli import tables
    monkeypatch.setattr(tables, "Console", lambda **how: Console(force_terminal=True, width=width, _environ={}, **how))
    tables.print_table(["network", "paper", "MACs"], [["a" * 23, "He, Zhang, " * 20, "3.86 G"]] * 3, cut=["paper"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "a" * 23 in line]
    assert len(lines) == 3 and all([len(line) <= width and "He, Zh" in line and "…" in line for line in lines])
    assert all([line.rstrip().endswith("3.86 G") for line in lines])


@pytest.mark.parametrize("n, text", [(416_520, "417 k"), (3_857_973_248, "3.86 G"), (999_600, "1 M"), (512, "512")])
def test_costs_are_rounded_as_papers_print_them(n, text):
    from minidl.cli.models import rounded
    assert rounded(n) == text


def test_gradcheck_of_a_network_prints_a_verdict_for_every_parameter(capsys):
    assert main(["gradcheck", "lenet5"]) == 0
    text = capsys.readouterr().out
    assert text.count(" pass") == 11 and "every gradient is right" in text


def test_gradcheck_of_a_wrong_gradient_says_so_and_fails(capsys, monkeypatch):
    from minidl.ops.arithmetic import Tanh
    rule = Tanh.backward
    monkeypatch.setattr(Tanh, "backward", lambda self, gy, y, x: 1.01 * rule(self, gy, y, x))
    assert main(["gradcheck", "lenet5"]) == 1
    assert "WRONG" in capsys.readouterr().out


def test_gradcheck_of_all_ops_prints_a_row_for_each(capsys):
    assert main(["gradcheck"]) == 0
    text = capsys.readouterr().out
    assert "every gradient is right" in text
    for op in ("Conv2d", "MaxPool2d", "BatchNorm", "LocalResponseNorm", "MatMul"):
        assert any(line.split()[:1] == [op] for line in text.splitlines()), op


def test_gradcheck_mutants_prints_how_many_were_killed(capsys, monkeypatch):
    import minidl.gradcheck
    check = minidl.gradcheck.check_mutants
    monkeypatch.setattr(minidl.gradcheck, "check_mutants", lambda: check(["Tanh", "Mul"]))
    assert main(["gradcheck", "--mutants"]) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[0] == "killed" and last[1] == last[3] and int(last[1]) > 20


def test_gradcheck_mutants_names_a_survivor_and_fails(capsys, monkeypatch):
    import minidl.gradcheck
    check = minidl.gradcheck.check_mutants
    monkeypatch.setattr(minidl.gradcheck, "check_mutants",
                        lambda: [row._replace(killed_by=None) for row in list(check(["Tanh"]))[:1]])
    assert main(["gradcheck", "--mutants"]) == 1
    assert "survived: Tanh, input 0" in capsys.readouterr().out


def test_gradcheck_source_prints_how_many_were_killed(capsys, monkeypatch):
    import minidl.gradcheck
    from minidl.gradcheck.source import Row
    rows = [Row("f, line 1", "+ -> -", "a call", None, 0.1), Row("f, line 2", "0 -> 1", None, "only room", 0.1)]
    monkeypatch.setattr(minidl.gradcheck, "check_source", lambda: rows)
    assert main(["gradcheck", "--source"]) == 0
    assert capsys.readouterr().out == "killed 1 of 1; 1 exempt: only room\n"
    rows[1] = rows[1]._replace(exempt=None)
    assert main(["gradcheck", "--source"]) == 1
    assert capsys.readouterr().out == "survived: f, line 2: 0 -> 1\nkilled 1 of 2\n"


def test_data_list_names_every_set_and_where_it_is(capsys):
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    for name in ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100"):
        assert f" {name} " in text


def test_data_show_draws_a_picture(tmp_path, capsys):
    assert main(["data", "show", "digits", "--test", "--out", str(tmp_path / "a" / "digits.png")]) == 0
    assert (tmp_path / "a" / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert "450 images" in capsys.readouterr().out


def test_data_fetch_of_what_is_there_says_so(capsys):
    assert main(["data", "fetch", "digits"]) == 0
    assert "comes with minidl" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [False, True])
def test_training_is_shown_by_a_bar_on_a_terminal_and_by_lines_elsewhere(terminal):
    from io import StringIO

    from rich.console import Console

    from minidl.train import TrainStep, watched
    console = Console(file=StringIO(), force_terminal=terminal, width=100, _environ={})
    steps = [TrainStep(epoch, batch, 0.5, 32, 20, 0.1, batch == 2) for epoch in range(2) for batch in range(3)]
    seen = []
    for step in watched(iter(steps), [1, 2, 3], 2, console=console, every=-1):
        seen.append(step)
        time.sleep(0.12 if terminal else 0)                          # the bar is drawn ten times a second
    assert seen == steps
    text = console.file.getvalue()
    assert "epoch 2/2" in text and "loss 0.5" in text and "images/s" in text and "left" in text
    assert ("\x1b[" in text) == terminal
    if not terminal:
        lines = text.splitlines()
        assert len(lines) == 6 and lines[4].startswith("epoch 2/2  batch 2/3  loss 0.5000")
        assert lines[5].endswith("0:00 left")
