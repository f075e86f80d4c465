"""Clipping of gradients, and parameters as one vector."""
import math

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.nn import utils


def with_gradients(*grads):
    parameters = [nn.Parameter(minidl.zeros(np.shape(g))) for g in grads]
    for p, g in zip(parameters, grads):
        p.grad = minidl.tensor(g)
    return [*parameters, nn.Parameter(minidl.zeros(2))]          # one without a gradient


def test_gradients_are_scaled_together_to_the_norm_wanted():
    parameters = with_gradients([3.0, 0.0], [[4.0]])
    assert utils.clip_grad_norm_(iter(parameters), 1.0).item() == 5
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].grad.numpy(), [[0.8]], rtol=1e-6)


def test_small_gradients_stay_as_they_are_bit_for_bit():
    for small in [0.1, 0.2], [0.5, 0.6]:
        parameters = with_gradients(small)
        utils.clip_grad_norm_(parameters, 1.0)
        np.testing.assert_array_equal(parameters[0].grad.numpy(), np.array(small, np.float32))
    assert utils.clip_grad_norm_(parameters[1], 1.0).item() == 0       # one tensor, and no gradients at all
    assert utils.clip_grad_norm_(parameters[1], 1.0, math.inf).item() == 0


def test_the_largest_number_can_be_the_norm():
    parameters = with_gradients([3.0, -8.0], [4.0])
    assert utils.clip_grad_norm_(parameters, 2.0, norm_type=math.inf).item() == 8
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.75, -2], rtol=1e-6)


@pytest.mark.parametrize("norm_type", [2.0, math.inf])
def test_a_norm_that_is_nan_is_never_hidden(norm_type):
    parameters = with_gradients([1.0], [math.nan])
    with pytest.raises(RuntimeError, match="the norm of the gradients is nan"):
        utils.clip_grad_norm_(parameters, 1.0, norm_type, error_if_nonfinite=True)
    assert parameters[0].grad.item() == 1
    assert math.isnan(utils.clip_grad_norm_(parameters, 1.0, norm_type).item())
    assert math.isnan(parameters[0].grad.item())


def test_numbers_are_clipped_one_by_one():
    parameters = with_gradients([3.0, -0.1], [[-7.0]])
    utils.clip_grad_value_(parameters, 0.5)
    np.testing.assert_array_equal(parameters[0].grad.numpy(), np.array([0.5, -0.1], np.float32))
    assert parameters[1].grad.item() == -0.5


def test_parameters_become_a_vector_and_come_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Conv2d(1, 2, 2))
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (6 + 3 + 8 + 2,) and vector.requires_grad
    utils.vector_to_parameters(minidl.arange(19.0), net.parameters())
    np.testing.assert_array_equal(net[0].weight.detach().numpy(), np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(net[1].bias.detach().numpy(), [17, 18])
    with pytest.raises(ValueError, match=r"parameters of 19 numbers, but vec has shape \(20,\)"):
        utils.vector_to_parameters(minidl.zeros(20), net.parameters())
