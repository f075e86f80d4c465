"""Tensors without numbers: the shapes and dtypes of the real ones, for no memory, forward and back."""
import tracemalloc

import numpy as np
import pytest

import minidl
from minidl import Tensor, nn, ops
from minidl.gradcheck import table
from minidl.kernels import KERNEL_SETS, kernels_for, meta, reference
from minidl.kernels.meta import MetaArray

NOT_FOR_SHAPES = "binary_cross_entropy(", "assigned(const("      # reads its probabilities; writes shapes into numbers


def cases():
    for group in (table.PROOFS, table.COMPOSED, table.CONVENTIONS, table.VALUES):
        for calls in group.values() if isinstance(group, dict) else [group]:
            yield from calls if isinstance(calls, (list, tuple)) else [calls]


def outline(y):
    """Shapes and dtypes of whatever a function gave."""
    if isinstance(y, (tuple, list)):
        return [outline(part) for part in y]
    return (tuple(y.shape), y.dtype) if hasattr(y, "dtype") else y


@pytest.mark.parametrize("case", [c for c in cases() if not repr(c).startswith(NOT_FOR_SHAPES)], ids=repr)
def test_shapes_and_dtypes_are_those_of_the_reference_forward_and_back(case):
    arrays = case.inputs(np.float32)
    with minidl.use_kernels("reference"):
        real = [Tensor(x, requires_grad=True) for x in arrays]
        want = case.in_minidl(np.float32)(*real)
    shapes = [Tensor(MetaArray(x.shape, x.dtype), requires_grad=True) for x in arrays]
    got = case.in_minidl(np.float32)(*shapes)
    assert outline(got) == outline(want)
    for y, z in zip(*[y if isinstance(y, (tuple, list)) else [y] for y in (got, want)]):
        assert y.requires_grad == z.requires_grad
        if y.requires_grad:
            y.backward(Tensor(MetaArray(y.shape, y.dtype)), retain_graph=True)
            z.backward(minidl.randn(z.shape), retain_graph=True)
    assert [outline(x.grad) for x in shapes] == [outline(x.grad) for x in real]


def test_there_is_a_meta_kernel_for_every_kernel():
    kernels = {name for name in vars(reference) if callable(vars(reference)[name]) and not name.startswith("_")}
    assert kernels <= set(vars(meta)) and kernels <= set(vars(KERNEL_SETS["cpu"]))


def test_lenet_runs_on_shapes_alone():
    from architectures.lenet import LeNet5
    model, images = LeNet5(), minidl.randn(3, 1, 32, 32)
    want = outline(model(images))
    model.to("meta")
    y = model(images.to("meta"))
    assert outline(y) == want == ((3, 10), np.float32) and y.device == "meta"
    y.sum().backward()
    assert [outline(p.grad) for p in model.parameters()] == [outline(p) for p in model.parameters()]


def test_a_network_on_shapes_takes_no_memory():
    model = nn.Sequential(nn.Conv2d(3, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(1),
                          nn.Dropout(), nn.Softmax(1)).to("meta")
    x = Tensor(MetaArray((64, 3, 1024, 1024), np.float32))
    tracemalloc.start()
    y = model(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert y.shape == (64, 512 ** 3) and peak < 2 ** 20               # as numbers: 137 GB for the convolution alone


def test_factories_make_meta_tensors_and_to_takes_the_numbers_away():
    assert minidl.zeros(2, 3, device="meta").device == minidl.randn(2, device="meta").device == "meta"
    assert minidl.zeros_like(minidl.ones(2, device="meta")).device == "meta"
    x = minidl.tensor([1.0, 2.0]).to("meta")
    assert (x.device, x.shape, x.dtype, x.nbytes) == ("meta", (2,), np.float32, 8)
    assert repr(x) == "tensor(..., shape=(2,), dtype=float32, device='meta')"
    assert x.to("meta") is x and kernels_for(x.array) is meta


@pytest.mark.parametrize("read", [
    lambda x: x.sum().item(), lambda x: float(x.sum()), lambda x: x.tolist(), lambda x: bool(x[0] > 0),
    lambda x: np.asarray(x.array), lambda x: x[x > 0]])
def test_numbers_that_are_not_there_cannot_be_read(read):
    with pytest.raises(TypeError, match="has no numbers, only a shape and a dtype"):
        read(minidl.ones(3, device="meta"))


def test_the_way_back_is_an_error():
    with pytest.raises(RuntimeError, match="'cpu', for an array on 'meta'"):
        minidl.ones(3, device="meta").to("cpu")
    with pytest.raises(TypeError, match="lives on meta"):
        minidl.ones(3, device="meta").numpy()


@pytest.mark.parametrize("call", [
    lambda x: x + minidl.ones(4, device="meta"), lambda x: x @ x, lambda x: x.reshape(7), lambda x: ops.cat([x, x.t()]),
    lambda x: x[5], lambda x: x.sum(2)])
def test_shapes_that_do_not_fit_are_errors_as_with_numbers(call):
    for device in ("cpu", "meta"):
        with pytest.raises((ValueError, IndexError)):
            call(minidl.ones(2, 3, device=device))


def test_writing_in_place_goes_nowhere_but_counts():
    x = minidl.ones(3, device="meta")
    x.add_(1).zero_()
    x[0] = 5.0
    assert x.shape == (3,) and x.version.count == 3


def test_numbers_and_shapes_mix_and_shapes_win():
    x, a = minidl.ones(2, 3, device="meta"), minidl.ones(3)
    for y in (x + a, a + x, a.numpy() * x, x @ minidl.ones(3, 4), minidl.ones(5, 2) @ x):
        assert y.device == "meta"


def test_a_network_can_be_built_of_shapes_alone():
    tracemalloc.start()
    with minidl.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(), nn.Linear(10 ** 6, 1000))
        for fill_ in (nn.init.normal_, nn.init.orthogonal_, nn.init.eye_):
            fill_(nn.init.trunc_normal_(minidl.empty(3, 3)))
        nn.init.kaiming_normal_(model[4].weight)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all([x.device == "meta" for x in [*model.parameters(), *model.buffers()]])
    assert model[4].weight.shape == (1000, 10 ** 6) and peak < 2 ** 20                    # as numbers: 4 GB
    assert minidl.empty(2).device == "cpu"


def test_shapes_draw_no_random_numbers():
    state = minidl.get_rng_state()
    with minidl.device("meta"):
        nn.init.uniform_(nn.Linear(3, 3).weight)
        minidl.randn(3), minidl.rand(3)
    minidl.zeros(3, device="meta").normal_()
    assert minidl.get_rng_state() == state


def test_in_the_block_a_place_that_is_named_counts():
    x = minidl.ones(3)
    with minidl.device("meta"):
        assert minidl.ones(3, device="cpu").device == minidl.zeros_like(x).device == "cpu"
        assert x.normal_().uniform_().fill_(2).add_(x.copy_(np.ones(3))).tolist() == [2, 2, 2]
        with minidl.device("cpu"):
            assert minidl.tensor([1.0]).device == "cpu"
        assert minidl.tensor([1.0]).device == "meta"


def test_a_device_is_its_name():
    assert minidl.device("meta") == "meta" and minidl.ones(2, device=minidl.device("meta")).device == "meta"
    with pytest.raises(RuntimeError, match="no device 'gpu'; there are cpu, cuda, meta"):
        minidl.device("gpu")
