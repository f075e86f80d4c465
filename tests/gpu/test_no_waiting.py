"""Nothing in a training step waits for the GPU: to read a number of it is an error in these tests."""
import numpy as np
import pytest
from waiting import no_waiting

import minidl
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.nn.utils import clip_grad_norm_, clip_grad_value_
from minidl.optim import lr_scheduler
from minidl.optim.swa_utils import AveragedModel
from minidl.train import History, NonFiniteLoss, evaluate, hits, train, update, watched
from minidl.utils.data import DataLoader, TensorDataset


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    """Every test here has one."""


def small_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3),
        nn.Flatten(), nn.Linear(36, 5))


def problem(device="cuda", n=8, batch_size=4):
    rng = np.random.default_rng(0)
    data = TensorDataset(rng.standard_normal((n, 1, 6, 6)).astype("f"), rng.integers(0, 5, n))
    minidl.manual_seed(1)
    model = small_net().to(device)
    return model, DataLoader(data, batch_size), optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def a_batch():
    rng = np.random.default_rng(0)
    return minidl.tensor(rng.standard_normal((4, 1, 6, 6)), dtype=minidl.float32), minidl.tensor([0, 4, 2, 2])


@pytest.mark.parametrize("read", [
    lambda x: x.sum().item(), lambda x: bool(x.all()), lambda x: x.cpu(), lambda x: x.tolist(), repr, lambda x: x[x > 0]])
def test_to_read_is_to_wait(read):
    import cupyx
    with pytest.raises(cupyx.DeviceSynchronized), no_waiting():
        read(minidl.ones(2, device="cuda"))


