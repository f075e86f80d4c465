"""The training loop."""
import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.optim.lr_scheduler import StepLR
from minidl.optim.swa_utils import AveragedModel
from minidl.train import NonFiniteLoss, train
from minidl.utils.data import DataLoader, TensorDataset


def problem(n=20, batch_size=4):
    """A linear classifier and its data."""
    rng = np.random.default_rng(0)
    data = TensorDataset(rng.standard_normal((n, 6)).astype("f"), rng.integers(0, 3, n))
    minidl.manual_seed(1)
    model = nn.Linear(6, 3)
    return model, DataLoader(data, batch_size), optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def weights(model):
    return model.weight.detach().numpy().copy()


def test_each_step_is_forward_backward_update_in_plain_numpy():
    model, loader, optimizer = problem()
    w, b = weights(model).astype("d"), model.bias.detach().numpy().astype("d")
    vw, vb, losses = 0, 0, []
    for x, labels in [(x.numpy().astype("d"), labels.numpy()) for x, labels in loader]:
        p = np.exp(x @ w.T + b)
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[np.arange(4), labels]).mean())
        gy = (p - np.eye(3)[labels]) / 4                             # the gradient of softmax cross-entropy
        vw, vb = 0.9 * vw + gy.T @ x, 0.9 * vb + gy.sum(0)
        w, b = w - 0.5 * vw, b - 0.5 * vb
    steps = list(train(model, loader, optimizer))
    np.testing.assert_allclose([step.loss for step in steps], losses, rtol=1e-5)
    np.testing.assert_allclose(weights(model), w, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.bias.detach().numpy(), b, rtol=1e-4, atol=1e-6)


def test_the_record_says_where_how_many_were_right_and_at_which_rate():
    model, loader, optimizer = problem(n=10)
    right = [int((model(x).detach().numpy().argmax(1) == y.numpy()).sum()) for x, y in loader][0]
    scheduler = StepLR(optimizer, 2, gamma=0.1)
    steps = list(train(model, loader, optimizer, 2, scheduler=scheduler))  # the loader has been used: epoch 0
    assert [(s.epoch, s.batch, s.images, s.ends_epoch) for s in steps] == [
        (e, b, n, b == 2) for e in (1, 2) for b, n in enumerate([4, 4, 2])]
    np.testing.assert_allclose([s.lr for s in steps], [0.5, 0.5, 0.05, 0.05, 0.005, 0.005])
    assert steps[0].correct == right


class Told(nn.Linear):
    """Writes down what it is told before each update."""
    heard = ()

    def set_progress(self, progress):
        self.heard += (progress,)


def test_a_model_is_told_which_part_of_the_training_is_done():
    _, loader, _ = problem(n=20, batch_size=4)
    model = Told(6, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    steps = train(model, loader, optimizer, 2, accumulate=2)
    for _ in range(5):
        next(steps)                                                 # three updates an epoch, of 2, 2 and 1 batches
    np.testing.assert_allclose(model.heard, [0, 0.2, 0.4, 0.5, 0.7])
    _, again, _ = problem(n=20, batch_size=4)
    again.load_state_dict(loader.state_dict())
    model.heard = ()
    assert len(list(train(model, again, optimizer, 2 - again.epoch, accumulate=2))) == 1
    np.testing.assert_allclose(model.heard, [0.9])


def test_accumulated_batches_are_one_batch_even_where_the_last_is_smaller():
    model, loader, optimizer = problem(n=18, batch_size=4)
    grouped = list(train(model, loader, optimizer, accumulate=3))
    other, big, other_optimizer = problem(n=18, batch_size=12)
    whole = list(train(other, big, other_optimizer))
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose([s.loss for s in grouped], [s.loss for s in whole], rtol=1e-6)
    assert [(s.images, s.batch, s.ends_epoch) for s in grouped] == [(12, 2, False), (6, 4, True)]


def test_long_gradients_are_shortened_to_max_norm():
    model, loader, _ = problem(n=4)
    before = weights(model), model.bias.detach().numpy().copy()
    list(train(model, loader, optim.SGD(model.parameters(), lr=1.0), max_norm=0.01))
    moved = np.concatenate([(weights(model) - before[0]).ravel(), model.bias.detach().numpy() - before[1]])
    np.testing.assert_allclose(np.linalg.norm(moved), 0.01, rtol=1e-3)


def test_the_average_follows_every_update():
    model, loader, optimizer = problem()
    average, seen = AveragedModel(model, decay=0.5), []
    for _ in train(model, loader, optimizer, average=average):
        seen.append(weights(model))
    expected = seen[0]
    for w in seen[1:]:
        expected = 0.5 * expected + 0.5 * w
    np.testing.assert_allclose(average.module.weight.detach().numpy(), expected, rtol=1e-5)


def test_gradients_do_not_leak_from_one_update_into_the_next():
    model, loader, optimizer = problem()
    for _ in train(model, loader, optimizer):
        assert model.weight.grad is None


def test_the_loop_changes_no_mode_while_it_is_paused():
    model, loader, optimizer = problem()
    steps = train(model, loader, optimizer)
    next(steps)
    model.eval()                                              # as an evaluation between two steps would
    assert minidl.is_grad_enabled()
    next(steps)
    assert model.training


@pytest.mark.parametrize("poison, said", [(np.nan, "nan"), (np.inf, "inf|nan")])
def test_a_loss_that_is_no_number_stops_before_the_update_and_says_where(poison, said):
    model, loader, optimizer = problem()
    steps = train(model, loader, optimizer)
    next(steps)
    loader.dataset.tensors[0][9] = poison
    next(steps)
    before = weights(model)
    with pytest.raises(NonFiniteLoss, match=f"loss is ({said}) at epoch 1, batch 3 of 5, learning rate 0.5"):
        next(steps)
    np.testing.assert_array_equal(weights(model), before)


def test_an_infinite_loss_stops_as_well():
    model, loader, optimizer = problem()
    with pytest.raises(NonFiniteLoss, match="the loss is inf at epoch 1, batch 1 of 5"):
        next(train(model, loader, optimizer, loss=lambda scores, labels: scores.square().sum() * float("inf")))


def test_another_loss_can_be_given():
    model, loader, optimizer = problem()
    squared = lambda scores, labels: F.mse_loss(scores, F.one_hot(labels, 3).float())
    first = next(train(model, loader, optimizer, loss=squared))
    x, y = (part.numpy() for part in next(iter(loader)))
    model, *_ = problem()
    scores = model(minidl.tensor(x)).detach().numpy()
    assert first.loss == pytest.approx(np.mean((scores - np.eye(3)[y]) ** 2), 1e-5)
