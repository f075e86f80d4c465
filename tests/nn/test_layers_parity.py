"""Every layer against PyTorch's: arguments, names of the state, printing, values, gradients."""
import inspect

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# (class, arguments, settings, shape of the input). Settings that make each one visible: groups, overlap, ...
LAYERS = [
    ("Linear", (5, 4), {}, (2, 3, 5)),
    ("Linear", (5, 4), {"bias": False}, (5,)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}, (3, 4, 11)),
    ("Conv1d", (2, 3, 4), {"padding": "same", "padding_mode": "circular"}, (2, 2, 7)),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2), "groups": 2},
     (3, 4, 9, 8)),
    ("Conv2d", (3, 3, 3), {"padding": 1, "groups": 3, "bias": False}, (2, 3, 5, 6)),
    ("Conv2d", (2, 3, (4, 3)), {"padding": "same", "dilation": (1, 2)}, (2, 2, 7, 6)),
    ("Conv2d", (2, 3, 3), {"padding": "valid"}, (2, 5, 6)),
    ("Conv2d", (2, 3, (3, 5)), {"padding": (1, 2), "padding_mode": "reflect", "stride": 2}, (2, 2, 7, 6)),
    ("Conv2d", (2, 3, (4, 3)), {"padding": "same", "padding_mode": "replicate"}, (2, 2, 7, 6)),
    ("Conv2d", (2, 3, 3), {"padding": "valid", "padding_mode": "circular"}, (2, 2, 7, 6)),
    ("ConvTranspose2d", (4, 6, (3, 2)),
     {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (2, 1), "groups": 2},
     (3, 4, 4, 5)),
    ("ConvTranspose2d", (2, 3, 2, 2), {"bias": False}, (2, 2, 4, 3)),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, (2, 3, 9)),
    ("MaxPool1d", (3, 2), {"dilation": 2, "ceil_mode": True}, (2, 3, 8)),
    ("MaxPool2d", (3, 2, 1), {}, (2, 3, 7, 6)),
    ("MaxPool2d", ((2, 3),), {"stride": (1, 2), "padding": (1, 1), "dilation": (2, 1), "ceil_mode": True},
     (2, 3, 7, 6)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 7, 6)),
    ("AvgPool2d", ((2, 3),), {"stride": (1, 2), "padding": (1, 1), "ceil_mode": True}, (2, 3, 7, 6)),
    ("AvgPool2d", (2,), {"divisor_override": 3}, (2, 3, 6, 6)),
    ("AdaptiveAvgPool1d", (4,), {}, (2, 3, 7)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 7, 5)),
    ("AdaptiveMaxPool2d", ((3, 2),), {}, (2, 3, 7, 5)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3, 4)),
    ("BatchNorm2d", (3,), {"eps": 1e-2, "momentum": 0.3}, (5, 3, 4, 2)),
    ("BatchNorm2d", (3,), {"affine": False}, (5, 3, 4, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (5, 3, 4, 2)),
    ("InstanceNorm1d", (3,), {"affine": True}, (2, 3, 6)),
    ("InstanceNorm2d", (3,), {}, (3, 4, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True, "momentum": 0.3}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True, "momentum": None}, (2, 3, 4, 5)),
    ("LayerNorm", (6,), {"eps": 1e-2}, (2, 3, 6)),
    ("LayerNorm", ((3, 4),), {"bias": False}, (2, 3, 4)),
    ("LayerNorm", ((3, 4),), {"elementwise_affine": False}, (2, 3, 4)),
    ("GroupNorm", (2, 6), {}, (3, 6, 4, 2)),
    ("GroupNorm", (1, 6), {}, (3, 6, 4)),
    ("GroupNorm", (3, 6), {"affine": False, "eps": 0.1}, (3, 6, 4)),
    ("LocalResponseNorm", (3,), {"alpha": 1.3, "beta": 0.6, "k": 1.1}, (2, 7, 3, 2)),
    ("LocalResponseNorm", (4,), {"alpha": 2.0}, (2, 7, 3)),
    ("Dropout", (0.0,), {}, (3, 4)),
    ("Dropout2d", (0.0,), {}, (3, 4, 2, 2)),
    ("ReLU", (), {}, (4, 5)), ("ReLU", (), {"inplace": True}, None),
    ("LeakyReLU", (0.3,), {}, (4, 5)), ("LeakyReLU", (), {"inplace": True}, None),
    ("ELU", (1.7,), {}, (4, 5)), ("SELU", (), {}, (4, 5)),
    ("GELU", (), {}, (4, 5)), ("GELU", ("tanh",), {}, (4, 5)),
    ("SiLU", (), {}, (4, 5)), ("Softplus", (1.5, 0.7), {}, (4, 5)),
    ("ReLU6", (), {"inplace": True}, None), ("ReLU6", (), {}, (4, 5)),
    ("Hardtanh", (-0.5, 0.7), {}, (4, 5)),
    ("Hardswish", (), {}, (4, 5)), ("Hardsigmoid", (), {}, (4, 5)),
    ("PReLU", (), {}, (4, 5)), ("PReLU", (3, 0.1), {}, (4, 3, 2, 2)),
    ("Sigmoid", (), {}, (4, 5)), ("Tanh", (), {}, (4, 5)),
    ("Softmax", (1,), {}, (4, 5, 2)), ("LogSoftmax", (-1,), {}, (4, 5)),
    ("Flatten", (), {}, (3, 2, 4, 5)), ("Flatten", (0, 1), {}, (3, 2, 4)),
    ("Unflatten", (1, (2, 3)), {}, (3, 6, 2)),
    ("Identity", (), {}, (3, 2)),
    ("Upsample", (), {"scale_factor": 2}, (2, 3, 4, 5)),
    ("Upsample", ((7, 3),), {"mode": "bilinear", "align_corners": True}, (2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": (1.5, 2.0), "mode": "bilinear"}, (2, 3, 4, 5)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 2)),
    ("ZeroPad2d", (2,), {}, (2, 3, 4, 5)), ("ZeroPad2d", ((1, 0, 2, 3),), {}, (2, 3, 4, 5)),
]
LOSSES = [
    ("CrossEntropyLoss", {"reduction": "sum", "label_smoothing": 0.2, "ignore_index": 1}, "labels"),
    ("CrossEntropyLoss", {"weight": True, "ignore_index": 1}, "labels"),
    ("CrossEntropyLoss", {"weight": True, "label_smoothing": 0.1}, "probabilities"),
    ("NLLLoss", {"weight": True, "reduction": "none"}, "labels"),
    ("MSELoss", {}, "numbers"), ("MSELoss", {"reduction": "none"}, "numbers"), ("L1Loss", {}, "numbers"),
    ("SmoothL1Loss", {"beta": 0.3}, "numbers"),
    ("BCELoss", {}, "probabilities"), ("BCEWithLogitsLoss", {"pos_weight": True}, "probabilities"),
    ("KLDivLoss", {"reduction": "batchmean"}, "probabilities"),
    ("KLDivLoss", {"reduction": "sum", "log_target": True}, "numbers"),
]
# What PyTorch has besides: placement, which Module.to does here; what it deprecates itself; unused options
LEFT_OUT = {"device", "dtype", "size_average", "reduce", "_stacklevel", "min_value", "max_value", "max_norm",
            "norm_type", "scale_grad_by_freq", "sparse", "_weight", "_freeze", "recompute_scale_factor",
            "antialias", "out"}
LEFT_OUT_OF = {"MaxPool1d": {"return_indices"}, "mse_loss": {"weight"}, "l1_loss": {"weight"}}


def name_of(case):
    return f"{case[0]}{case[1]}{case[2]}"


def pair(name, args, settings):
    """PyTorch's layer with random numbers in it, in float64, and ours with its state."""
    theirs = getattr(torch.nn, name)(*args, **settings).double()
    with torch.no_grad():
        for x in [*theirs.parameters(), *theirs.buffers()]:
            if x.is_floating_point():
                x.copy_(torch.rand_like(x) + 0.5)            # positive, for variances and slopes
                x *= torch.sign(torch.randn_like(x)) if x.ndim > 1 else 1
    ours = getattr(nn, name)(*args, **settings).double()
    ours.load_state_dict({key: x.numpy() for key, x in theirs.state_dict().items()})
    return ours, theirs


def close(ours, theirs, rtol=1e-9):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [case for case in LAYERS if case[3]], ids=name_of)
def test_values_gradients_and_statistics_are_pytorchs(case, training, rng):
    torch.manual_seed(0)
    name, args, settings, shape = case
    ours, theirs = pair(name, args, settings)
    ours.train(training), theirs.train(training)
    for _ in range(2):                                       # twice: running averages differ only then
        array = rng.standard_normal(shape)
        x, t = minidl.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
        y, u = ours(x), theirs(t)
        close(y, u)
    cotangent = rng.standard_normal(y.shape)
    y.backward(minidl.tensor(cotangent)), u.backward(torch.tensor(cotangent))
    close(x.grad, t.grad, rtol=1e-7 if name == "Hardsigmoid" else 1e-9)      # theirs takes 1/6 from float32
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        close(p, q)


