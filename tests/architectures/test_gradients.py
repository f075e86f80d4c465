"""Gradients of whole networks: that they arrive, are finite, and are right."""
import numpy as np
import pytest
from networks import DEEPEST, REDUCED, backward, reduced

import minidl
from architectures import MODELS, build
from minidl.gradcheck import gradcheck_model


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEPEST])
def test_a_gradient_reaches_every_parameter(name):
    with minidl.device("meta"):
        model = build(name)
        model(minidl.zeros(2, *MODELS[name].input_shape)).sum().backward()
        assert all([p.grad is not None and p.grad.shape == p.shape for p in model.parameters()])


@pytest.mark.parametrize("name", REDUCED)
def test_gradients_are_finite_and_no_weight_is_without(name):
    """A bias before batch norm is."""
    model, (images, labels) = reduced(name)
    backward(model, minidl.tensor(images, dtype=minidl.float32), minidl.tensor(labels))
    for parameter, p in model.named_parameters():
        assert np.isfinite(p.grad.numpy()).all() and (p.ndim == 1 or p.grad.numpy().any()), parameter


@pytest.mark.parametrize("name", REDUCED)
def test_every_gradient_is_that_of_finite_differences(name):
    model, batch = reduced(name)
    assert gradcheck_model(model, batch).passed
