"""Slices of the loss: a linear one by hand, and what filter normalisation is for."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.lab.probes import loss_line, loss_plane
from minidl.lab.probes.landscape import directions, filter_normalised
from minidl.nn import functional as F


def test_each_filter_of_a_direction_is_as_long_as_the_models():
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal((4, 3, 5, 5)), rng.standard_normal((4, 3, 5, 5)) * [[[[0.]]], [[[1.]]], [[[2.]]], [[[30.]]]]
    lengths = lambda z: np.sqrt((z ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(lengths(filter_normalised(d, w)), lengths(w))


def test_biases_and_batch_norms_do_not_move():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    d, = directions(model, 1, 0)
    assert set(d) == {"0.weight", "3.weight"}


def test_a_linear_loss_has_a_straight_slice():
    """loss = sum w x, at w + a d: sum w x + a sum d x."""
    model, x = nn.Linear(3, 1, bias=False).double(), np.array([[1., 2., 3.]])
    d, e = (d["weight"] for d in directions(model, 2, 7))
    w, total = model.weight.detach().numpy(), lambda y: y.sum()
    line = loss_line(model, x, total, reach=2, points=5, seed=7)
    np.testing.assert_allclose(line.steps, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(line.losses, [(x * (w + a * d)).sum() for a in line.steps])
    plane = loss_plane(model, x, total, points=3, seed=7)
    np.testing.assert_allclose(plane.losses, [[(x * (w + a * d + b * e)).sum() for b in plane.steps] for a in plane.steps])


def test_rescaled_filters_under_batch_norm_leave_the_slice_as_it_is():
    """Li et al. 2018, section 4: the two networks are the same function, and so are their slices."""
    labels = minidl.tensor([0, 1, 2, 0])
    loss, x = lambda y: F.cross_entropy(y, labels), minidl.randn(4, 1, 6, 6)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, eps=0.0), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).double()
    before = loss_line(model, x, loss, points=7)
    model[0].weight.array *= np.array([0.1, 1, 5, 30])[:, None, None, None]
    np.testing.assert_allclose(loss_line(model, x, loss, points=7).losses, before.losses, rtol=1e-8)
    assert np.ptp(before.losses) > 0.1


def test_the_middle_of_a_slice_is_the_loss():
    model, x = nn.Linear(3, 2), minidl.randn(4, 3)
    loss = lambda y: (y * y).sum()
    assert loss_line(model, x, loss, points=3).losses[1] == pytest.approx(loss(model(x)).item())