def test_embedding_is_pytorchs(rng):
    ours, theirs = pair("Embedding", (7, 3), {"padding_idx": 2})
    rows = np.array([[2, 0, 6], [6, 2, 1]])
    y, u = ours(minidl.tensor(rows)), theirs(torch.tensor(rows))
    cotangent = rng.standard_normal(y.shape)
    y.backward(minidl.tensor(cotangent)), u.backward(torch.tensor(cotangent))
    close(y, u)
    close(ours.weight.grad, theirs.weight.grad)
    assert repr(ours) == repr(theirs) and repr(nn.Embedding(3, 2)) == repr(torch.nn.Embedding(3, 2))
    assert nn.Embedding(3, 2, -3).padding_idx == torch.nn.Embedding(3, 2, -3).padding_idx


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: f"{case[0]}{case[1]}")
def test_losses_are_pytorchs(case, rng):
    name, settings, kind = case
    scores = rng.standard_normal((6, 4)) if name != "BCELoss" else rng.uniform(0.1, 0.9, (6, 4))
    target = {"labels": rng.integers(0, 4, 6), "numbers": rng.standard_normal((6, 4)),
              "probabilities": rng.dirichlet(np.ones(4), 6)}[kind]
    vectors = {key: rng.uniform(0.5, 2, 4) for key in settings if key.endswith("weight")}
    ours = getattr(nn, name)(**settings | {key: minidl.tensor(v) for key, v in vectors.items()})
    theirs = getattr(torch.nn, name)(**settings | {key: torch.tensor(v) for key, v in vectors.items()})
    x, t = minidl.tensor(scores, requires_grad=True), torch.tensor(scores, requires_grad=True)
    y, u = ours(x, minidl.tensor(target)), theirs(t, torch.tensor(target))
    close(y, u)
    cotangent = rng.standard_normal(y.shape)
    y.backward(minidl.tensor(cotangent)), u.backward(torch.tensor(cotangent))
    close(x.grad, t.grad)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_names_and_shapes_of_the_state_and_the_printed_line_are_pytorchs(case):
    name, args, settings, _ = case
    ours, theirs = getattr(nn, name)(*args, **settings), getattr(torch.nn, name)(*args, **settings)
    assert {key: x.shape for key, x in ours.state_dict().items()} == \
        {key: tuple(x.shape) for key, x in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [x.dtype.name for x in ours.state_dict().values()] == \
        [str(x.dtype).removeprefix("torch.") for x in theirs.state_dict().values()]
    assert repr(ours) == repr(theirs)


def arguments(function, leave_out=()):
    return {name: p.default for name, p in inspect.signature(function).parameters.items()
            if name not in LEFT_OUT and name not in leave_out}


COMPARED = {case[0] for case in LAYERS} | {case[0] for case in LOSSES}
COMPARED_ELSEWHERE = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "Embedding", "AvgPool1d"}


