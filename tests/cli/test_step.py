"""minidl step: a network is recorded, and stepped through, drawn, or written to files."""
import io
import json
import zlib
from base64 import b64decode

import numpy as np
import pytest

import minidl
from minidl import trace
from minidl.cli import main
from minidl.utils.data import datasets


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with minidl.use_kernels("reference"):
        yield


def content(path):
    data = zlib.decompress(b64decode(path.read_text().split('id="minidl-trace">')[1].split("</script>")[0]))
    end = 4 + int.from_bytes(data[:4], "little")
    return json.loads(data[4:end]), data[end:]


def test_it_writes_a_page_about_random_images_from_a_seed(tmp_path, capsys):
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        assert main(["step", "lenet5", "--batch", "3", "--seed", str(seed), "--html", f"{name}.html"]) == 0
    assert "lenet5: 13 ops, 61 moments\n  in a.html\n" in capsys.readouterr().out
    a, b, c = [(tmp_path / f"{name}.html").read_bytes() for name in "abc"]
    assert a == b != c
    page, _ = content(tmp_path / "a.html")
    assert page["title"] == "lenet5" and page["nodes"][0][2] == "c1" and not page["error"] and not page["faults"]
    assert page["snapshots"][page["leaves"][0][2]][0] == [3, 1, 32, 32]


def test_it_takes_images_of_a_data_set_as_the_recipe_prepares_them(tmp_path):
    assert main(["step", "lenet5", "--data", "mnist", "--index", "4", "--html", "page.html"]) == 0
    page, numbers = content(tmp_path / "page.html")
    (name, kind, index), *_ = page["leaves"]
    shape, *_, starts, sizes, offset, scale, part = page["snapshots"][index]
    assert (name, kind, shape[0]) == ("x", "input", 2)
    labels = next(leaf[2] for leaf in page["leaves"] if leaf[0] == "target")
    offset = page["snapshots"][labels][7]
    test = datasets.load("mnist", train=False)
    np.testing.assert_array_equal(np.frombuffer(numbers, np.float32, 2, offset), [test[4][1], test[5][1]])


def test_lines_come_from_a_pipe(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("until tanh\nq\n"))
    assert main(["step", "lenet5"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("lenet5: 13 ops forward, 61 moments in all") and "forward: Tanh #1" in said


def test_a_file_of_commands_gives_the_same_output_every_time(capsys, tmp_path):
    script = tmp_path / "commands.txt"
    script.write_text("backward c3   # a module\npixel 1 2 3 4\nledger\n")
    outputs = []
    for _ in range(2):
        assert main(["step", "lenet5", "--script", str(script)]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and "(step) pixel 1 2 3 4" in outputs[0] and "ledger of Conv2d #3" in outputs[0]


def test_everything_that_can_be_written_is(capsys, tmp_path):
    where = [str(tmp_path / name) for name in ("p.html", "pictures", "t.json")]
    assert main(["step", "lenet5", "--batch", "1", "--html", where[0], "--pictures", where[1], "--out", where[2]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "lenet5: 13 ops, 61 moments" and len(said) == 1 + 1 + 6 + 1
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")
    assert len(trace.load(tmp_path / "t.json")) == 13 == len(json.loads((tmp_path / "t.json").read_text())["nodes"])


@pytest.mark.parametrize("args, said", [
    (["lenet"], "there is no network 'lenet', did you mean lenet5"),
    (["lenet5", "--out", "t.txt"], "t.txt: a trace is written to a file that ends in .json"),
    (["lenet5", "--script", "/nowhere"], "/nowhere: No such file or directory"),
    (["lenet5", "--html", "page.txt"], "page.txt should end in .html"),
    (["lenet5", "--index", "3", "--html", "page.html"], "--index is of an image of a data set"),
    (["lenet5", "--data", "mnist", "--index", "49", "--html", "page.html"], "50 test images; 2 from number 49 on are more"),
    (["lenet5", "--data", "mnst", "--html", "page.html"], "mnst"),
    (["lenet5", "--batch", "0", "--html", "page.html"], "--batch"),
])
def test_what_is_wrong_is_one_line(args, said, capsys, tmp_path):
    args = ["--html", "page.html", *args] if args == ["lenet"] else args
    assert main(["step", *args]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minidl: ") and error.count("\n") == 1 and said in error
    assert not list(tmp_path.glob("*.html"))
