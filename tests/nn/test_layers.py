"""Layers: what each adds to the function it calls; values against PyTorch stand in test_layers_parity.py."""
import numpy as np
import pytest

import minidl
from minidl import nn


def array(x):
    return x.detach().numpy()


# ---- batch norm's running statistics: only the layer moves them, once per training batch

@pytest.mark.parametrize("elementary", [False, True])
@pytest.mark.parametrize("layer, shape", [(nn.BatchNorm2d, (4, 3, 2, 5)), (nn.BatchNorm1d, (4, 3, 7)),
                                          (nn.BatchNorm1d, (6, 3))])
def test_batch_norm_averages_the_mean_and_the_unbiased_variance(layer, shape, elementary):
    layer = layer(3, momentum=0.3)
    with minidl.no_grad():
        layer.running_mean.copy_(minidl.tensor([1.0, 2.0, 3.0]))
    x = minidl.randn(shape) * 2 + 5
    with minidl.mode(elementary=elementary):
        layer(x)
    channels = np.moveaxis(x.numpy(), 1, 0).reshape(3, -1)
    mean, var = 0.7 * np.array([1, 2, 3]) + 0.3 * channels.mean(1), 0.7 + 0.3 * channels.var(1, ddof=1)
    np.testing.assert_allclose(array(layer.running_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(array(layer.running_var), var, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_without_momentum_averages_all_batches_equally():
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = minidl.randn(5, 8, 2).numpy()
    for batch in batches:
        layer(minidl.tensor(batch))
    np.testing.assert_allclose(array(layer.running_mean), batches.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(array(layer.running_var), batches.var(1, ddof=1).mean(0), rtol=1e-5)


def test_batch_norm_in_eval_goes_by_the_running_statistics_and_leaves_them_alone():
    layer = nn.BatchNorm2d(2).eval()
    layer.running_mean.copy_(minidl.tensor([1.0, -1.0]))
    layer.running_var.copy_(minidl.tensor([4.0, 0.25]))
    x = minidl.randn(1, 2, 1, 1)                     # one value per channel is enough here
    np.testing.assert_allclose(array(layer(x)).ravel(), (x.numpy().ravel() - [1, -1]) / [2, 0.5], rtol=1e-4)
    assert layer.num_batches_tracked.item() == 0 and layer.running_mean.tolist() == [1, -1]


def test_batch_norm_that_tracks_nothing_goes_by_the_batch_in_eval_too():
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False).eval()
    y = array(layer(minidl.randn(50, 3) * 4 + 2))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(0), 1, rtol=1e-4)
    assert layer.state_dict() == {}


def test_a_batch_that_batch_norm_refuses_is_not_counted():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="one value per channel"):
        layer(minidl.ones(1, 3))
    assert layer.num_batches_tracked.item() == 0 and layer.running_var.tolist() == [1, 1, 1]


# ---- dropout

@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.Dropout2d(0.5), nn.DropPath(0.5)])
def test_dropout_drops_in_training_only(layer):
    x = minidl.ones(64, 8, 2, 2)
    y = array(layer(x))
    assert set(np.unique(y)) == {0, 2} and 0.3 < y.mean() / 2 < 0.7
    assert layer.eval()(x) is x


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout2d, nn.DropPath])
def test_everything_can_be_dropped_and_half_is_the_default(layer):
    assert not array(layer(1.0)(minidl.ones(4, 3, 2, 2))).any()
    assert layer().p == 0.5


def test_dropout2d_drops_channels_and_drop_path_examples():
    x = minidl.ones(64, 8, 2, 2)
    per_channel = array(nn.Dropout2d(0.5)(x)).reshape(64, 8, 4)
    assert np.all(per_channel == per_channel[..., :1]) and len(np.unique(per_channel[0, :, 0])) == 2
    per_example = array(nn.DropPath(0.5)(x)).reshape(64, -1)
    assert np.all(per_example == per_example[:, :1]) and len(np.unique(per_example)) == 2


# ---- small things

def test_identity_takes_the_place_of_any_layer():
    x = minidl.ones(2)
    assert nn.Identity(64, anything=True)(x) is x


