"""Whatever a person gets wrong is one line on stderr and exit status 2."""
import os
import subprocess
import sys

import pytest

from minidl.cli import main
from minidl.interop import save

TINY = ["train", "lenet5", "--data", "mnist", "--batch-size", "64", "--epochs", "1"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capsys):
    """Run a command line that must fail; the one line it prints on stderr, without `minidl: `."""
    def refused(*args, status=2):
        assert main(list(map(str, args))) == status
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("minidl: ")
        return lines[0].removeprefix("minidl: ")
    return refused


def in_a_shell(*args):
    return subprocess.run([sys.executable, "-m", "minidl", *args], capture_output=True, text=True)


@pytest.fixture
def trained(tmp_path_factory, capsys):
    """The folder of a training of one epoch."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*TINY, "--out", str(folder)]) == 0
    capsys.readouterr()
    return folder


@pytest.mark.parametrize("args, said", [
    (["trane"], "No such command 'trane'"),
    (["train"], "which network"),
    (["train", "lenet5", "--epoch", "3"], "--epochs"),
    (["train", "lenet5", "--epochs", "0"], "--epochs"),
    (["train", "lenet5", "--epochs", "many"], "--epochs"),
    (["train", "lenet5", "--batch-size", "-1"], "--batch-size"),
    (["train", "lenet5", "--lr", "-0.1"], "--lr"),
    (["train", "lenet5", "--lr", "nan"], "--lr"),
    (["train", "lenet5", "--lr", "inf"], "lr is a number of at least 0, not inf"),
    (["train", "lenet5", "--momentum", "2"], "--momentum"),
    (["train", "lenet5", "--weight-decay", "-1"], "--weight-decay"),
    (["train", "lenet5", "--hold-out", "1347"], "1,347 held out leave none to train on"),
    (["train", "nin"], "no recipe for nin; --recipe names another network's"),
    (["train", "nin", "--data", "mnist"], "no recipe for nin"),
    (["train", "resnet50"], "resnet50_imagenet is for ImageNet, which minidl does not fetch; --data FOLDER"),
    (["train", "unet"], "unet_masks is for pictures with a class for every pixel"),
    (["train", "nin", "--recipe", "unet_masks", "--data", "mnist"], "unet_masks is for pictures with a class for"),
    (["recipes", "resnet21"], "no recipe 'resnet21', did you mean resnet"),
    (["train", "lenet6"], "no network 'lenet6', did you mean lenet5"),
    (["bench", "network"], "No such command 'network'"),
    (["bench", "networks", "lenet6"], "did you mean lenet5"),
    (["bench", "networks", "resnet110"], "resnet110:8"),
    (["bench", "networks", "lenet5:0"], "the batch is no number of at least 1"),
    (["bench", "networks", "--threads", "100000"], "more than the"),
    (["bench", "conv", "--rounds", "0"], "--rounds"),
    (["bench", "curves", "vgg16"], "no curves for vgg16, only for lenet5, resnet20"),
    (["bench", "conv", "--seconds", "nan"], "--seconds"),
    (["summary"], "of which network"),
    (["summary", "lenet5", "--stages", "--algorithms"], "--algorithms is for layers"),
    (["draw", "resnot"], "there is no network 'resnot'"),
    (["draw", "lenet5", "--out", "picture.png"], "picture.png should end in .svg"),
    (["lineage", "--out", "lineage.pdf"], "lineage.pdf should end in .svg or .png"),
    (["draw", "lenet5", "--size", "3"], "smaller than the kernel"),
    (["summary", "lenet5", "--compare", "vgg11", "vgg13"], "of which network"),
    (["summary", "--compare", "vgg11", "vgg12"], "no network 'vgg12', did you mean vgg1"),
    (["summary", "resnot"], "there is no network 'resnot'"),
    (["gradcheck", "lenet"], "did you mean lenet5"),
    (["gradcheck", "lenet5", "--mutants"], "--mutants"),
    (["train", "lenet5", "--data", "mnits"], "mnits"),
    (["data", "fetch", "mnits"], "no data set 'mnits', did you mean mnist"),
    (["data", "show", "mnits"], "did you mean mnist"),
    (["train", "lenet5", "--recipe", "lenet5_digit"], "no recipe 'lenet5_digit'"),
    (["train", "lenet5", "--optimizer", "adamm"], "no optimizer 'adamm', did you mean Adam"),
    (["train", "lenet5", "--optimizer", "adam", "--momentum", "0.5"], "Adam has no momentum"),
    (["train", "--resume"], "--out"),
    (["train", "--resume", "--out", "nowhere"], "there is no such file"),
    (["evaluate", "nowhere"], "there is no such file"),
    (["summary", "lenet5", "--size", "3"], "smaller than the kernel"),
])
def test_a_wrong_command_is_one_line(refused, args, said):
    assert said in refused(*args)
    assert not os.listdir()


@pytest.mark.parametrize("content, said", [
    (b"", "no safetensors file, or a part of one is missing"),
    (b"PK\3\4", "minidl.interop.torch.load"),
    (b"epoch,loss\n", "no safetensors file"),
])
@pytest.mark.parametrize("args", [["evaluate", "run"], ["train", "--resume", "--out", "run"]])
def test_a_file_that_is_no_checkpoint_is_one_line(refused, tmp_path, content, said, args):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(content)
    assert said in refused(*args)


def test_a_truncated_and_a_damaged_checkpoint_are_one_line(refused, tmp_path, trained):
    content = bytearray((trained / "checkpoint.safetensors").read_bytes())
    (tmp_path / "half").write_bytes(content[:len(content) // 2])
    assert "a part of one is missing" in refused("evaluate", "half")
    content[-5] ^= 64
    (tmp_path / "flipped").write_bytes(content)
    assert "is damaged: its checksum" in refused("evaluate", "flipped")


def test_weights_alone_are_no_checkpoint(refused, trained):
    assert "is no checkpoint of minidl's training" in refused("evaluate", trained / "model.safetensors")


def test_a_checkpoint_of_another_network_is_one_line(refused, tmp_path, trained):
    from minidl.train import read_checkpoint
    content = read_checkpoint(trained / "checkpoint.safetensors")
    save(content | {"model": {"c1.weight": content["model"]["c1.weight"]}}, tmp_path / "other")
    assert "the model in it is another one" in refused("evaluate", "other")


def test_a_training_is_not_resumed_with_other_settings(refused, trained):
    said = refused("train", "--resume", "--out", trained, "--lr", "0.5", "--momentum", "0.1")
    assert "is of a training with" in said and "this one has" in said and "lr 0.5" in said


def test_a_folder_that_holds_a_training_is_not_overwritten(refused, trained):
    assert "--resume" in refused(*TINY, "--out", trained)


def test_data_that_does_not_fit_the_network_is_one_line(refused):
    said = refused("train", "keras_mnist_cnn", "--recipe", "lenet5_mnist", "--out", "x")
    assert "(64, 1024)" in said and "(64, 576)" in said and "in dense1 of KerasMnistCnn" in said


def test_an_out_that_cannot_be_written_is_one_line(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused(*TINY, "--out", "file/run")


def test_a_full_disk_is_one_line_and_says_what_is_whole(refused, monkeypatch, tmp_path):
    import errno
    fsync, calls = os.fsync, []

    def nearly_full(file):
        calls.append(file)
        if len(calls) > 2:                                 # settings.json and the first checkpoint find room
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)
    monkeypatch.setattr(os, "fsync", nearly_full)
    said = refused(*TINY, "--out", "run")
    assert "no space is left on the disk" in said and "after 0 updates, 0 whole epochs) is whole" in said
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "run"]) == 0


def test_a_loss_that_explodes_is_one_line_and_the_op_can_be_found(refused):
    result = in_a_shell(*TINY, "--lr", "1e38", "--epochs", "50", "--out", "run")
    said = result.stderr
    assert result.returncode == 2 and said.startswith("minidl: the loss is ") and said.count("\n") == 1
    assert "epoch 1, batch 2 of 2, learning rate 9.9" in said
    assert "(after 0 updates, 0 whole epochs) is whole" in said
    assert "minidl train --resume --out run --detect-anomaly" in said
    named = refused("train", "--resume", "--out", "run", "--detect-anomaly")
    assert "(" in named and "values" in named              # which op, how many of its values


def test_a_mistake_of_minidl_is_one_line_too_and_debug_shows_it(refused, monkeypatch):
    import architectures

    def broken(name):
        raise KeyError("surprise")
    monkeypatch.setattr(architectures, "find", broken)
    assert "a mistake in minidl, --debug shows where" in refused("summary", "lenet5", status=1)
    with pytest.raises(KeyError):
        main(["--debug", "summary", "lenet5"])


def test_python_m_minidl_is_the_command_and_its_status_reaches_the_shell():
    result = in_a_shell("summary", "lenet")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("minidl: there is no network 'lenet'") and result.stderr.count("\n") == 1
