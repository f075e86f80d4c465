"""Transfer learning: what is frozen does not change by a bit, and a new head is all that is new."""
import math

import numpy as np
import pytest
from networks import DEEPEST, REDUCED

import architectures
import minidl
from architectures import MODELS
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.train import freeze, heads, load_pretrained, parameter_groups, predictions, replace_head, unfreeze, update


def numbers(model):
    """Every parameter and buffer by name, as bytes."""
    return {name: x.numpy().tobytes() for name, x in model.state_dict().items()}


def shapes(model):
    return {name: (x.shape, x.dtype) for name, x in model.state_dict().items()}


# ---- heads


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lenet5_1998", *DEEPEST)])
def test_a_replaced_head_makes_the_network_that_has_so_many_classes(name):
    """The same names and shapes in the same order, and all but the head are the same tensors."""
    options = {"aux": True} if "aux" in MODELS[name].options else {}
    with minidl.device("meta"):
        model = architectures.build(name, **options)
        before = {name: x.array for name, x in model.state_dict().items()}
        assert replace_head(model, 7) is model
        other = architectures.build(name, num_classes=7, **options)
    assert list(shapes(model).items()) == list(shapes(other).items())
    after = {name: x.array for name, x in model.state_dict().items()}
    new = {name for name in after if after[name] is not before[name]}
    assert new == {name for name, x in after.items() if x.shape != before[name].shape} != set()


@pytest.mark.parametrize("name, names", [
    ("googlenet", ["fc", "aux1.fc2", "aux2.fc2"]), ("nasnet_a_cifar10", ["aux.fc", "fc"])])
def test_auxiliary_classifiers_have_heads_too(name, names):
    with minidl.device("meta"):
        model = replace_head(architectures.build(name, aux=True), 5)
        scores = model(minidl.randn(2, *MODELS[name].input_shape))
    assert sorted(heads(model)) == sorted(names)
    assert [s.shape for s in scores] == [(2, 5)] * len(names)


by_inputs, by_outputs = lambda i, o: math.sqrt(2 / i), lambda i, o: math.sqrt(2 / o)
glorot, small = lambda i, o: math.sqrt(2 / (i + o)), lambda i, o: 0.01
root = lambda i, o: math.sqrt(1 / i)


@pytest.mark.parametrize("name, deviation", [
    ("alexnet", small), ("alexnet_one_weird_trick", small), ("zfnet", small), ("nin", small),
    ("nin_cifar10", lambda i, o: 0.05), ("googlenet", by_inputs), ("vgg16_c", glorot), ("bn_inception", by_inputs),
    ("inception_v4", by_inputs), ("inception_resnet_v2", by_inputs), ("resnet18", by_inputs), ("resnet20", by_inputs),
    ("preact_resnet110", by_inputs), ("wrn_16_4", by_inputs), ("wide_resnet50_2", by_inputs), ("senet154", by_inputs),
    ("densenet121", by_inputs), ("fractalnet20", root), ("mobilenet_v1", small), ("mobilenet_v2", small),
    ("shufflenet_v1", small), ("shufflenet_v2", small), ("efficientnet_b0", lambda i, o: math.sqrt(1 / (3 * o))),
    ("nasnet_a_cifar10", by_outputs), ("amoebanet_a_cifar10", by_outputs), ("unet", by_inputs)])
def test_a_new_head_starts_as_its_paper_has_it(name, deviation):
    """The standard deviations that the papers, or the authors' code, give to a layer of i inputs and o outputs."""
    file, make, _ = REDUCED[name]
    minidl.manual_seed(0)
    model = replace_head(make(file), 2000)
    [head] = heads(model).values()
    weight = head.weight.detach().numpy()
    assert weight.std() == pytest.approx(deviation(weight.shape[1], 2000), rel=0.05)
    assert head.bias is None or not head.bias.detach().numpy().any()


def test_a_head_of_a_network_of_ones_own_starts_as_its_layer_does():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2, padding=1, bias=False), nn.ReLU())
    model.double().eval()
    head = replace_head(model, 9)[2]
    assert repr(head) == repr(nn.Conv2d(4, 9, 3, stride=2, padding=1, bias=False)) and not head.training
    assert head.weight.dtype == minidl.float64 and head.weight.requires_grad
    assert model(minidl.randn(1, 3, 8, 8, dtype=minidl.float64)).shape == (1, 9, 3, 3)


