"""minidl exercise: stories, hints, answers, and the stepper on a backward pass that is wrong."""
import io

import pytest

from minidl.cli import main
from minidl.trace.exercises import STORIES


def test_without_a_number_all_are_listed(capsys):
    assert main(["exercise"]) == 0
    said = capsys.readouterr().out
    assert all([f"{n}  {story}" in said for n, story in STORIES.items()])


def test_hints_and_answers(capsys):
    assert main(["exercise", "4", "--hint", "3"]) == 0
    assert "winners" in capsys.readouterr().out
    assert main(["exercise", "4", "--answer", "relu"]) == 1
    assert capsys.readouterr().out.startswith("No, relu does what it should")
    assert main(["exercise", "4", "--answer", "maxpool2d"]) == 0
    assert capsys.readouterr().out.startswith("Yes: wrong pooling.")


def test_it_is_stepped_through_from_a_pipe_and_from_a_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\nq\n"))
    assert main(["exercise", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(STORIES[2]) and "! late: " not in said and "[2/" in said          # that would tell
    (tmp_path / "commands").write_text("until crossentropy\ncheck\nfaults\n")
    assert main(["exercise", "7", "--script", str(tmp_path / "commands")]) == 0
    assert "(step) check" in capsys.readouterr().out


@pytest.mark.parametrize("args, says", [
    (["10"], "minidl: there are exercises 1 to 9, and no exercise 10"),
    (["1", "--hint", "9"], "minidl: there are hints 1 to 3, and no hint 9"),
    (["1", "--answer", "x"], "minidl: there is no node 'x'; an answer is a number, as #3, or one of "),
    (["1", "--script", "/nowhere"], "minidl: /nowhere: No such file or directory"),
])
def test_what_is_wrong_is_one_line(args, says, capsys):
    assert main(["exercise", *args]) == 2
    said = capsys.readouterr().err
    assert said.startswith(says) and said.count("\n") == 1
