"""The memory of a training step, foreseen: by hand, against real arrays, and against what a process takes."""
import gc
import tracemalloc

import numpy as np
import pytest

import architectures
import minidl
from minidl import Tensor, nn
from minidl.bench.cases import MINIDL, Case
from minidl.bench.processes import ask
from minidl.footprint import footprint
from minidl.kernels.meta import MetaArray
from minidl.nn import functional as F


def test_a_chain_of_two_layers_worked_out_by_hand():
    """The most is there in the sigmoid's rule, gs * s * (1 - s): gs, s, gs s, 1 - s, and what it comes to."""
    model = nn.Sequential(nn.Linear(10, 300, bias=False), nn.Sigmoid(), nn.Linear(300, 200, bias=False))
    N, w1, w2 = 50, 10 * 300, 300 * 200
    step = footprint(model, (10,), N)
    assert (step.parameters, step.momentum) == (4 * (w1 + w2), 4 * (w1 + w2))
    images, result, hidden = N * 10, 2 * N * 200, N * 300        # the result is there with its gradient
    assert step.peak == 4 * (2 * (w1 + w2) + images + result + w2 + 5 * hidden)


class OneByOne(nn.Module):
    """Ops whose kernels are the reference's on a CPU, too, and views."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        y = F.max_pool2d(y, 2) + F.avg_pool2d(y.tanh(), 2)
        return y.flatten(1).softmax(1)[:, ::2].reshape(len(x), 2, -1).transpose(1, 2) * 2


@pytest.mark.parametrize("model, shape, N", [
    (OneByOne, (3, 64, 64), 16), (lambda: architectures.build("resnet20"), (3, 32, 32), 16),
    (lambda: architectures.build("lenet5"), (1, 32, 32), 256)], ids=["ops", "resnet20", "lenet5"])
def test_real_arrays_take_what_was_foreseen(model, shape, N):
    """All of NumPy's memory is seen by tracemalloc; some of it is workspace, which is there before the second step."""
    model = model()
    images = minidl.randn(N, *shape)

    def step():
        y = model(images)
        y.backward(minidl.ones(y.shape))
    step()
    model.zero_grad()
    gc.collect()
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    foreseen = footprint(model, shape, N)
    assert peak == pytest.approx(foreseen.peak - foreseen.parameters - foreseen.momentum - images.nbytes, rel=0.05)


def measured(case):
    return ask({"do": "step", "case": case.as_dict(), "setting": MINIDL.as_dict(), "seconds": 0}, 2)["memory"]


def foreseen(case):
    with minidl.device("meta"):
        model = architectures.build(case.network)
    return footprint(model, architectures.find(case.network).input_shape, case.batch).peak


@pytest.mark.slow
@pytest.mark.parametrize("network, few, many", [("resnet20", 4, 128), ("resnet110", 4, 64)])
def test_a_process_grows_with_its_batch_as_foreseen(network, few, many):
    few, many = Case(network, few), Case(network, many)
    measured(many), measured(few)                                # compiles, which takes memory of its own
    if not (grown := measured(many) - measured(few)):
        pytest.skip("this system does not say how much memory a process has taken")
    assert grown == pytest.approx(foreseen(many) - foreseen(few), rel=0.1)


# ---- how shapes count


def test_arrays_count_from_their_making_to_their_end_and_views_do_not():
    before = MetaArray.alive
    x = MetaArray((4, 6), np.float32)
    assert MetaArray.alive == before + 96
    views = [x.reshape(8, 3), x.T, x[1:], x[0, 0], x.ravel(), x.swapaxes(0, 1), np.broadcast_to(x, (9, 4, 6)), x[:, None].T]
    assert MetaArray.alive == before + 96
    copies = [x[[0, 1]], x.copy(), x + 1, np.pad(x, 1)]
    assert MetaArray.alive == before + 96 + 48 + 96 + 96 + 4 * 6 * 8
    x += 1
    x *= x
    assert MetaArray.alive == before + 528
    del x, copies
    assert MetaArray.alive == before + 96                        # the views hold it
    del views
    assert MetaArray.alive == before


def test_a_copied_model_counts_once_more():
    import copy
    with minidl.device("meta"):
        model = nn.Linear(10, 10)
    gc.collect()
    before = MetaArray.alive
    other = copy.deepcopy(model)
    assert MetaArray.alive == before + 440
    del other
    gc.collect()
    assert MetaArray.alive == before


def test_nothing_is_left_over_and_the_model_is_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)).eval()
    y = model(minidl.randn(2, 1, 8, 8))
    before, arrays, random = MetaArray.alive, [p.array for p in model.parameters()], minidl.get_rng_state()
    with minidl.no_grad():
        footprint(model, (1, 8, 8), 2)
    assert MetaArray.alive == before and minidl.get_rng_state() == random
    assert all(p.array is x and p.grad is None for p, x in zip(model.parameters(), arrays))
    assert not any(module.training for module in model.modules())
    y.sum().backward()                                           # nothing that it needs has changed in the meantime
    assert isinstance(model[4].weight.grad, Tensor)


def test_what_is_fixed_has_neither_gradient_nor_momentum():
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 2))
    whole = footprint(model, (100,), 8)
    model[0].requires_grad_(False)
    part = footprint(model, (100,), 8)
    assert whole.momentum - part.momentum == 4 * 10_100 and part.parameters == whole.parameters
    model.requires_grad_(False)
    assert footprint(model, (100,), 8).momentum == 0 and footprint(model, (100,), 8).peak > part.parameters
