"""What is drawn are the numbers of the probes, on the scales of their laws."""
import numpy as np

import minidl
from minidl import nn
from minidl.lab import Design, build, observe
from minidl.lab.probes import GradientHistory, activation_gradients, loss_line, loss_plane
from minidl.lab.probes.pictures import heat_map, loss_contours, loss_lines, profile


def test_a_profile_shows_gradients_on_a_logarithmic_scale_and_says_what_was_observed():
    seen = observe(build(Design(depth=4, width=8, norm="batch", activation="tanh")), minidl.randn(8, 64))
    figure = profile(seen, "depth 4, He, 8 random inputs")
    flow, weights, signal, zeros = figure.axes
    assert figure.get_suptitle() == "depth 4, He, 8 random inputs"
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "log", "linear"]
    assert all([axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes])
    drawn = sorted([float(y) for line in flow.lines for y in line.get_ydata()])
    np.testing.assert_allclose(drawn, sorted([row.rms for row in activation_gradients(seen)]))
    assert "saturated" in [text.get_text() for text in zeros.get_legend().get_texts()]


def test_a_gradient_that_is_exactly_zero_is_drawn_as_underflow():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    nn.init.zeros_(model[2].weight)
    flow = profile(observe(model, minidl.randn(4, 3)), "").axes[0]
    underflow, = [line for line in flow.lines if line.get_label() == "exactly 0: underflow"]
    assert list(underflow.get_xdata()) == [1, 2]


def test_a_heat_map_has_the_first_layer_on_top():
    history = GradientHistory()
    for step in 0, 5, 10:
        history.add(step, {"first": 10.0 ** step, "second": 0.0})
    axes, bar = heat_map(history, "a training").axes
    mesh, = axes.collections
    np.testing.assert_allclose(mesh.get_array()[0], [0, 5, 10])
    assert np.ma.getmaskarray(mesh.get_array())[1].all()                 # of 0 there is no logarithm
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"] and axes.yaxis_inverted()
    assert "log10" in bar.get_ylabel()


def test_slices_are_drawn_with_their_steps():
    model, x, loss = nn.Linear(3, 2), minidl.randn(4, 3), lambda y: (y * y).mean()
    line, plane = loss_line(model, x, loss, points=5), loss_plane(model, x, loss, points=3)
    axes, = loss_lines({"plain": line}, "").axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), np.stack([line.steps, line.losses], 1))
    axes, bar = loss_contours(plane, "").axes
    assert axes.get_xlim() == (-1, 1) and "loss" in bar.get_ylabel()
