"""Every op of the one table on the GPU: its values and gradients are the CPU's, and nobody waits for them."""
import contextlib

import numpy as np
import pytest
from waiting import no_waiting

import minidl
from minidl import mode, ops, use_kernels
from minidl.gradcheck.check import outputs, recorded_gradients
from minidl.gradcheck.table import CONVENTIONS, VALUES, all_cases

CASES = [case for _, case in all_cases()]
PRECISION = {"float64": 1e-12, "float32": 3e-5}
BY_MASK = "getitem(x(4, 5), mask(4, 5))", "assigned(x(4, 5), mask(4, 5), x())"


each_call = pytest.mark.parametrize("case", CASES + CONVENTIONS, ids=repr)
each_dtype = pytest.mark.parametrize("dtype", PRECISION)


def values_and_gradients(case, dtype, device, inputs=None, second=False):
    """All outputs of the call, the gradients of its inputs, with random cotangents, and if asked for those of the
    gradients in inputs and cotangents: tensors on the device."""
    rng = np.random.default_rng(1)

    def random_like(tensors):
        return [minidl.tensor(rng.standard_normal(y.shape), dtype=y.dtype, device=device) for y in tensors]

    inputs = case.inputs(dtype) if inputs is None else inputs
    xs = [minidl.Tensor(x, requires_grad=True) for x in on(device, inputs)]
    ys = outputs(case.in_minidl(dtype, device)(*xs))
    gs = [g.requires_grad_(second) for g in random_like(ys)]
    gradients = recorded_gradients(ys, xs, gs, create_graph=second)
    if not second:
        return [*ys, *gradients]
    gradients = [g for g in gradients if g is not None]
    return [*ys, *gradients, *recorded_gradients(gradients, xs + gs, random_like(gradients), create_graph=False)]


def waiting_for_masks_only(case):
    """A block in which it is an error to wait, but for reading and writing by a mask: how many numbers it selects, and so
    a shape, the GPU finds."""
    return contextlib.nullcontext() if case.text in BY_MASK else no_waiting()


def on(device, arrays):
    return [minidl.Tensor(x).to(device).detach() for x in arrays]


def assert_same(got, expected, precision):
    for a, b in zip(got, expected, strict=True):
        if a is None or b is None:
            assert a is b
            continue
        assert (a.device, a.dtype, a.shape) == ("cuda", b.dtype, b.shape)
        scale = max(1, np.abs(b.detach().numpy()).max(initial=0)) if b.is_floating_point() else 0
        np.testing.assert_allclose(a.detach().cpu().numpy(), b.detach().numpy(), rtol=precision, atol=precision * scale)


@each_dtype
@each_call
def test_values_and_gradients_are_the_cpus_and_nobody_waits(gpu, case, dtype):
    with use_kernels("reference"):
        expected = values_and_gradients(case, dtype, "cpu")
    with waiting_for_masks_only(case):
        got = values_and_gradients(case, dtype, "cuda")
    assert_same(got, expected, PRECISION[dtype])


@each_call
def test_definitions_give_the_same_and_nobody_waits(gpu, case):
    with use_kernels("reference"):
        expected = values_and_gradients(case, "float64", "cpu")
    with mode(elementary=True), waiting_for_masks_only(case):
        got = values_and_gradients(case, "float64", "cuda")
    assert_same(got, expected, 1e-10)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_gradients_of_gradients_are_the_cpus_and_nobody_waits(gpu, case):
    with use_kernels("reference"):
        expected = values_and_gradients(case, "float64", "cpu", second=True)
    with waiting_for_masks_only(case):
        got = values_and_gradients(case, "float64", "cuda", second=True)
    assert_same(got, expected, 1e-10)


@pytest.mark.parametrize("case", VALUES, ids=repr)
def test_values_without_a_gradient_are_the_cpus_and_nobody_waits(gpu, case):
    expected = case.in_minidl()(*on("cpu", case.inputs()))
    inputs = on("cuda", case.inputs())
    with no_waiting():
        got = case.in_minidl(device="cuda")(*inputs)
    assert_same([got], [expected], 0)


