"""Losses: predictions and targets in, one number out (or one per example, with reduction="none")."""
from dataclasses import dataclass
from math import prod

from minidl.fused import Fused
from minidl.kernels import kernels_for
from minidl.op import Elementwise
from minidl.ops.activation import log_softmax, per_channel, softplus
from minidl.ops.arithmetic import abs, cast, clamp, exp, log, log1p, sigmoid, square, where
from minidl.ops.comparison import eq, sign
from minidl.ops.indexing import gather
from minidl.ops.reduction import mean, sum
from minidl.ops.shape import reshape, squeeze, to_device, unsqueeze

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div", "l1_loss", "mse_loss",
    "nll_loss", "smooth_l1_loss",
]


@dataclass(eq=False)
class CrossEntropy(Fused):
    """For each label -sum over c of t_c log softmax(x)_c, x (N, C, ...), labels (N, ...); 0 where it is to be ignored.

    With s = label_smoothing, t is (1 - s) weight[label] at the label and s / C weight[c] everywhere:
    Szegedy et al. 2015, arXiv 1512.00567, section 7. The mean is over `count`, the weights of the labels that were met.
    """
    reduction: str = "mean"
    count: float = 1.0
    ignore_index: int = -100
    label_smoothing: float = 0.0

    def forward(self, k, x, labels, weight):
        N, C, D = *x.shape[:2], prod(x.shape[2:])
        loss, self.log_p = k.cross_entropy(x.reshape(N, C, D), labels.reshape(N, D), weight, self.ignore_index,
                                           self.label_smoothing)
        return loss.reshape(labels.shape) if self.reduction == "none" else k.sum(loss) * self.share

    def gradient(self, k, gy, x, labels, weight):
        N, _, D = self.log_p.shape
        gy = gy.reshape(N, D) if self.reduction == "none" else k.full((N, D), gy * self.share, gy.dtype)
        gx = k.cross_entropy_gradient(gy, self.log_p, labels.reshape(N, D), weight, self.ignore_index, self.label_smoothing)
        return gx.reshape(x.shape), None, None

    @property
    def share(self):
        """What of each loss is in the result."""
        return 1.0 if self.reduction == "sum" else 1 / self.count

    def definition(self, x, labels, weight):
        log_p = log_softmax(x, 1)
        log_p = log_p if weight is None else log_p * per_channel(weight, x.ndim)
        ignored = eq(labels, self.ignore_index)
        rows = unsqueeze(where(ignored, 0, labels), 1)
        loss = -squeeze(gather(log_p, 1, rows), 1)
        if self.label_smoothing:
            loss = (1 - self.label_smoothing) * loss - self.label_smoothing * mean(log_p, 1)
        loss = where(ignored, 0.0, loss)
        return loss if self.reduction == "none" else sum(loss) * self.share


class BinaryCrossEntropy(Elementwise):
    """-(t log x + (1 - t) log(1 - x)), the logarithms no less than -100; x and t from 0 to 1."""
    reads = "x t, x"

    def forward(self, k, x, t):
        with k.errstate(divide="ignore"):
            return -(t * k.maximum(k.log(x), -100) + (1 - t) * k.maximum(k.log1p(-x), -100))

    def backward(self, gy, y, x, t):
        gx = gy * (x - t) / clamp(x * (1 - x), min=1e-12) if self.needs(0) else None
        gt = gy * (clamp(log1p(-x), min=-100) - clamp(log(x), min=-100)) if self.needs(1) else None
        return gx, gt


class BinaryCrossEntropyWithLogits(Elementwise):
    """-(p t log s(x) + (1 - t) log(1 - s(x))) = (1 - t) x + c log(1 + e^-x), with c = 1 + (p - 1) t, s the sigmoid."""
    reads = "x t c, x, x"

    def forward(self, k, x, t, c):
        return (1 - t) * x + c * k.softplus(-x)

    def backward(self, gy, y, x, t, c):
        gc = gy * softplus(-x, threshold=float("inf")) if self.needs(2) else None
        return gy * (c * sigmoid(x) - (c - 1 + t)), -gy * x, gc


