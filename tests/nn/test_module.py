"""Module: what it holds, what it says about itself, how its state goes out and in."""
import copy
import pickle
import weakref

import numpy as np
import pytest

import minidl
from minidl import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.scale = nn.Parameter(minidl.ones(3))
        self.linear = nn.Linear(3, 3, bias=False)

    def forward(self, x):
        return self.linear(self.norm(x)) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.register_buffer("mean", minidl.zeros(2))
        self.register_buffer("scratch", minidl.zeros(1), persistent=False)
        self.shift = nn.Parameter(minidl.zeros(2))
        self.last = nn.Linear(3, 1)

    def forward(self, x):
        x = self.first(x - self.mean + self.shift)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def same(a, b):
    return np.array_equal(a.detach().numpy(), b.detach().numpy())


# ---- what it holds

def test_parameters_come_in_the_order_of_assignment_a_modules_own_before_its_childrens():
    assert [name for name, _ in Net().named_parameters()] == [
        "shift", "first.weight", "first.bias",
        "blocks.0.scale", "blocks.0.norm.weight", "blocks.0.norm.bias", "blocks.0.linear.weight",
        "blocks.1.scale", "blocks.1.norm.weight", "blocks.1.norm.bias", "blocks.1.linear.weight",
        "last.weight", "last.bias"]
    assert [name for name, _ in Net().named_parameters(prefix="net", recurse=False)] == ["net.shift"]


def test_modules_and_children_have_the_names_of_their_attributes():
    net = Net()
    assert [name for name, _ in net.named_children()] == ["first", "blocks", "last"]
    names = [name for name, _ in net.named_modules()]
    assert names[:5] == ["", "first", "blocks", "blocks.0", "blocks.0.norm"]
    assert net.get_submodule("blocks.1.linear") is net.blocks[1].linear
    assert net.get_submodule("") is net
    with pytest.raises(AttributeError, match="Net has no submodule 'blocks.7.x': there is no '7' in the "
                                             "ModuleList, which holds 0, 1"):
        net.get_submodule("blocks.7.x")


def test_buffers_that_are_not_persistent_stay_out_of_the_state_dict():
    net = Net()
    assert [name for name, _ in net.named_buffers(recurse=False)] == ["mean", "scratch"]
    assert "mean" in net.state_dict() and "scratch" not in net.state_dict()


def test_what_is_shared_is_one_parameter_and_one_module_but_two_entries_of_the_state_dict():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    net[2].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, layer)
    assert [name for name, _ in twice.named_modules()] == ["", "0"]
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    twice(minidl.ones(1, 2))                 # and both places compute
    norm = nn.BatchNorm1d(2)
    assert len(list(nn.Sequential(norm, norm).named_buffers())) == 3
    assert len(list(nn.Sequential(norm, norm).named_buffers(remove_duplicate=False))) == 6


def test_a_parameter_is_not_silently_replaced_by_something_that_is_not_trained():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="Linear.weight is a parameter; a Tensor in its place would not"):
        layer.weight = minidl.zeros(2, 2)
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    del layer.weight
    assert list(layer.parameters()) == []


def test_assigning_before_init_is_an_error_that_says_what_to_do():
    class Hasty(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"Hasty: call super\(\).__init__\(\) before assigning 'layer'"):
        Hasty()


@pytest.mark.parametrize("name, error", [
    ("", "names are strings without dots"), ("a.b", "names are strings without dots"),
    ("forward", "the name of something else"), ("training", "the name of something else")])
def test_a_name_that_cannot_be_an_attribute_is_refused(name, error):
    module = nn.Module()
    for register, value in [(module.register_buffer, minidl.zeros(1)), (module.add_module, nn.Identity()),
                            (module.register_parameter, nn.Parameter(minidl.zeros(1)))]:
        with pytest.raises(KeyError, match=error):
            register(name, value)


def test_registering_something_of_the_wrong_kind_is_refused():
    with pytest.raises(TypeError, match="'w' should be a Parameter or None, not Tensor"):
        nn.Module().register_parameter("w", minidl.zeros(1))
    with pytest.raises(TypeError, match="'b' should be a Tensor or None, not ndarray"):
        nn.Module().register_buffer("b", np.zeros(1))