def test_max_pooling_also_says_where():
    y, index = nn.MaxPool2d(2, return_indices=True)(minidl.tensor([[[[1.0, 2, 0, 0], [0, 0, 7, 0]]]]))
    assert y.tolist() == [[[[2, 7]]]] and index.tolist() == [[[[1, 6]]]]
    y, index = nn.AdaptiveMaxPool2d(1, return_indices=True)(minidl.tensor([[[1.0, 2, 0], [0, 9, 8]]]))
    assert y.tolist() == [[[9]]] and index.tolist() == [[[4]]]


def test_a_loss_keeps_its_class_weights_as_a_buffer():
    loss = nn.CrossEntropyLoss(minidl.tensor([1.0, 3.0]))
    assert list(loss.state_dict()) == ["weight"] and loss.double().weight.dtype == minidl.float64
    scores, labels = minidl.zeros(2, 2, dtype=minidl.float64), minidl.tensor([0, 1])
    assert loss(scores, labels).item() == pytest.approx(np.log(2))


def test_layers_train_and_are_gradient_checked_by_the_engine_alone():
    """One step along the negative gradient lowers the loss by lr |g|^2, to first order."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(27, 2))
    net.double()
    x, labels = minidl.randn(4, 1, 5, 5, dtype=minidl.float64), minidl.tensor([0, 1, 1, 0])
    loss = nn.CrossEntropyLoss()
    before = loss(net(x), labels)
    before.backward()
    squares = sum((p.grad.numpy() ** 2).sum() for p in net.parameters())
    with minidl.no_grad():
        for p in net.parameters():
            p.sub_(1e-6 * p.grad)
    assert before.item() - loss(net(x), labels).item() == pytest.approx(1e-6 * squares, rel=1e-3)


# ---- what does not fit is a sentence that names layer or function, what came, and what was wanted

@pytest.mark.parametrize("layer, shape, sentence", [
    (nn.Linear(4, 2), (3, 5), r"linear: input of shape \(3, 5\) .* weight of shape \(2, 4\)"),
    (nn.Conv2d(3, 4, 3), (1, 2, 8, 8), r"conv2d: x has 2 channels in shape \(1, 2, 8, 8\).*read 3"),
    (nn.Conv2d(3, 4, 3), (3, 8), "conv2d: x has shape .*3 or 4 dimensions"),
    (nn.Conv2d(3, 4, 3), (1, 3, 2, 8), "smaller than the kernel"),
    (nn.Conv2d(1, 4, 3, padding=2, padding_mode="reflect"), (1, 1, 2, 2), r"widths \(2, 2\) are too large"),
    (nn.Conv1d(3, 4, 3), (1, 2, 8), "x has 2 channels"),
    (nn.ConvTranspose2d(3, 4, 3), (1, 2, 8, 8), "conv_transpose2d: x has 2 channels"),
    (nn.MaxPool2d(2), (4, 4), r"max_pool2d: x is \(N, C, H, W\) or \(C, H, W\), not \(4, 4\)"),
    (nn.MaxPool1d(2), (4,), r"max_pool1d: x is \(N, C, L\) or \(C, L\), not \(4,\)"),
    (nn.AvgPool2d(5), (1, 1, 4, 4), "avg_pool2d: .*smaller than the kernel"),
    (nn.AvgPool1d(2), (4,), "avg_pool1d: x is"),
    (nn.AdaptiveAvgPool2d(1), (4, 4), "adaptive_avg_pool2d: x is"),
    (nn.AdaptiveMaxPool2d(1), (4, 4), "adaptive_max_pool2d: x is"),
    (nn.BatchNorm2d(3), (4, 3), r"BatchNorm2d\(3\): expects 4 dimensions, and input has shape \(4, 3\)"),
    (nn.BatchNorm1d(3), (4, 3, 2, 2), r"BatchNorm1d\(3\): expects 2 or 3 dimensions"),
    (nn.BatchNorm2d(3), (4, 2, 2, 2), r"batch_norm: x has 2 channels in shape \(4, 2, 2, 2\)"),
    (nn.InstanceNorm2d(3), (4, 3), r"InstanceNorm2d\(3\): expects 3 or 4 dimensions"),
    (nn.InstanceNorm2d(3, affine=True), (4, 2, 2, 2), "instance_norm: x has 2 channels"),
    (nn.LayerNorm((3, 2)), (4, 2), r"input of shape \(4, 2\) does not end in normalized_shape \(3, 2\)"),
    (nn.GroupNorm(2, 4), (4, 6, 2, 2), "group_norm: x has 6 channels"),
    (nn.LocalResponseNorm(5), (4, 6), r"local_response_norm: needs input \(N, C, ...\)"),
    (nn.Dropout2d(), (4, 6), "dropout2d: x is"),
    (nn.PReLU(3), (4, 6), r"prelu: weight of shape \(3,\) is neither one slope nor one per channel"),
    (nn.Softmax(2), (4, 6), r"softmax: there is no dimension 2 in shape \(4, 6\)"),
    (nn.Flatten(2), (4, 6), r"flatten: there is no dimension 2 in shape \(4, 6\)"),
    (nn.PixelShuffle(2), (1, 6, 2, 2), "pixel_shuffle: 6 channels"),
    (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 6, 2), "interpolate: mode 'bilinear' for shape"),
    (nn.ZeroPad2d(1), (3,), r"pad: .*each of the last dimensions of \(3,\)"),
])
def test_an_input_of_the_wrong_shape_is_named(layer, shape, sentence):
    with pytest.raises((ValueError, IndexError), match=sentence) as error:
        layer(minidl.ones(shape))
    assert error.value.__notes__ == [f"in forward of {type(layer).__name__}"]


@pytest.mark.parametrize("loss, target, sentence", [
    (nn.CrossEntropyLoss(), minidl.tensor([0, 9]), "class number 9 is out of range; there are 3 classes"),
    (nn.CrossEntropyLoss(), minidl.tensor([0, 1, 1]), r"cross_entropy: .*int64 came in \(3,\)"),
    (nn.CrossEntropyLoss(minidl.ones(2)), minidl.tensor([0, 1]), r"weight of shape \(2,\) for 3 classes"),
    (nn.NLLLoss(), minidl.tensor([0, -1]), "nll_loss: class number -1 is out of range"),
    (nn.MSELoss(), minidl.ones(2), r"mse_loss: input has shape \(2, 3\) and the target \(2,\)"),
    (nn.L1Loss(), minidl.ones(3), "l1_loss: "), (nn.SmoothL1Loss(), minidl.ones(3), "smooth_l1_loss: "),
    (nn.BCELoss(), minidl.ones(3), "binary_cross_entropy: "), (nn.KLDivLoss(), minidl.ones(3), "kl_div: "),
    (nn.BCEWithLogitsLoss(), minidl.ones(3), "binary_cross_entropy_with_logits: "),
])
def test_a_target_that_does_not_fit_is_named(loss, target, sentence):
    with pytest.raises((ValueError, IndexError), match=sentence):
        loss(minidl.ones(2, 3) / 2, target)


@pytest.mark.parametrize("make, sentence", [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), r"Conv2d\(3, 4, ...\): 2 groups do not divide both"),
    (lambda: nn.Conv2d(3, 4, 3, padding="full"), "padding 'full' is not a number, 'same' or 'valid'"),
    (lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2), r"padding 'same' needs stride 1, not \(2, 2\)"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode 'mirror' is not zeros, reflect"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), "ConvTranspose2d: padding is a number or a pair"),
    (lambda: nn.GroupNorm(3, 4), "GroupNorm: 3 groups do not divide 4 channels"),
    (lambda: nn.GroupNorm(0, 4), "GroupNorm: 0 groups do not divide 4 channels"),
    (lambda: nn.Dropout(1.5), "Dropout: p is a probability from 0 to 1, not 1.5"),
    (lambda: nn.DropPath(-1), "DropPath: p is a probability"),
    (lambda: nn.DropPath(1.5), "DropPath: p is a probability"),
    (lambda: nn.Hardtanh(1, 1), "Hardtanh: nothing lies between min_val=1 and max_val=1"),
    (lambda: nn.Softmax(), "Softmax: say along which dimension"),
    (lambda: nn.MSELoss(reduction="avg"), "MSELoss: reduction is mean, sum or none, not 'avg'"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), "Embedding: padding_idx 3 is not one of the 3 rows"),
])
def test_a_setting_that_cannot_be_is_refused_when_the_layer_is_made(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
