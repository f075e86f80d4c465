"""NiN: its stages, small networks in the place of filters, dropout and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, reduced, shapes_of

import minidl
from architectures.nin import CifarNiN, ImageNetNiN, MLPConv
from minidl import nn


def test_the_stages_for_cifar_have_the_published_shapes():
    """Section 4.1: pooling and dropout after every mlpconv but the last."""
    assert shapes_of(*on_shapes("nin_cifar10")) == [
        ("mlpconv1", (96, 32, 32)), ("pool", (96, 16, 16)), ("dropout", (96, 16, 16)),
        ("mlpconv2", (192, 16, 16)), ("pool", (192, 8, 8)), ("dropout", (192, 8, 8)), ("mlpconv3", (10, 8, 8))]


def test_the_stages_for_imagenet_have_the_published_shapes():
    """Caffe's model zoo, where dropout stands once."""
    assert shapes_of(*on_shapes("nin")) == [
        ("mlpconv1", (96, 54, 54)), ("pool", (96, 27, 27)), ("mlpconv2", (256, 27, 27)), ("pool", (256, 13, 13)),
        ("mlpconv3", (384, 13, 13)), ("pool", (384, 6, 6)), ("dropout", (384, 6, 6)), ("mlpconv4", (1000, 6, 6))]


@pytest.mark.parametrize("name, layers", [("nin", 12), ("nin_cifar10", 9)])
def test_every_layer_with_weights_is_a_convolution(name, layers):
    assert [type(layer) for _, layer in layers_with_weights(on_shapes(name)[0])] == layers * [nn.Conv2d]


def test_an_mlpconv_is_a_network_of_full_layers_at_every_pixel():
    """Equation 2, with loops over pixels."""
    block = MLPConv(2, (4, 5, 3), 3)
    x = minidl.randn(1, 2, 5, 6)
    y = block(x).detach().numpy()
    assert y.shape == (1, 3, 3, 4) and (y >= 0).all() and y.any()
    for i in range(3):
        for j in range(4):
            f = x.numpy()[0, :, i:i + 3, j:j + 3].reshape(-1)
            for layer in (block.conv, block.cccp1, block.cccp2):
                w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
                f = np.maximum(w.reshape(len(w), -1) @ f + b, 0)
            np.testing.assert_allclose(y[0, :, i, j], f, rtol=1e-4, atol=1e-6)


def test_a_score_is_the_mean_of_a_classs_map():
    """Section 3.2."""
    model, (images, _) = reduced("nin_cifar10")
    model.eval()
    seen = []
    model.mlpconv3.register_forward_hook(lambda layer, args, y: seen.append(y.detach().numpy()))
    scores = model(minidl.tensor(images, dtype=minidl.float32)).detach().numpy()
    np.testing.assert_allclose(scores, seen[0].mean((2, 3)), rtol=1e-5)


def test_weights_for_cifar_start_as_in_the_authors_file():
    """NIN/cifar-10_def: initW=0.05 everywhere, no initB."""
    for _, layer in layers_with_weights(CifarNiN(64, channels=((64, 64, 64), (64, 64, 64), (64, 64)))):
        assert math.isclose(layer.weight.array.std(), 0.05, rel_tol=0.05) and not layer.bias.array.any()


def test_weights_for_imagenet_start_as_in_the_authors_file():
    """nin_imagenet in Caffe's model zoo: 0.01 in conv1, conv3 and the last layer, 0.05 elsewhere."""
    model = ImageNetNiN(64, channels=((64, 64, 64), (64, 64, 64), (64, 64, 64), (64, 64)))
    stds = [layer.weight.array.std() for _, layer in layers_with_weights(model)]
    np.testing.assert_allclose(stds, [0.01, 0.05, 0.05, 0.05, 0.05, 0.05, 0.01, 0.05, 0.05, 0.05, 0.05, 0.01], rtol=0.06)


@pytest.mark.parametrize("shape, said", [((1, 3, 10, 10), r"\(1, 3, 10, 10\)"), ((1, 4, 67, 67), r"4 channels")])
def test_a_wrong_image_is_a_sentence_that_names_the_layer(shape, said):
    with pytest.raises(ValueError, match=said) as error:
        on_shapes("nin")[0](minidl.zeros(shape, device="meta"))
    assert "mlpconv1.conv" in str(error.value.__notes__)
