"""Which dtype a result has: PyTorch's rules, over all pairs of dtypes, and of dtypes and Python numbers."""
import itertools

import numpy as np
import pytest

import minidl

DTYPES = "bool uint8 int8 int16 int32 int64 float16 float32 float64".split()
TENSORS = [(dtype, shape) for dtype in DTYPES for shape in [(), (2,)]]
NUMBERS = [True, 2, 2.5]
FUNCTIONS = {
    "+": lambda lib, x, y: x + y,
    "*": lambda lib, x, y: x * y,
    "/": lambda lib, x, y: x / y,
    "**": lambda lib, x, y: x ** y,
    "==": lambda lib, x, y: x == y,
    "<": lambda lib, x, y: x < y,
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "where": lambda lib, x, y: lib.where(lib.tensor([True, False]), x, y),
    "cat": lambda lib, x, y: lib.cat([x.reshape(-1), y.reshape(-1)]),
    "stack": lambda lib, x, y: lib.stack([x.expand(2), y.expand(2)]),
    "add_": lambda lib, x, y: x.add_(y),
    "mul_": lambda lib, x, y: x.mul_(y),
}


def outcome(lib, f, a, b):
    """(dtype, shape) of the result, or "error"."""
    try:
        y = f(lib, *[lib.tensor(np.ones(x[1], x[0])) if isinstance(x, tuple) else x for x in (a, b)])
    except (RuntimeError, TypeError, ValueError):
        return "error"
    return str(y.dtype).removeprefix("torch."), tuple(y.shape)


@pytest.mark.parity
@pytest.mark.parametrize("name", FUNCTIONS)
def test_promotion_is_pytorchs_over_all_pairs(name):
    torch = pytest.importorskip("torch")
    pairs = list(itertools.product(TENSORS, TENSORS))
    if name in ("+", "*", "/", "**", "==", "<", "where", "add_", "mul_"):
        pairs += itertools.product(TENSORS, NUMBERS)
    if name in ("+", "*", "/", "**", "==", "<", "where"):
        pairs += itertools.product(NUMBERS, TENSORS)
    if name == "where":
        pairs += itertools.product(NUMBERS, NUMBERS)
    if name == "**":                                     # of bools: neither library has a use for it
        bools = [True, ("bool", ()), ("bool", (2,))]
        pairs = [(a, b) for a, b in pairs if a not in bools or b not in bools]
    f, wrong = FUNCTIONS[name], []
    for a, b in pairs:
        ours, theirs = outcome(minidl, f, a, b), outcome(torch, f, a, b)
        if ours != theirs:
            wrong.append((a, b, theirs, ours))
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ; x, y, theirs, ours = {wrong[0]}"


# ---- the rules, each once, without PyTorch


@pytest.mark.parametrize("f, dtype", [
    (lambda: minidl.tensor([1, 2]) * 0.5, "float32"),              # a Python float makes integers float
    (lambda: minidl.tensor([1, 2]) / 2, "float32"),
    (lambda: minidl.tensor([1, 2]) * 2, "int64"),
    (lambda: minidl.tensor([True]) + 1, "int64"),
    (lambda: minidl.tensor([1.0]) * np.float64(2), "float32"),               # NumPy's scalars are numbers
    (lambda: minidl.tensor([1.0]) * np.int64(2), "float32"),
    (lambda: np.float64(2) * minidl.tensor([1.0]), "float32"),
    (lambda: minidl.tensor([1]) * minidl.tensor([1.0]), "float32"),          # NumPy says float64
    (lambda: minidl.tensor([1.0]) + minidl.tensor(1.0, dtype=minidl.float64), "float32"),
    (lambda: minidl.tensor([1.0]) + np.ones(1), "float64"),                  # an array is a tensor
    (lambda: np.ones(1, np.float32) * minidl.tensor([1.0]), "float32"),
    (lambda: minidl.tensor([1, 2]).exp(), "float32"),
    (lambda: minidl.tensor([1, 2]).sum(), "int64"),
    (lambda: minidl.tensor([1, 2], dtype=minidl.int8).sum(), "int64"),
    (lambda: minidl.tensor([True, False]).sum(), "int64"),
    (lambda: minidl.tensor([1.0, 2]).half().sum(), "float16"),
    (lambda: minidl.tensor([1.5]) == 1.5, "bool"),
])
def test_the_dtype_of_a_result(f, dtype):
    assert f().dtype == dtype


def test_float32_in_gives_float32_gradients_and_float64_stays():
    for dtype in (minidl.float16, minidl.float32, minidl.float64):
        x = minidl.ones(3, dtype=dtype, requires_grad=True)
        ((x * 2.5 + 1) / 3 - x ** 2 + x.exp() * np.float64(3)).mean().backward()
        assert x.grad.dtype == dtype


def test_gradients_go_back_in_the_inputs_own_dtype_where_dtypes_meet():
    x = minidl.ones(3, dtype=minidl.float32, requires_grad=True)
    w = minidl.ones(3, dtype=minidl.float64, requires_grad=True)
    y = x * w
    assert y.dtype == minidl.float64
    y.sum().backward()
    assert x.grad.dtype == minidl.float32 and w.grad.dtype == minidl.float64


def test_integer_tensors_never_require_grad():
    with pytest.raises(RuntimeError, match="only floating-point tensors have gradients; this one is int64"):
        minidl.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="bool"):
        minidl.tensor([True]).requires_grad_()
    x = minidl.tensor([1.5, 2.5], requires_grad=True)
    assert not x.long().requires_grad and not (x > 2).requires_grad


def test_an_integer_beside_a_float_that_requires_grad_is_a_constant():
    x = minidl.tensor([1.5, 2.5], requires_grad=True)
    (x * minidl.tensor([2, 3])).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [2, 3])


def test_the_default_dtype_decides_for_new_floats():
    try:
        minidl.set_default_dtype(minidl.float64)
        assert minidl.tensor([1.0]).dtype == minidl.float64
        assert (minidl.tensor([1]) / 2).dtype == minidl.float64
        assert minidl.zeros(2).dtype == minidl.randn(2).dtype == minidl.arange(0.5, 2).dtype == minidl.float64
        assert minidl.tensor([1]).dtype == minidl.int64
    finally:
        minidl.set_default_dtype(minidl.float32)


def test_the_default_dtype_is_a_float():
    with pytest.raises(TypeError, match="floating-point"):
        minidl.set_default_dtype(minidl.int32)


@pytest.mark.parametrize("data", [1j, np.array(["a"]), np.array([None]), [[1, 2], [3]]])
def test_a_tensor_of_anything_else_is_an_error(data):
    with pytest.raises((TypeError, ValueError)):
        minidl.tensor(data)


@pytest.mark.parametrize("other", ["a", [1, 2], None, 1j, (1,)])
def test_arithmetic_with_anything_else_names_the_op_and_what_came(other):
    with pytest.raises(TypeError, match=rf"Add\(\): takes tensors, arrays.* not .*{type(other).__name__}"):
        minidl.ones(2) + other
