"""Every call of the table gives PyTorch's values, and PyTorch's gradients under random cotangents."""
import warnings

import numpy as np
import pytest

import minidl
from minidl.gradcheck.check import recorded_gradients
from minidl.gradcheck.table import CONVENTIONS, VALUES, all_cases

pytestmark = pytest.mark.parity

CASES = [case for case in [*[case for _, case in all_cases()], *CONVENTIONS, *VALUES] if case.torch is not None]
TOLERANCE = {np.float64: {"rtol": 1e-9, "atol": 1e-11}, np.float32: {"rtol": 2e-4, "atol": 2e-5}}
LOOSER = {"hardsigmoid": {"rtol": 1e-7}, "binary_cross_entropy": {"rtol": 1e-8}}  # constants of single precision
CONSTANT_HERE = "sign", "floor", "ceil", "round", "floor_divide"     # there a gradient, which is 0 (or an error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_and_gradients_are_pytorchs(case, dtype):
    torch = pytest.importorskip("torch")
    tolerance = {**TOLERANCE[dtype], **(LOOSER.get(case.name, {}) if dtype is np.float64 else {})}
    inputs = case.inputs(dtype)
    xs = [minidl.Tensor(x.copy(), requires_grad=True) for x in inputs]
    ts = [torch.from_numpy(x.copy()).requires_grad_() for x in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")              # of what PyTorch will rename or do more slowly
        expected = several(case.in_torch(dtype)(*ts))
    got = several(case.in_minidl(dtype)(*xs))
    for y, z in zip(got, expected, strict=True):
        assert f"torch.{y.dtype}" == str(z.dtype)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **tolerance)
    if case.name in CONSTANT_HERE:
        return
    assert [y.requires_grad for y in got] == [z.requires_grad for z in expected]
    pairs = [(y, z) for y, z in zip(got, expected) if z.requires_grad]
    rng = np.random.default_rng(1)
    gs = [rng.standard_normal(y.shape).astype(dtype) for y, _ in pairs]
    ours = recorded_gradients([y for y, _ in pairs], xs, [minidl.Tensor(g) for g in gs], create_graph=False)
    theirs = torch.autograd.grad([z for _, z in pairs], ts, list(map(torch.from_numpy, gs)),
                                 allow_unused=True) if gs else []
    for x, a, b in zip(inputs, ours, theirs):
        np.testing.assert_allclose(np.zeros_like(x) if a is None else a.array,
                                   np.zeros_like(x) if b is None else b.numpy(), **tolerance)


def several(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]
