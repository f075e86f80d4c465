"""Schedules by their formulas; against PyTorch's in test_optim_parity.py."""
import json
import math

import pytest

import minidl
from minidl import nn, optim
from minidl.optim import lr_scheduler as lr


def optimizer_of(*rates):
    return optim.SGD([{"params": [nn.Parameter(minidl.zeros(1))], "lr": rate} for rate in rates])


def rates(make, epochs, base=1.0):
    optimizer = optimizer_of(base)
    schedule = make(optimizer)
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        assert schedule.get_last_lr() == [seen[-1]]
        schedule.step()
    return pytest.approx(seen)


@pytest.mark.parametrize("make, wanted", [
    (lambda o: lr.StepLR(o, 2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25]),
    (lambda o: lr.MultiStepLR(o, [3, 1], gamma=0.1), [1, 0.1, 0.1, 0.01, 0.01]),
    (lambda o: lr.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1]),
    (lambda o: lr.LinearLR(o, 0.25, total_iters=3), [0.25, 0.5, 0.75, 1, 1]),
    (lambda o: lr.ExponentialLR(o, 0.5), [1, 0.5, 0.25]),
    (lambda o: lr.PolynomialLR(o, 4, power=2), [1, 9 / 16, 4 / 16, 1 / 16, 0, 0]),
    (lambda o: lr.LambdaLR(o, lambda epoch: epoch + 1), [1, 2, 3]),
    (lambda o: lr.CosineAnnealingLR(o, 4, eta_min=0.2),
     [0.2 + 0.4 * (1 + math.cos(math.pi * t / 4)) for t in range(14)]),
])
def test_a_schedule_is_its_formula(make, wanted):
    assert rates(make, len(wanted)) == wanted


def test_a_warm_up_then_a_schedule_that_starts_from_the_base_rate():
    def make(optimizer):
        schedules = [lr.LinearLR(optimizer, 0.5, total_iters=2), lr.StepLR(optimizer, 1, gamma=0.1)]
        return lr.SequentialLR(optimizer, schedules, [2])

    assert rates(make, 5) == [0.5, 0.75, 1, 0.1, 0.01]


def test_schedules_on_one_optimizer_multiply():
    optimizer = optimizer_of(1.0, 10.0)
    schedules = [lr.ExponentialLR(optimizer, 0.5), lr.LinearLR(optimizer, 0.1, total_iters=2)]
    for _ in range(2):
        for schedule in schedules:
            schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.25, 2.5])
    assert [group["initial_lr"] for group in optimizer.param_groups] == [1, 10]


def test_the_rate_falls_when_nothing_improves_any_more():
    optimizer = optimizer_of(1.0)
    schedule = lr.ReduceLROnPlateau(optimizer, patience=2, factor=0.5)
    assert schedule.get_last_lr() == [1]
    for loss in 5, 4, 4, 4:
        schedule.step(loss)
        assert schedule.get_last_lr() == [1]
    schedule.step(4)
    assert schedule.get_last_lr() == [0.5]


