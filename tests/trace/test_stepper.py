"""The line stepper: a file of commands gives the output that is written down, and no command can break it."""
import io
import re
from pathlib import Path

import numpy as np
import pytest

from minidl import trace
from minidl.trace.exercises import exercise
from minidl.trace.stepper import SHORT, Stepper

SESSIONS = Path(__file__).with_name("sessions")


def program(x, w, b):
    y = (x @ w + b).relu()
    return (y * (y + 1)).sum()


def stepper(t=None):
    if t is None:
        t = trace.record(program, np.array([[1.0, -2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [0.0, 1.0]]),
                         np.array([1.0, -1.0]))
    return Stepper(t, io.StringIO(), io.StringIO())


def says(one, *commands):
    """What it answers to the last of the commands."""
    for command in commands:
        one.stdout = io.StringIO()
        one.onecmd(command)
    return one.stdout.getvalue()


def test_a_session_is_as_it_is_written_down():
    """Numbers by hand: x w + b is [[2, -1], [4, 9]], y is [[2, 0], [4, 9]], the loss 6 + 0 + 20 + 90; 2 y + 1 flows back."""
    one = stepper()
    one.run_script(SESSIONS / "small.txt")
    said = re.sub(r"\S*test_stepper.py:\d+", "test_stepper.py", one.stdout.getvalue())
    assert said == (SESSIONS / "small.out").read_text()


def test_next_and_previous_and_short_forms():
    one = stepper()
    here = says(one, "where")
    assert says(one, "n", "p") == says(one, "next", "previous") == here
    assert says(one, "") == says(one, "p", "n")
    assert says(one, "g last", "n") == "there is nothing further on\n"
    assert set(SHORT.values()) <= {name[3:].replace("_", "-") for name in dir(one) if name.startswith("do_")}


def test_into_a_definition_and_out_again():
    one = stepper(exercise(3).trace)
    before = says(one, "backward bn")
    inside = says(one, "into")
    assert inside.startswith("BatchNorm #1: ") and "in BatchNorm #1]" in inside
    assert says(one, "into").startswith("? ") and "elementary" in says(one, "into")
    assert says(one, "out") == before
    assert says(one, "out") == "? this is the outermost trace\n"


def test_it_stops_at_breakpoints_and_says_which_there_are():
    one = stepper()
    assert says(one, "break") == "no breakpoints\n"
    assert says(one, "break relu", "break w") == "stops at relu, w\n"
    assert "forward: ReLU" in says(one, "go first", "continue")
    assert "backward: ReLU" in says(one, "c") and says(one, "c", "c").startswith("[24/25] gradient of w")
    assert says(one, "break -") == "no breakpoints\n"


def test_a_watched_value_is_shown_with_the_gradient_so_far():
    one = stepper()
    says(one, "watch w")
    assert "gradient so far" in says(one, "go 1") and says(one, "go 1").rstrip().endswith(" 0")
    last = says(one, "go last").rstrip().splitlines()[-1].split()
    assert last[0] == "w" and float(last[2]) == pytest.approx(np.linalg.norm([[32, 57], [26, 76]]), rel=1e-3)
    assert says(one, "watch") == "\n  nothing is watched\n"


def test_the_views_of_a_convolution():
    one = stepper(exercise(3).trace)
    says(one, "forward conv")
    pixel = says(one, "pixel 1 2 0 3")
    value = one.trace["Conv2d"].value.numbers[1, 2, 0, 3]
    assert "output pixel [1,2,0,3]" in pixel and f"forward computed {value:.4g}" in pixel
    assert "input pixel [1,0,2,2]" in says(one, "pxg 1 0 2 2")
    assert "the patches of image 0 as columns are (9, 16)" in says(one, "columns")
    assert says(one, "pixel 9 0 0 0").startswith("? ") and says(one, "pixel 0 0").startswith("? pixel N F I J: 4 whole")


@pytest.mark.parametrize("command, says_so", [
    ("dance", "? there is no command 'dance'; help lists them"),
    ("go 999", "? there are moments 1 to "),
    ("go there", "? go: 'there' is no whole number"),
    ("until", "? stop at what?"),
    ("backward nobody", "? there is no node, module or leaf 'nobody'; `list` shows what there is"),
    ("rule x", "? x is a leaf, which was not computed: there is no rule to look at"),
    ("jacobian nobody", "? MatMul #0 has no input 'nobody'; it has a, b"),
    ("diff /nowhere.json", "? /nowhere.json: there is no such file"),
    ("save t.txt", "? t.txt: a trace is written to a file that ends in .json"),
    ("help dance", "? there is no command 'dance'"),
])
def test_a_wrong_command_is_answered_with_one_line(command, says_so):
    said = says(stepper(), command)
    assert said.startswith(says_so) and said.count("\n") == 1


def test_every_command_explains_itself():
    one = stepper()
    text = says(one, "help")
    for name in dir(one):
        if name.startswith("do_") and name != "do_EOF":
            usage, _, what = getattr(one, name).__doc__.partition(": ")
            assert what and usage in text and says(one, f"help {name[3:]}").count("\n") == 1


def test_save_and_diff(tmp_path):
    one = stepper()
    assert says(one, f"save {tmp_path}/t.json") == f"written to {tmp_path}/t.json\n"
    assert says(one, f"diff {tmp_path}/t.json").startswith("no difference")


def test_what_stopped_the_recording_is_said_first():
    one = stepper(trace.record(lambda x, w: x @ w + x, np.ones((3, 4)), np.ones((4, 2))))
    assert "stopped by an error: ValueError: Add():" in one.opening()
    assert says(one, "n").startswith("[2/2] ") and "failed" in says(one, "l")
    nothing = stepper(trace.record(lambda x: 1 / 0, np.ones(3)))
    assert nothing.opening().endswith("nothing was recorded") and says(nothing, "n") == "? nothing was recorded\n"


def test_faults_are_said_first():
    one = stepper(exercise(1).trace)
    assert "! ledger: BatchNorm #1: was given a gradient of norm" in one.opening()
    assert says(one, "faults").startswith("! ledger")


def test_it_reads_commands_and_ends_with_q(capsys):
    one = Stepper(stepper().trace, io.StringIO("n\nq\nnever read\n"))
    one.run()
    said = capsys.readouterr().out
    assert said.count("(step) ") == 2 and "[2/" in said