@pytest.mark.parametrize("name", sorted(COMPARED | COMPARED_ELSEWHERE))
def test_constructors_take_pytorchs_arguments(name):
    ours, theirs = getattr(nn, name).__init__, getattr(torch.nn, name).__init__
    if name in ("ModuleList", "ModuleDict", "ParameterList"):
        assert list(arguments(ours)) == list(arguments(theirs))      # nothing is () here and None there
    elif name in ("Sigmoid", "Tanh"):                                # which ignore what they are given there
        assert list(arguments(ours)) == ["self"]
    else:
        assert list(arguments(ours).items()) == list(arguments(theirs, LEFT_OUT_OF.get(name, ())).items())


def test_every_layer_of_ours_is_compared_or_has_no_counterpart():
    classes = {name: value for name, value in vars(nn).items() if isinstance(value, type)}
    layers = {name for name, value in classes.items() if issubclass(value, nn.Module)}
    assert layers - COMPARED - COMPARED_ELSEWHERE == {"Module", "DropPath"}


def test_average_pooling_of_sequences_is_pytorchs(rng):
    """PyTorch prints its numbers as (3,), so only values are compared."""
    x = rng.standard_normal((2, 3, 9))
    for settings in {"stride": 2, "padding": 1}, {"stride": 2, "ceil_mode": True}, {}, \
            {"padding": 1, "count_include_pad": False}:
        ours, theirs = nn.AvgPool1d(4, **settings), torch.nn.AvgPool1d(4, **settings)
        close(ours(minidl.tensor(x)), theirs(torch.tensor(x)))


