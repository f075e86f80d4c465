"""Schedules: how the learning rate changes from epoch to epoch. Call `step()` once after each.

A schedule changes each group's present "lr", so several can be used on one optimizer, and their factors
multiply. Making a schedule already sets the rate of epoch 0.
"""
import math
from bisect import bisect_right

from minidl.optim.optimizer import Optimizer


class LRScheduler:
    """A subclass says, in `get_lr`, the rates of epoch `last_epoch`, given those of the epoch before.

    base_lrs : the groups' rates before any schedule, which the groups keep as "initial_lr"
    """

    def __init__(self, optimizer):
        self.optimizer = checked(self, optimizer)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = -1
        self.step()

    def get_lr(self):
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def step(self):
        """On to the next epoch."""
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = self.scaled(1)

    def scaled(self, factor):
        """The present rates times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def get_last_lr(self):
        """The rates, one for each group, that this schedule set last."""
        return self._last_lr

    def state_dict(self):
        """Where the schedule stands, and its settings: numbers, lists. The rates are in the optimizer's."""
        elsewhere = "optimizer", "lr_lambdas", "schedulers"
        return {name: value for name, value in vars(self).items() if name not in elsewhere}

    def load_state_dict(self, state_dict):
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """The base rate times lr_lambda(epoch): one function, or a list with one for each group."""

    def __init__(self, optimizer, lr_lambda):
        groups = len(checked(self, optimizer).param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups")
        super().__init__(optimizer)

    def get_lr(self):
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]


class StepLR(LRScheduler):
    """Times gamma every step_size epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def get_lr(self):
        return self.scaled(self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else 1)


class MultiStepLR(LRScheduler):
    """Times gamma at each of the epochs `milestones`."""

    def __init__(self, optimizer, milestones, gamma=0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def get_lr(self):
        return self.scaled(self.gamma ** self.milestones.count(self.last_epoch))


class ConstantLR(LRScheduler):
    """`factor` times the rate, until epoch total_iters; then the rate itself."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5):
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor is a number above 0 and at most 1, not {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch == 0:
            return self.scaled(self.factor)
        return self.scaled(1 / self.factor if self.last_epoch == self.total_iters else 1)


class LinearLR(LRScheduler):
    """The factor moves from start_factor to end_factor in total_iters equal steps: a warm-up.

    Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv 1706.02677, section 2.2.
    """

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError("LinearLR: start_factor is above 0 and end_factor at least 0, and both are at "
                             f"most 1, not {start_factor} and {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch == 0:
            return self.scaled(self.start_factor)
        if self.last_epoch > self.total_iters:
            return self.scaled(1)
        return self.scaled(self.factor(self.last_epoch) / self.factor(self.last_epoch - 1))

    def factor(self, epoch):
        return self.start_factor + (self.end_factor - self.start_factor) * epoch / self.total_iters


class ExponentialLR(LRScheduler):
    """Times gamma every epoch."""

    def __init__(self, optimizer, gamma):
        self.gamma = gamma
        super().__init__(optimizer)

    def get_lr(self):
        return self.scaled(self.gamma if self.last_epoch > 0 else 1)


class PolynomialLR(LRScheduler):
    """Down to 0 as (1 - epoch / total_iters)^power."""

    def __init__(self, optimizer, total_iters=5, power=1.0):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch == 0 or self.last_epoch > self.total_iters:
            return self.scaled(1)
        return self.scaled((1 - 1 / (self.total_iters - self.last_epoch + 1)) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base - eta_min) (1 + cos(pi epoch / T_max)) / 2: down in T_max epochs, then up again.

    Loshchilov & Hutter 2017, "SGDR", arXiv 1608.03983, equation 5, without the restarts.
    """

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def get_lr(self):
        t, T = self.last_epoch, self.T_max
        if t == 0:
            return self.scaled(1)
        if (t - 1) % (2 * T) == T:               # up from the bottom, where the quotient below is 0 / 0
            return [group["lr"] + (base - self.eta_min) * self.height(t)
                    for group, base in zip(self.optimizer.param_groups, self.base_lrs)]
        return [self.eta_min + (group["lr"] - self.eta_min) * self.height(t) / self.height(t - 1)
                for group in self.optimizer.param_groups]

    def height(self, t):
        return (1 + math.cos(math.pi * t / self.T_max)) / 2


class SequentialLR(LRScheduler):
    """One schedule after the other: at each epoch of `milestones` the next begins, from the base rate."""

    def __init__(self, optimizer, schedulers, milestones):
        schedulers, milestones = list(schedulers), list(milestones)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedules have {len(schedulers) - 1} changes "
                             f"between them, but {len(milestones)} milestones came")
        for scheduler in schedulers:
            if not isinstance(scheduler, LRScheduler) or scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: {type(scheduler).__name__} is not a schedule of this "
                                 "optimizer that steps without arguments")
        self.optimizer, self.schedulers, self.milestones = optimizer, schedulers, milestones
        self.last_epoch = -1
        self.step()

    def step(self):
        self.last_epoch += 1
        scheduler = self.schedulers[bisect_right(self.milestones, self.last_epoch)]
        if self.last_epoch in (0, *self.milestones):
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            scheduler.last_epoch = -1            # its first step was taken when it was made, too early
        scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self):
        inner = [scheduler.state_dict() for scheduler in self.schedulers]
        return {**super().state_dict(), "_schedulers": inner}

    def load_state_dict(self, state_dict):
        state_dict = dict(state_dict)
        for scheduler, state in zip(self.schedulers, state_dict.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(state)
        super().load_state_dict(state_dict)


class ReduceLROnPlateau:
    """Times `factor` when what `step(metrics)` is given has not improved for more than `patience` epochs.

    mode      : "min" for a number that should fall, such as a loss; "max" for one that should rise
    threshold : how much better counts as better: as a fraction of the best ("rel") or as it is ("abs")
    cooldown  : epochs after a reduction in which none is counted as bad
    min_lr    : no rate goes below; a number, or one for each group. Changes smaller than eps are not made
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel",
                 cooldown=0, min_lr=0, eps=1e-8):
        self.optimizer = checked(self, optimizer)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor should be below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError("ReduceLROnPlateau: mode is min or max and threshold_mode rel or abs, not "
                             f"{mode} and {threshold_mode}")
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"ReduceLROnPlateau: {len(self.min_lrs)} values of min_lr for {groups} groups")
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs, self.cooldown_counter = 0, 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics):
        """After an epoch, with what was measured: a number, or a tensor of one."""
        metrics = float(metrics)
        if self.is_better(metrics):
            self.best, self.num_bad_epochs = metrics, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, min_lr in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, min_lr)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def is_better(self, metrics):
        threshold = -self.threshold if self.mode == "min" else self.threshold
        goal = self.best * (1 + threshold) if self.threshold_mode == "rel" else self.best + threshold
        return metrics < goal if self.mode == "min" else metrics > goal

    get_last_lr = LRScheduler.get_last_lr
    state_dict = LRScheduler.state_dict
    load_state_dict = LRScheduler.load_state_dict


def checked(scheduler, optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: expects an optimizer, not {type(optimizer).__name__}")
    return optimizer