def test_a_head_that_is_no_linear_layer_is_a_sentence():
    with pytest.raises(TypeError, match="the head of LeNet5Of1998, output, is a RadialBasis; a Linear or a Conv2d"):
        replace_head(architectures.build("lenet5_1998"), 5)
    with pytest.raises(TypeError, match="the head of Linear, which is all of it, is a Linear"):
        replace_head(nn.Linear(3, 4), 5)


# ---- freezing


class Block(nn.Module):
    """Convolution, norm, dropout inside a part."""

    def __init__(self, in_channels, channels):
        super().__init__()
        self.conv, self.bn, self.dropout = nn.Conv2d(in_channels, channels, 3), nn.BatchNorm2d(channels), nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(F.relu(self.bn(self.conv(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(minidl.ones(1))
        self.first, self.second = Block(1, 3), Block(3, 4)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(4 * 4 * 4, 10)

    def forward(self, x):
        return self.fc(self.dropout(self.second(self.first(x * self.scale)).flatten(1)))


def batch(n=6):
    rng = np.random.default_rng(n)
    return minidl.tensor(rng.standard_normal((n, 1, 8, 8)).astype("f")), minidl.tensor(np.arange(n) % 10)


def trained(model, updates=3):
    """`model` after some updates, in which everything that trains moves."""
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for n in range(updates):
        update(model, [batch(6 + n)], optimizer)
    return model


@pytest.mark.parametrize("except_, moves", [
    ("fc", ["fc."]),
    (["fc"], ["fc."]),
    (["second", "fc"], ["second.", "fc."]),
    ("second.bn", ["second.bn."]),
])
def test_what_is_frozen_does_not_change_by_a_bit_nor_do_its_statistics_and_all_else_does(except_, moves):
    model = Net()
    before = numbers(model)
    freeze(model, except_)
    after = numbers(trained(model))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {name for name in after if name.startswith(tuple(moves))}


def test_without_freezing_everything_changes():
    model = Net()
    before = numbers(model)
    after = numbers(trained(model))
    assert all([after[name] != before[name] for name in after])


def test_a_frozen_part_computes_in_training_what_it_does_in_evaluation_and_dropout_outside_of_it_drops():
    model = Net()
    trained(model)
    freeze(model, "fc")
    model.eval()
    images, _ = batch()
    expected = model.second(model.first(images)).numpy()
    model.train()
    np.testing.assert_array_equal(model.second(model.first(images)).numpy(), expected)
    assert model.training and model.fc.training and model.dropout.training
    assert not any([module.training for part in (model.first, model.second) for module in part.modules()])


def test_evaluation_leaves_what_is_frozen_as_it_was():
    model = freeze_all_but_head(Net())
    model.train()
    list(predictions(model, [batch()]))
    assert not model.first.bn.training and model.dropout.training


def freeze_all_but_head(model):
    freeze(model, heads(model))
    return model


def test_unfreezing_a_part_trains_it_again():
    model = freeze_all_but_head(Net())
    unfreeze(model.second)
    before = numbers(model)
    after = numbers(trained(model))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {name for name in after if name.startswith(("second.", "fc."))}


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(AttributeError, match="Net has no submodule 'fd'.*which holds first, second, dropout, fc"):
        freeze(Net(), "fd")


def ops_of_backward(model):
    """(ops, tensors that received a gradient) of a backward pass."""
    images, labels = batch()
    model.train()
    steps = list(minidl.backprop(F.cross_entropy(model(images), labels)))
    return [type(step.op).__name__ for step in steps], [name for name, x in model.named_parameters() if x.grad is not None]


def test_no_gradient_is_computed_below_the_lowest_part_that_trains():
    everything, _ = ops_of_backward(Net())
    model = Net()
    freeze(model, "fc")
    ops, received = ops_of_backward(model)
    assert ops == ["CrossEntropy", "Linear"] and received == ["fc.weight", "fc.bias"]
    assert len(everything) == 13 and everything.count("Conv2d") == 2


def test_a_frozen_part_above_one_that_trains_hands_gradients_down_and_gets_none():
    model = Net()
    freeze(model, "first")
    ops, received = ops_of_backward(model)
    assert ops.count("Conv2d") == 2
    assert received == ["first.conv.weight", "first.conv.bias", "first.bn.weight", "first.bn.bias"]


# ---- learning rates


def rates(groups):
    return {group["name"]: group["lr"] for group in groups}


def test_each_layer_has_the_rate_of_the_one_after_it_times_decay():
    """A norm has the rate of the convolution before it; a block is one layer."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sequential(Block(2, 3), Block(3, 4)),
                          nn.Flatten(), nn.Linear(16, 10))
    groups = parameter_groups(model, 0.8, decay=0.5)
    assert rates(groups) == {"5": 0.8, "3.1": 0.4, "3.0": 0.2, "0": 0.1}
    assert [group["name"] for group in groups] == ["5", "3.1", "3.0", "0"]
    assert [x is y for x, y in zip(groups[3]["params"], [*model[0].parameters(), *model[1].parameters()])] == [True] * 4
    assert sum([len(group["params"]) for group in groups]) == len(list(model.parameters()))


@pytest.mark.parametrize("name, layers", [("resnet18", 1 + 8 + 1), ("vgg16", 16), ("vgg16_bn", 16), ("lenet5", 5)])
def test_the_layers_of_a_network_are_as_many_as_its_paper_draws(name, layers):
    """A ResNet has a convolution, eight blocks and a full layer."""
    with minidl.device("meta"):
        model = architectures.build(name)
    assert len(parameter_groups(model, 0.1)) == layers


def test_rates_by_name_are_of_whole_parts_and_not_of_names_that_begin_alike():
    model = nn.Sequential({"fc": nn.Linear(2, 2), "fc2": nn.Linear(2, 2), "row": nn.Sequential(Block(1, 1), Block(1, 1))})
    groups = parameter_groups(model, 0.1, rates={"fc": 0.5, "row": 0.25})
    assert rates(groups) == {"row.1": 0.25, "row.0": 0.25, "fc2": 0.1, "fc": 0.5}
    with pytest.raises(AttributeError, match="no 'fc3'.*holds fc, fc2, row"):
        parameter_groups(model, 0.1, rates={"fc3": 1.0})


def test_what_is_frozen_is_in_no_group():
    model = Net()
    freeze(model.first)
    assert rates(parameter_groups(model, 1.0, 0.5)) == {"fc": 1.0, "second": 0.5}


def test_an_optimizer_takes_the_groups_and_its_state_keeps_them():
    model = Net()
    optimizer = optim.SGD(parameter_groups(model, 0.1, 0.5), momentum=0.9)
    update(model, [batch()], optimizer)
    again = optim.SGD(parameter_groups(model, 7.0, 0.1), momentum=0.9)
    again.load_state_dict(optimizer.state_dict())
    assert rates(again.param_groups) == {"fc": 0.1, "second": 0.05, "first": 0.025}


# ---- weights of another training


def test_pretrained_weights_are_taken_but_for_a_head_of_another_shape():
    old, new = architectures.build("lenet5"), architectures.build("lenet5", num_classes=3)
    first_values = numbers(new)
    assert load_pretrained(new, old.state_dict()) == ["output.weight", "output.bias"]
    expected = numbers(old) | {name: first_values[name] for name in ("output.weight", "output.bias")}
    assert numbers(new) == expected


def test_a_head_that_fits_is_taken_unless_a_new_one_is_wanted():
    old, new = Net(), Net()
    first_values = numbers(new)
    assert load_pretrained(new, old.state_dict(), new_head=True) == ["fc.weight", "fc.bias"]
    assert numbers(new) == numbers(old) | {name: first_values[name] for name in ("fc.weight", "fc.bias")}
    assert load_pretrained(new, old.state_dict()) == [] and numbers(new) == numbers(old)


@pytest.mark.parametrize("change, said", [
    (lambda state: state.pop("first.conv.weight"), r"the file lacks first.conv.weight \(3, 1, 3, 3\)"),
    (lambda state: state.update({"third.weight": minidl.ones(2)}), r"the network has no third.weight \(2,\)"),
    (lambda state: state.update({"scale": minidl.ones(2)}), r"scale has shape \(2,\) in the file and \(1,\)"),
])
def test_where_more_than_the_head_differs_nothing_changes(change, said):
    model, state = Net(), Net().state_dict()
    change(state)
    before = numbers(model)
    with pytest.raises(ValueError, match=f"the weights do not fit Net, of which only the head may differ: {said}"):
        load_pretrained(model, state)
    assert numbers(model) == before