@dataclass(eq=False)
class SmoothL1(Elementwise):
    """d^2 / (2 beta) where d = |a - b| < beta, else d - beta / 2. Girshick 2015, arXiv 1504.08083, equation 3."""
    beta: float
    reads = "a b"

    def forward(self, k, a, b):
        d = k.abs(a - b)
        return k.where(d < self.beta, d * d * (0.5 / self.beta), d - 0.5 * self.beta)

    def backward(self, gy, y, a, b):
        d = a - b
        ga = gy * where(abs(d) < self.beta, d / self.beta, sign(d))
        return ga, -ga


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """The negative log-likelihood of the target classes under softmax(input).

    input   : scores (logits) (C,), (N, C) or (N, C, d1, ...)
    target  : class numbers () (N,) or (N, d1, ...), of which ignore_index do not count; or probabilities
              of input's shape
    weight  : (C,), how much each class counts; the mean is the weighted one
    reduction: mean, sum or none

    A target on the host goes to the scores' device, after it was checked. On a GPU it is not checked, for that would be
    to wait: a number that names no class, nor is ignore_index, counts as a label and adds nothing to the loss.
    """
    reduced("cross_entropy", None, reduction)
    if input.ndim == 0 or not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: scores of shape {tuple(input.shape)}, label_smoothing {label_smoothing}")
    C = input.shape[0 if input.ndim == 1 else 1]
    if weight is not None and weight.shape != (C,):
        raise ValueError(f"cross_entropy: weight of shape {tuple(weight.shape)} for {C} classes "
                         f"(scores {tuple(input.shape)})")
    if target.dtype.kind == "f":
        return cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing)
    target = checked("cross_entropy", input, target, C, ignore_index)
    op = CrossEntropy(reduction, count_of(target, weight, ignore_index, input.dtype), ignore_index, label_smoothing)
    if input.ndim > 1:
        return op(input, target, weight)
    return reshape(op(reshape(input, (1, C)), reshape(target, (1,)), weight), ())


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """-input[target], for log-probabilities (C,), (N, C) or (N, C, d1, ...); the rest as in `cross_entropy`."""
    reduced("nll_loss", None, reduction)
    C = input.shape[0 if input.ndim == 1 else 1]
    x, labels = by_class("nll_loss", input, target, C, ignore_index)
    x = x if weight is None else x * per_channel(weight, 3)
    ignored = eq(labels, ignore_index)
    loss = -squeeze(gather(x, 1, unsqueeze(where(ignored, 0, labels), 1)), 1)
    return weighted(where(ignored, 0.0, loss), target, labels, weight, ignore_index, reduction)


def by_class(who, input, target, C, ignore_index):
    """Scores as (N, C, D) and labels as (N, D), checked."""
    target = checked(who, input, target, C, ignore_index)
    N = input.shape[0] if input.ndim > 1 else 1
    D = target.numel() // max(1, N)
    return reshape(input, (N, C, D)), reshape(target, (N, D))


def checked(who, input, target, C, ignore_index):
    """The labels, one of C classes for every place of the scores or the number to be ignored, on the scores' device.

    An error says what else came. Labels on a GPU are not looked at, which would mean to wait for it.
    """
    wanted = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if target.dtype.kind not in "iu" or target.shape != wanted:
        raise ValueError(f"{who}: for scores of shape {tuple(input.shape)} the target holds class numbers in shape "
                         f"{tuple(wanted)}, but {target.dtype} came in {tuple(target.shape)}")
    if target.device != "cpu":
        return target
    labels = target.array
    known = (labels >= 0) & (labels < C)
    if kernels_for(known).count_nonzero(known) != labels.size:
        wrong = labels[~known & (labels != ignore_index)]
        if wrong.size:
            raise IndexError(f"{who}: class number {wrong.reshape(-1)[0]} is out of range; there are {C} classes, 0 to "
                             f"{C - 1}")
    return to_device(target, input.device, non_blocking=True)


