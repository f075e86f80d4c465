"""Every optimizer and every schedule against PyTorch's, over 20 steps, in float64."""
import inspect
import itertools
import re

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.optim import lr_scheduler as ours_lr
from minidl.optim.swa_utils import AveragedModel

torch = pytest.importorskip("torch")
theirs_lr = torch.optim.lr_scheduler
pytestmark = pytest.mark.parity


def options(**choices):
    """Every combination of one choice for each option."""
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


OPTIMIZERS = [
    *[("SGD", o) for o in options(momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.1],
                                  nesterov=[False, True], maximize=[False, True])
      if not o["nesterov"] or (o["momentum"] and not o["dampening"])],
    *[("RMSprop", o) for o in options(alpha=[0.9], eps=[1e-3], weight_decay=[0, 0.1], momentum=[0, 0.8],
                                      centered=[False, True], maximize=[False, True])],
    *[("Adagrad", o) for o in options(lr_decay=[0, 0.2], weight_decay=[0, 0.1],
                                      initial_accumulator_value=[0, 0.5], maximize=[False, True])],
    *[(name, o) for name in ("Adam", "AdamW")
      for o in options(betas=[(0.8, 0.9)], eps=[1e-3], weight_decay=[0, 0.1], amsgrad=[False, True],
                       maximize=[False, True])],
    *[(name, {}) for name in ("SGD", "RMSprop", "Adagrad", "Adam", "AdamW")],
]


def both(name, settings, rng):
    """PyTorch's optimizer and ours, on two parameters in two groups, each with a copy of the same numbers."""
    arrays = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
    ours = [nn.Parameter(minidl.tensor(a)) for a in arrays]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]

    def groups(parameters):
        return [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.03}]

    return (ours, getattr(optim, name)(groups(ours), **settings),
            theirs, getattr(torch.optim, name)(groups(theirs), **settings))


def step(ours, optimizer, theirs, reference, rng):
    for p, q in zip(ours, theirs):
        g = rng.standard_normal(p.shape) * 10 ** rng.uniform(-3, 1)
        p.grad, q.grad = minidl.tensor(g), torch.tensor(g)
    optimizer.step()
    reference.step()


def assert_same(ours, theirs):
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name, settings", OPTIMIZERS, ids=str)
def test_twenty_steps_are_pytorchs(name, settings, rng):
    ours, optimizer, theirs, reference = both(name, settings, rng)
    for _ in range(20):
        step(ours, optimizer, theirs, reference, rng)
        assert_same(ours, theirs)
    assert_states_alike(optimizer, reference)


def assert_states_alike(optimizer, reference):
    state, wanted = optimizer.state_dict(), reference.state_dict()
    assert list(state["state"]) == list(wanted["state"])
    for i, values in wanted["state"].items():
        values = {name: value for name, value in values.items() if value is not None}
        assert set(state["state"][i]) == set(values)
        for name, value in values.items():
            np.testing.assert_allclose(state["state"][i][name], value, rtol=1e-12, atol=1e-13)
    for group, their_group in zip(state["param_groups"], wanted["param_groups"], strict=True):
        assert group == {name: their_group[name] for name in group}


