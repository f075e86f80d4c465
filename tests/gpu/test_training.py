"""Twenty training steps on the GPU: the CPU's losses and weights, from the same start, and no step waits."""
import copy

import numpy as np
import pytest
from waiting import no_waiting

import minidl
from architectures import lenet, resnet
from minidl import nn, optim, use_kernels
from minidl.nn import functional as F

STEPS, BATCHES, SIZE = 20, 4, 2                          # steps, and the batches that they go round
NETWORKS = {"LeNet-5": (lenet.LeNet5, (1, 32, 32)),
            "ResNet-20": (lambda: resnet.CifarResNet(resnet.BasicBlockA, 3), (3, 8, 8))}
OPTIMIZERS = {"SGD": lambda ps: optim.SGD(ps, lr=0.01, momentum=0.9, weight_decay=1e-4),
              "Adam": lambda ps: optim.Adam(ps, lr=1e-3)}


def train(model, optimizer, images, labels):
    """The losses of STEPS steps; the steps of a training loop, but that its losses are looked at in the end."""
    minidl.manual_seed(1)                                # of dropout
    optimizer, losses = optimizer(model.train().parameters()), []
    with no_waiting():
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[step % BATCHES]), labels[step % BATCHES])
            loss.backward()
            optimizer.step()
            losses.append(loss)
    return [loss.item() for loss in losses]


def train_on_both(model, optimizer, shape):
    """Losses and what has become of the state, on the CPU and on the GPU."""
    rng = np.random.default_rng(0)
    dtype = next(model.parameters()).dtype
    batches = (minidl.tensor(rng.standard_normal((BATCHES, SIZE, *shape)), dtype=dtype),
               minidl.tensor(rng.integers(0, 10, (BATCHES, SIZE))))
    there = copy.deepcopy(model).to("cuda")
    with use_kernels("reference"):
        expected = train(model, optimizer, *batches)
    got = train(there, optimizer, *[x.to("cuda") for x in batches])
    return expected, got, model.state_dict(), there.state_dict()


def assert_same(expected, got, state, there, tolerance):
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(got, expected, rtol=tolerance)
    for name, x in state.items():
        assert there[name].device == "cuda"
        np.testing.assert_allclose(there[name].cpu().numpy(), x.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", ["LeNet-5", pytest.param("ResNet-20", marks=pytest.mark.slow)])
def test_losses_and_weights_are_the_cpus_in_double_precision(gpu, network, optimizer):
    # Two kernel sets of the CPU, which differ by rounding only, leave 6e-13 between the weights at most. A mistake is
    # larger: what is left of float32 somewhere would be 1e-6 and more.
    make, shape = NETWORKS[network]
    assert_same(*train_on_both(make().double(), OPTIMIZERS[optimizer], shape), 1e-10)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_and_weights_are_the_cpus_in_single_precision(gpu, optimizer):
    # There two kernel sets of the CPU leave 1e-5. (ResNet-20's batch norm of two images of 2 x 2 pixels makes rounding
    # large, until after 20 steps of Adam no digit is left in common.)
    make, shape = NETWORKS["LeNet-5"]
    assert_same(*train_on_both(make(), OPTIMIZERS[optimizer], shape), 1e-4)


def dropping_net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout2d(0.3), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5),
                         nn.Linear(36, 10))


def test_what_dropout_drops_is_what_it_drops_on_the_cpu(gpu):
    assert_same(*train_on_both(dropping_net().double(), OPTIMIZERS["SGD"], (1, 8, 8)), 1e-10)


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64], ids=str)
def test_masks_are_the_cpus_to_the_last_bit(gpu, dtype):
    def masks(device):
        minidl.manual_seed(2)
        x = minidl.ones(5, 7, 3, 2, dtype=dtype, device=device)
        return [f(x, 0.3) for f in (F.dropout, F.dropout2d, F.drop_path)]
    for here, there in zip(masks("cpu"), masks("cuda"), strict=True):
        assert np.array_equal(there.cpu().numpy(), here.numpy())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_made_on_the_gpu_starts_from_the_cpus_weights_to_the_last_bit(gpu, network):
    minidl.manual_seed(3)
    here = NETWORKS[network][0]().state_dict()
    minidl.manual_seed(3)
    with minidl.device("cuda"):
        there = NETWORKS[network][0]().state_dict()
    for name, x in here.items():
        assert there[name].device == "cuda" and np.array_equal(there[name].cpu().numpy(), x.numpy()), name


def test_in_half_precision_scores_and_gradients_are_near_the_cpus(gpu):
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Conv2d(4, 4, 2, groups=4), nn.GroupNorm(2, 4), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(),
                          nn.Dropout(0.3), nn.Linear(4, 5), nn.LayerNorm(5))
    rng = np.random.default_rng(0)
    images, labels = minidl.tensor(rng.standard_normal((4, 1, 6, 6)), dtype=minidl.float16), minidl.tensor([0, 4, 2, 2])

    def scores_and_gradients(model, images, labels):
        minidl.manual_seed(1)
        scores = model(images)
        F.cross_entropy(scores, labels).backward()
        return [scores, *[p.grad for p in model.parameters()]]
    there = copy.deepcopy(model).half().to("cuda")
    expected = scores_and_gradients(model.half().double(), images.double(), labels)
    with no_waiting():
        got = scores_and_gradients(there, images.to("cuda"), labels.to("cuda"))
    for a, b in zip(got, expected, strict=True):
        assert (a.device, a.dtype) == ("cuda", minidl.float16)
        a, b = a.detach().cpu().numpy(), b.detach().numpy()
        np.testing.assert_allclose(a, b, atol=0.01 * np.abs(b).max())       # float16's precision is 0.001
