"""The stepper that fills the terminal, driven by its pilot: keys move, panes show what the line stepper says."""
import asyncio
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from minidl import trace
from minidl.trace.exercises import exercise

pytest.importorskip("textual", reason="an extra: pip install 'minidl[tui]'")
from minidl.trace.tui import NEGATIVE, POSITIVE, ZERO, StepperApp, colour, picture


def driven(t, *keys, size=(120, 40)):
    """The app, after keys were pressed, as it is in the end."""
    async def drive():
        app = StepperApp(t)
        async with app.run_test(size=size) as pilot:
            for key in keys:
                await pilot.press(key)
            await pilot.pause()
            panes = {name: str(app.query_one(f"#{name}").render()) for name in
                     ("text", "formula", "entries", "said", "faults")}
            return panes | {
                "title": app.query_one("#moment").border_title, "at": app.stepper.cursor.at,
                "lit": app.query_one("#graph").highlighted, "nodes": app.query_one("#graph").option_count,
                "answered": app.query_one("#answer").has_class("used"),
                "alarmed": app.query_one("#faults").has_class("any")}
    return asyncio.run(drive())


def test_arrows_step_and_the_graph_follows():
    t = exercise(3).trace
    assert driven(t)["title"] == f"[1/{len(t.moments)}] forward: Conv2d #0"
    seen = driven(t, "right", "right", "left")
    assert (seen["at"], seen["lit"], seen["nodes"]) == (1, 1, len(t))
    assert driven(t, "G")["at"] == len(t.moments) - 1
    assert driven(t, "G", "g", "N")["at"] == 1


def test_the_panes_show_the_rule_and_the_ledger():
    t = exercise(3).trace
    enter = next(i for i, m in enumerate(t.moments) if m.kind == "enter" and m.node.kind == "BatchNorm")
    seen = driven(t, "colon", *"go", "space", *str(enter + 1), "enter")
    assert "backward: BatchNorm #1" in seen["title"]
    assert "x̂" in seen["formula"] and "Add #3" in seen["entries"] and "Conv2d #2" in seen["entries"]


def test_a_command_of_the_line_stepper_is_answered_and_escape_puts_it_away():
    t = exercise(3).trace
    seen = driven(t, "colon", *"check", "enter")
    assert seen["answered"] and "finite differences" in seen["said"]
    seen = driven(t, "colon", *"dance", "enter")
    assert seen["said"] == "? there is no command 'dance'; help lists them"
    assert not driven(t, "c", "escape")["answered"]


def test_into_a_definition_the_graph_is_that_of_the_definition():
    t = exercise(3).trace
    seen = driven(t, "right", "i")
    assert "in BatchNorm #1]" in seen["title"] and seen["nodes"] > 10
    assert driven(t, "right", "i", "o")["nodes"] == len(t)


def test_faults_and_errors_raise_an_alarm():
    assert not driven(exercise(3).trace)["alarmed"]
    seen = driven(exercise(1).trace)
    assert seen["alarmed"] and "ledger: BatchNorm #1" in seen["faults"]
    seen = driven(trace.record(lambda x: 1 / 0, np.ones(3)), "right")
    assert seen["alarmed"] and "ZeroDivisionError" in seen["faults"] and seen["text"] == "nothing was recorded"


def test_it_fits_a_small_terminal_and_numbers_that_are_none():
    narrow, wide = driven(exercise(3).trace, "right", size=(80, 24)), driven(exercise(3).trace, "right")
    assert narrow["at"] == wide["at"] == 1 and "x̂" in narrow["text"] and "x̂" not in wide["text"]
    t = trace.record(lambda x: (x.log() * x).sum(), np.full((2, 3), np.nan))
    assert driven(t, "G")["at"] == len(t.moments) - 1


@pytest.mark.slow
def test_it_runs_in_a_terminal():
    """tmux is one; `apt install tmux`."""
    def tmux(*args):
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        return subprocess.run(["tmux", "-L", "minidl", *args], capture_output=True, text=True, check=True, env=env).stdout

    def waits_for(text):
        for _ in range(600):
            if text in (screen := tmux("capture-pane", "-p")):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} does not appear in\n{screen}")
    tmux("new-session", "-d", "-x", "150", "-y", "40",
         f"{sys.executable} -m minidl exercise 3; sleep 60")
    try:
        waits_for("forward: Conv2d #0")
        tmux("send-keys", "Right")
        for what in "forward: BatchNorm #1", "graph", "rule", "ledger", "next op", "x̂", "MaxPool2d":
            waits_for(what)
        tmux("send-keys", ":")
        waits_for(" / command")                  # what the keys do when the command line has the focus
        tmux("send-keys", "until crossentropy", "Enter")
        waits_for("forward: CrossEntropy")
    finally:
        tmux("kill-server")


def test_colours_say_how_large_and_of_which_sign():
    def rgb(text):
        return [int(text[i:i + 2], 16) for i in (1, 3, 5)]
    assert rgb(colour(0.0, 2.0)) == rgb(colour(0.0, 0.0)) == list(ZERO)
    assert rgb(colour(2.0, 2.0)) == list(POSITIVE) and rgb(colour(-5.0, 2.0)) == list(NEGATIVE)


def test_a_picture_has_a_half_block_for_every_two_rows_of_every_channel():
    t = trace.record(lambda x: (x * 2).sum(), np.ones((2, 2, 5, 4)))
    lines = picture(t["Mul"].value).plain.strip().splitlines()
    assert lines[0] == "±2, the first image, channel by channel"
    assert [line.count("▀") for line in lines[1:]] == [2 * (8 + 1)] * 5
    assert picture(t["Sum"].value).plain == ""
