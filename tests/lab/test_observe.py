"""observe: what every layer was given, made and received, held against NumPy, finite differences and plain backward."""
import numpy as np
import pytest
from networks import REDUCED, reduced

import minidl
from architectures import SMALL
from minidl import nn
from minidl.lab import observe
from minidl.nn import functional as F
from tests.lab.probes.awkward import awkward


class Functional(nn.Module):
    """A user's own without a single layer of minidl.nn: y = v tanh(relu(x w^T) + x)."""

    def __init__(self):
        super().__init__()
        self.w, self.v = nn.Parameter(minidl.randn(3, 3)), nn.Parameter(minidl.randn(2, 3))

    def forward(self, x):
        return minidl.tanh(F.relu(F.linear(x, self.w)) + x) @ self.v.T


def test_a_forward_of_functions_is_seen_layer_by_layer_as_numpy_computes_it():
    model, x = Functional().double(), np.random.default_rng(0).standard_normal((4, 3))
    gy = np.random.default_rng(1).standard_normal((4, 2))
    seen = observe(model, x, cotangent=gy)
    assert [layer.name for layer in seen.layers] == ["linear", "relu", "add", "tanh", "matmul"]
    w, v = (p.detach().numpy() for p in (model.w, model.v))
    a = x @ w.T
    b = np.maximum(a, 0)
    c = b + x
    d = np.tanh(c)
    gd = gy @ v
    gc = gd * (1 - d ** 2)
    ga = gc * (a > 0)
    for layer, y, g in zip(seen.layers, (a, b, c, d, d @ v.T), (ga, gc, gc, gd, gy)):
        np.testing.assert_allclose(layer.y, y, atol=1e-12)
        np.testing.assert_allclose(layer.gy, g, atol=1e-12)
    assert seen.layer("linear").weight == "w"
    np.testing.assert_allclose(seen.layer("linear").gw, ga.T @ x, atol=1e-12)
    np.testing.assert_allclose(seen.gx, ga @ w + gc, atol=1e-12)
    np.testing.assert_allclose(list(seen.layer("add").xs), [b, x], atol=1e-12)
    np.testing.assert_allclose(seen.loss, (gy * (d @ v.T)).sum())


def test_gradients_are_those_of_an_ordinary_backward_pass():
    model = SMALL["resnet"].builder()
    x, labels = minidl.randn(4, 1, 28, 28), minidl.tensor([1, 2, 3, 4])
    seen = observe(model, x, loss=lambda y: F.cross_entropy(y, labels))
    value = F.cross_entropy(model(x), labels)
    value.backward()
    assert seen.loss == value.item()
    for (name, p), weight in zip(model.named_parameters(), seen.weights, strict=True):
        assert weight.name == name
        np.testing.assert_array_equal(weight.gw, p.grad.array)


def test_every_layer_and_function_of_a_residual_network_has_a_name():
    seen = observe(SMALL["resnet"].builder(), minidl.randn(2, 1, 28, 28))
    names = [layer.name for layer in seen.layers]
    assert names[:4] == ["conv1", "bn1", "relu", "layer1.0.conv1"]
    assert [layer.kind for layer in seen.layers if layer.name.startswith("layer1.0.")] == [
        "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "Add", "ReLU"]
    assert "layer1.0.relu (2)" in names and len(set(names)) == len(names)


def test_a_layer_whose_last_op_is_a_reshape_is_seen_and_one_that_only_reshapes_is_not(rng):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4))
    seen = observe(model, rng.standard_normal((5, 2, 3)))
    assert [layer.kind for layer in seen.layers] == ["Linear", "BatchNorm1d"]
    np.testing.assert_allclose(seen.layers[1].y.std(0), 1, rtol=1e-3)
    np.testing.assert_array_equal(seen.layers[1].gy, seen.gys[0])


def test_what_is_changed_in_place_later_is_seen_as_it_was():
    """The batch norm's output, to which the block adds its input: without the copy both would be the sum."""
    model, x = awkward()
    model.eval()
    seen = observe(model, x)
    norm, add = seen.layer("block1.norm").y, seen.layer("block1.add")
    np.testing.assert_array_equal(add.xs[0], norm)
    np.testing.assert_array_equal(add.y, norm + add.xs[1])
    np.testing.assert_array_equal(seen.layer("block1.relu").x, add.y)    # in the memory that was the norm's output


def test_a_model_can_be_observed_in_another_dtype():
    model, x = awkward()
    model.eval()
    seen = observe(model, x, dtype=minidl.float64)
    assert {layer.y.dtype for layer in seen.layers} | {layer.gy.dtype for layer in seen.layers} == {np.dtype("float64")}
    np.testing.assert_allclose(seen.layers[-1].y, observe(model, x).layers[-1].y, rtol=1e-4, atol=1e-5)


def test_with_a_shared_cotangent_all_examples_start_from_the_same():
    seen = observe(nn.Linear(3, 5), minidl.randn(4, 3), shared=True)
    assert (seen.gys[0] == seen.gys[0][0]).all()
    (gy,) = observe(nn.Linear(3, 5), minidl.randn(4, 3)).gys
    assert not (gy[1:] == gy[0]).any()


def test_a_frozen_weight_has_no_gradient_and_the_layers_before_it_do():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    model[2].requires_grad_(False)
    seen = observe(model, minidl.randn(4, 3))
    assert seen.layer("2").gw is None and seen.layer("0").gw is not None and seen.layer("2").gy is not None


@pytest.mark.parametrize("model, sentence", [
    (nn.Identity(), "Identity has no layers to probe"),
    (nn.Sequential(), "Sequential has no layers to probe"),
    (nn.Flatten(), "Flatten has no layers to probe"),
])
def test_a_model_without_layers_is_answered_with_a_sentence(model, sentence):
    with pytest.raises(ValueError, match=sentence):
        observe(model, minidl.randn(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_every_family_can_be_observed(name):
    """Every weight matrix that has a gradient is that of a layer, and the gradients are those of a plain backward pass."""
    model, (images, _) = reduced(name)
    model.eval()
    seen = observe(model, images)
    y = model(minidl.tensor(images, dtype=minidl.float32))
    ys = [z for z in (y if isinstance(y, tuple) else (y,)) if z is not None]
    minidl.autograd.backward(ys, [minidl.tensor(gy) for gy in seen.gys])
    for p, weight in zip(model.parameters(), seen.weights, strict=True):
        assert (p.grad is None) == (weight.gw is None)
        if p.grad is not None:
            np.testing.assert_array_equal(weight.gw, p.grad.array)
    layers = {layer.weight for layer in seen.layers}
    assert layers >= {weight.name for weight in seen.weights if weight.w.ndim > 1 and weight.gw is not None}
    assert all([layer.gy is not None and layer.gy.shape == layer.y.shape for layer in seen.layers])
