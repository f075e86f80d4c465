"""Pictures show what is in the trace, and those for which it has no numbers are left out."""
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import architectures
import minidl
from minidl import nn, trace
from minidl.nn import functional as F
from minidl.trace.pictures import MAPS, feature_maps, filters, graph, histograms, mosaic, write_pictures


class Small(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.conv = nn.Conv2d(channels, 5, 3, padding=1)
        self.fc = nn.Linear(5 * 3 * 2, 4)

    def forward(self, x):
        return self.fc(F.relu(F.max_pool2d(self.conv(x) + 0, 2)).flatten(1))


def recorded(channels=3):
    minidl.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((2, channels, 6, 4))
    return trace.record(Small(channels), x, np.array([1, 3]), title="small")


def test_all_are_written_and_are_what_their_names_say(tmp_path):
    from PIL import Image
    written = write_pictures(recorded(), tmp_path / "pictures")
    assert [path.name for path in written] == ["graph.svg", "activations.png", "gradients.png", "filters.png",
                                               "feature_maps.png", "backward.gif"]
    for path in written[1:5]:
        with Image.open(path) as image:
            assert image.format == "PNG" and np.asarray(image.convert("L")).std() > 5
    with Image.open(written[5]) as animation:
        assert animation.format == "GIF" and animation.n_frames == 2 * 2      # convolution and pool


def test_the_graph_has_a_box_for_every_op_and_a_wire_for_every_use():
    t = trace.record(lambda x: (x.exp() * x.sin() + x).sum(), np.ones((2, 3)))
    root = ElementTree.fromstring(graph(t))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all([any(text.startswith(node.label) for text in texts) for node in t]) and "x" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == len(t)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 7 + 2      # x's to the sum passes two layers


@pytest.mark.parametrize("what", ["activations", "gradients"])
def test_a_histogram_counts_the_numbers_of_the_layer(what):
    t = recorded()
    figure = histograms(t, what)
    above, below = figure.axes
    node = t["Conv2d"]
    array = (node.value if what == "activations" else node.enter.gradient).numbers
    logs = np.log10(np.abs(array[array != 0]))
    assert above.lines[0].get_ydata()[0] == pytest.approx(np.median(logs))
    assert below.patches[0].get_height() == pytest.approx((array == 0).mean())
    column = np.asarray(above.images[0].get_array())[:, 0]
    left, right, bottom, top = above.images[0].get_extent()
    counts = np.histogram(logs, np.linspace(bottom, top, len(column) + 1))[0]
    np.testing.assert_allclose(column, counts / counts.max())


def test_filters_of_three_channels_are_in_colour_and_others_are_not():
    w = recorded()["Conv2d"].slots[1].value.numbers
    tile = filters(recorded()).axes[0].images[0].get_array()
    np.testing.assert_allclose(tile, 0.5 + w[0].transpose(1, 2, 0) / (2 * np.abs(w[0]).max()), rtol=1e-5)
    image = filters(recorded(channels=1)).axes[0].images[0]
    w = recorded(channels=1)["Conv2d"].slots[1].value.numbers
    np.testing.assert_array_equal(image.get_array(), w[0, 0])
    assert image.get_cmap().name == MAPS and image.norm.vmin == -image.norm.vmax == -np.abs(w[0, 0]).max()


def test_feature_maps_are_those_of_the_first_image_and_their_gradients():
    t = recorded()
    above, below = feature_maps(t).axes
    node = t["Conv2d"]
    np.testing.assert_allclose(above.images[0].get_array().filled(np.nan), mosaic(node.value.numbers[0]))
    np.testing.assert_allclose(below.images[0].get_array().filled(np.nan), mosaic(node.enter.gradient.numbers[0]))


def test_a_mosaic_has_every_channel_on_its_own_scale():
    planes = np.array([[[1.0, -2.0]], [[0.0, 0.0]], [[30.0, 15.0]]])
    page = mosaic(planes)
    np.testing.assert_array_equal(page[0, :2], [0.5, -1])
    np.testing.assert_array_equal(page[0, 3:5], [0, 0])
    np.testing.assert_array_equal(page[2, :2], [1, 0.5])
    assert np.isnan(page[1]).all() and np.isnan(page[:, 2]).all()


def test_what_there_are_no_numbers_for_is_left_out(tmp_path):
    t = trace.record(lambda x: x.exp().sum(), np.ones(3))
    assert [path.name for path in write_pictures(t, tmp_path)] == ["graph.svg"]
    nothing = trace.record(lambda x: 1 / 0, np.ones(3))
    assert write_pictures(nothing, tmp_path / "nothing") == []


def test_nan_does_not_break_them(tmp_path):
    x = np.full((2, 3, 6, 4), np.nan)
    t = trace.record(Small(), x, np.array([1, 3]))
    assert "feature_maps.png" in [path.name for path in write_pictures(t, tmp_path)]


@pytest.mark.slow
def test_a_network_of_many_layers_is_drawn(tmp_path):
    net = architectures.build("resnet56")
    t = trace.record(net, np.random.default_rng(0).standard_normal((1, 3, 32, 32)), np.array([1]))
    assert len(write_pictures(t, tmp_path)) == 6
