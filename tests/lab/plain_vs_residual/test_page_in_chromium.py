"""The page in a real browser, offline: pictures are drawn, the text is what the sentences say, and it asks for nothing."""

import pytest

from minidl.lab.plain_vs_residual import pool, story, study
from minidl.lab.plain_vs_residual.store import Store
from minidl.lab.plain_vs_residual.study import Grid, Trainings

pytestmark = pytest.mark.slow
GRID = Grid("mlp", layers=(8, 20), width=32, nets=2, batch=16)
SHORT = Trainings("mlp", (8, 14), 8, 1, 2, {"none": (0.01,), "batch": (0.1,)})


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_shows_what_was_measured_and_needs_nothing_else(browser, tmp_path, monkeypatch, width):
    monkeypatch.setattr(pool, "computed", lambda tasks, processes: ((task, task.run()) for task in tasks))
    _, path = study.plain_vs_residual(tmp_path, GRID, SHORT, 1)
    said, asked = [], []
    page = browser.new_context(viewport={"width": width, "height": 800}, offline=True).new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 500)") == [True] * 8
    assert all(page.evaluate("[...document.images].map(i => i.alt.length > 10)"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width         # only the table scrolls sideways
    sentences = [item.inner_text() for item in page.locator("li").all()]
    rows = study.rows_of(GRID, Store(tmp_path / "results"), 1, lambda text: None)
    runs = study.runs_of(SHORT, Store(tmp_path / "results"), 1, lambda text: None)
    expected = [*[one for of_title in story.four_stories(rows).values() for one in of_title], *story.weights(rows),
                *story.comparisons(runs), *story.trainings(runs), *story.healthy(runs), *story.evening(runs),
                *story.lesions(runs)]
    assert sentences[:len(expected)] == expected and len(sentences) == len(expected) + 8
    cells = page.locator("table tr").all()
    assert len(cells) == 1 + len(rows)
    assert cells[1].locator("td").all_inner_texts()[:3] == ["no norm", "plain-8", "He"]
    assert "$" not in page.inner_text("body")
    assert said == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []
