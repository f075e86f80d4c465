"""Tensors and modules on the GPU: how they get there, what they are there, and how they come back."""
import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.kernels import MixedDevices, out_of_memory


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    """Every test here has one."""


def numbers(x):
    return x.detach().cpu().numpy()


@pytest.mark.parametrize("move", [
    lambda x: x.to("cuda"), lambda x: x.to("cuda:0"), lambda x: x.cuda(), lambda x: x.cuda(0), lambda x: x.to(0),
    lambda x: x.to(device="cuda"), lambda x: x.cuda(device="cuda:0", non_blocking=True),
    lambda x: x.to(minidl.zeros(1, device="cuda")), lambda x: x.to(minidl.device("cuda"), non_blocking=True),
    lambda x: minidl.as_tensor(x, device="cuda"), lambda x: minidl.tensor(x, device="cuda")])
def test_a_tensor_goes_to_the_gpu_and_comes_back(move):
    x = minidl.tensor([[1.0, 2.0], [3.0, 4.0]])
    y = move(x)
    assert y.device == "cuda" and y.dtype == x.dtype and not isinstance(y.array, np.ndarray)
    assert y.cpu().device == "cpu" and y.cpu().tolist() == x.tolist()


def test_one_that_is_there_already_comes_back_itself():
    x = minidl.ones(3, device="cuda")
    assert x.to("cuda") is x is x.cuda() is x.to(x)
    assert x.cpu().cpu() is not x


def test_a_device_and_a_dtype_at_once():
    x = minidl.tensor([1, 2])
    assert (x.to("cuda", minidl.float64).dtype, x.to(dtype=minidl.float32, device="cuda").device) == (minidl.float64, "cuda")
    assert x.to(minidl.zeros(1, dtype=minidl.float64, device="cuda")).dtype == minidl.float64      # as PyTorch: both


def test_gradients_come_back_through_a_move():
    x = minidl.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("cuda")
    assert repr(y.op) == "ToDevice(device='cuda')"
    (y * y).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [2.0, 4.0]


def test_gradients_of_gradients_come_back_through_a_move():
    x = minidl.tensor([1.0, 2.0], requires_grad=True)
    g, = minidl.autograd.grad((x.cuda() ** 3).sum(), x, create_graph=True)
    g.sum().backward()
    assert g.device == "cpu" and x.grad.tolist() == [6.0, 12.0]


def test_a_device_as_a_with_block_is_where_tensors_are_made():
    with minidl.device("cuda"):
        made = [minidl.zeros(2), minidl.arange(3), minidl.rand(2), minidl.tensor([1.0]), minidl.eye(2), minidl.randperm(3),
                nn.Linear(2, 3).weight, nn.BatchNorm2d(2).num_batches_tracked, minidl.empty(2), minidl.linspace(0, 1, 3)]
    assert {x.device for x in made} == {"cuda"}


def test_constants_are_made_on_the_device(monkeypatch, gpu):
    monkeypatch.setattr(gpu, "from_host", None)
    assert minidl.zeros(2, device="cuda").tolist() == [0, 0] and minidl.ones_like(minidl.zeros(2, device="cuda")).sum() == 2
    assert minidl.full((2,), 3, device="cuda").dtype == minidl.int64


def test_random_numbers_are_those_of_the_cpu():
    minidl.manual_seed(0)
    here = [minidl.rand(3), minidl.randn(2, 2), minidl.randint(0, 9, (4,)), minidl.randperm(5), nn.Conv2d(1, 2, 3).weight]
    minidl.manual_seed(0)
    with minidl.device("cuda"):
        there = [minidl.rand(3), minidl.randn(2, 2), minidl.randint(0, 9, (4,)), minidl.randperm(5),
                 nn.Conv2d(1, 2, 3).weight]
    for a, b in zip(here, there):
        np.testing.assert_array_equal(numbers(a), numbers(b))


@pytest.mark.parametrize("init", [
    nn.init.normal_, nn.init.uniform_, nn.init.xavier_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.eye_,
    nn.init.trunc_normal_, nn.init.ones_])
