"""The page in a real browser: it draws what was measured, redraws when a knob is turned, and says what is wrong."""
import json
import threading
import urllib.error
import urllib.request

import pytest

from minidl.lab.explore.knobs import Knobs
from minidl.lab.explore.look import look, sentences
from minidl.lab.explore.server import POLICY, server


@pytest.fixture(scope="module")
def address():
    with server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


# ---- the server


def ask(url, **headers):
    """Status, headers and content of a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_server_answers_with_what_a_look_sees(address):
    status, headers, content = ask(f"{address}profile?depth=6&norm=batch&seed=3")
    seen, expected = json.loads(content), look(Knobs(depth=6, norm="batch", seed=3)).as_dict()
    assert status == 200 and headers["Content-Security-Policy"] == POLICY
    assert {**seen, "seconds": 0} == {**expected, "seconds": 0}


@pytest.mark.parametrize("query, said", [
    ("depth=0", "explore: depth is 0; 1 to 400 is wanted"), ("depth=", "explore: depth is ''; a whole number is wanted"),
    ("gain=-3", "init -3.0 is no variance"), ("colour=red", "explore: there is no knob 'colour'"),
    ("shortcut_scale=inf", "explore: shortcut_scale is 'inf'; a finite number is wanted")])
def test_what_cannot_be_built_is_one_sentence(address, query, said):
    status, _, content = ask(f"{address}profile?{query}")
    assert status == 400 and said in json.loads(content)["error"]


def test_only_this_machine_is_served_and_only_the_page(address):
    assert server().server_address[0] == "127.0.0.1"
    assert ask(address, Host="elsewhere.example")[0] == 403
    assert ask(f"{address}knobs.py")[0] == 404 and ask(f"{address}../knobs.py")[0] == 404


def test_numbers_that_are_not_finite_are_no_json_numbers(address):
    _, _, content = ask(f"{address}profile?depth=200&gain=1000&activation=linear")
    seen = json.loads(content, parse_constant=pytest.fail)
    assert None in seen["trunk"] and "overflows" in seen["sentences"][0]


# ---- the page


@pytest.fixture
def opened(browser, address):
    """Open the page; that it asked nobody else and complained of nothing but refusals is checked in the end."""
    said, asked = [], []

    def opened(query="", width=1280, height=900, **how):
        page = browser.new_context(viewport={"width": width, "height": height}, **how).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + query)
        page.wait_for_selector("#said p, #error:not([hidden])")
        return page
    yield opened
    assert [text for text in said if "400 (Bad Request)" not in text] == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


def turn(page, **knobs):
    """Set knobs, and wait for what they make."""
    for name, value in knobs.items():
        field = page.locator(f"[name={name}]")
        field.select_option(value) if field.evaluate("field => field.tagName") == "SELECT" else field.fill(value)
    query = page.evaluate("new URLSearchParams(knobs()).toString()")
    page.wait_for_selector(f"body[data-answered='{query}']")


def dots(page, panel):
    """The heights of a panel's dots, from the input on."""
    return [float(dot.get_attribute("cy")) for dot in page.query_selector_all(f"#{panel} circle")]





@pytest.mark.slow
def test_the_page_draws_a_dot_for_every_layer_and_says_what_the_terminal_does(opened):
    page = opened()
    seen = look(Knobs())
    assert page.locator("#said p").all_inner_texts() == list(sentences(seen))
    assert len(dots(page, "trunk")) == 21 and len(dots(page, "weights")) == 20
    assert str(Knobs()) in page.inner_text("#state")


@pytest.mark.slow
def test_turning_knobs_redraws(opened):
    page = opened()
    before = dots(page, "trunk")
    turn(page, norm="batch", depth="56")
    after = dots(page, "trunk")
    assert len(after) == 57 and after != before
    assert after[0] < after[28] < after[56]                           # higher up means larger: it explodes toward the input
    assert "explodes" in page.inner_text("#said") and "norm=batch" in page.url
    turn(page, shortcut="pre")
    assert "as a power" in page.inner_text("#said") and len(dots(page, "trunk")) == 29
    assert page.locator("#trunk .theory").count() == 1
    turn(page, shortcut="post")
    assert page.locator("#trunk .theory").count() == 0 and "no law here" in page.inner_text("#said")
    assert "theory" not in page.inner_text("main figure >> nth=0")


@pytest.mark.slow
def test_a_slider_moves_its_number_and_the_other_way_round(opened):
    page = opened()
    slider = page.locator("[data-for=depth]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    turn(page)
    assert page.input_value("[name=depth]") == "22" and len(dots(page, "trunk")) == 23
    turn(page, depth="80")
    assert slider.input_value() == "80"


@pytest.mark.slow
def test_only_knobs_that_do_something_are_there(opened):
    page = opened()
    assert not page.is_visible("#variance") and not page.is_visible("#lambda")
    turn(page, start="number", shortcut="pre")
    assert page.is_visible("#variance") and page.is_visible("#lambda")
    turn(page, gain="2", shortcut_scale="0.5")
    assert "gain=2&" in page.url + "&" and "lambda 0.5" in page.inner_text("#state")


@pytest.mark.slow
def test_what_is_wrong_is_said_until_it_is_right_again(opened):
    page = opened()
    turn(page, depth="0")
    assert page.inner_text("#error") == "explore: depth is 0; 1 to 400 is wanted"
    turn(page, depth="12")
    page.wait_for_selector("#error", state="hidden")
    turn(page, start="number", gain="-1")
    assert "is no variance to draw weights with" in page.inner_text("#error")


@pytest.mark.slow
def test_the_address_brings_the_knobs_back(opened):
    page = opened("?depth=30&gain=xavier&activation=tanh&width=48")
    assert page.input_value("[name=start]") == "xavier" and page.input_value("[name=width]") == "48"
    assert "30 layers of 48, tanh, xavier" in page.inner_text("#state")


@pytest.mark.slow
def test_zeros_are_drawn_at_the_bottom(opened):
    page = opened("?depth=150&gain=pytorch")
    assert page.locator("#trunk .zero").count() > 10 and "exactly 0" in page.inner_text("#said")


@pytest.mark.slow
def test_what_overflows_has_no_dot(opened):
    page = opened("?depth=200&gain=1000&activation=linear")
    assert "overflows" in page.inner_text("#said") and 0 < len(dots(page, "trunk")) < 201


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
