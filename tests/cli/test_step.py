"""minidl step: a network is recorded, and stepped through, drawn, or written to files."""
import io
import json

import pytest

from minidl import trace
from minidl.cli import main


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


def test_images_of_a_data_set(capsys, tmp_path):
    args = "step", "lenet5", "--data", "digits", "--index", "5", "--batch", "3", "--out", str(tmp_path / "t.json")
    assert main(list(args)) == 0
    t = trace.load(tmp_path / "t.json")
    assert t["x"].value.shape[0] == 3 and t["target"].value.shape == (3,)


@pytest.mark.parametrize("args, says", [
    (["lenet55"], "minidl: there is no network 'lenet55'"),
    (["lenet5", "--html", "page.txt"], "minidl: step: page.txt should end in .html, which is what is written"),
    (["lenet5", "--index", "3"], "minidl: step: --index is of an image of a data set, which --data names"),
    (["lenet5", "--out", "t.txt"], "minidl: t.txt: a trace is written to a file that ends in .json"),
    (["lenet5", "--script", "/nowhere"], "minidl: /nowhere: No such file or directory"),
    (["lenet5", "--data", "digits", "--index", "4000"], "minidl: step: digits has 450 test images"),
])
def test_what_is_wrong_is_one_line(args, says, capsys):
    assert main(["step", *args]) == 2
    said = capsys.readouterr().err
    assert said.startswith(says) and said.count("\n") == 1