def test_a_loss_that_is_nan_is_no_improvement():
    optimizer = optimizer_of(1.0)
    schedule = lr.ReduceLROnPlateau(optimizer, patience=1)
    schedule.step(math.nan)
    assert optimizer.param_groups[0]["lr"] == 1
    schedule.step(math.nan)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1) and schedule.best == math.inf


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_same_again_is_no_improvement(mode):
    optimizer = optimizer_of(1.0)
    schedule = lr.ReduceLROnPlateau(optimizer, mode, patience=0, threshold=0)
    schedule.step(4), schedule.step(4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_a_schedule_must_know_every_group():
    class One(lr.LRScheduler):
        def get_lr(self):
            return [1.0]

    with pytest.raises(ValueError, match="zip"):
        One(optimizer_of(1.0, 2.0))
    optimizer = optimizer_of(1.0)
    schedule = lr.ReduceLROnPlateau(optimizer, patience=0)
    optimizer.add_param_group({"params": nn.Parameter(minidl.zeros(1))})
    schedule.step(1)
    with pytest.raises(ValueError, match="zip"):
        schedule.step(1)


def test_a_sequence_is_loaded_into_one_as_long():
    def make(*milestones):
        optimizer = optimizer_of(1.0)
        return lr.SequentialLR(optimizer, [lr.StepLR(optimizer, 1) for _ in (0, *milestones)], milestones)

    with pytest.raises(ValueError, match="zip"):
        make(1).load_state_dict(make(1, 2).state_dict())


SCHEDULES = [
    lr.ConstantLR, lr.LinearLR, lr.PolynomialLR,
    lambda o: lr.StepLR(o, 2), lambda o: lr.MultiStepLR(o, [3, 4]),
    lambda o: lr.ExponentialLR(o, 0.9), lambda o: lr.CosineAnnealingLR(o, 4),
    lambda o: lr.LambdaLR(o, lambda epoch: 0.5 ** epoch),
    lambda o: lr.SequentialLR(o, [lr.LinearLR(o), lr.CosineAnnealingLR(o, 5)], [3]),
]


@pytest.mark.parametrize("make", SCHEDULES)
def test_a_schedule_continues_from_its_state_dict(make):
    optimizer, resumed = optimizer_of(0.3), optimizer_of(99.0)
    schedule = make(optimizer)
    for _ in range(4):
        schedule.step()
    again = make(resumed)
    resumed.load_state_dict(json.loads(json.dumps(optimizer.state_dict())))
    again.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for _ in range(6):
        schedule.step(), again.step()
        assert resumed.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        assert again.get_last_lr() == schedule.get_last_lr()


def test_the_plateau_is_remembered_in_its_state_dict():
    first, second = optimizer_of(1.0), optimizer_of(1.0)
    schedule, again = lr.ReduceLROnPlateau(first, patience=1), lr.ReduceLROnPlateau(second, patience=1)
    schedule.step(3), schedule.step(3)
    again.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    schedule.step(3), again.step(3)
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize("make, error, sentence", [
    (lambda o: lr.StepLR(o.param_groups, 1), TypeError, "StepLR: expects an optimizer, not list"),
    (lambda o: lr.LambdaLR(o, [abs]), ValueError, "LambdaLR: 1 functions for 2 parameter groups"),
    (lambda o: lr.ConstantLR(o, 0), ValueError, "factor is a number above 0 and at most 1, not 0"),
    (lambda o: lr.ConstantLR(o, 1.5), ValueError, "at most 1, not 1.5"),
    (lambda o: lr.LinearLR(o, 2.0), ValueError, "LinearLR: start_factor is above 0 .* not 2.0 and 1.0"),
    (lambda o: lr.LinearLR(o, 0), ValueError, "LinearLR: .* not 0 and 1.0"),
    (lambda o: lr.LinearLR(o, end_factor=1.5), ValueError, "LinearLR: .* and 1.5"),
    (lambda o: lr.SequentialLR(o, [lr.StepLR(o, 1)], [1]), ValueError, "1 schedules have 0 changes .* but 1"),
    (lambda o: lr.SequentialLR(o, [lr.StepLR(optimizer_of(1.0), 1)], []), ValueError, "not a schedule of"),
    (lambda o: lr.SequentialLR(o, [lr.ReduceLROnPlateau(o)], []), ValueError, "that steps without arguments"),
    (lambda o: lr.ReduceLROnPlateau(o, factor=1), ValueError, "factor should be below 1, not 1"),
    (lambda o: lr.ReduceLROnPlateau(o, "low"), ValueError, "mode is min or max .* not low and rel"),
    (lambda o: lr.ReduceLROnPlateau(o, min_lr=[0]), ValueError, "1 values of min_lr for 2 groups"),
])
def test_what_cannot_be_is_refused_with_a_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make(optimizer_of(1.0, 2.0))
