"""The tutorial networks: their stages, first weights and gradients."""
import math

import numpy as np
import pytest

import minidl
from architectures import MODELS, build
from minidl.gradcheck import gradcheck_model

# Output shapes and parameters as Keras's own model.summary() prints them for these layers.
LAYERS = {
    "keras_mnist_cnn": {"conv1": ((32, 26, 26), 320), "conv2": ((64, 11, 11), 18_496),
                        "conv3": ((64, 3, 3), 36_928), "dense1": ((64,), 36_928), "dense2": ((10,), 650)},
    "keras_cifar100_cnn": {"conv1": ((16, 30, 30), 448), "conv2": ((32, 13, 13), 4640),
                           "dense1": ((256,), 295_168), "dense2": ((100,), 25_700)},
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_shapes_and_parameters_that_keras_prints(name):
    model, seen = build(name), {}
    for part, layer in model.named_children():
        parameters = sum(p.numel() for p in layer.parameters())
        layer.register_forward_hook(
            lambda layer, args, y, part=part, n=parameters: seen.__setitem__(part, (y.shape[1:], n)))
    model(minidl.zeros(2, *MODELS[name].input_shape))
    assert seen == LAYERS[name]


@pytest.mark.parametrize("name, layer, fans", [
    ("keras_mnist_cnn", "conv2", 9 * (32 + 64)), ("keras_mnist_cnn", "dense1", 576 + 64),
    ("keras_cifar100_cnn", "conv2", 9 * (16 + 32)), ("keras_cifar100_cnn", "dense1", 1152 + 256)])
def test_weights_start_as_in_keras(name, layer, fans):
    """Glorot's uniform ones: the largest is sqrt(6 / (fan-in + fan-out)), and the biases are 0."""
    layer, bound = getattr(build(name), layer), math.sqrt(6 / fans)
    assert 0.99 * bound < np.abs(layer.weight.array).max() <= bound
    assert not layer.bias.array.any()


@pytest.mark.parametrize("name", LAYERS)
def test_every_gradient_is_that_of_finite_differences(name):
    rng = np.random.default_rng(0)
    classes = MODELS[name].options["num_classes"]
    batch = rng.standard_normal((2, *MODELS[name].input_shape)), rng.integers(0, classes, 2)
    assert gradcheck_model(build(name), batch).passed
