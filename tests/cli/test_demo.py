"""The demo and its page."""
import re
from html.parser import HTMLParser

import pytest

from minidl.cli import main


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a demo, and what it printed."""
    import contextlib
    import io
    out, text = tmp_path_factory.mktemp("demo") / "out", io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main(["demo", "--out", str(out)]) == 0
    return out, text.getvalue()


def page(out):
    return (out / "index.html").read_text()


def test_the_demo_learns_to_read(shown):
    last = re.findall(r"test loss [\d.]+, ([\d.]+)% right", shown[1])[-1]
    assert float(last) > 96


def test_the_last_line_names_the_page(shown):
    out, text = shown
    assert text.splitlines()[-1].endswith(str((out / "index.html").resolve()))


def test_the_gradient_of_the_trained_network_is_checked(shown):
    out, text = shown
    assert text.count(" pass") == 11 and "every one is right" in text
    assert page(out).count("✓") == 11 and "All 11 agree" in page(out)


def test_the_numbers_of_the_page_are_those_of_the_training(shown):
    out, text = shown
    right = re.findall(r"test loss [\d.]+, ([\d.]+)% right", text)[-1]
    count = round(float(right) * 4.5)
    assert f"reads {count / 4.5:.1f}% of 450" in page(out)
    table = page(out).split("class=confusion>")[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(\d*)</td>", row) for row in table.split("<tr>")[2:]]
    numbers = [[int(n or 0) for n in row] for row in rows]
    assert sum(map(sum, numbers)) == 450 and sum(numbers[i][i] for i in range(10)) == count
    shown_wrong = page(out).count("read as <b>")
    assert shown_wrong == min(450 - count, 12)


class Strict(HTMLParser):
    """Collects what a page loads, and whether every tag is closed in order."""
    ALONE = {"meta", "img", "br", "line", "circle", "polyline"}

    def __init__(self):
        super().__init__()
        self.open, self.loads = [], []

    def handle_starttag(self, tag, attributes):
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(shown):
    parser = Strict()
    parser.feed(page(shown[0]))
    assert parser.open == [] and parser.loads
    assert all(link.startswith("data:image/png;base64,") for link in parser.loads)
    assert "url(" not in page(shown[0]) and "$" not in page(shown[0])
    assert len(page(shown[0])) < 200_000


def test_the_demo_can_be_repeated_and_its_network_evaluated(shown, capsys):
    out, _ = shown
    assert main(["evaluate", str(out)]) == 0
    assert "450 images of digits" in capsys.readouterr().out


def test_a_page_of_a_network_that_makes_no_mistake_can_be_written():
    import numpy as np

    from minidl.cli.page import confusion_table, curve, how_many, misread, most_confused
    rows = [{"train_top1": 0.5, "test_top1": 0.6}, {"train_top1": 1.0, "test_top1": 1.0}]
    assert ">0</text>" in curve(rows) and "nan" not in curve(rows) and "nan" not in curve(rows[1:])
    assert most_confused(np.eye(3, dtype=int), "abc") == "Nothing was read wrongly."
    mixed_up = np.array([[9, 2, 0], [0, 9, 0], [1, 2, 9]])
    assert most_confused(mixed_up, "abc") == "Most often: a read as b, c read as b, 2 times each."
    assert how_many(0) == "No digit was misread" and how_many(1) == "One digit was misread"
    scores = np.eye(3, dtype="f")
    assert misread(np.zeros((3, 1, 4, 4)), np.arange(3), scores, [], "abc") == ""
    assert confusion_table(np.eye(3, dtype=int), "abc").count("<td></td>") == 6
