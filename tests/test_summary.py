"""The summary of a network."""
import gc
import tracemalloc

import numpy as np
import pytest

import architectures
import minidl
from minidl import nn
from minidl.kernels.cpu.convolution import Convolution, algorithm
from minidl.kernels.meta import MetaArray
from minidl.nn import functional as F
from minidl.summary import cost, summary


@pytest.mark.parametrize("name, parameters, macs", [
    ("lenet5", 61_706, 416_520),                  # LeCun et al. 1998 with the usual simplifications
    ("lenet5_1998", 60_000, 326_520),             # section II.B: 60,000 trainable parameters
    ("keras_mnist_cnn", 93_322, 2_794_240),       # Keras' model.summary() prints the parameters
    ("keras_cifar100_cnn", 325_956, 1_488_064),
])
def test_parameters_and_macs_are_the_published_ones(name, parameters, macs):
    result = summary(architectures.build(name), architectures.MODELS[name].input_shape)
    assert (result.parameters, result.macs) == (parameters, macs)
    assert sum(row.parameters for row in result.rows) == parameters
    assert cost(architectures.build(name), architectures.MODELS[name].input_shape) == (parameters, macs)


def test_only_what_is_trained_counts_in_the_cost():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 5))
    model[0].weight.requires_grad = False
    assert cost(model, (1, 3, 3)) == (2 + 2 * 5 + 5, 2 * 9 + 2 * 5)


def test_the_receptive_fields_of_lenet5_are_those_of_its_figure():
    """By hand: 5, + 1, + 4 * 2, + 2, + 4 * 4 pixels; C5 sees the whole image, and so does all after it."""
    result = summary(architectures.build("lenet5"), (1, 32, 32))
    fields = [row.field[0] for row in result.rows]
    assert fields == [5, 6, 14, 16, 32, 32, 32, 32, 32]


def test_the_summary_says_how_each_convolution_is_computed():
    model = nn.Sequential(nn.Conv2d(4, 6, 1), nn.ReLU(), nn.ConvTranspose2d(6, 3, 3), nn.Conv2d(3, 4, 10))
    with minidl.conv_algorithm("gemm"):
        headings, *rows = summary(model, (4, 8, 8), batch_size=3).table(algorithms=True)
    assert headings[-2:] == ("im2col", "algorithms") and rows[0][-1] == "gemm" and rows[1][-1] == ""
    how = Convolution((3, 3, 10, 10), (6, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1, np.dtype(np.float32))
    forward, gx, gw = (algorithm(step, how) for step in ("conv2d_gradient_x", "conv2d", "conv2d_gradient_w"))
    assert rows[2][-1] in (forward, f"{forward}/{gx}/{gw}") and rows[3][-1] == "linear"
    assert "algorithms" not in summary(model, (4, 8, 8)).table()[0]


def seen(model, shape):
    """How many pixels (height, width) of the input the middle of the output depends on: by its gradient."""
    x = minidl.rand(1, *shape, requires_grad=True)
    y = model.eval()(x)
    while y.ndim > 2:
        y = y[..., y.shape[-1] // 2]
    y.sum().backward()
    rows, columns = np.nonzero(x.grad.numpy().sum((0, 1)))
    return int(np.ptp(rows) + 1), int(np.ptp(columns) + 1)


class Branches(nn.Module):
    """The wider of two ways counts, whichever is added to which."""

    def __init__(self, swapped):
        super().__init__()
        self.wide, self.narrow, self.swapped = nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(1, 2, 1), swapped

    def forward(self, x):
        a, b = self.wide(x), self.narrow(x)
        return b + a if self.swapped else a + b


@pytest.mark.parametrize("model, shape", [
    (nn.Sequential(nn.Conv2d(1, 2, (3, 5), stride=(2, 1)), nn.Conv2d(2, 2, 3, dilation=2)), (1, 25, 23)),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(3, 2), nn.Conv2d(2, 3, 2)), (1, 24, 24)),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(3)), (1, 20, 14)),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 4 * 6, 5)), (1, 6, 8)),
    (Branches(False), (1, 15, 15)), (Branches(True), (1, 15, 15)),
], ids=str)
def test_a_receptive_field_is_what_the_gradient_reaches(model, shape):
    assert summary(model, shape).rows[-1].field == seen(model, shape)


