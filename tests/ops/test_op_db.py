"""PyTorch judges our ops by the samples that it tests its own with: more than 3,000 calls that we did not think of."""
import warnings

import numpy as np
import pytest

import minidl
from minidl import ops
from minidl.gradcheck.check import recorded_gradients

pytestmark = [pytest.mark.slow, pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

OTHER = {  # what has the same name there, but another function, or random
    "dropout": "its numbers are PyTorch's own", "dropout2d": "its numbers are PyTorch's own",
    "embedding": "op_db calls it with weight and indices exchanged", "einsum": "op_db gives the equation last",
    "where": "op_db gives the condition second", "unfold": "torch.Tensor.unfold cuts windows along one dimension",
    "norm nuc": "the nuclear norm is not among ours", "max_pool1d": "864 samples; the table and max_pool2d cover it",
}
REFUSED = {  # arguments that PyTorch takes and we do not, with what our error says
    "rounding_mode", "'dtype'", "decimals", "recompute_scale_factor", "'mask'", "max_norm", "scale_grad_by_freq",
    "negative) for", "there are nearest", "not (1,)", "not (2,)", "not ()", "x is (N, C, ...), not (0,)",
    "does not fit into input of shape", "array is 0-dimensional", "list assignment index", "'NoneType'",
}
NUMBERS = {"rtol": 1e-6, "atol": 1e-8}


def infos():
    """PyTorch's descriptions of the ops that we have under the same name, or nothing where it is not installed."""
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        return [(f"{info.name} {info.variant_test_name}".strip(), info) for info in op_db
                if hasattr(ops, short(info)) and hasattr(minidl, short(info)) and torch.float64 in info.dtypes
                and not info.name.startswith(("masked.", "linalg.", "special."))
                and f"{short(info)} {info.variant_test_name}".strip() not in OTHER]


def short(info):
    return info.name.removeprefix("nn.functional.")


def converted(value, tensor, convert):
    if isinstance(value, tensor):
        return convert(value)
    if isinstance(value, (list, tuple)):
        return tuple([converted(v, tensor, convert) for v in value])
    if isinstance(value, dict):
        return {key: converted(v, tensor, convert) for key, v in value.items()}
    return value


def found(value, kind):
    if isinstance(value, kind):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [x for part in parts for x in found(part, kind)]


def agree(info, sample, torch):
    """Does this call give PyTorch's values, dtypes and gradients? False where we refuse its arguments."""
    try:
        return agree_on(info, sample, torch, lambda t: t.dtype.is_floating_point)
    except RuntimeError as error:
        if "is not differentiable with respect to argument" not in str(error):
            raise
        return agree_on(info, sample, torch, lambda t: t is sample.input)


def agree_on(info, sample, torch, has_gradient):
    call = ((sample.input, *sample.args), sample.kwargs)
    theirs = converted(call, torch.Tensor, lambda t: t.detach().clone().requires_grad_(has_gradient(t)))
    ours = converted(call, torch.Tensor, lambda t: minidl.Tensor(t.detach().clone().numpy(), has_gradient(t)))
    z = info.op(*theirs[0], **theirs[1])
    try:
        y = getattr(ops, short(info))(*ours[0], **ours[1])
    except (TypeError, ValueError, IndexError) as error:
        assert any(reason in str(error) for reason in REFUSED), f"refused: {error}"
        return False
    ys, zs = found(y, minidl.Tensor), found(z, torch.Tensor)
    for y, z in zip(ys, zs, strict=True):
        assert (y.shape, f"torch.{y.dtype}") == (tuple(z.shape), str(z.dtype))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **NUMBERS)
    pairs = [(y, z) for y, z in zip(ys, zs) if y.requires_grad and z.requires_grad]
    if pairs:
        gs = [np.random.default_rng(0).standard_normal(y.shape) for y, _ in pairs]
        xs = [x for x in found(ours, minidl.Tensor) if x.requires_grad]
        ts = [x for x in found(theirs, torch.Tensor) if x.requires_grad]
        got = recorded_gradients([y for y, _ in pairs], xs, list(map(minidl.Tensor, gs)), create_graph=False)
        wanted = torch.autograd.grad([z for _, z in pairs], ts, list(map(torch.tensor, gs)), allow_unused=True)
        for x, a, b in zip(xs, got, wanted, strict=True):
            np.testing.assert_allclose(np.zeros(x.shape) if a is None else a.numpy(),
                                       np.zeros(x.shape) if b is None else b.numpy(), **NUMBERS)
    return True


def test_ops_agree_with_pytorch_on_its_own_samples():
    torch = pytest.importorskip("torch")
    pytest.importorskip("expecttest")                # which PyTorch's own tests need
    agreed, refused, wrong = 0, 0, []
    for name, info in infos():
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=False):
            if any(t.layout != torch.strided for t in found([sample.input, sample.args], torch.Tensor)):
                continue
            try:
                same = agree(info, sample, torch)
                agreed, refused = agreed + same, refused + (not same)
            except Exception as error:
                wrong.append(f"{name} {[tuple(t.shape) for t in found([sample.input, sample.args], torch.Tensor)]} "
                             f"{sample.kwargs}: {str(error)[:300]}")
    assert wrong == []
    assert agreed > 2500 and refused < 250
    print(f"{agreed} calls agree with PyTorch, {refused} have arguments that minidl does not take")
