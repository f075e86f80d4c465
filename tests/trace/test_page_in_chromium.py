"""The page in a real browser, offline: it steps by keys, and its numbers are the engine's."""

import numpy as np
import pytest

import minidl
from minidl import nn, trace
from minidl.trace.cursor import numbers_in
from minidl.trace.pack import pack
from minidl.trace.page import SCRIPT, frame, write
from minidl.trace.panel import number

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
EVIL = "</script><img src=x onerror=alert(1)>"


class Net(nn.Module):
    """Two convolutions, one of them in groups, with strides; an addition; a bias that is summed over the batch."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, (3, 2), padding=(1, 0), groups=2, bias=False)
        self.fc = nn.Linear(4 * 5 * 3, 5)

    def forward(self, x):
        y = self.bn(self.conv1(x)).relu()
        return self.fc(self.conv2(y).tanh().flatten(1))


@pytest.fixture(scope="module")
def recorded():
    minidl.manual_seed(0)
    return trace.record(Net(), RNG.standard_normal((2, 3, 10, 7)).astype("f4"), np.array([1, 4]), title=EVIL)


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a trace; that it asked for nothing and complained of nothing is checked in the end."""
    said, asked = [], []

    def opened(trace, width=1280, height=800, **how):
        path = write(trace, tmp_path / "page.html")
        page = browser.new_context(viewport={"width": width, "height": height}, offline=True, **how).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(".moment h2")
        return page
    yield opened
    assert said == [] and [url for url in asked if not url.startswith("file:")] == []


def moment(page):
    """The number of the moment that is shown, from 1."""
    return int(page.inner_text(".count").split("/")[0])


