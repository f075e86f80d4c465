"""One training on the digits: what it does, step for step, and what it says about it."""
import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.lab.nets import Design, build
from minidl.lab.plain_vs_residual import training
from minidl.lab.plain_vs_residual.training import Training, digits, error

SMALL = Design("mlp", 4, 12, residual=True, norm="batch", order="pre")


def test_the_digits_have_mean_0_and_variance_1():
    images, labels = digits(True)
    assert images.shape == (1347, 1, 8, 8) and labels.shape == (1347,) and digits(False)[0].shape == (450, 1, 8, 8)
    assert abs(images.numpy().mean()) < 1e-3 and images.numpy().std() == pytest.approx(1, abs=1e-3)


def test_a_training_is_sgd_with_momentum_in_random_order():
    """The same in a loop of its own: 21 batches of 64 in an epoch, the last three images in none."""
    found = Training(SMALL, lr=0.05, seed=2, epochs=1).run()
    (images, labels), rng = digits(True), np.random.default_rng(2)
    minidl.manual_seed(2)
    net = build(SMALL)
    optimizer, losses = optim.SGD(net.parameters(), lr=0.05, momentum=0.9), []
    order = rng.permutation(1347)
    for i in range(21):
        rows = order[64 * i:64 * (i + 1)]
        loss = nn.functional.cross_entropy(net(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert found["losses"] == [pytest.approx(np.mean(losses), rel=1e-6)]
    test_images, test_labels = digits(False)
    net.eval()
    wrong = (net(test_images).detach().numpy().argmax(1) != test_labels.numpy()).mean()
    assert found["error"] == pytest.approx(wrong)
    assert found["diverged"] is None and set(found["profiles"]) == {"before", "after one epoch", "end"}
    assert found["profiles"]["after one epoch"] == found["profiles"]["end"] != found["profiles"]["before"]


def test_it_learns_and_is_the_same_again_and_another_for_another_seed():
    first, again, other = (Training(SMALL, lr=0.05, seed=seed, epochs=3).run() for seed in (0, 0, 1))
    assert first == again and first["losses"] != other["losses"]
    assert first["losses"][2] < 0.5 < 1.0 < first["losses"][0]                    # of 2.30 for guessing
    assert first["error"] < 0.15


def test_a_lesion_leaves_one_block_out_and_puts_it_back():
    """Without block 2 of 2, the residual network is its first block between first and last layer."""
    minidl.manual_seed(0)
    net, (images, labels) = build(SMALL), digits(False)
    whole, before = error(net, images, labels), {name: x.numpy().copy() for name, x in net.state_dict().items()}
    found = training.lesions(net, images, labels)
    net.eval()
    y = net.act(net.norm(net.block1(net.first(images.flatten(1)))))
    assert len(found) == 2
    assert found[1] == pytest.approx((net.last(y).detach().numpy().argmax(1) != labels.numpy()).mean())
    assert error(net, images, labels) == whole
    assert all((x.numpy() == before[name]).all() for name, x in net.state_dict().items())


def test_a_training_that_diverges_says_when():
    found = Training(Design("mlp", 6, 12, init=50.0), lr=1e3, seed=0, epochs=3).run()
    assert found["diverged"] == 1 and found["losses"] == [] and found["error"] == 0.9 and found["lesions"] == []
    assert set(found["profiles"]) == {"before"}


def test_a_batch_larger_than_the_data_is_one_sentence():
    with pytest.raises(ValueError, match="a batch of 2000 images, but there are 1347"):
        Training(SMALL, lr=0.1, seed=0, epochs=1, batch_size=2000).run()
