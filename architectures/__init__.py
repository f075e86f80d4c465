"""Networks from papers, one family a file: `architectures.build("lenet5")`."""
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

from architectures import keras_tutorial, lenet


@dataclass(frozen=True)
class Model:
    """What is known of a network before it is built; calling `builder` builds it.

    input_shape : (C, H, W) of the images the paper feeds it
    """
    builder: Callable
    year: int
    paper: str
    input_shape: tuple

    @property
    def options(self):
        """The arguments of the constructor with their defaults."""
        return {name: option.default for name, option in inspect.signature(self.builder).parameters.items()}


LECUN = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition"
CHOLLET = "Chollet: Deep Learning with Python, section 5.1"

MODELS = {
    "lenet5": Model(lenet.lenet5, 1998, LECUN, (1, 32, 32)),
    "lenet5_1998": Model(lenet.lenet5_1998, 1998, LECUN, (1, 32, 32)),
    "keras_mnist_cnn": Model(keras_tutorial.keras_mnist_cnn, 2017, CHOLLET, (1, 28, 28)),
    "keras_cifar100_cnn": Model(keras_tutorial.keras_cifar100_cnn, 2017, "a tutorial", (3, 32, 32)),
}


def build(name, **options):
    """The network `name` of MODELS with fresh weights: `build("lenet5", num_classes=26, activation="relu")`.

    An option that is not given has the paper's value. ValueError for a name or an option that is not there.
    """
    model = find(name)
    for option in options:
        if option not in model.options:
            there = ", ".join(f"{key}={value!r}" for key, value in model.options.items())
            raise ValueError(f"{name}: there is no option {option!r}{like(option, model.options)}; "
                             f"it has {there or 'none'}")
    return model.builder(**options)


def find(name):
    """The entry of MODELS; ValueError with the nearest names if there is none."""
    if name not in MODELS:
        raise ValueError(f"there is no network {name!r}{like(name, MODELS)}; there are {', '.join(MODELS)}")
    return MODELS[name]


def like(name, names):
    """Which names may have been meant, as part of a sentence."""
    near = difflib.get_close_matches(str(name), names, 3, 0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""