def weighted(loss, target, labels, weight, ignore_index, reduction):
    """Losses (N, D) reduced; the mean is over the weights of the classes that were met."""
    if reduction == "none":
        return reshape(loss, target.shape)
    if reduction == "sum":
        return sum(loss)
    return sum(loss) / count_of(labels, weight, ignore_index, loss.dtype)


def count_of(labels, weight, ignore_index, dtype):
    """How many labels are not to be ignored; with class weights, what these come to. NaN where there is no mean.

    A number; on a GPU an array of `dtype` that will hold it, so that nobody waits.
    """
    met = labels.array != ignore_index
    if weight is None:
        count = kernels_for(met).count_nonzero(met)
    else:
        count = (to_device(weight, labels.device).array[labels.array * met] * met).sum()
    return (float(count) or float("nan")) if labels.device == "cpu" else count.astype(dtype)


def cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing):
    dim = 0 if input.ndim == 1 else 1
    if target.shape != input.shape:
        raise ValueError(f"cross_entropy: target probabilities of shape {tuple(target.shape)} for scores of shape "
                         f"{tuple(input.shape)}; they are the same, or the target holds integer class numbers")
    target = to_device(target, input.device, non_blocking=True)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    log_p = log_softmax(input, dim)
    if weight is not None:
        log_p = log_p * (weight if input.ndim == 1 else per_channel(weight, input.ndim))
    loss = -sum(log_p * target, dim)
    return reduced("cross_entropy", loss, reduction)


def mse_loss(input, target, reduction="mean"):
    """(input - target)^2"""
    return reduced("mse_loss", square(input - alike("mse_loss", input, target)), reduction)


def l1_loss(input, target, reduction="mean"):
    """|input - target|"""
    return reduced("l1_loss", abs(input - alike("l1_loss", input, target)), reduction)


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2. Girshick 2015, arXiv 1504.08083."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta {beta} is negative")
    target = alike("smooth_l1_loss", input, target)
    loss = SmoothL1(beta)(input, target) if beta else abs(input - target)
    return reduced("smooth_l1_loss", loss, reduction)


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """-(t log x + (1 - t) log(1 - x)) for probabilities x and targets t from 0 to 1."""
    target = alike("binary_cross_entropy", input, target)
    if input.device == "cpu" and not bool(((input >= 0) & (input <= 1)).all()):
        raise ValueError("binary_cross_entropy: input holds numbers that are no probabilities (below 0, above 1, or NaN); "
                         "for scores there is binary_cross_entropy_with_logits")
    loss = BinaryCrossEntropy()(input, target)
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """`binary_cross_entropy` of sigmoid(input), without overflow; pos_weight weighs the target's ones."""
    target = alike("binary_cross_entropy_with_logits", input, target)
    counts = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    loss = BinaryCrossEntropyWithLogits()(input, target, counts)
    return reduced("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


def kl_div(input, target, reduction="mean", log_target=False):
    """t (log t - input), input being log-probabilities; reduction "batchmean" divides by the batch, as mathematics does."""
    target = alike("kl_div", input, target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        positive = target > 0
        loss = where(positive, target * (log(where(positive, target, 1.0)) - input), 0.0)
    if reduction == "batchmean":
        return sum(loss) / input.shape[0]
    return reduced("kl_div", loss, reduction)


def reduced(who, loss, reduction):
    """Losses as they are, their sum, or their mean."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{who}: reduction is mean, sum or none, not {reduction!r}")
    if loss is None or reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def alike(who, input, target):
    """The target on input's device and in its dtype. It must have input's shape: to broadcast is nearly always a mistake."""
    if target.shape != input.shape:
        raise ValueError(f"{who}: input has shape {tuple(input.shape)} and the target {tuple(target.shape)}; "
                         "they should be the same")
    return cast(to_device(target, input.device, non_blocking=True), input.dtype)