@pytest.mark.parametrize("layers, alone, factor", [(2, 5, 18 / 25), (3, 7, 27 / 49)])
def test_stacked_3x3_layers_see_what_a_larger_one_sees_with_fewer_weights(layers, alone, factor):
    """Simonyan & Zisserman 2014, section 2.3: two of them 5x5, three 7x7, with 27 C^2 weights for 49 C^2."""
    stack = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(layers)])
    large = nn.Conv2d(4, 4, alone, padding=alone // 2, bias=False)
    shape = (4, 15, 15)
    result, other = summary(stack, shape), summary(nn.Sequential(large), shape)
    assert [row.field for row in result.rows] == [(n, n) for n in (3, 5, 7)[:layers]]
    assert result.field == other.field == seen(stack, shape) == (alone, alone)
    assert result.parameters / other.parameters == result.macs / other.macs == factor


@pytest.mark.parametrize("name, pixels", [
    ("alexnet", 195), ("vgg16", 212), ("mobilenet_v1", 315), ("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
def test_the_receptive_fields_of_networks_are_the_published_ones(name, pixels):
    """Araujo, Norris & Sim 2019, Computing receptive fields of convolutional neural networks, the table."""
    with minidl.device("meta"):
        model = architectures.build(name)
    assert summary(model, architectures.MODELS[name].input_shape).field == (pixels, pixels)


def test_stages_are_the_layers_of_one_height_and_width():
    """Shapes as in He et al. 2015, table 1. Receptive fields by hand: each 3x3 adds twice the step of its input."""
    with minidl.device("meta"):
        model = architectures.build("resnet18")
    result = summary(model, (3, 224, 224))
    assert [(stage.shape, stage.field[0]) for stage in result.stages[:-1]] == [
        ((64, 112, 112), 7), ((64, 56, 56), 11 + 4 * 8), ((128, 28, 28), 43 + 8 + 3 * 16),
        ((256, 14, 14), 99 + 16 + 3 * 32), ((512, 7, 7), 211 + 32 + 3 * 64)]
    assert [stage.name for stage in result.stages[-2:]] == ["layer4.0.conv1 to layer4.1", "fc"]
    for total in "parameters", "macs", "activations", "kept", "gradients":
        assert sum(getattr(stage, total) for stage in result.stages) == getattr(result, total)
    assert result.stages[-1].parameters == 513 * 1000 and result.stages[-1].macs == 512 * 1000
    headings, *lines = result.table_of_stages()
    assert lines[-1] == ("fc", "1000", "513,000", "512,000", "627x627", "5.9 KiB", "2.0 KiB", "2.1 MiB")
    assert len(headings) == len(lines[0])


def test_memory_and_shapes_of_a_convolution_worked_out_by_hand():
    model = nn.Sequential(nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2), nn.ReLU())
    conv, relu = summary(model, (4, 9, 8)).rows
    assert conv.shape == relu.shape == (6, 5, 5)
    assert conv.parameters == 6 * 2 * 3 * 2 + 6
    assert conv.macs == 6 * 5 * 5 * (2 * 3 * 2)
    assert conv.columns == 4 * (3 * 2) * (5 * 5) * 4 and relu.columns == 0
    assert conv.activations == relu.activations == 6 * 5 * 5 * 4
    assert (conv.name, conv.kind, relu.kind) == ("0", "Conv2d", "ReLU")


def test_what_is_kept_and_the_gradients_worked_out_by_hand():
    """In bytes: the convolution reads the image, relu's rule its result, pooling's the places of the largest (int32).

    Dropout, which is not there when nothing is trained, counts with the layer before: its mask, its gradient.
    """
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 5), nn.Dropout())
    rows = summary(model, (4, 8, 8)).rows
    image, maps, pooled, scores = 4 * 4 * 8 * 8, 4 * 6 * 6 * 6, 4 * 6 * 3 * 3, 4 * 5
    assert [row.kept for row in rows] == [image, maps, pooled, 0, pooled + scores]
    assert [row.gradients for row in rows] == [4 * (6 * 4 * 9 + 6), maps, maps, 0, pooled + 4 * 55 * 5 + scores]


def test_a_gradient_that_is_handed_on_takes_no_memory_and_one_for_a_fixed_layer_is_not_made():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(30, 30, bias=False), nn.Linear(30, 30, bias=False)

        def forward(self, x):
            x = self.first(x)
            return x + self.second(x)
    model = Shortcut()
    assert [row.gradients for row in summary(model, (30,)).rows] == [4 * 900, 4 * 900 + 4 * 30, 0]
    model.first.requires_grad_(False)
    assert [(row.kept, row.gradients) for row in summary(model, (30,)).rows] == [(0, 0), (4 * 30, 4 * 900), (0, 0)]


@pytest.mark.parametrize("name", ["vgg11_bn", "resnet20", "wrn_16_4", "shufflenet_v2", "densenet40_12", "fractalnet20"])
def test_what_is_kept_is_what_is_there_between_forward_and_backward(name):
    """Counted by the arrays themselves, as shapes; a test of the footprint holds those to real arrays."""
    shape = architectures.MODELS[name].input_shape
    with minidl.device("meta"):
        model = architectures.build(name)
        images = minidl.empty(1, *shape)
        gc.collect()
        before = MetaArray.alive - images.nbytes
        scores = model(images)
        kept = MetaArray.alive - before - scores.nbytes
    assert summary(model, shape).kept == kept


def test_macs_of_other_products():
    class Products(nn.Module):
        def forward(self, x):                                      # (1, 2, 3, 4)
            y = minidl.einsum("bchw,bdhw->bcd", x, x)               # 2 * 2 * 3 * 4
            return y @ y                                            # 2 * 2 * 2
    assert summary(Products(), (2, 3, 4)).macs == 48 + 8
    up = nn.ConvTranspose2d(3, 5, 2, stride=2)
    assert summary(nn.Sequential(up), (3, 4, 4)).macs == 3 * 4 * 4 * 5 * 2 * 2


def test_a_layer_that_is_called_twice_has_its_parameters_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(F.relu(self.layer(x)))
    result = summary(Twice(), (3,))
    rows = [(row.name, row.parameters, row.macs) for row in result.rows]
    assert rows == [("layer", 12, 9), ("", 0, 0), ("layer", 0, 9)]
    assert result.parameters == 12


def test_the_model_is_as_it_was_before():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model[1].eval()
    before = {name: x.numpy().copy() for name, x in model.state_dict().items()}
    summary(model, (1, 8, 8))
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), before[name])
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_a_network_that_would_need_terabytes_costs_nothing():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU())
    result = summary(model, (3, 100_000, 100_000))
    assert result.activations == 2 * 64 * 10 ** 10 * 4