@pytest.mark.parametrize("case", [case for case in CASES if case.text in BY_MASK], ids=repr)
def test_reading_and_writing_by_a_mask_waits(gpu, case):
    import cupyx
    with pytest.raises(cupyx.DeviceSynchronized), no_waiting():
        case.in_minidl(device="cuda")(*on("cuda", case.inputs()))


@each_call
def test_inputs_that_are_not_contiguous_are_read_right(gpu, case):
    if case.name == "view":
        pytest.skip("it promises not to copy, and so refuses")
    with use_kernels("reference"):
        expected = values_and_gradients(case, "float64", "cpu")
    inputs = [spread(gpu, gpu.asarray(x)) for x in case.inputs("float64")]
    assert_same(values_and_gradients(case, "float64", "cuda", inputs), expected, PRECISION["float64"])


def spread(k, x):
    """The same numbers, backwards and with gaps, in another array's memory."""
    room = k.full(tuple(2 * n for n in x.shape), np.nan, x.dtype)
    y = room[tuple(slice(None, None, -2) for _ in x.shape)]
    y[...] = x
    return y


@pytest.mark.parametrize("dtype", PRECISION)
def test_large_arrays_are_the_cpus_too(gpu, dtype):
    def f(x, b):
        return ops.gelu(x) * b + ops.relu(x - b) / 3

    def values_and_gradients(device):
        rng = np.random.default_rng(0)
        x, b, g = on(device, [rng.standard_normal(shape).astype(dtype) for shape in ((5, 7001), (7001,), (5, 7001))])
        x, b = x.requires_grad_(), b.requires_grad_()
        y = f(x, b)
        y.backward(g)
        return [y, x.grad, b.grad]
    with use_kernels("reference"):
        expected = values_and_gradients("cpu")
    with no_waiting():
        got = values_and_gradients("cuda")
    assert_same(got, expected, PRECISION[dtype])


# ---- indices


@pytest.mark.parametrize("index", [[2, 0, 2], ([0, 3], [1, 1]), (slice(None), [1, 1, 0])], ids=repr)
@pytest.mark.parametrize("kind", [list, np.array, minidl.tensor, lambda x: minidl.tensor(x, device="cuda")],
                         ids=["list", "NumPy's", "tensor", "on the GPU"])
def test_an_index_on_the_host_reads_and_writes_a_tensor_on_the_gpu(gpu, index, kind):
    def parts(index):
        return tuple([i if isinstance(i, slice) else kind(i) for i in index]) if isinstance(index, tuple) else kind(index)

    def used(x, index):
        y = x[index] ** 2
        y.sum().backward()
        return [y, x.grad]
    numbers = np.random.default_rng(0).standard_normal((4, 5))
    x = minidl.tensor(numbers, device="cuda", requires_grad=True)
    with no_waiting():
        got = used(x, parts(index))
    assert_same(got, used(minidl.tensor(numbers, requires_grad=True), index), 1e-12)


def test_a_mask_on_the_host_reads_a_tensor_on_the_gpu(gpu):
    x = minidl.tensor([[1.0, -2.0], [3.0, -4.0]], device="cuda", requires_grad=True)
    x[minidl.tensor([[True, False], [False, True]])].sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


# ---- checks that would have to wait


def test_numbers_that_are_not_looked_at_on_the_gpu_are_looked_at_on_the_cpu(gpu):
    probabilities, labels = minidl.tensor([0.5, 1.5]), minidl.tensor([3])
    for f, xs in [(ops.binary_cross_entropy, [probabilities, probabilities]),
                  (ops.cross_entropy, [minidl.zeros(1, 2), labels]), (lambda x: ops.one_hot(x, 2), [labels])]:
        with pytest.raises((ValueError, IndexError)):
            f(*xs)
        xs = [x.to("cuda") for x in xs]
        with no_waiting():
            f(*xs)
