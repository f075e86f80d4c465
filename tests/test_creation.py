"""New tensors: PyTorch's factories, with its defaults, and nothing shared by accident."""
import numpy as np
import pytest

import minidl

CALLS = """
zeros(2, 3) | zeros((2, 3)) | zeros([2]) | zeros(()) | zeros(2, dtype=LIB.int64) | ones(3, dtype=LIB.bool)
full((2, 2), 3) | full((2,), 2.5) | full((2,), True) | full((2,), 3, dtype=LIB.float64) | empty(2, 0)
arange(5) | arange(2, 7) | arange(1, 10, 3) | arange(0.5, 3) | arange(5, 0, -2) | arange(0, 1, 0.25) | arange(3.0)
arange(4, dtype=LIB.float64) | arange(0) | linspace(0, 1, 5) | linspace(-2, 2, 1) | linspace(3, 1, 4, dtype=LIB.float64)
eye(3) | eye(2, 4) | eye(0) | eye(2, dtype=LIB.int64) | tensor(3) | tensor(2.5) | tensor(True) | tensor([[1, 2], [3, 4]])
tensor([1, 2.5]) | tensor([]) | tensor([True, False]) | tensor([1, 2], dtype=LIB.float16) | tensor([[]])
zeros_like(LIB.ones(2, dtype=LIB.float64)) | ones_like(LIB.zeros(2, 3, dtype=LIB.int32)) | full_like(LIB.ones(2), 7)
zeros_like(LIB.ones(2), dtype=LIB.int64) | as_tensor([1, 2]) | as_tensor(2.0, dtype=LIB.float64)
"""


@pytest.mark.parity
@pytest.mark.parametrize("call", [call.strip() for line in CALLS.strip().splitlines() for call in line.split("|")])
def test_factories_make_what_pytorchs_make(call):
    torch = pytest.importorskip("torch")
    ours, theirs = [eval(f"LIB.{call}", {"LIB": lib}) for lib in (minidl, torch)]
    assert ours.shape == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)
    assert not ours.requires_grad and ours.is_leaf


def test_a_factory_can_ask_for_gradients():
    for x in (minidl.zeros(2, requires_grad=True), minidl.randn(2, requires_grad=True), minidl.eye(2, requires_grad=True),
              minidl.tensor([1.0], requires_grad=True), minidl.linspace(0, 1, 3, requires_grad=True)):
        assert x.requires_grad and x.is_leaf


def test_like_takes_shape_and_dtype_and_no_history():
    x = minidl.ones(2, 3, dtype=minidl.float64, requires_grad=True) * 2
    for make in (minidl.zeros_like, minidl.ones_like, minidl.rand_like, minidl.randn_like, minidl.empty_like):
        y = make(x)
        assert y.shape == (2, 3) and y.dtype == minidl.float64 and not y.requires_grad


def test_tensor_of_a_tensor_is_a_copy_without_history():
    x = minidl.ones(2, requires_grad=True) * 2
    y = minidl.tensor(x)
    assert y.is_leaf and not y.requires_grad and not np.shares_memory(x.array, y.array)


@pytest.mark.parametrize("make, error", [
    (lambda: minidl.zeros(2, device="cuda:1"), "no device 'cuda:1'.*CUDA_VISIBLE_DEVICES"),
    (lambda: minidl.from_numpy([1.0]), "from_numpy: expects a NumPy array, not list"),
    (lambda: minidl.from_numpy(np.array(["a"])), "not of <U1"),
    (lambda: minidl.zeros(2, dtype=complex), "not of complex128"),
    (lambda: minidl.tensor({"a": 1}), "made of numbers"),
    (lambda: minidl.zeros(2, dtype=minidl.int64, requires_grad=True), "only floating-point tensors have gradients"),
])
def test_what_cannot_be_made_is_an_error(make, error):
    with pytest.raises((RuntimeError, TypeError), match=error):
        make()


def test_to_changes_dtype_and_passes_gradients_back():
    x = minidl.ones(3, dtype=minidl.float64, requires_grad=True)
    y = x.to(minidl.float32)
    assert y.dtype == np.float32 and x.to(minidl.float64) is x and x.to("cpu") is x and x.to(y).dtype == np.float32
    (y * 3).sum().backward()
    assert x.grad.dtype == np.float64 and x.grad.tolist() == [3, 3, 3]


@pytest.mark.parametrize("call", [
    lambda x: x.to("cpu", minidl.float64), lambda x: x.to(dtype=minidl.float64), lambda x: x.to(device="cpu").double(),
    lambda x: x.to(minidl.ones(1, dtype=minidl.float64)), lambda x: x.to(np.float64), lambda x: x.to("float64")])
def test_to_takes_what_pytorchs_takes(call):
    assert call(minidl.ones(2)).dtype == np.float64
