"""GoogLeNet: modules and what they cost, stages, auxiliary classifiers and first weights."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, narrow_modules, on_shapes, reduced, shapes_of, with_lively_weights

import minidl
from architectures import build
from architectures.googlenet import TABLE_1, GoogLeNet, Inception, NaiveInception, loss_of_all
from minidl import optim
from minidl.gradcheck import gradcheck_model
from minidl.nn import functional as F
from minidl.summary import summary
from minidl.train.loop import update

# Table 1: "output size" after every module.
MODULES = {"3a": (256, 28, 28), "3b": (480, 28, 28), "4a": (512, 14, 14), "4b": (512, 14, 14), "4c": (512, 14, 14),
           "4d": (528, 14, 14), "4e": (832, 14, 14), "5a": (832, 7, 7), "5b": (1024, 7, 7)}
STEM = [("conv1", (64, 112, 112)), ("pool", (64, 56, 56)), ("norm", (64, 56, 56)), ("reduce2", (64, 56, 56)),
        ("conv2", (192, 56, 56)), ("norm", (192, 56, 56)), ("pool", (192, 28, 28))]


def test_the_stages_have_the_published_shapes():
    model, image = on_shapes("googlenet")
    modules = []
    for name, layer in model.inception.items():
        layer.register_forward_hook(lambda layer, args, y, name=name: modules.append((name, y.shape[1:])))
    assert shapes_of(model, image) == [*STEM, ("pool", (480, 14, 14)), ("pool", (832, 7, 7)), ("dropout", (1024,)),
                                       ("fc", (1000,))]
    assert modules == list(MODULES.items())


def test_22_layers_have_weights_on_a_way_through_the_network():
    """Section 5: 22 layers deep when counting only layers with parameters; 57 convolutions and a full layer in all."""
    model, _ = on_shapes("googlenet")
    stem_and_end = len(layers_with_weights(model)) - sum(len(layers_with_weights(m)) for m in model.inception.values())
    assert stem_and_end + 2 * len(TABLE_1) == 22 and len(layers_with_weights(model)) == 58


def test_reducing_before_the_large_filters_saves_two_thirds_of_the_work():
    """28x28 pixels of 256 channels. The sums are written out; a slide that is often copied says 358 million."""
    pixels, n = 28 * 28, 256
    naive = pixels * n * (128 + 9 * 192 + 25 * 96)
    reduced = pixels * (n * 128 + n * 64 + 9 * 64 * 192 + n * 64 + 25 * 64 * 96 + n * 64)
    assert (naive, reduced) == (854_196_224, 271_351_808)
    with minidl.device("meta"):
        modules = NaiveInception(n, 128, 192, 96), Inception(n, 128, 64, 192, 64, 96, 64)
        assert [summary(module, (n, 28, 28)).macs for module in modules] == [naive, reduced]
        assert [module(minidl.zeros(1, n, 28, 28)).shape[1] for module in modules] == [672, 480]


def test_the_naive_module_is_its_four_branches():
    """Figure 2(a): what is pooled passes through, and every filter is followed by ReLU."""
    module = NaiveInception(3, 2, 4, 5)
    x = minidl.randn(2, 3, 6, 7)
    y = module(x).detach().numpy()
    assert y.shape == (2, 2 + 4 + 5 + 3, 6, 7) and module.out_channels == 14
    for branch, conv in ((y[:, :2], module.conv1), (y[:, 2:6], module.conv3), (y[:, 6:11], module.conv5)):
        np.testing.assert_array_equal(branch, np.maximum(conv(x).detach().numpy(), 0))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    np.testing.assert_array_equal(y[:, 11:], windows.max((4, 5)))


@pytest.mark.parametrize("reduce, large", [("reduce3", "conv3"), ("reduce5", "conv5")])
def test_a_large_filter_reads_what_is_left_by_a_1x1_and_its_relu(reduce, large):
    """Section 4: the 1x1 convolutions are rectified, too."""
    module = Inception(6, 2, 3, 4, 3, 4, 2)
    seen = {}
    for name in (reduce, large):
        getattr(module, name).register_forward_hook(lambda layer, args, y, name=name: seen.__setitem__(name, (args[0], y)))
    module(minidl.randn(1, 6, 5, 5))
    reads, before = seen[large][0].detach().numpy(), seen[reduce][1].detach().numpy()
    np.testing.assert_array_equal(reads, np.maximum(before, 0))
    assert (before < 0).any()


def test_the_modules_scale_as_table_1_says():
    """The channels of the module, from the columns: 1x1, 3x3, 5x5 and pool proj add up to the printed output."""
    for name, (ones, _, threes, _, fives, pool_proj) in TABLE_1.items():
        assert ones + threes + fives + pool_proj == MODULES[name][0]


# ---- auxiliary classifiers


def small(aux=True):
    """An image of 80x80 leaves maps of 5x5, of which the auxiliary classifiers make one pixel."""
    return GoogLeNet(narrow_modules(TABLE_1), 5, dropout=0.0, aux=aux, image_size=80, width=4)


def test_auxiliary_classifiers_add_what_is_published():
    """The authors of Caffe: 13,378,280 parameters and 1,591,044,096 MACs with both. They are for training alone."""
    model, _ = on_shapes("googlenet", aux=True)
    assert sum(p.numel() for p in model.parameters()) == 13_378_280
    added = sum([summary(aux, (n, 14, 14)).macs for aux, n in ((model.aux1, 512), (model.aux2, 528))])
    assert summary(model, (3, 224, 224)).macs + added == 1_591_044_096


def test_auxiliary_classifiers_have_the_published_shapes():
    """Section 5: average pooling to 4x4, 128 filters, 1024 units, 70 % of them dropped."""
    model, image = on_shapes("googlenet", aux=True)
    assert shapes_of(model.aux1, minidl.zeros(1, 512, 14, 14, device="meta")) == [
        ("conv", (128, 4, 4)), ("fc1", (1024,)), ("dropout", (1024,)), ("fc2", (1000,))]
    assert model.aux1.dropout.p == model.aux2.dropout.p == 0.7


def test_there_are_three_scores_in_training_and_one_afterwards():
    model, images = small(), minidl.randn(2, 3, 80, 80)
    assert [scores.shape for scores in model(images)] == [(2, 5)] * 3
    assert model.eval()(images).shape == (2, 5)
    assert small(aux=False)(images).shape == (2, 5)


def test_the_auxiliary_scores_count_0_3():
    """Section 5."""
    scores, labels = [minidl.randn(4, 5) for _ in range(3)], minidl.tensor([0, 1, 2, 3])
    final, low, high = [F.cross_entropy(s, labels).item() for s in scores]
    assert math.isclose(loss_of_all(scores, labels).item(), final + 0.3 * low + 0.3 * high, rel_tol=1e-6)


def test_an_auxiliary_classifier_reaches_what_is_below_it_and_nothing_above():
    model = small()
    for scores, above in ((1, "4b 4c 4d 4e 5a 5b"), (2, "4e 5a 5b")):
        model.zero_grad()
        model(minidl.randn(2, 3, 80, 80))[scores].sum().backward()
        reached = {name for name, module in model.inception.items() if module.conv1.weight.grad is not None}
        assert reached == TABLE_1.keys() - set(above.split())


def test_every_gradient_around_an_auxiliary_classifier_is_that_of_finite_differences():
    """Where those of three scores meet; the other modules' are tested with the network without the classifiers."""
    model, rng = with_lively_weights(small()), np.random.default_rng(0)
    for key, p in model.named_parameters():
        p.requires_grad_(key.startswith(("aux", "inception.4a")))
    assert gradcheck_model(model, (rng.standard_normal((2, 3, 80, 80)), rng.integers(0, 5, 2)), loss_of_all).passed


