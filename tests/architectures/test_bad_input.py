"""What does not fit a network is answered with the layer's name and both shapes."""
import pytest
from networks import DEEPEST

import minidl
from architectures import MODELS, build

# Those with full layers or without padding: an image of a quarter of the height and width leaves a layer nothing to read.
# The others pool what is left, however large it is.
PARTICULAR = [name for name in MODELS if name.startswith((
    "lenet", "keras", "alexnet", "zfnet", "vgg", "fractalnet", "unet", "inception"))]


def on_meta(name):
    with minidl.device("meta"):
        return build(name)


def refused(model, *shape):
    """The sentence, and the path of the layer that it names, for images of this shape."""
    with pytest.raises(ValueError) as error, minidl.device("meta"):
        model(minidl.empty(*shape))
    (note,) = error.value.__notes__
    path, _, kind = note.removeprefix("in ").partition(" of ")
    assert kind == type(model).__name__
    return str(error.value), path


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEPEST])
def test_images_with_a_channel_more_are_refused_by_the_first_convolution(name):
    model, (C, H, W) = on_meta(name), MODELS[name].input_shape
    said, path = refused(model, 2, C + 1, H, W)
    filters = model.get_submodule(path).weight.shape
    assert f"shape {(2, C + 1, H, W)}" in said and f"filters of shape {filters}" in said and filters[1] == C


@pytest.mark.parametrize("name", PARTICULAR)
def test_an_image_that_is_too_small_is_refused_by_the_layer_that_it_does_not_suffice_for(name):
    model, (C, H, W) = on_meta(name), MODELS[name].input_shape
    said, path = refused(model, 2, C, H // 4, W // 4)
    if path != "forward":                                # a pooling that is no layer, or U-Net's check of the image
        model.get_submodule(path)
    assert "shape (2, " in said and ("smaller than the kernel" in said or "wants: " in said or "at least 188" in said)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEPEST])
def test_a_state_dict_that_does_not_fit_is_answered_with_names_and_shapes(name):
    model = on_meta(name)
    state = model.state_dict()
    key = list(state)[len(state) // 2]
    shape = state[key].shape
    with minidl.device("meta"):
        other = minidl.empty(7, 3)
    for wrong, said in (({k: x for k, x in state.items() if k != key}, f"missing: {key} {shape}"),
                        ({**state, "nowhere.weight": other}, "unexpected: nowhere.weight (7, 3)"),
                        ({**state, key: other}, f"{key} has shape (7, 3) in the state dict, but {shape} here")):
        with pytest.raises(RuntimeError) as error:
            model.load_state_dict(wrong)
        assert str(error.value) == f"the state dict does not fit {type(model).__name__}:\n  {said}"
