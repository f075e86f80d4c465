"""No images, one image, one pixel, integers: the ops of layers at their edges, in every kernel set."""
import numpy as np
import pytest

import minidl
from minidl import ops, use_kernels
from minidl.gradcheck import gradcheck
from minidl.gradcheck.check import recorded_gradients

n = np.random.default_rng(0).standard_normal
each_set = pytest.mark.parametrize("kernels", ["reference", "cpu"])

# (function, its arguments, arrays of floats being differentiated); shapes with a 0 are the point
NOTHING = [
    ("conv2d", n((0, 3, 5, 4)), n((2, 3, 3, 2)), n(2)), ("conv_transpose2d", n((0, 3, 5, 4)), n((3, 2, 3, 2)), n(2)),
    ("conv2d", n((0, 4, 5, 4)), n((4, 1, 3, 2)), n(4), 1, 1, 1, 4), ("conv2d", n((0, 3, 5, 4)), n((2, 3, 1, 1)), n(2)),
    ("conv2d", n((0, 3, 5, 4)), n((2, 3, 5, 4)), n(2)), ("conv1d", n((0, 3, 5)), n((2, 3, 3))),
    ("linear", n((0, 3)), n((2, 3)), n(2)), ("linear", n((4, 0)), n((2, 0)), n(2)),
    ("max_pool2d", n((0, 3, 5, 4)), 2), ("avg_pool2d", n((0, 3, 5, 4)), 3, 2, 1),
    ("adaptive_avg_pool2d", n((0, 3, 5, 4)), 2), ("adaptive_max_pool2d", n((0, 3, 5, 4)), (3, 2)),
    ("layer_norm", n((0, 4)), (4,), n(4), n(4)), ("group_norm", n((0, 4, 3)), 2, n(4), n(4)),
    ("local_response_norm", n((0, 4, 3)), 3), ("softmax", n((0, 4)), 1), ("log_softmax", n((0, 4)), 1),
    ("relu", n((0, 4))), ("dropout", n((0, 4)), 0.0), ("embedding", np.zeros((0, 2), int), n((3, 4))),
    ("interpolate", n((0, 2, 3, 4)), (5, 6), None, "bilinear"), ("pixel_shuffle", n((0, 4, 3, 2)), 2),
    ("unfold", n((0, 2, 5, 4)), 2), ("mse_loss", n((0, 3)), n((0, 3))),
    ("cross_entropy", n((0, 3)), np.zeros(0, int)), ("prod", n((3, 0)), 1), ("cumprod", n((0, 3)), 0),
]
SMALLEST = [
    ("conv2d", n((1, 1, 1, 1)), n((1, 1, 1, 1)), n(1)), ("conv2d", n((1, 2, 3, 3)), n((4, 2, 3, 3)), n(4), 1, 1),
    ("conv_transpose2d", n((1, 1, 1, 1)), n((1, 1, 1, 1)), n(1)), ("linear", n((1, 1)), n((1, 1)), n(1)),
    ("max_pool2d", n((1, 1, 1, 1)), 1), ("avg_pool2d", n((1, 1, 2, 2)), 2), ("adaptive_avg_pool2d", n((1, 3, 4, 5)), 1),
    ("batch_norm", n((1, 3, 2, 2)), None, None, n(3), n(3), True),
    ("batch_norm", n((2, 1)), None, None, None, None, True),
    ("layer_norm", n((1, 4)), (4,), n(4), n(4)), ("local_response_norm", n((1, 1, 1)), 5, 1.0),
    ("instance_norm", n((1, 2, 3, 1))), ("softmax", n((1, 3)), 1), ("cross_entropy", n((1, 3)), np.array([2])),
    ("embedding", np.array(1), n((3, 4))), ("prod", n((1, 1)), 1), ("cumprod", n((1, 1)), 0), ("cumsum", n(()), 0),
    ("interpolate", n((1, 1, 1, 1)), (2, 3), None, "bilinear"), ("einsum", "i,i->", n(1), n(1)),
]


def name(call):
    shapes = [str(a.shape) if isinstance(a, np.ndarray) else repr(a) for a in call[1:]]
    return f"{call[0]}({', '.join(shapes)})"


def both_ways(call, library, as_tensor, dtype=np.float64):
    """The call's tensors and its result."""
    name, *args = call
    args = [as_tensor(a.astype(dtype) if a.dtype.kind == "f" else a) if isinstance(a, np.ndarray) else a for a in args]
    return [a for a in args if hasattr(a, "dtype") and a.requires_grad], library(name)(*args)


