"""VGG: its stages, layers and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, narrow, on_shapes, reduced, shapes_of

import minidl
from architectures.vgg import TABLE_1, VGG, CifarVGG
from minidl import nn

# Layers of torchvision's features, and of the same made from the paper's column C: what each puts out.
FEATURES = {
    "vgg16": {"3": (64, 224, 224), "4": (64, 112, 112), "8": (128, 112, 112), "9": (128, 56, 56), "15": (256, 56, 56),
              "16": (256, 28, 28), "22": (512, 28, 28), "29": (512, 14, 14), "30": (512, 7, 7)},
    "vgg16_c": {"3": (64, 224, 224), "4": (64, 112, 112), "8": (128, 112, 112), "9": (128, 56, 56),
                "15": (256, 56, 56), "16": (256, 28, 28), "22": (512, 28, 28), "29": (512, 14, 14), "30": (512, 7, 7)},
    "vgg16_cifar": {"3": (64, 32, 32), "30": (512, 1, 1)},
}


@pytest.mark.parametrize("name", FEATURES)
def test_the_stages_have_the_published_shapes(name):
    model, image = on_shapes(name)
    assert FEATURES[name].items() <= dict(shapes_of(model.features, image)).items()
    assert [layer for layer, _ in shapes_of(model, image)] == ["features", "classifier"]


@pytest.mark.parametrize("name, depth", [
    ("vgg11", 11), ("vgg11_lrn", 11), ("vgg13", 13), ("vgg16_c", 16), ("vgg16", 16), ("vgg19", 19),
    ("vgg11_bn", 11), ("vgg13_bn", 13), ("vgg16_bn", 16), ("vgg19_bn", 19), ("vgg16_cifar", 16), ("vgg19_cifar", 19)])
def test_as_many_layers_have_weights_as_the_name_says(name, depth):
    assert len(layers_with_weights(on_shapes(name)[0])) == depth


def kinds(model):
    return " ".join([type(layer).__name__ for layer in model.features])


def test_normalisation_stands_once_in_a_lrn_and_everywhere_in_bn():
    assert kinds(on_shapes("vgg11_lrn")[0]).startswith("Conv2d ReLU LocalResponseNorm MaxPool2d Conv2d ReLU MaxPool2d")
    assert kinds(on_shapes("vgg11_lrn")[0]).count("LocalResponseNorm") == 1
    assert kinds(on_shapes("vgg13_bn")[0]) == kinds(on_shapes("vgg13")[0]).replace("Conv2d", "Conv2d BatchNorm2d")


def test_lrn_is_alexnets():
    """Section 2.1, which takes the parameters of Krizhevsky et al.: alpha is 1e-4 for each of 5 channels."""
    norm = on_shapes("vgg11_lrn")[0].features[2]
    assert (norm.size, norm.alpha / norm.size, norm.beta, norm.k) == (5, 1e-4, 0.75, 2)


def test_the_1x1_convolutions_of_c_are_the_last_of_three_stages():
    model, _ = on_shapes("vgg16_c")
    sizes = [layer.kernel_size[0] for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert sizes == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]


def test_the_two_hidden_full_layers_are_dropped_from():
    """Section 3.1: dropout for the first two full layers, ratio 0.5."""
    classifier = on_shapes("vgg16")[0].classifier
    assert [type(layer).__name__ for layer in classifier] == "Linear ReLU Dropout Linear ReLU Dropout Linear".split()
    assert classifier[2].p == classifier[5].p == 0.5


def test_weights_start_as_glorot_and_bengio_have_them():
    """Uniform up to sqrt(6 / (fan-in + fan-out)), biases 0."""
    for _, layer in layers_with_weights(VGG(narrow(TABLE_1["B"]), 200, image_size=32, hidden=200)):
        out, reads = layer.weight.shape[:2]
        bound = math.sqrt(6 / ((out + reads) * math.prod(layer.weight.shape[2:])))
        assert 0.9 * bound < np.abs(layer.weight.array).max() <= bound * (1 + 1e-6) and not layer.bias.array.any()


def test_those_for_32x32_start_so_that_scores_are_as_large_as_pixels():
    """He et al.: variance 2 / fan-in, with which 16 layers make numbers neither larger nor smaller."""
    model = CifarVGG(narrow(TABLE_1["D"]).replace("-2", "-8"), 64, dropout=0.0, hidden=64)
    for _, layer in layers_with_weights(model):
        assert math.isclose(layer.weight.array.std() * math.sqrt(layer.weight[0].numel() / 2), 1, abs_tol=0.15)
        assert not layer.bias.array.any()
    assert type(on_shapes("vgg16_cifar")[0]) is type(on_shapes("vgg19_cifar")[0]) is CifarVGG
    assert 0.2 < model(minidl.randn(8, 3, 32, 32)).detach().numpy().std() < 5


def test_what_is_left_of_the_image_is_read_whole():
    model, (images, _) = reduced("vgg11_bn")
    assert model.classifier[0].in_features == 8 * 2 * 2 and images.shape[2:] == (64, 64)