def test_initial_weights_are_those_of_the_cpu(init):
    found = []
    for device in ("cuda", "cpu"):
        minidl.manual_seed(3)
        weight = minidl.empty(4, 5, device=device)
        init(weight)
        found.append(numbers(weight))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("layer, shape", [
    (nn.Dropout(0.4), (33, 5)), (nn.Dropout2d(0.4), (3, 5, 2, 2)), (nn.DropPath(0.4), (9, 4))])
def test_what_is_dropped_is_what_the_cpu_drops(layer, shape):
    found = []
    for device in ("cuda", "cpu"):
        minidl.manual_seed(3)
        found.append(numbers(layer(minidl.ones(shape, device=device))))
    np.testing.assert_array_equal(*found)


def test_what_it_says_of_itself():
    assert repr(minidl.tensor([1.0], device="cuda")) == "tensor([1.], device='cuda')"
    assert minidl.tensor([1.5], device="cuda").item() == 1.5
    with pytest.raises(TypeError, match="lives on cuda; use x.cpu"):
        minidl.zeros(2, device="cuda").numpy()
    with pytest.raises(TypeError, match="lives on cuda"):
        np.asarray(minidl.zeros(2, device="cuda"))


def test_tensors_on_two_devices_are_told_apart():
    x, y = minidl.zeros(2, 3, device="cuda"), minidl.zeros(3)
    with pytest.raises(MixedDevices, match=r"Add\(\): arrays of shapes \(2, 3\) on cuda, \(3,\) on cpu; they are wanted"):
        x + y
    with pytest.raises(MixedDevices, match=r"MatMul\(\): .*\(1, 3\) on cpu, \(3, 2\) on cuda"):
        y @ x.T
    z = minidl.ones(2, device="cuda", requires_grad=True) * 2
    with pytest.raises(MixedDevices, match="the gradient is on cpu, but the tensor of shape .2,. on cuda"):
        z.backward(minidl.ones(2))


def test_an_index_can_be_on_the_host_but_not_on_the_gpu_alone():
    x, rows, mask = minidl.randn(3, 2), minidl.tensor([2, 0, 2]), minidl.tensor([True, False, True])
    for index in (rows, mask, (slice(None), minidl.tensor([1]))):
        assert x.cuda()[index].tolist() == x[index].tolist()
    assert x.cuda()[rows.cuda()].tolist() == x[rows].tolist()
    with pytest.raises(MixedDevices, match=r"x\[index\]: the index, of shape \(3,\), is on cuda, but x, .* on cpu"):
        x[rows.cuda()]


def test_single_numbers_go_to_where_the_others_are():
    x = minidl.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    half = minidl.tensor(0.5, requires_grad=True)
    y = x * half + np.array(1.0, "f")
    y.sum().backward()
    assert y.device == "cuda" and y.tolist() == [1.5, 2] and y.dtype == minidl.float32
    assert half.grad.device == "cpu" and half.grad.item() == 3 and x.grad.tolist() == [0.5, 0.5]
    assert (half * x).tolist() == [0.5, 1] and (x > half).device == "cuda"


def test_what_is_assigned_may_come_from_the_host():
    x = minidl.zeros(2, 3, device="cuda")
    x[0] = minidl.tensor([1.0, 2.0, 3.0])
    x[1, minidl.tensor([0, 2])] = minidl.tensor(7.0)
    assert x.tolist() == [[1, 2, 3], [7, 0, 7]]


def test_changes_in_place():
    x = minidl.zeros(2, 3, device="cuda")
    x[0] = 1.0
    x.add_(1).mul_(2)
    x[:, 1].fill_(7)
    x.copy_(numbers(x) + 1)                      # from the host
    assert x.device == "cuda" and x.tolist() == [[5, 8, 5], [3, 8, 3]]
    with pytest.raises(RuntimeError, match="fill_: this tensor of shape .4, 3. cannot be written to"):
        minidl.zeros(3, device="cuda").expand(4, 3).fill_(1)


