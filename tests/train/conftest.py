"""A network that a second can train, with everything that has a state: dropout, batch norm, augmentation."""
import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.optim.lr_scheduler import LambdaLR
from minidl.optim.swa_utils import AveragedModel
from minidl.train import Run
from minidl.utils.data import ArrayDataset, DataLoader
from minidl.utils.data.transforms import Compose, RandomCrop, ToFloat


def tiny_model():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
                         nn.Linear(4 * 6 * 6, 10))


def tiny_data(n=50, seed=0, augment=True):
    """Images 1x8x8 whose label is where they are bright."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n)
    images = rng.integers(0, 100, (n, 1, 8, 8))
    images.reshape(n, 64)[np.arange(n), 6 * labels + 3] += 150
    transform = Compose([ToFloat(), RandomCrop(8, padding=1)]) if augment else ToFloat()
    return ArrayDataset(images.astype(np.uint8), labels, transform, name="tiny")


def tiny_loader(prefetch=0):
    return DataLoader(tiny_data(), batch_size=8, shuffle=True, num_workers=prefetch)   # 7 batches, the last of 2


def tiny_test_loader():
    return DataLoader(tiny_data(30, seed=1, augment=False), batch_size=16)


def tiny_run(folder, settings=None, lr=0.05, seed=3, prefetch=0):
    minidl.manual_seed(seed)
    model, loader = tiny_model(), tiny_loader(prefetch)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Run(folder, settings or {"model": "tiny", "lr": lr}, model, optimizer, loader, tiny_test_loader(),
               LambdaLR(optimizer, lambda update: 0.97 ** update), AveragedModel(model, 0.9))


@pytest.fixture
def tiny():
    class Tiny:
        model, data, loader, run = map(staticmethod, (tiny_model, tiny_data, tiny_loader, tiny_run))
        test_loader = staticmethod(tiny_test_loader)
    return Tiny
