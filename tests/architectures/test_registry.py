"""architectures.build: names, options, and sentences for those that are not there."""
import pytest
from networks import DEEPEST

import architectures
import minidl
from architectures import MODELS, build
from minidl.summary import summary

# Trainable parameters and multiply-adds of convolutions and linear layers for one image, counted by PyTorch
# hooks on published implementations; LeNet-5's 60,000 is the paper's own figure. What no library has is worked out:
FULL_OF_VGG = 25_088 * 4096 + 4096 * 4096 + 4096 * 1000            # an image of 32x32 has a 49th of the pixels of
FULL_OF_CIFAR_VGG = 512 * 4096 + 4096 * 4096 + 4096 * 10           # one of 224x224, and these full layers
PROJECTIONS = 3 * 28 * 28 * 128 * 64, 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)

COUNTS = {
    "lenet5": (61_706, 416_520),
    "lenet5_1998": (60_000, 326_520),
    "keras_mnist_cnn": (93_322, 2_794_240),
    "keras_cifar100_cnn": (325_956, 1_488_064),
    "alexnet": (60_965_224, 724_406_816),                            # the authors of Caffe
    "vgg11": (132_863_336, 7_609_090_048),                           # torchvision, but for C
    "vgg11_lrn": (132_863_336, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg16_c": (133_638_952, 11_770_888_192),                        # the paper: 134 million
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "vgg11_bn": (132_868_840, 7_609_090_048),
    "vgg13_bn": (133_053_736, 11_308_466_176),
    "vgg16_bn": (138_365_992, 15_470_264_320),
    "vgg19_bn": (143_678_248, 19_632_062_464),
    "vgg16_cifar": (33_638_218, (15_470_264_320 - FULL_OF_VGG) // 49 + FULL_OF_CIFAR_VGG),
    "vgg19_cifar": (38_947_914, (19_632_062_464 - FULL_OF_VGG) // 49 + FULL_OF_CIFAR_VGG),
    "resnet18": (11_689_512, 1_814_073_344),                         # torchvision
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 3_857_973_248),                         # the paper: 3.8, 7.6 and 11.3 billion
    "resnet101": (44_549_160, 7_570_194_432),
    "resnet152": (60_192_808, 11_282_415_616),
    "resnet50_v1_5": (25_557_032, 4_089_184_256),                    # torchvision
    "plain18": (11_689_512 - PROJECTIONS[1], 1_814_073_344 - PROJECTIONS[0]),
    "plain34": (21_797_672 - PROJECTIONS[1], 3_663_761_408 - PROJECTIONS[0]),
    "resnet20": (269_722, 40_551_040),                               # the paper: 0.27, 0.46, 0.66, 0.85, 1.7 and
    "resnet32": (464_154, 68_862_592),                               # 19.4 million, "exactly the same" for plain ones
    "resnet44": (658_586, 97_174_144),
    "resnet56": (853_018, 125_485_696),
    "resnet110": (1_727_962, 252_887_680),
    "resnet1202": (19_421_274, 2_829_238_912),
    "plain20": (269_722, 40_551_040),
    "plain32": (464_154, 68_862_592),
    "plain44": (658_586, 97_174_144),
    "plain56": (853_018, 125_485_696),
    "plain110": (1_727_962, 252_887_680),
    "plain1202": (19_421_274, 2_829_238_912),
    "mobilenet_v1": (4_231_976, 568_740_352),                        # the paper: 4.2 and 569 million
    "mobilenet_v2": (3_504_872, 300_774_272),                        # torchvision
    "nasnet_a_cifar10": (3_346_538, 544_333_312),                    # the papers: 3.3, 5.3 and 3.2 million parameters,
    "nasnet_a_mobile": (5_289_978, 563_638_816),                     # and 564 million multiply-adds
    "amoebanet_a_cifar10": (3_218_266, 509_668_992),
    "unet": (31_030_658, 150_428_424_448),
}
SMALL = [name for name, (parameters, _) in COUNTS.items() if parameters < 400_000]


def test_every_network_has_counts_to_be_held_to():
    assert COUNTS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    with minidl.device("meta"):
        model = build(name)
    counted = summary(model, MODELS[name].input_shape)
    assert (counted.trainable, counted.macs) == COUNTS[name]


def pixels(name):
    """The shape of what is scored in an image, besides the image itself."""
    return (388, 388) if name == "unet" else ()


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEPEST])
def test_a_network_gives_a_score_for_each_class(name):
    with minidl.device("meta"):
        images = minidl.randn(3, *MODELS[name].input_shape)
        assert build(name)(images).shape == (3, MODELS[name].options["num_classes"], *pixels(name))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lenet5_1998", *DEEPEST)])
def test_classes_and_channels_can_be_chosen(name):
    _, H, W = MODELS[name].input_shape
    with minidl.device("meta"):
        assert build(name, num_classes=7, in_channels=2)(minidl.randn(1, 2, H, W)).shape == (1, 7, *pixels(name))


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_weights(name):
    def weights(seed):
        minidl.manual_seed(seed)
        return [p.array.tobytes() for p in build(name).parameters()]
    assert weights(1) == weights(1) != weights(2)


@pytest.mark.parametrize("name, nearest", [
    ("lenet", "lenet5 or alexnet or unet"), ("keras_mnist", "keras_mnist_cnn"), ("LeNet5", "lenet5")])
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
