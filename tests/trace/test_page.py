"""A page has a trace in it and needs nothing else; what it says of the numbers is what was recorded."""
import json
import re
import zlib
from base64 import b64decode
from math import prod

import numpy as np
import pytest

import architectures
import minidl
from minidl import nn, trace
from minidl.trace.map import map_of
from minidl.trace.pack import MOST, ROOM, Packer, Window, kept, pack
from minidl.trace.page import SCRIPT, page

RNG = np.random.default_rng(0)
EVIL = "</script><img src=x onerror=alert(1)>"


def small(x, w):
    y = x @ w
    return (y.tanh() * y).sum()


def recorded(f=small, *inputs, **how):
    return trace.record(f, *(inputs or (RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5)))), **how)


def unpacked(letters):
    """The content of a page, and its numbers."""
    data = zlib.decompress(b64decode(letters))
    end = 4 + int.from_bytes(data[:4], "little")
    return json.loads(data[4:end]), data[end:]


def shown(content, numbers, index):
    """The numbers of a snapshot as a viewer sees them, and its shape."""
    _, _, _, _, _, starts, sizes, offset, scale, _ = content["snapshots"][index]
    if scale:
        q = np.frombuffer(numbers, np.int8, prod(sizes), offset).astype(float)
        return (scale * np.sign(q) * (q / 127) ** 2).reshape(sizes), starts
    return np.frombuffer(numbers, np.float32, prod(sizes), offset).reshape(sizes), starts


# ---- the file