def as_shown(x):
    return number(x).replace("e-0", "e-").replace("-", "−")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_keys_step_forward_and_back(opened, recorded):
    page = opened(recorded)
    assert moment(page) == 1 and page.inner_text(".moment h2").endswith("Conv2d #0 computes its result")
    press(page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert moment(page) == 4
    press(page, "ArrowLeft")
    assert moment(page) == 3
    press(page, "End")
    assert moment(page) == len(recorded.moments)
    press(page, "ArrowRight")
    assert moment(page) == len(recorded.moments)
    press(page, "Home", "ArrowLeft")
    assert moment(page) == 1


def test_every_moment_says_what_was_recorded(opened, recorded):
    """The sentence names the op, and the picture that is lit tells the norm of what the moment is about."""
    page = opened(recorded)
    for i, m in enumerate(recorded.moments):
        assert moment(page) == i + 1
        assert m.node.label in page.inner_text(".moment h2")
        about, = numbers_in(m)
        lit = page.inner_text(".cell.now[data-of='y value']" if m.kind == "forward" else ".cell.now[data-of$='gradient']")
        if about.numbers.size > 1:
            assert f"norm {number(about.norm)} ".replace("-", "−") in lit
        press(page, "ArrowRight")


def test_shift_and_arrow_go_to_another_op_and_f_and_b_to_its_other_pass(opened, recorded):
    page = opened(recorded)
    press(page, "End", "Shift+ArrowLeft")
    here = recorded.moments[moment(page) - 1]
    assert here.node is not recorded.moments[-1].node
    press(page, "Home", "b")
    assert recorded.moments[moment(page) - 1] is recorded["Conv2d"].enter
    press(page, "f")
    assert moment(page) == 1


def test_search_finds_ops_modules_and_leaves(opened, recorded):
    page = opened(recorded)
    for text, index in (("batchnorm", recorded["BatchNorm"].index), ("conv2", recorded["conv2"].index), ("#3", 3)):
        press(page, "Escape", "Home", "/")
        page.keyboard.type(text)
        press(page, "Enter")
        assert recorded.moments[moment(page) - 1].node is recorded[index]
        page.fill("input[type=search]", "")
    page.keyboard.type("fc.bias")
    press(page, "Enter")
    assert recorded.moments[moment(page) - 1] is recorded["fc.bias"].arrive


def test_the_slider_and_the_map_go_anywhere(opened, recorded):
    page = opened(recorded)
    box = page.locator("input[type=range]").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    press(page)
    assert abs(moment(page) / len(recorded.moments) - 0.75) < 0.05
    page.locator(f".map [data-of='{recorded['Tanh'].index}']").click()
    press(page)
    assert recorded.moments[moment(page) - 1] is recorded["Tanh"].enter


def test_a_send_lights_the_wire_or_the_parameter_that_it_goes_to(opened, recorded):
    page = opened(recorded)
    for i, m in enumerate(recorded.moments, 1):
        if m.kind == "send":
            page.evaluate(f"location.hash = '{i}'")
            press(page)
            assert page.locator(".map .lit").get_attribute("data-of") == f"{m.node.index}/{m.slot}"


@pytest.mark.parametrize("module, filter, row, column",
                         [("conv1", 2, 0, 3), ("conv1", 0, 4, 1), ("conv2", 3, 2, 2), ("conv2", 0, 0, 0)])
def test_a_pixel_of_a_convolution_is_the_sum_of_the_products_that_are_shown(opened, recorded, module, filter, row, column):
    node = recorded[module]
    x, w = [slot.value.numbers.astype(float) for slot in node.slots[:2]]
    b = node.slots[2].value.numbers.astype(float) if module == "conv1" else np.zeros(len(w))
    stride, padding = node.op.stride, node.op.padding
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))[0]
    first = filter // (len(w) // node.op.groups) * w.shape[1]
    patch = x[first:first + w.shape[1], row * stride[0]:, column * stride[1]:][:, :w.shape[2], :w.shape[3]]
    page = opened(recorded)
    press(page, "/")
    page.keyboard.type(module)
    press(page, *(["Enter"] if module == "conv2" else []), "Escape", "b")
    assert recorded.moments[moment(page) - 1] is node.enter
    page.select_option(".pixel label:has-text('filter') select", str(filter))
    page.select_option(".pixel label:has-text('channel') select", "1")
    assert page.locator(".pixel label:has-text('channel') option").all_inner_texts() == [str(c) for c in range(w.shape[1])]
    press(page, "Escape", "p", *["ArrowUp"] * 9, *["ArrowLeft"] * 9)
    press(page, *["ArrowDown"] * row, *["ArrowRight"] * column)
    assert page.inner_text(".pixel h3 >> nth=0").startswith(f"Pixel [0, {filter}, {row}, {column}]")
    said = lambda name: float(page.get_attribute(f".pixel output.{name}", "data-value"))
    assert said("channel-sum") == pytest.approx((patch[1] * w[filter, 1]).sum(), abs=1e-6)
    assert said("sum") == pytest.approx((patch * w[filter]).sum(), abs=1e-6)
    if module == "conv1":
        assert said("bias") == pytest.approx(b[filter]) and said("result") == pytest.approx(said("computed"), abs=1e-6)
    assert said("computed") == node.value.numbers[0, filter, row, column]
    assert said("computed") == pytest.approx((patch * w[filter]).sum() + b[filter], abs=1e-5)
    assert said("gy") == node.enter.gradient.numbers[0, filter, row, column]


def test_a_click_into_the_result_picks_the_pixel(opened, recorded):
    page = opened(recorded)
    canvas = page.locator(".cell[data-of='y value'] canvas")
    box = canvas.bounding_box()
    canvas.hover(position={"x": 3, "y": 3})
    assert page.inner_text(".cell[data-of='y value'] .readout").startswith("[0, 0, 0, 0] = ")
    canvas.click(position={"x": box["width"] / 2 - 3, "y": 3})
    press(page)
    assert page.inner_text(".pixel h3 >> nth=0").startswith("Pixel [0, ")