def inspectable():
    for name, ours in vars(F).items():
        theirs = getattr(torch.nn.functional, name, None)
        if callable(ours) and theirs is not None:
            try:
                if "args" not in inspect.signature(theirs).parameters:   # some are dispatchers of *args
                    yield name
            except ValueError:                                           # written in C
                continue


@pytest.mark.parametrize("name", list(inspectable()))
def test_functions_take_pytorchs_arguments(name):
    theirs = arguments(getattr(torch.nn.functional, name), LEFT_OUT_OF.get(name, ()))
    ours = arguments(getattr(F, name), {"generator"})
    if name in ("softmax", "log_softmax"):
        theirs["dim"] = inspect.Parameter.empty                          # its default is deprecated
    assert list(ours.items()) == list(theirs.items())


def test_functional_has_nothing_that_pytorch_has_not_but_stochastic_depth():
    functions = {name for name, value in vars(F).items() if callable(value)}
    assert functions - set(dir(torch.nn.functional)) == {"drop_path"}


@pytest.mark.parametrize("nonlinearity, param", [
    *[(name, None) for name in (*nn.init.GAINS, "leaky_relu")], ("leaky_relu", 0.3), ("leaky_relu", 0)])
def test_gains_are_pytorchs(nonlinearity, param):
    assert nn.init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(nonlinearity, param)


NOT_PYTORCHS = {"delta_orthogonal_", "looks_linear_"}      # Xiao et al. 2018, Balduzzi et al. 2017


def test_pytorch_still_has_no_such_initialisers():
    assert not NOT_PYTORCHS & set(dir(torch.nn.init))


@pytest.mark.parametrize("name", [name for name in vars(nn.init) if name.endswith("_") and name[0] != "_"
                                  and name not in NOT_PYTORCHS])
def test_initialisers_take_pytorchs_arguments(name):
    assert arguments(getattr(nn.init, name)) == arguments(getattr(torch.nn.init, name))


@pytest.mark.parametrize("norm_type, max_norm", [(2.0, 0.7), (1.0, 2.0), (float("inf"), 0.1), (3.0, 100.0)])
def test_clipping_is_pytorchs(norm_type, max_norm, rng):
    grads = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
    ours = [minidl.zeros(g.shape) for g in grads]
    theirs = [torch.zeros(g.shape, dtype=torch.float64) for g in grads]
    for p, q, g in zip(ours, theirs, grads):
        p.grad, q.grad = minidl.tensor(g), torch.tensor(g)
    norms = (nn.utils.clip_grad_norm_(ours, max_norm, norm_type),
             torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type))
    assert norms[0].item() == pytest.approx(norms[1].item(), rel=1e-6)
    for p, q in zip(ours, theirs):
        close(p.grad, q.grad)


class Residual:
    """A small residual network, written once for both libraries."""

    @staticmethod
    def build(lib):
        class Net(lib.Module):
            def __init__(self):
                super().__init__()
                self.stem = lib.Sequential(lib.Conv2d(2, 4, 3, padding=1, bias=False), lib.BatchNorm2d(4),
                                           lib.ReLU())
                self.branch = lib.Sequential(lib.Conv2d(4, 4, 3, padding=1, groups=2), lib.BatchNorm2d(4))
                self.head = lib.Sequential(lib.MaxPool2d(2), lib.Flatten(), lib.Linear(36, 3))
                self.relu = lib.ReLU()

            def forward(self, x):
                x = self.stem(x)
                return self.head(self.relu(x + self.branch(x)))

        return Net().double()


def test_a_network_trains_to_the_same_weights_as_in_pytorch(rng):
    ours, theirs = Residual.build(nn), Residual.build(torch.nn)
    ours.load_state_dict({key: x.numpy() for key, x in theirs.state_dict().items()})
    images, labels = rng.standard_normal((8, 2, 6, 6)), rng.integers(0, 3, 8)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "nesterov": True}
    for model, lib, SGD, tensor in [(ours, nn, optim.SGD, minidl.tensor),
                                    (theirs, torch.nn, torch.optim.SGD, torch.tensor)]:
        optimizer = SGD(model.parameters(), **settings)
        for _ in range(10):
            optimizer.zero_grad()
            loss = lib.CrossEntropyLoss()(model(tensor(images)), tensor(labels))
            loss.backward()
            optimizer.step()
    for key, x in theirs.state_dict().items():
        close(ours.state_dict()[key], x)