OPTIMIZERS = [
    lambda p: optim.SGD(p, lr=0.1), lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-4, nesterov=True),
    lambda p: optim.Adam(p, amsgrad=True), lambda p: optim.AdamW(p), lambda p: optim.Adagrad(p),
    lambda p: optim.RMSprop(p, centered=True, momentum=0.9), lambda p: optim.RMSpropTF(p, momentum=0.9)]


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_forward_backward_and_update(make):
    model = small_net().cuda()
    optimizer, (images, labels) = make(model.parameters()), a_batch()
    for _ in range(2):                                   # the second time, the optimizer remembers something
        with no_waiting():
            loss = F.cross_entropy(model(images.cuda()), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    assert np.isfinite(loss.item())


LOSSES = {
    "labels on the host": lambda x, t: F.cross_entropy(x, t),
    "labels on the GPU": lambda x, t: F.cross_entropy(x, t.to(x.device)),
    "smoothed": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
    "weights": lambda x, t: F.cross_entropy(x, t, weight=minidl.arange(5, dtype=minidl.float32, device=x.device)),
    "ignored": lambda x, t: F.cross_entropy(x, t, ignore_index=2),
    "all ignored": lambda x, t: F.cross_entropy(x, minidl.full((4,), -100)),
    "sum": lambda x, t: F.cross_entropy(x, t, reduction="sum"),
    "none": lambda x, t: F.cross_entropy(x, t, reduction="none").sum(),
    "probabilities": lambda x, t: F.cross_entropy(x, F.one_hot(t, 5).float()),
    "nll": lambda x, t: F.nll_loss(F.log_softmax(x, 1), t),
    "nll, weights": lambda x, t: F.nll_loss(F.log_softmax(x, 1), t.to(x.device), weight=minidl.ones(5, device=x.device)),
    "nll, all ignored": lambda x, t: F.nll_loss(F.log_softmax(x, 1), minidl.full((4,), -100)),
    "squares": lambda x, t: F.mse_loss(x, F.one_hot(t, 5).float()),
    "distances": lambda x, t: F.smooth_l1_loss(x, F.one_hot(t.to(x.device), 5).float()),
    "bce": lambda x, t: F.binary_cross_entropy(F.sigmoid(x), F.one_hot(t, 5).float()),
    "bce of scores": lambda x, t: F.binary_cross_entropy_with_logits(x, F.one_hot(t, 5).float()),
    "kl": lambda x, t: F.kl_div(F.log_softmax(x, 1), F.one_hot(t, 5).float(), reduction="batchmean"),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_losses_which_are_those_of_the_cpu(loss):
    numbers, labels, found = minidl.randn(4, 5), a_batch()[1], []
    for device in ("cuda", "cpu"):
        x = minidl.tensor(numbers, device=device, requires_grad=True)
        with no_waiting():
            y = loss(x, labels)
            y.backward()
        found.append((y.item(), x.grad.cpu().numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    if np.isfinite(found[0][0]):                         # else every label was ignored, and there is no mean
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_labels_on_the_host_are_checked_before_they_are_moved():
    x = minidl.zeros(2, 3, device="cuda")
    with pytest.raises(IndexError, match="cross_entropy: class number 3 is out of range"):
        F.cross_entropy(x, minidl.tensor([0, 3]))
    with pytest.raises(IndexError, match="nll_loss: class number -1 is out of range"):
        F.nll_loss(x, minidl.tensor([0, -1]))
    with pytest.raises(IndexError, match="embedding: indices from 0 to 2"):
        F.embedding(minidl.tensor([0, 2]), minidl.zeros(2, 3, device="cuda"))


def test_embeddings_by_indices_on_the_host_and_on_the_gpu():
    weight = minidl.randn(4, 3).cuda().requires_grad_()
    for indices in (minidl.tensor([[1, 3], [3, 0]]), minidl.tensor([[1, 3], [3, 0]]).cuda()):
        with no_waiting():
            y = F.embedding(indices, weight, padding_idx=0)
            y.sum().backward()
        assert y.device == "cuda" and y.tolist() == weight[[[1, 3], [3, 0]]].tolist()
    assert weight.grad.tolist() == [[0] * 3, [2] * 3, [0] * 3, [4] * 3]


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping(norm_type, max_norm):
    found = []
    for device in ("cuda", "cpu"):
        model, (images, labels) = problem(device)[0].eval(), a_batch()
        F.cross_entropy(model(images.to(device)), labels).backward()
        with no_waiting():
            norm = clip_grad_norm_(model.parameters(), max_norm, norm_type)
            clip_grad_value_(model.parameters(), 0.05)
        found.append([norm.item(), *[x.grad.cpu().numpy() for x in model.parameters()]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_an_average_of_the_weights():
    found = []
    for device in ("cuda", "cpu"):
        model, average = problem(device)[0], None
        average = AveragedModel(model, 0.9)
        for _ in range(3):
            with no_waiting(), minidl.no_grad():
                for x in model.parameters():
                    x.add_(1)
                average.update_parameters(model)
        found.append([x.cpu().numpy() for x in average.state_dict().values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert found[0][0] == 3


SCHEDULERS = [
    lambda o: lr_scheduler.StepLR(o, 1), lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    lambda o: lr_scheduler.LinearLR(o), lambda o: lr_scheduler.ExponentialLR(o, 0.9)]


@pytest.mark.parametrize("make", SCHEDULERS)
def test_all_of_a_training_loop(make):
    model, loader, optimizer = problem()
    steps = train(model, loader, optimizer, 2, scheduler=make(optimizer), accumulate=2, max_norm=1.0,
                  average=AveragedModel(model), loss=lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1))
    history, seen = History(), []
    with no_waiting():
        for step in watched(steps, loader, 2, accumulate=2):
            history.add(step)
            seen.append(step)
    assert len(seen) == 2 and 0 <= seen[0].correct <= 8
    row = history.end_epoch(evaluate(model, loader))
    assert row["train_loss"] == pytest.approx(np.mean([step.loss for step in seen]))


def test_batch_norm_that_weighs_all_batches_alike():
    layer, other = nn.BatchNorm2d(2, momentum=None).cuda(), nn.BatchNorm2d(2, momentum=None)
    for _ in range(3):
        x = minidl.randn(3, 2, 4, 4)
        with no_waiting():
            layer(x.cuda())
        other(x)
    np.testing.assert_allclose(layer.running_var.cpu().numpy(), other.running_var.numpy(), rtol=1e-5)


def test_a_training_is_that_of_the_cpu():
    """The same weights at first and the same masks of dropout; so the same losses, and weights in the end."""
    found = []
    for device in ("cuda", "cpu"):
        model, loader, optimizer = problem(device)
        minidl.manual_seed(5)
        steps = list(train(model, loader, optimizer, 3))
        found.append([*[step.loss for step in steps], *[step.correct for step in steps],
                      *[x.cpu().numpy() for x in model.state_dict().values()]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_a_loss_that_is_no_number_is_an_error_when_it_is_read():
    model, loader, optimizer = problem()
    loader.dataset.tensors[0][5] = np.nan
    steps = list(train(model, loader, optimizer))
    assert steps[0].loss > 0
    for read in (lambda: steps[1].loss, lambda: History.end_epoch(history_of(steps), None)):
        with pytest.raises(NonFiniteLoss, match="the loss is nan at epoch 1, batch 2 of 2, learning rate 0.1"):
            read()


def history_of(steps):
    history = History()
    for step in steps:
        history.add(step)
    return history


def test_an_update_gives_numbers_that_are_still_on_the_way():
    model, _, optimizer = problem()
    loss, images, correct = update(model, [a_batch()], optimizer)
    assert loss.device == "cuda" and loss.shape == correct.shape == () and images == 4


@pytest.mark.parametrize("k", [1, 2])
def test_hits_are_those_of_the_cpu(k):
    scores = minidl.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, float("nan"), 1.0]])
    for labels in ([1, 0, 2], [2, 1, 1], [0, 2, 0]):
        labels = minidl.tensor(labels)
        assert int(hits(scores.cuda(), labels, k)) == hits(scores, labels, k)
        assert int(hits(scores.cuda(), labels.cuda(), k)) == hits(scores, labels, k)


def test_an_optimizer_follows_parameters_that_are_moved():
    found = []
    for device in ("cuda", "cpu"):
        model = nn.Linear(3, 2)
        minidl.manual_seed(0)
        nn.init.normal_(model.weight), nn.init.zeros_(model.bias)
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        for where in ("cpu", device, device, "cpu"):
            model.to(where)
            model(minidl.ones(1, 3, device=where)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        found.append(model.weight.tolist())
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_an_optimizers_state_is_loaded_to_where_the_parameter_is(tmp_path):
    model, images = problem()[0], a_batch()[0]
    there, here = optim.Adam(model.parameters()), optim.Adam(problem("cpu")[0].parameters())
    model(images.cuda()).sum().backward()
    there.step()
    minidl.save(there.state_dict(), tmp_path / "state")
    here.load_state_dict(minidl.load(tmp_path / "state"))
    there.load_state_dict(here.state_dict())
    for a, b in zip(here.state.values(), there.state.values(), strict=True):
        assert isinstance(a["exp_avg"], np.ndarray) and not isinstance(b["exp_avg"], np.ndarray)
        np.testing.assert_array_equal(a["exp_avg"], minidl.Tensor(b["exp_avg"]).cpu().numpy())
