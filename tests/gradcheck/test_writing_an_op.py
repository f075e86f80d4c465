"""The page about writing one's own op does what it says."""
import re
from pathlib import Path

import numpy as np
import pytest

import minidl

PAGE = Path(minidl.__file__).parents[1] / "docs" / "writing_an_op.md"


@pytest.fixture(scope="module")
def page():
    """The page's names, after its code ran from top to bottom, and what each block printed."""
    names, printed = {"__name__": "page"}, []
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        lines = []
        names["print"] = lambda *values, lines=lines: lines.append(" ".join(map(str, values)))
        exec(compile(block, str(PAGE), "exec"), names)
        printed.append("\n".join(lines))
    return names, printed


def test_both_ops_pass_to_second_order(page):
    _, printed = page
    assert all("pass" in text and "    2  input 0 (3, 4)" in text for text in (printed[1], printed[3]))


def test_the_wrong_rule_is_caught(page):
    _, printed = page
    assert "input 0 (3, 4) is wrong" in printed[2]


def test_elementary_mode_shows_the_definition(page):
    _, printed = page
    assert "Rsqrt()" in printed[4] and "RMSNorm" not in printed[4]


def test_the_ops_compute_what_their_formulas_say(page):
    names, _ = page
    x, w = np.array([[3.0, -4.0]]), np.array([2.0, 1.0])
    np.testing.assert_allclose(names["softsign"](minidl.tensor(x)).numpy(), [[0.75, -0.8]])
    np.testing.assert_allclose(names["rms_norm"](minidl.tensor(x), minidl.tensor(w), 0.0).numpy(),
                               [[6 / 12.5 ** 0.5, -4 / 12.5 ** 0.5]])