def test_a_picture_is_read_number_by_number(opened, recorded):
    """By the mouse and, in focus, by arrows: then they do not step."""
    page = opened(recorded)
    press(page, "b")
    value, at = recorded["conv1"].slots[1].value.numbers, moment(page)
    page.locator(".cell[data-of='w value'] canvas").focus()
    press(page, *["ArrowRight"] * 3)
    text = page.inner_text(".cell[data-of='w value'] .readout")
    assert text == f"[0, 0, 0, 2] = {as_shown(value[0, 0, 0, 2])}" and moment(page) == at
    press(page, "Escape", "ArrowRight")
    assert moment(page) == at + 1


def test_nan_and_an_error_are_shown(opened):
    def f(x):
        y = (x.log() * 2).relu()
        return (y + minidl.ones(5)).sum()
    t = trace.record(f, np.array([-1.0, 2.0, 0.0]))
    page = opened(t)
    assert "ValueError: Add()" in page.inner_text("[role=alert]")
    assert "1 NaN" in page.inner_text(".cell[data-of='y value']")
    press(page, "/")
    page.keyboard.type("nan")
    press(page, "Enter")
    assert "Mul" in page.inner_text(".moment h2")
    press(page, "Escape", "End")
    assert f"{t.nodes[-1].label} fails" in page.inner_text(".moment h2")


def test_faults_are_a_banner(opened, monkeypatch):
    from minidl import graph
    monkeypatch.setattr(graph.Walk, "add", lambda self, node, gx: self.grads.__setitem__(node, gx))
    page = opened(trace.record(lambda x: (x.tanh() * x).sum(), RNG.standard_normal((3, 4))))
    assert "not the sum of its contributions" in page.inner_text("[role=alert]")


def test_a_trace_of_nothing_says_so(browser, tmp_path):
    page = browser.new_page()
    page.goto(write(trace.record(lambda x: 1 / 0, np.ones(3)), tmp_path / "page.html").as_uri())
    page.wait_for_selector(".banner")
    assert "ZeroDivisionError" in page.inner_text(".banner") and "Nothing was computed" in page.inner_text(".moment")


@pytest.mark.parametrize("width, height", [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(opened, recorded, width, height, scheme):
    page = opened(recorded, width, height, color_scheme=scheme)
    for key in ("Home", "b", "ArrowRight", "End"):
        press(page, key)
        wide, high = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert wide <= width and high <= height
        assert page.evaluate("() => { const { scrollWidth, clientWidth } = document.querySelector('.moment');"
                             "return scrollWidth - clientWidth; }") <= 0


def test_in_a_frame_of_a_notebook_it_steps_too(browser, recorded, tmp_path):
    (tmp_path / "notebook.html").write_text(f"<!doctype html><body>{frame(recorded)}</body>")
    page = browser.new_page()
    page.goto((tmp_path / "notebook.html").as_uri())
    inner = page.frame_locator("iframe")
    inner.locator(".moment h2").wait_for()
    inner.locator("nav button[aria-label^='next moment']").click()
    assert inner.locator(".count").inner_text().startswith("2 /")


def test_the_module_of_the_viewer_is_what_anywidget_calls(browser, recorded, tmp_path):
    """`render({model, el})` of the module's default export, as anywidget's documentation has it."""
    page = browser.new_page()
    page.set_content("<div id=cell></div>")
    page.evaluate("""async ([script, trace]) => {
        const module = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
        const state = { trace, at: 4 }, listeners = {};
        window.model = { get: name => state[name], set: (name, value) => { state[name] = value; }, save_changes() {},
          on: (event, does) => { listeners[event] = does; } };
        window.move = at => { state.at = at; listeners["change:at"](); };
        await module.default.render({ model: window.model, el: document.getElementById("cell") });
    }""", [SCRIPT.read_text(), pack(recorded)])
    press(page)
    assert moment(page) == 5
    page.evaluate("move(9)")
    press(page)
    assert moment(page) == 10
    page.locator(".minidl").focus()
    press(page, "ArrowLeft")
    assert moment(page) == 9 and page.evaluate("model.get('at')") == 8