def test_a_buffer_may_be_replaced_and_a_missing_one_filled_in_later():
    module = nn.Module()
    module.register_buffer("mask", None)
    assert module.state_dict() == {}
    module.mask = minidl.ones(2)
    assert list(module.state_dict()) == ["mask"]
    with pytest.raises(TypeError, match="Module.mask is a buffer: a Tensor, not ndarray"):
        module.mask = np.ones(2)
    module.mask = nn.Parameter(minidl.ones(2))
    assert list(module.buffers()) == [] and len(list(module.parameters())) == 1


def test_a_parameter_requires_grad_and_shares_memory_and_version_with_its_tensor():
    x = minidl.zeros(3)
    p = nn.Parameter(x)
    assert p.requires_grad and p.is_leaf and isinstance(p, minidl.Tensor)
    x.add_(1)
    assert same(p, minidl.ones(3)) and p.version is x.version
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    assert repr(p).startswith("Parameter containing:\ntensor([1., 1., 1.]")


# ---- switches and casts

def test_train_and_eval_reach_every_module():
    net = Net()
    assert all(module.training for module in net.modules())
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def test_apply_visits_children_before_their_parent():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_casting_keeps_the_parameters_and_casts_gradients_but_no_integers():
    net = Block()
    parameters = list(net.parameters())
    net(minidl.randn(4, 3)).sum().backward()
    assert net.double() is net
    assert all(p is q for p, q in zip(net.parameters(), parameters))
    assert all(p.dtype == p.grad.dtype == minidl.float64 for p in parameters)
    assert net.norm.running_mean.dtype == minidl.float64
    assert net.norm.num_batches_tracked.dtype == minidl.int64
    assert net.to("cpu", minidl.float16).scale.dtype == minidl.float16
    assert net.float().double().half().cpu().scale.dtype == minidl.float16
    assert net.to(dtype="float32").scale.dtype == minidl.float32
    with pytest.raises(TypeError, match="parameters can only be floating-point, not int64"):
        net.to(minidl.int64)


def test_gradients_are_forgotten_or_zeroed_and_parameters_frozen():
    net = Net()
    x = minidl.randn(4, 2)
    net(x).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(np.all(p.grad.numpy() == 0) for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not net.requires_grad_(False)(x).requires_grad
    assert net.requires_grad_()(x).requires_grad


# ---- copies and files

def test_a_deep_copy_is_independent_and_what_was_shared_stays_shared():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[1].weight is twin[0].weight and twin[0].weight is not net[0].weight
    with minidl.no_grad():
        twin[0].weight.zero_()
    assert net[0].weight.detach().numpy().any()


def test_a_pickled_network_computes_the_same():
    net = Net().eval()
    x = minidl.randn(5, 2)
    again = pickle.loads(pickle.dumps(net))
    assert same(again(x), net(x)) and not again.training
    assert [type(p) for p in again.parameters()] == [nn.Parameter] * 13


def test_a_state_dict_goes_into_another_network_and_keeps_its_memory_and_graph_honest():
    net, other = Net(), Net()
    net(minidl.randn(6, 2))                          # moves the running statistics
    weight, memory = other.last.weight, other.last.weight.array
    y = other.last(minidl.randn(4, 3, requires_grad=True)).sum()
    assert other.load_state_dict(net.state_dict()) == ([], [])
    for (name, a), (_, b) in zip(net.state_dict().items(), other.state_dict().items()):
        assert same(a, b), name
    assert other.last.weight is weight and weight.array is memory
    with pytest.raises(RuntimeError, match="copy_ has changed it in place"):
        y.backward()


def test_a_state_dict_may_hold_arrays_and_other_float_dtypes():
    net = Net()
    arrays = {key: x.numpy().astype(np.float64) + 1 for key, x in net.state_dict().items()}
    net.load_state_dict(arrays)
    assert net.last.bias.dtype == minidl.float32
    np.testing.assert_allclose(net.last.bias.detach().numpy(), arrays["last.bias"], rtol=1e-6)


def test_a_state_dict_shares_memory_unless_it_is_copied():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    with minidl.no_grad():
        layer.bias.fill_(7)
    assert state["bias"].numpy()[0] == 7 and not state["bias"].requires_grad
    assert layer.state_dict(keep_vars=True)["bias"] is layer.bias
    assert list(layer.state_dict(prefix="fc.")) == ["fc.weight", "fc.bias"]


def test_everything_that_does_not_fit_is_told_at_once_and_nothing_is_changed():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {key: x.clone() for key, x in net.state_dict().items()}
    shapes = {"0.weight": (3, 5), "0.bias": 3, "1.weight": (1, 3), "head": 1}
    wrong = {key: np.zeros(shape) for key, shape in shapes.items()}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(wrong)
    assert str(error.value) == ("the state dict does not fit Sequential:\n"
                                "  missing: 1.bias (1,)\n"
                                "  unexpected: head (1,)\n"
                                "  0.weight has shape (3, 5) in the state dict, but (3, 2) here")
    with pytest.raises(RuntimeError, match="0.weight has shape"):
        net.load_state_dict(wrong, strict=False)     # shapes always matter
    assert all(same(x, before[key]) for key, x in net.state_dict().items())
    wrong["0.weight"] = np.ones((3, 2))
    assert net.load_state_dict(wrong, strict=False) == (["1.bias"], ["head"])
    assert same(net[0].weight, minidl.ones(3, 2))


# ---- for people

def test_a_network_prints_as_an_indented_tree():
    # the layout of PyTorch's, which the comparisons with it hold every layer to
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))) == """Sequential(
  (0): Linear(in_features=2, out_features=3, bias=True)
  (1): Sequential(
    (0): ReLU()
  )
)"""


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