def leaf(a):
    return minidl.Tensor(a, requires_grad=a.dtype.kind == "f")


@pytest.mark.filterwarnings("ignore:.*encountered in divide")          # a mean of nothing is NaN
@each_set
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("call", NOTHING, ids=name)
def test_nothing_goes_in_and_gradients_of_the_right_shapes_come_back(call, dtype, kernels):
    with use_kernels(kernels):
        xs, y = both_ways(call, lambda f: getattr(ops, f), leaf, dtype)
        assert y.dtype == dtype
        gradients = recorded_gradients([y], xs, [minidl.Tensor(n(y.shape).astype(dtype))], create_graph=False)
    for x, gx in zip(xs, gradients, strict=True):
        assert gx.shape == x.shape and gx.dtype == dtype and np.isfinite(gx.array).all()


@pytest.mark.filterwarnings("ignore:.*encountered in divide")
@pytest.mark.parametrize("call", NOTHING, ids=name)
def test_nothing_goes_through_the_definitions_as_through_the_kernels(call):
    with minidl.mode(elementary=True):
        xs, y = both_ways(call, lambda f: getattr(ops, f), leaf)
        gradients = recorded_gradients([y], xs, [minidl.Tensor(n(y.shape))], create_graph=True)
    assert y.shape == both_ways(call, lambda f: getattr(ops, f), leaf)[1].shape
    assert [x.shape if g is None else g.shape for g, x in zip(gradients, xs)] == [x.shape for x in xs]


@each_set
@pytest.mark.parametrize("call", SMALLEST, ids=name)
def test_the_smallest_inputs_pass_gradcheck(call, kernels):
    f, *args = call
    with use_kernels(kernels):
        gradcheck(getattr(ops, f), *args, order=2, name=name(call))


@pytest.mark.filterwarnings("ignore:.*encountered in divide")
@pytest.mark.parity
@pytest.mark.parametrize("call", NOTHING + SMALLEST, ids=name)
def test_the_edges_are_pytorchs(call):
    torch = pytest.importorskip("torch")
    if call[0] == "cumsum":
        pytest.skip("PyTorch's cumsum of a number is the number, as ours")
    places = torch.nn.functional, torch
    ours, y = both_ways(call, lambda f: getattr(ops, f), leaf)
    try:
        theirs, z = both_ways(call, lambda f: next(getattr(p, f) for p in places if hasattr(p, f)),
                              lambda a: torch.tensor(a, requires_grad=a.dtype.kind == "f"))
    except RuntimeError as error:
        pytest.skip(f"PyTorch refuses: {error}")
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = n(y.shape)
    a = recorded_gradients([y], ours, [minidl.Tensor(g)], create_graph=False)
    b = [None] * len(a) if call[0] == "pixel_shuffle" and 0 in g.shape else torch.autograd.grad(     # which fails there
        z, theirs, torch.tensor(g), allow_unused=True)
    for x, ga, gb in zip(ours, a, b):
        np.testing.assert_allclose(ga.numpy(), np.zeros(x.shape) if gb is None else gb.numpy(), rtol=1e-10, atol=1e-12)


@each_set
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("f", ["exp", "log1p", "sqrt", "sigmoid", "tanh", "sin", "erf"])
def test_functions_of_integers_are_single_precision_and_require_no_grad(f, dtype, kernels):
    with use_kernels(kernels):
        y = getattr(ops, f)(minidl.Tensor(np.array([0, 1, 1], dtype)))
    assert y.dtype == minidl.float32 and not y.requires_grad
    np.testing.assert_allclose(y.numpy(), getattr(ops, f)(minidl.Tensor(np.array([0.0, 1, 1]))).numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64])
def test_an_index_may_be_of_any_integer_type(dtype):
    x, i = minidl.Tensor(n((4, 3)), requires_grad=True), minidl.Tensor(np.array([3, 0, 3], dtype))
    want = x.array[[3, 0, 3]]
    for y in (x[i], ops.index_select(x, 0, i), ops.embedding(i, x)):
        np.testing.assert_array_equal(y.detach().numpy(), want)
    rows = minidl.Tensor(np.array([[3, 0, 3]], dtype))
    np.testing.assert_array_equal(ops.gather(x, 0, rows).detach().numpy(), x.array[[[3, 0, 3]], [[0, 1, 2]]])
    loss = ops.cross_entropy(x, minidl.Tensor(np.array([2, 0, 1, 1], dtype)))
    assert loss.item() == ops.cross_entropy(x, minidl.Tensor(np.array([2, 0, 1, 1]))).item()