def test_a_page_refers_to_nothing_outside_of_it():
    text = page(recorded())
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)|url\(|@import|https?://(?!www\.w3\.org/)""", text)
    assert "default-src 'none'" in text


def test_only_the_viewers_script_may_run():
    """The policy names it by its SHA-256, as a browser computes it: of all between the tags."""
    import hashlib
    text = page(recorded())
    allowed = re.search(r"script-src 'sha256-([^']+)'", text)[1]
    script, = re.findall(r'<script type="module">(.*?)</script>', text, re.S)
    assert b64decode(allowed) == hashlib.sha256(script.encode()).digest()


def test_names_cannot_become_markup():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module(EVIL.replace(".", ""), nn.Linear(4, 3))

        def forward(self, x):
            return next(self.children())(x)
    t = trace.record(Net(), RNG.standard_normal((2, 4)).astype("f4"), np.array([0, 2]), title=EVIL)
    assert t["Linear"].module == EVIL
    text = page(t)
    assert "<img" not in text and text.count("</script>") == 2
    content, _ = unpacked(pack(t))
    assert content["title"] == EVIL and content["nodes"][0][2] == EVIL


def test_the_viewer_is_small():
    assert len(SCRIPT.read_bytes()) < 40 * 1024


def test_a_resnet20_at_batch_2_is_smaller_than_1_MB():
    minidl.manual_seed(0)
    with minidl.use_kernels("reference"):
        t = trace.record(architectures.build("resnet20"), RNG.standard_normal((2, 3, 32, 32)).astype("f4"), np.array([1, 3]))
    assert not t.error and len(page(t).encode()) < 1_000_000
    content, _ = unpacked(pack(t))
    assert all(content["windows"].values()) and len(content["windows"]) == 19


# ---- the numbers


def test_small_arrays_are_shown_as_they_are():
    t = recorded()
    content, numbers = unpacked(pack(t))
    for node, (kind, *_, value) in zip(t.nodes, content["nodes"]):
        assert kind == node.kind
        array, _ = shown(content, numbers, value)
        np.testing.assert_array_equal(array, node.value.numbers.astype("f4"))
    sends = [moment for moment in t.moments if moment.kind == "send"]
    packed = [moment for moment in content["moments"] if moment[0] == "send"]
    for send, (_, _, slot, _, _, contribution, total, _) in zip(sends, packed, strict=True):
        assert slot == send.slot
        np.testing.assert_array_equal(shown(content, numbers, contribution)[0], send.contribution.numbers.astype("f4"))
        np.testing.assert_array_equal(shown(content, numbers, total)[0], send.total.numbers.astype("f4"))


def test_of_a_large_array_a_part_is_shown_rounded_and_the_statistics_are_those_of_all(monkeypatch):
    monkeypatch.setattr("minidl.trace.pack.ROOM", 3000)
    x = RNG.standard_normal((2, 6, 20, 30))
    t = recorded(lambda x: x.tanh().sum(), x)
    content, numbers = unpacked(pack(t))
    assert len(numbers) <= 3000
    index = content["leaves"][0][2]
    array, (n, c, i, j) = shown(content, numbers, index)
    assert 512 < array.size < x.size
    true = x[n:n + array.shape[0], c:c + array.shape[1], i:i + array.shape[2], j:j + array.shape[3]]
    scale = abs(true).max()
    # A number is the square of one of 127 steps: half a step to either side, at |x| = t^2.
    assert (abs(array - true) <= scale / 127 * (np.sqrt(abs(true) / scale) + 0.51 / 127)).all()
    assert content["snapshots"][index][1] == pytest.approx(np.linalg.norm(x), rel=1e-4)


@pytest.mark.parametrize("shape, most, part", [
    ((), 1, []), ((7,), 3, [3]), ((4, 5), 20, [4, 5]), ((40, 50), 100, [10, 10]), ((4, 500), 100, [4, 25]),
    ((2, 16, 32, 32), 40000, [2, 16, 32, 32]), ((2, 16, 32, 32), 4096, [1, 4, 32, 32]),
    ((2, 3, 32, 32), 100, [1, 1, 10, 10]),
    ((64, 32, 3, 3), 900, [10, 10, 3, 3]), ((16, 3, 3, 3), 270, [10, 3, 3, 3]), ((8, 6, 6), 72, [2, 6, 6]),
    ((2, 2, 8, 9, 9), 200, [1, 1, 2, 9, 9]), ((5, 5), 0, [0, 0]), ((9, 2, 2), 8, [2, 2, 2])])
def test_the_part_that_is_shown_is_one_image_few_channels_or_many_kernels(shape, most, part):
    assert kept(shape, most) == part and prod(part) <= most


def test_nan_and_inf_are_shown_as_they_are(monkeypatch):
    monkeypatch.setattr("minidl.trace.pack.EXACT", 2)
    monkeypatch.setattr("minidl.trace.pack.MOST", 0)
    x = RNG.standard_normal((3, 4))
    x[1, 2], x[0, 0], x[2, 1] = np.nan, np.inf, -np.inf
    monkeypatch.setattr("minidl.trace.pack.MOST", 100)
    content, numbers = unpacked(pack(recorded(lambda x: (x * 2).sum(), x)))
    index = content["leaves"][0][2]
    np.testing.assert_array_equal(shown(content, numbers, index)[0], x.astype("f4"))
    assert content["snapshots"][index][1] == "nan" and content["snapshots"][index][2:4] == [1, 2]


def test_a_rule_is_a_line_of_mathml_for_the_result_and_for_each_gradient_and_what_a_user_wrote_is_text():
    class Mine(minidl.Op):
        """y = x <b>twice</b>"""
        def forward(self, k, x):
            return 2 * x

        def backward(self, gy, y, x):
            return 2 * gy
    content, _ = unpacked(pack(recorded(lambda x, w: Mine()(x @ w).sum())))
    lines = content["rules"]["MatMul"]
    assert [text.split()[0] for text, _ in lines] == ["y", "ga", "gb"]
    assert all(mathml.startswith("<math") and mathml.count("<math") == 1 for _, mathml in lines)
    assert content["rules"]["Mine"] == [["y = x <b>twice</b>", ""]]


# ---- a convolution


@pytest.mark.parametrize("how", [{"padding": 1}, {"stride": 2}, {"stride": (2, 1), "padding": (0, 2), "dilation": 2},
                                 {"groups": 2, "padding": 1}, {"groups": 4}])
@pytest.mark.parametrize("most", [10 ** 6, 400, 150])
def test_a_window_has_all_that_its_pixels_are_computed_from(how, most):
    """A pixel by the definition of a convolution, from nothing but the numbers in the window."""
    minidl.manual_seed(0)
    conv = nn.Conv2d(4, 8, (3, 2), **how).to(minidl.float64)
    t = trace.record(lambda x: conv(x).tanh().sum(), RNG.standard_normal((2, 4, 9, 11)))
    window = Window(t["Conv2d"], most)
    assert window.size <= max(most, 150)
    x, w, b, y, gy = window.arrays()
    stride, padding, dilation = window.how
    assert x.size + w.size + b.size + y.size + gy.size == window.size
    assert y.shape == gy.shape == (window.filters, *[end - first for first, end in (window.rows, window.columns)])
    assert y.shape == (8, *t["Conv2d"].value.shape[2:]) if most == 10 ** 6 else y.size < t["Conv2d"].value.numbers[0].size
    for f in range(len(y)):
        first = f // window.per_group * w.shape[1]
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                top = (window.rows[0] + i) * stride[0] - padding[0] - window.read_rows[0]
                left = (window.columns[0] + j) * stride[1] - padding[1] - window.read_columns[0]
                sum = b[f]
                for u in range(3):
                    for v in range(2):
                        row, column = top + u * dilation[0], left + v * dilation[1]
                        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                            sum = sum + (x[first:first + w.shape[1], row, column] * w[f, :, u, v]).sum()
                assert y[f, i, j] == pytest.approx(sum, rel=1e-9, abs=1e-9)
    np.testing.assert_array_equal(
        gy, t["Conv2d"].enter.gradient.numbers[0, :len(y), slice(*window.rows), slice(*window.columns)])


# ---- the map


def test_every_op_has_a_box_and_every_slot_a_wire_or_a_chip():
    def f(x, w):
        y = x @ w
        return (y * y + (y + 1)).sum()
    t = recorded(f)
    chart = map_of(t)
    boxes = {id: chips for id, *_, chips in chart["boxes"]}
    wires = [(start, end, slot) for start, end, slot, _ in chart["wires"]]
    assert sorted(boxes) == [~1, ~0, *range(len(t))]                      # x and w are inputs, with boxes of their own
    expected = [(s.source.index if s.source in t.nodes else ~s.source.index, node.index, i)
                for node in t for i, s in enumerate(node.slots) if s.source is not None]
    assert sorted(wires + [(None, node, i) for node, chips in boxes.items() for i in chips]) == sorted(expected)
    assert wires.count((0, 1, 0)) == wires.count((0, 1, 1)) == 1          # y * y: two wires


def test_boxes_do_not_overlap_and_wires_go_down():
    minidl.manual_seed(0)
    t = trace.record(architectures.build("lenet5"), RNG.standard_normal((2, 1, 32, 32)).astype("f4"), np.array([1, 3]))
    chart = map_of(t)
    layer = {id: y for id, y, *_ in chart["boxes"]}
    assert all(layer[a] < layer[b] and len(xs) == layer[b] - layer[a] - 1 for a, b, _, xs in chart["wires"])
    spans = sorted((y, x - width / 2, x + width / 2 + 4 * len(chips)) for _, y, x, width, chips in chart["boxes"])
    assert all(a[2] < b[1] for a, b in zip(spans, spans[1:]) if a[0] == b[0])
    assert {leaf.name for leaf in t.leaves if ~leaf.index in layer} == {"x"}


def test_ops_are_grouped_by_the_module_that_called_them():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return minidl.relu(self.fc(x)) + x
    net = nn.Sequential(Block(), Block())
    t = trace.record(net, RNG.standard_normal((2, 4)).astype("f4"), np.array([0, 2]))
    groups = {path: (first, last) for path, _, first, _, last in map_of(t)["groups"]}
    layer = {id: y for id, y, *_ in map_of(t)["boxes"]}
    assert groups.keys() == {"0", "1"} and groups["0"] == (layer[0], layer[2]) and groups["1"] == (layer[3], layer[5])


# ---- what goes wrong


def test_a_model_that_fails_midway_shows_the_trace_up_to_there_and_the_error():
    t = recorded(lambda x, w: ((x @ w).relu() + x).sum())
    content, _ = unpacked(pack(t))
    assert [kind for kind, *_ in content["nodes"]] == ["MatMul", "ReLU", "Add"]
    assert content["nodes"][-1][-1] is None and content["error"] == t.error and "Add" in t.error


def test_a_trace_of_nothing_is_a_page_too():
    t = recorded(lambda x: 1 / 0, np.ones(3))
    content, _ = unpacked(pack(t))
    assert content["nodes"] == content["moments"] == [] and "ZeroDivisionError" in content["error"]


def test_faults_are_on_the_page(monkeypatch):
    from minidl import graph
    monkeypatch.setattr(graph.Walk, "add", lambda self, node, gx: self.grads.__setitem__(node, gx))
    t = recorded()
    content, _ = unpacked(pack(t))
    assert [fault[0] for fault in content["faults"]] == ["ledger"] and content["faults"][0][1] == 0


# ---- in a notebook


def test_a_notebook_without_widgets_shows_the_page_in_a_frame():
    t = recorded(title=EVIL)
    text = t._repr_html_()
    assert text.startswith("<iframe srcdoc=") and text.count("<") == 2                 # the frame, and its end
    import html
    inner = html.unescape(re.search(r'srcdoc="([^"]*)"', text)[1])
    assert inner == page(t)


def test_a_widget_is_the_same_viewer_with_the_same_trace():
    pytest.importorskip("anywidget")
    from minidl.trace.widget import widget
    t = recorded()
    w = widget(t)
    assert w.trace == pack(t) and w.at == 0 and w._esm.strip() == SCRIPT.read_text().strip()


def test_without_anywidget_it_says_what_to_install(monkeypatch):
    import sys

    from minidl.trace.widget import widget
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"pip install 'minidl\[notebook\]'"):
        widget(recorded())


def test_there_is_room_for_all_numbers_of_a_small_trace_and_for_none_of_an_endless_one(monkeypatch):
    t = recorded()
    assert Packer(t).most == MOST and Packer(t).size() < ROOM
    monkeypatch.setattr("minidl.trace.pack.ROOM", 0)
    content, numbers = unpacked(pack(t))
    assert content["most"] == 0 and len(numbers) == 8 and all(       # the loss, and 1
        len(snapshot) == 5 for snapshot in content["snapshots"] if snapshot[0])