class Where(nn.Module):
    def __init__(self, paths):
        super().__init__()
        self.paths = paths

    def forward(self, x):
        self.paths.append(nn.module_path())
        return x


def test_the_module_path_is_known_in_anomaly_mode_and_costs_nothing_otherwise():
    paths = []
    net = nn.Sequential(nn.Sequential(Where(paths)), Where(paths))
    net(minidl.ones(1))
    assert paths == ["", ""]
    paths.clear()
    with minidl.mode(anomaly=True):
        net(minidl.ones(1))
        assert nn.module_path() == ""
    assert paths == ["0.0", "1"]


def test_a_module_that_is_called_past_the_one_that_holds_it_has_its_whole_path():
    class Caller(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Identity(), nn.Identity()])
            self.paths = []
            for layer in self.layers:
                layer.register_forward_hook(lambda *_: self.paths.append(nn.module_path()))

        def forward(self, x):
            return self.layers[1](self.layers[0](x))
    caller = Caller()
    outer = nn.Sequential(caller)
    with minidl.mode(anomaly=True):
        outer(minidl.ones(1))
    assert caller.paths == ["0.layers.0", "0.layers.1"]


def test_the_module_path_is_right_again_after_an_error():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    with minidl.mode(anomaly=True), pytest.raises(ValueError):
        nn.Sequential(Fails())(minidl.ones(1))
    assert nn.module_path() == ""


def test_a_module_that_is_not_registered_has_the_name_of_its_class_in_the_path():
    class Hidden(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = [inner]

        def forward(self, x):
            return self.inner[0](x)

    paths = []
    with minidl.mode(anomaly=True):
        nn.Sequential(Hidden(Where(paths)))(minidl.ones(1))
    assert paths == ["0.Where"]


def test_an_error_says_once_in_which_module_it_happened():
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 5)))
    with pytest.raises(ValueError, match="linear: ") as error:
        net(minidl.ones(1, 2))
    assert error.value.__notes__ == ["in 0.1 of Sequential"]
    with pytest.raises(ValueError) as error:
        nn.Linear(2, 3)(minidl.ones(1, 5))
    assert error.value.__notes__ == ["in forward of Linear"]


def test_a_graph_keeps_no_module_alive():
    layer = nn.Linear(2, 2)
    y = layer(minidl.ones(1, 2))
    gone = weakref.ref(layer)
    del layer
    assert gone() is None and y.requires_grad