@pytest.mark.parametrize("name, settings", [
    ("SGD", {"momentum": 0.9}), ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr_decay": 0.1}), ("Adam", {"amsgrad": True}), ("AdamW", {})])
def test_training_begun_in_pytorch_continues_here(name, settings, rng):
    ours, optimizer, theirs, reference = both(name, settings, rng)
    for _ in range(5):
        step(ours, optimizer, theirs, reference, rng)
    again = [nn.Parameter(minidl.tensor(q.detach().numpy())) for q in theirs]
    resumed = getattr(optim, name)([{"params": [p]} for p in again])
    resumed.load_state_dict(reference.state_dict())
    for _ in range(5):
        step(again, resumed, theirs, reference, rng)
    assert_same(again, theirs)


@pytest.mark.parametrize("settings", options(weight_decay=[0, 0.1], momentum=[0, 0.8], maximize=[False, True]), ids=str)
def test_tensorflows_rmsprop_is_pytorchs_once_what_differs_is_taken_away(settings, rng):
    """Without eps, at a constant rate and from a mean square of 1, the two are one."""
    ours, optimizer, theirs, reference = both("RMSprop", settings | {"alpha": 0.9, "eps": 0}, rng)
    groups = [{"params": group["params"], "lr": group["lr"]} for group in optimizer.param_groups]
    optimizer = optim.RMSpropTF(groups, alpha=0.9, eps=0, **settings)
    for q in theirs:
        reference.state[q] = {"step": torch.tensor(0.0), "square_avg": torch.ones_like(q),
                              "momentum_buffer": torch.zeros_like(q)}
    for _ in range(20):
        step(ours, optimizer, theirs, reference, rng)
        assert_same(ours, theirs)


NOT_OURS = {"foreach", "differentiable", "fused", "capturable", "decoupled_weight_decay", "last_epoch"}


def arguments(cls):
    parameters = inspect.signature(cls).parameters.items()
    return [(name, p.default) for name, p in parameters if name not in NOT_OURS]


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adagrad", "Adam", "AdamW"])
def test_optimizers_take_pytorchs_arguments(name):
    assert arguments(getattr(optim, name)) == arguments(getattr(torch.optim, name))


# ---- schedules


def settings_in_words(value):
    """The same in every process that collects the tests: functions without where they are in memory."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))


SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9 ** epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (epoch + 1), lambda epoch: 2.0]}),
    ("StepLR", {"step_size": 3}), ("StepLR", {"step_size": 1, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [9, 4, 4, 15]}), ("MultiStepLR", {"milestones": [2, 30], "gamma": 0.5}),
    ("ConstantLR", {}), ("ConstantLR", {"factor": 0.25, "total_iters": 8}),
    ("LinearLR", {}), ("LinearLR", {"start_factor": 0.01, "total_iters": 12}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {}), ("PolynomialLR", {"total_iters": 17, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 20}), ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.003}),
    ("CosineAnnealingLR", {"T_max": 1}),
]


def two_optimizers():
    ours, theirs = nn.Parameter(minidl.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    other_ours, other_theirs = nn.Parameter(minidl.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    return (optim.SGD([{"params": [ours]}, {"params": [other_ours], "lr": 0.5}], lr=0.1),
            torch.optim.SGD([{"params": [theirs]}, {"params": [other_theirs], "lr": 0.5}], lr=0.1))


def assert_rates_alike(optimizer, reference, schedules, their_schedules, epochs=20):
    """All schedules are stepped after each epoch, as chained ones are."""
    for epoch in range(epochs):
        np.testing.assert_allclose(rates(optimizer), rates(reference), rtol=1e-12, atol=1e-16,
                                   err_msg=f"epoch {epoch}")
        reference.step()
        for schedule, theirs in zip(schedules, their_schedules):
            np.testing.assert_allclose(schedule.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-16)
            schedule.step()
            theirs.step()


@pytest.mark.parametrize("name, settings", SCHEDULES, ids=settings_in_words)
def test_twenty_epochs_of_a_schedule_are_pytorchs(name, settings):
    optimizer, reference = two_optimizers()
    assert_rates_alike(optimizer, reference, [getattr(ours_lr, name)(optimizer, **settings)],
                       [getattr(theirs_lr, name)(reference, **settings)], epochs=40)


@pytest.mark.parametrize("chain", [
    [("LinearLR", {"start_factor": 0.1, "total_iters": 5}), ("StepLR", {"step_size": 4})],
    [("ExponentialLR", {"gamma": 0.9}), ("ConstantLR", {}),
     ("CosineAnnealingLR", {"T_max": 8, "eta_min": 1e-3})],
    [("PolynomialLR", {"total_iters": 10}), ("MultiStepLR", {"milestones": [3, 7]})],
    [("StepLR", {"step_size": 2}), ("LambdaLR", {"lr_lambda": lambda epoch: 0.5 ** epoch})],
], ids=settings_in_words)
def test_chained_schedules_multiply_as_in_pytorch(chain):
    optimizer, reference = two_optimizers()
    assert_rates_alike(optimizer, reference,
                       [getattr(ours_lr, name)(optimizer, **settings) for name, settings in chain],
                       [getattr(theirs_lr, name)(reference, **settings) for name, settings in chain])


@pytest.mark.parametrize("first, milestone", [(0, 5), (2, 1), (4, 9), (8, 3), (10, 4), (11, 6), (12, 8),
                                              (15, 7)])
@pytest.mark.parametrize("second", range(len(SCHEDULES)))
def test_schedules_in_sequence_are_pytorchs(first, milestone, second):
    chain, seen = [SCHEDULES[first], SCHEDULES[second], ("ExponentialLR", {"gamma": 0.8})], []
    for lib, optimizer in zip((ours_lr, theirs_lr), two_optimizers()):
        schedules = [getattr(lib, name)(optimizer, **settings) for name, settings in chain]
        schedule = lib.SequentialLR(optimizer, schedules, milestones=[milestone, milestone + 8])
        seen.append([])
        for _ in range(22):
            seen[-1].append(rates(optimizer) + schedule.get_last_lr())
            optimizer.step()
            schedule.step()
    np.testing.assert_allclose(*seen, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("settings", [
    {"patience": 1}, {"patience": 0, "factor": 0.5, "cooldown": 2},
    {"mode": "max", "patience": 2, "threshold": 0.2},
    {"mode": "max", "patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "min_lr": [0.02, 0.3]},
    {"patience": 0, "min_lr": 0.001, "eps": 0.01},
], ids=str)
def test_reducing_on_a_plateau_is_pytorchs(settings, rng):
    optimizer, reference = two_optimizers()
    ours = ours_lr.ReduceLROnPlateau(optimizer, **settings)
    theirs = theirs_lr.ReduceLROnPlateau(reference, **settings)
    for metric in np.abs(np.cumsum(rng.standard_normal(40)) * 0.3 + 2):
        ours.step(minidl.tensor(metric))
        theirs.step(metric)
        assert rates(optimizer) == rates(reference)
        assert ours.get_last_lr() == theirs.get_last_lr() and ours.num_bad_epochs == theirs.num_bad_epochs


@pytest.mark.parametrize("name", [*sorted({name for name, _ in SCHEDULES}), "SequentialLR",
                                  "ReduceLROnPlateau"])
def test_schedules_take_pytorchs_arguments(name):
    assert arguments(getattr(ours_lr, name)) == arguments(getattr(theirs_lr, name))


# ---- averaging

def test_averaged_models_are_pytorchs_exponential_ones(rng):
    ours, theirs = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double(), \
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).double()
    average = AveragedModel(ours, decay=0.8)
    swa = torch.optim.swa_utils
    reference = swa.AveragedModel(theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(0.8))
    for _ in range(5):
        state = {key: rng.standard_normal(x.shape) if x.is_floating_point() else x + 1
                 for key, x in theirs.state_dict().items()}
        ours.load_state_dict(state)
        theirs.load_state_dict({key: torch.as_tensor(x) for key, x in state.items()})
        average.update_parameters(ours)
        reference.update_parameters(theirs)
    assert set(average.state_dict()) == set(reference.state_dict())
    for key, x in reference.state_dict().items():
        np.testing.assert_allclose(average.state_dict()[key].numpy(), x.numpy(), rtol=1e-12)
    x = rng.standard_normal((4, 3))
    np.testing.assert_allclose(average.eval()(minidl.tensor(x)).detach().numpy(),
                               reference.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-12)