def test_training_with_auxiliary_classifiers_counts_the_networks_own_hits():
    model, rng = small(), np.random.default_rng(0)
    batch = minidl.tensor(rng.standard_normal((4, 3, 80, 80)).astype(np.float32)), minidl.tensor([0, 1, 2, 3])
    minidl.manual_seed(1)
    scores = model(batch[0])
    assert len({tuple(s.detach().numpy().argmax(1)) for s in scores}) == 3        # each judges otherwise
    minidl.manual_seed(1)
    loss, _, correct = update(model, [batch], optim.SGD(model.parameters(), lr=0.01), loss_of_all)
    assert math.isclose(loss, loss_of_all(scores, batch[1]).item(), rel_tol=1e-5)
    assert correct == (scores[0].detach().numpy().argmax(1) == [0, 1, 2, 3]).sum()


def test_the_memory_of_training_is_foreseen_with_three_scores():
    """The classifiers' parameters, their gradients and their momentum are the larger part of what they add."""
    peaks = [summary(on_shapes("googlenet", aux=aux)[0], (3, 224, 224)).training.peak for aux in (False, True)]
    added = 4 * (13_378_280 - 6_998_552)
    assert 2.9 * added < peaks[1] - peaks[0] < 3.5 * added


# ---- first weights, bad input


def test_weights_start_with_variance_2_by_fan_in():
    for name, layer in layers_with_weights(build("googlenet", num_classes=100)):
        if layer.weight.numel() > 10_000:
            assert math.isclose(layer.weight.array.std() * math.sqrt(layer.weight[0].numel() / 2), 1, abs_tol=0.05), name
        assert not layer.bias.array.any()


def test_lrn_is_alexnets():
    norms = [reduced(name)[0].norm for name in ("googlenet", "alexnet")]
    assert len({(norm.size, norm.alpha, norm.beta, norm.k) for norm in norms}) == 1


def test_auxiliary_classifiers_are_made_for_one_size_of_images_and_say_so():
    model = small()
    with pytest.raises(ValueError) as error:
        model(minidl.randn(2, 3, 160, 160))
    assert "(2, 512)" in str(error.value) and "aux1.fc1" in str(error.value.__notes__)


@pytest.mark.parametrize("shape, layer", [((1, 4, 64, 64), "conv1"), ((1, 3, 8, 8), "pool")])
def test_a_wrong_image_is_a_sentence_that_names_the_layer(shape, layer):
    model, _ = reduced("googlenet")
    with pytest.raises(ValueError, match=str(shape[1])) as error:
        model(minidl.randn(shape))
    assert layer in str(error.value.__notes__)
