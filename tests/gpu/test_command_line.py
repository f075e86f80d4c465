"""minidl train, evaluate and demo with --device cuda, and what they say where that cannot be."""
import gc
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from minidl.cli import main
from minidl.interop import load
from minidl.train import read_checkpoint
from tests.small_mnist import write_mnist

TINY = ["train", "lenet5", "--data", "mnist", "--batch-size", "8"]


@pytest.fixture(autouse=True)
def small_mnist(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder, train=32, test=10)
    monkeypatch.setenv("MINIDL_DATA", str(folder))


def run(*args):
    assert main(list(map(str, args))) == 0


def rows(out):
    return read_checkpoint(out / "checkpoint.safetensors")["history"]["rows"]


def test_a_training_on_the_gpu_is_one_on_the_cpu(gpu, tmp_path, capsys):
    run(*TINY, "--epochs", 1, "--device", "cuda", "--out", tmp_path / "there")
    assert "\ndevice     cuda\n" in capsys.readouterr().out
    run(*TINY, "--epochs", 1, "--out", tmp_path / "here")
    assert "\ndevice" not in capsys.readouterr().out
    there, here = rows(tmp_path / "there")[0], rows(tmp_path / "here")[0]
    assert there == pytest.approx(here, rel=1e-4)
    weights = [load(out / "model.safetensors")["c3.weight"].numpy() for out in (tmp_path / "there", tmp_path / "here")]
    np.testing.assert_allclose(*weights, rtol=1e-3, atol=1e-5)
    for device in ("cuda", "cpu"):
        run("evaluate", tmp_path / "there", "--device", device)
        assert f"loss {there['test_loss']:.4f}, {there['test_top1']:.2%} right" in capsys.readouterr().out


def test_a_training_is_resumed_where_it_was_or_elsewhere(gpu, tmp_path, capsys):
    out, other = tmp_path / "run", tmp_path / "other"
    run(*TINY, "--epochs", 1, "--device", "cuda", "--out", out)
    run("train", "--resume", "--epochs", 2, "--out", out)
    assert "\ndevice     cuda\n" in capsys.readouterr().out
    run("train", "--resume", "--epochs", 3, "--device", "cpu", "--out", out)
    assert "\ndevice     cpu\n" in capsys.readouterr().out
    run(*TINY, "--epochs", 1, "--out", other)
    for epochs in (2, 3):
        run("train", "--resume", "--epochs", epochs, "--out", other)
    assert rows(out)[2] == pytest.approx(rows(other)[2], rel=1e-3)


def test_it_begins_with_the_weights_of_another_training(gpu, tmp_path, capsys):
    run(*TINY, "--epochs", 1, "--out", tmp_path / "first")
    run(*TINY, "--epochs", 1, "--device", "cuda", "--from", tmp_path / "first", "--freeze", "body",
        "--out", tmp_path / "second")
    first, second = (load(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert first["c1.weight"].tolist() == second["c1.weight"].tolist()
    assert first["output.weight"].tolist() != second["output.weight"].tolist()


def test_the_demo_is_trained_there_and_drawn_here(gpu, tmp_path, capsys, monkeypatch):
    from minidl.cli import training
    settings_for = training.settings_for
    monkeypatch.setattr(training, "settings_for", lambda model, data, device: settings_for(
        model, "mnist", epochs=1, batch_size=16, device=device))
    run("demo", "--device", "cuda", "--out", tmp_path)
    said = capsys.readouterr().out
    assert "\ndevice     cuda\n" in said and "every one is right" in said and (tmp_path / "index.html").exists()


def test_another_device_is_refused(gpu, tmp_path, capsys):
    for device in ("meta", "tpu"):
        assert main([*TINY, "--device", device, "--out", str(tmp_path / "run")]) == 2
        assert capsys.readouterr().err == f"minidl: --device {device}: there are cpu and cuda\n"


@pytest.fixture
def little_memory(gpu):
    """A GPU in whose memory a training step of LeNet-5 with 32 images has no room: it takes 3.9 MiB."""
    import cupy
    gc.collect()
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(pool.used_bytes() + 3 * 2 ** 20)
    yield
    pool.set_limit(0)


def test_where_memory_runs_out_it_says_which_batch_would_fit(little_memory, tmp_path, capsys):
    args = ["train", "lenet5", "--data", "mnist", "--batch-size", "32", "--epochs", "1", "--device", "cuda", "--out"]
    assert main([*args, str(tmp_path / "large")]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"minidl: \w+\(.*\).*: the GPU's memory is full: [\d,]+ \w+ more were wanted, and of \d MiB [\d,]+ "
                        r"\w+ are free; --batch-size 16 would fit, and with --accumulate 2 an update is of as many "
                        r"images\n", said), said
    gc.collect()
    args[5:6] = ["16", "--accumulate", "2"]
    run(*args, tmp_path / "small")


def minidl(before, *args):
    code = f"import sys; {before}; from minidl.cli import main; sys.exit(main({list(map(str, args))!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_without_cupy_it_says_how_to_install_it(tmp_path):
    status, said = minidl("sys.modules['cupy'] = None", *TINY, "--device", "cuda", "--out", tmp_path)
    assert status == 2 and said.count("\n") == 1
    assert said.startswith("minidl: device 'cuda' needs CuPy (") and "pip install 'minidl[gpu13]'" in said


def test_without_a_driver_it_says_so(tmp_path):
    asked = [sys.executable, "-c", "import cupy; print(cupy.cuda.is_available())"]      # not this process: it has the double
    found = subprocess.run(asked, capture_output=True, text=True)
    if found.stdout != "False\n":
        pytest.skip("there is a GPU" if found.stdout else "CuPy is not installed")
    status, said = minidl("pass", *TINY, "--device", "cuda", "--out", tmp_path)
    assert status == 2 and said.count("\n") == 1
    assert said.startswith("minidl: device 'cuda' needs an NVIDIA GPU and its driver, and CuPy finds none (cuda")


def test_settings_on_the_cpu_say_nothing_of_a_device(tmp_path):
    run(*TINY, "--epochs", 1, "--out", tmp_path / "run")
    assert "device" not in json.loads((tmp_path / "run" / "settings.json").read_text())