def test_copies_and_pickles_are_on_the_device_again():
    x = nn.Parameter(minidl.tensor([1.0, 2.0], device="cuda"))
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is nn.Parameter and y.device == "cuda" and y.requires_grad and y.tolist() == [1, 2]


def test_a_module_goes_there_with_all_that_it_holds():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    parameters = list(model.parameters())
    model(minidl.rand(2, 1, 5, 5)).sum().backward()
    for where in (model.cuda(), model.to("cuda"), model.to(minidl.zeros(1, device="cuda"))):
        assert where is model and [x is y for x, y in zip(model.parameters(), parameters)] == [True] * 4
        assert {x.device for x in [*model.parameters(), *model.buffers(), *[x.grad for x in parameters]]} == {"cuda"}
    model.to("cpu", minidl.float64)
    assert {(x.device, x.dtype) for x in model.parameters()} == {("cpu", minidl.float64)}
    assert model[1].num_batches_tracked.dtype == minidl.int64


def test_a_state_dict_is_loaded_across_devices(tmp_path):
    there, here = nn.Linear(2, 3).cuda(), nn.Linear(2, 3)
    here.load_state_dict(there.state_dict())
    assert here.weight.device == "cpu" and here.weight.tolist() == there.weight.tolist()
    minidl.save(there.state_dict(), tmp_path / "there")
    other = nn.Linear(2, 3).cuda()
    other.load_state_dict(minidl.load(tmp_path / "there"))
    assert other.weight.device == "cuda" and other.weight.tolist() == there.weight.tolist()


def test_cuda_is_imported_by_nothing_that_runs_on_the_cpu():
    code = ("import sys, minidl; from minidl import nn, optim; from minidl.train import train;"
            "from minidl.utils.data import DataLoader, TensorDataset;"
            "model = nn.Linear(2, 2); data = TensorDataset(minidl.rand(4, 2), minidl.tensor([0, 1, 0, 1]));"
            "list(train(model, DataLoader(data, 2), optim.SGD(model.parameters())));"
            "sys.exit('cupy' in sys.modules or 'minidl.kernels.gpu' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_is_there_a_gpu():
    assert minidl.cuda.is_available()
    minidl.cuda.synchronize()
    for missing in ("sys.modules['cupy'] = None", "os.environ['CUDA_VISIBLE_DEVICES'] = ''"):
        code = f"import os, sys; {missing}; import minidl; sys.exit(minidl.cuda.is_available())"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def full(gpu):
    """A GPU with room for some 90 KiB more."""
    import cupy
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(pool.total_bytes() + 90 * 2 ** 10)
    yield
    pool.set_limit(0)


SAYS = r": the GPU's memory is full: [\d,]+ (bytes|MiB) more were wanted, and of .* are free$"


def test_what_has_no_room_says_how_much_it_wanted_and_how_much_there_is(full):
    x = minidl.zeros(100, 100, device="cuda", requires_grad=True)            # 40 kB
    y = x.exp()
    with pytest.raises(MemoryError, match=r"^Mul\(\)" + SAYS):
        x * y
    with pytest.raises(MemoryError, match=r"^Exp\(\), on the way back" + SAYS):
        y.sum().backward()


def test_a_move_that_has_no_room_says_so(full):
    x = minidl.zeros(200, 200)
    with pytest.raises(MemoryError, match=r"^ToDevice\(device='cuda'\)" + SAYS):
        x.to("cuda")
    model = nn.Linear(200, 200)
    with pytest.raises(MemoryError, match=r"^ToDevice\(device='cuda'\)" + SAYS):
        model.to("cuda")


def test_an_optimizer_that_has_no_room_for_what_it_remembers_says_so(full):
    x = nn.Parameter(minidl.zeros(80, 80, device="cuda"))
    x.grad = minidl.ones(80, 80, device="cuda")
    with pytest.raises(MemoryError, match=r"^Adam\.step" + SAYS):
        minidl.optim.Adam([x]).step()


def test_an_op_inside_another_is_named_once():
    error = out_of_memory("Outer()", out_of_memory("Inner()", MemoryError("no room")))
    assert str(error) == "Inner(): no room" and isinstance(error, MemoryError)