def test_a_summary_takes_a_thousandth_of_the_memory_that_it_foresees():
    with minidl.device("meta"):
        model = architectures.build("resnet18")
    tracemalloc.start()
    result = summary(model, (3, 224, 224), batch_size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.training.peak > 2 ** 30 and peak < result.training.peak / 1000


def test_an_input_that_does_not_fit_is_the_layer_s_own_sentence():
    with pytest.raises(ValueError, match="x has 3 channels"):
        summary(architectures.build("lenet5"), (3, 32, 32))


def test_fixed_parameters_and_totals_are_printed():
    model = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 2))
    model[0].requires_grad_(False)
    text = str(summary(model, (10,)))
    assert "132 parameters, 110 of them fixed" in text and "120 MACs" in text


def test_the_memory_of_a_training_step_is_for_the_whole_batch():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    small, large = (summary(model, (3, 32, 32), n) for n in (1, 16))
    images, results = 4 * 3 * 32 * 32, 4 * 8 * 32 * 32          # in bytes; relu's gradient reads its result
    assert large.training.peak - small.training.peak == 15 * (images + 3 * results)          # y of relu, its gy, its gx
    assert "with 16 images (SGD with momentum) takes 1.7 MiB of arrays at the most" in str(large)
    assert small.macs == large.macs and "with 1 image (" in small.memory()


def test_a_batch_that_cannot_be_trained_on_still_has_a_summary():
    result = summary(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), (1, 3, 3))
    assert result.parameters == 24 and "cannot be trained on" in str(result)
