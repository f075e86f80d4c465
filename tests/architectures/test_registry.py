"""architectures.build: names, options, and sentences for those that are not there."""
import pytest

import architectures
import minidl
from architectures import MODELS, build
from minidl.summary import summary

# Trainable parameters and multiply-adds of convolutions and linear layers for one image, counted by PyTorch
# hooks on published implementations; LeNet-5's 60,000 is the paper's own figure.
COUNTS = {
    "lenet5": (61_706, 416_520),
    "lenet5_1998": (60_000, 326_520),
    "keras_mnist_cnn": (93_322, 2_794_240),
    "keras_cifar100_cnn": (325_956, 1_488_064),
}


def test_every_network_has_counts_to_be_held_to():
    assert COUNTS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    counted = summary(build(name), MODELS[name].input_shape)
    assert (counted.trainable, counted.macs) == COUNTS[name]


@pytest.mark.parametrize("name", MODELS)
def test_a_network_gives_a_score_for_each_class(name):
    images = minidl.randn(3, *MODELS[name].input_shape)
    assert build(name)(images).shape == (3, MODELS[name].options["num_classes"])


@pytest.mark.parametrize("name", [name for name in MODELS if name != "lenet5_1998"])
def test_classes_and_channels_can_be_chosen(name):
    _, H, W = MODELS[name].input_shape
    assert build(name, num_classes=7, in_channels=2)(minidl.randn(1, 2, H, W)).shape == (1, 7)


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_decides_the_weights(name):
    def weights(seed):
        minidl.manual_seed(seed)
        return [p.array.tobytes() for p in build(name).parameters()]
    assert weights(1) == weights(1) != weights(2)


@pytest.mark.parametrize("name, nearest", [
    ("lenet", "lenet5 or lenet5_1998"), ("keras_mnist", "keras_mnist_cnn"), ("LeNet5", "lenet5")])
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"no network '{name}', did you mean {nearest}.*there are lenet5, "):
        build(name)


def test_a_name_like_no_other_is_answered_with_all_of_them():
    with pytest.raises(ValueError, match=f"there is no network 'xyz'; there are {', '.join(MODELS)}$"):
        build("xyz")


def test_an_unknown_option_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="lenet5: there is no option 'activatoin', did you mean activation.*"
                                         "it has num_classes=10, in_channels=1, activation='tanh'$"):
        build("lenet5", activatoin="relu")


def test_an_unknown_activation_is_a_sentence():
    with pytest.raises(ValueError, match="lenet5: activation 'sigmoid' is not one of tanh, relu"):
        build("lenet5", activation="sigmoid")


def test_the_drawn_digits_are_ten():
    with pytest.raises(ValueError, match="lenet5_1998: .* ten digits, so there can be no 26 classes"):
        build("lenet5_1998", num_classes=26)


def test_an_image_of_another_size_is_a_sentence_that_names_the_layer():
    with pytest.raises(ValueError) as error:
        build("lenet5")(minidl.randn(1, 1, 28, 28))
    assert "(1, 16, 4, 4)" in str(error.value) and "c5" in str(error.value.__notes__)


def test_every_entry_says_where_it_is_from():
    for model in architectures.MODELS.values():
        assert 1998 <= model.year <= 2026 and model.paper and len(model.input_shape) == 3
