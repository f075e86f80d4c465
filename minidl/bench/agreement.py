"""Do minidl and PyTorch compute the same? The loss and every gradient, from the same weights and images.

In float64 they have to be the same to a millionth of each gradient: so the rules are right. In float32, in which the
times are taken, minidl may be wrong by a thousandth. In some networks no float32 can be that good: rounding moves some of
the millions of values that are nearly 0 to the other side of a ReLU, and each takes its part of the gradient along. So
it is measured how far every gradient moves, in float64, when the weights are changed by 1e-5 of themselves, which
is about what a fast convolution rounds by. Where three times that is more than a thousandth, it is the measure.
"""
import numpy as np

from minidl.bench import step

TOLERANCE_64, TOLERANCE, NEVER_ABOVE = 1e-6, 1e-3, 0.3
SHAKE, SHAKES = 1e-5, 3     # how much the weights are changed; so many times as far as that moves a gradient is allowed
NOTHING = 1e-6              # of the whole gradient: a smaller one is rounding, such as a bias's before batch norm


def compare(case, device="cpu"):
    """Run a Case once in both engines; a dict that says whether they agree, with the worst errors of both.

    device : where minidl computes; PyTorch does on the CPU
    """
    from minidl.interop.pytorch import copy_weights
    minidl, torch = step.library("minidl"), step.library("PyTorch")
    minidl.manual_seed(0)
    ours, theirs = (without_dropout(step.network(case, engine)) for engine in ("minidl", "PyTorch"))
    copy_weights(ours, theirs)
    images, labels = step.batch(case)
    mine = gradients(minidl, ours.to(device), images, labels, device)
    mine_double = gradients(minidl, ours.double(), images.astype(np.float64), labels, device)
    del ours
    single = gradients(torch, theirs, images, labels)
    double = gradients(torch, theirs.double(), images.astype(np.float64), labels)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in theirs.parameters():
            p.mul_(1 + SHAKE * torch.randn_like(p))
    shaken = gradients(torch, theirs, images.astype(np.float64), labels)
    return verdict(mine, mine_double, single, double, shaken)


def without_dropout(model):
    for layer in model.modules():
        if type(layer).__name__.startswith("Dropout"):
            layer.p = 0.0
    return model


def gradients(lib, model, images, labels, device="cpu"):
    """{"loss": ..., a parameter's name: its gradient}, as arrays; the model is on the device."""
    model.zero_grad()
    loss = step.loss_of(lib, model, *[lib.from_numpy(x).to(device) for x in (images, labels)])
    loss.backward()
    return {"loss": loss.detach().cpu().numpy()} | {name: p.grad.cpu().numpy() for name, p in model.named_parameters()}


def verdict(mine, mine_double, single, double, shaken):
    """Is what minidl computes in float32 and in float64 as near to PyTorch's `double` as it has to be?

    All are dicts of arrays by name. `shaken` is what becomes of `double` with other weights; `single`, PyTorch's
    float32, is not judged, but shown.
    """
    if not list(mine) == list(mine_double) == list(double):
        raise ValueError(f"bench: minidl has gradients of {list(mine)}, PyTorch of {list(double)}")
    whole = np.sqrt(sum(norm(x) ** 2 for name, x in double.items() if name != "loss"))
    errors_of = lambda them: {name: distance(them[name], x, NOTHING * whole) for name, x in double.items()}
    errors, moved, theirs = errors_of(mine), errors_of(shaken), errors_of(single)
    allowed = {name: min(max(TOLERANCE, SHAKES * moved[name]), NEVER_ABOVE) for name in errors}
    worst, dtype = max(errors, key=lambda name: errors[name] / allowed[name]), "float32"
    errors_64 = errors_of(mine_double)
    if max(errors_64.values()) > TOLERANCE_64:                                      # a rule is wrong: that is what to say
        worst, dtype, errors = max(errors_64, key=errors_64.get), "float64", errors_64
        allowed = dict.fromkeys(errors, TOLERANCE_64)
    return {"agrees": errors[worst] <= allowed[worst], "worst": worst, "dtype": dtype, "error": finite(errors[worst]),
            "allowed": allowed[worst], "PyTorch error": finite(theirs[worst]),
            "error in float64": finite(max(errors_64.values())), "gradients": len(double) - 1,
            "loss": finite(mine["loss"]), "PyTorch loss": finite(single["loss"]), "loss in float64": finite(double["loss"])}


def distance(x, wanted, floor):
    """|x - wanted| / |wanted|; infinite for another shape, and for what is no number."""
    if x.shape != wanted.shape or not np.isfinite(x).all():
        return np.inf
    return float(norm(x - wanted) / max(norm(wanted), floor, 1e-300))


def finite(x):
    """A number for JSON, which has no infinity: None."""
    return float(x) if np.isfinite(x) else None


def norm(x):
    return np.linalg.norm(np.ravel(x).astype(np.float64))
