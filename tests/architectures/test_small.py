"""The small networks, one of each family, for short trainings."""
import pytest

import minidl
from architectures import MODELS, SMALL
from minidl import optim
from minidl.nn import functional as F
from minidl.summary import cost
from minidl.utils.data import datasets
from minidl.utils.data.transforms import Compose, Normalize, Resize, ToFloat


def test_every_family_of_classifiers_has_one():
    files = {model.builder.__module__ for model in MODELS.values()} - {"architectures.unet"}
    assert {small.builder.__module__ for small in SMALL.values()} == files


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_is_small_and_scores_images_of_any_channels_in_any_classes(name):
    builder, size, _ = SMALL[name]
    with minidl.device("meta"):
        assert builder()(minidl.zeros(2, 1, size, size)).shape == (2, 10)
        assert builder(num_classes=7, in_channels=3)(minidl.zeros(2, 3, size, size)).shape == (2, 7)
        parameters, macs = cost(builder(), (1, size, size))
        assert 10_000 < parameters < 500_000 and macs < 40e6


@pytest.mark.parametrize("name", SMALL)
def test_a_few_updates_lower_the_loss_of_a_batch(name):
    """In training mode, the paths of fractalnet and of efficientnet being drawn anew for each update."""
    builder, size, _ = SMALL[name]
    data = datasets.load("digits", transform=Compose([ToFloat(), Resize(size), Normalize(0.3063, 0.3766)]))
    images, labels = (minidl.from_numpy(part) for part in data.batch(range(10), None))
    model = builder()
    optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.9 * losses[0]
