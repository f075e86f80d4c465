"""The child: a small network of one cell, used twice, and its brief training on the digits."""
from typing import NamedTuple

import numpy as np

import minidl
from minidl import nn
from minidl.lab.search.space import loose_ends
from minidl.lab.seeded import seeded
from minidl.nn import functional as F

VALIDATION = 347                                           # of the 1,347 training images


def relu_conv_norm(in_channels, channels, kernel_size):
    conv = nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels))


BUILDERS = {                                               # channels -> a module that keeps the shape (N, C, H, W)
    "identity": lambda C: nn.Identity(),
    "max 3x3": lambda C: nn.MaxPool2d(3, stride=1, padding=1),
    "avg 3x3": lambda C: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    "conv 1x1": lambda C: relu_conv_norm(C, C, 1),
    "conv 3x3": lambda C: relu_conv_norm(C, C, 3),
}


class Cell(nn.Module):
    """What a cell says: states 0 and 1 (N, C, H, W) -> (N, C, H, W), by a 1x1 convolution of the loose ends."""

    def __init__(self, cell, channels):
        super().__init__()
        self.cell, self.ends = cell, loose_ends(cell)
        self.paths = nn.ModuleList([BUILDERS[name](channels) for pair in cell for name, _ in pair])
        self.out = relu_conv_norm(channels * len(self.ends), channels, 1)

    def forward(self, last, before):
        states, paths = [last, before], iter(self.paths)
        for (_, i), (_, j) in self.cell:
            states.append(next(paths)(states[i]) + next(paths)(states[j]))
        return self.out(minidl.cat([states[end] for end in self.ends], 1))


class Child(nn.Module):
    """A stem, a cell, pooling to half the size, the same cell with other weights, a full layer: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self, cell, channels=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cell1, self.cell2 = Cell(cell, channels), Cell(cell, channels)
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        before = self.stem(x)
        last = self.cell1(before, before)
        x = self.cell2(F.max_pool2d(last, 2), F.max_pool2d(before, 2))
        return self.fc(F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1))


# ---- training


class Split(NamedTuple):
    """The digits' arrays: images (n, 1, 8, 8), standardised with the mean and deviation of `train`, and labels (n,)."""
    train: tuple
    validation: tuple
    test: tuple

    @property
    def all_of_training(self):
        return tuple(map(np.concatenate, zip(self.train, self.validation)))


def digits():
    """1,000 images to train children on, 347 whose accuracy is the reward, and the 450 test images, for the end."""
    from minidl.utils.data.digits import load_digits, stratified_split
    images, labels = load_digits(train=True).images, load_digits(train=True).labels
    held_out = stratified_split(labels, VALIDATION)
    chosen = np.setdiff1d(np.arange(len(labels)), held_out)
    mean, std = images[chosen].mean(), images[chosen].std()
    standard = lambda images: ((images - mean) / std).astype(np.float32)
    test = load_digits(train=False)
    return Split(*[(standard(x), y) for x, y in [(images[chosen], labels[chosen]), (images[held_out], labels[held_out]),
                                                 (test.images, test.labels)]])


def trained(cell, images, labels, epochs, seed, batch_size=50, lr=0.1):
    """A Child, trained by SGD with momentum 0.9 along half a cosine; its weights and batches come from `seed`.

    A last batch that is not full is left out, at most 49 images of every epoch.
    """
    with seeded(seed):
        child = Child(cell)
        optimizer = minidl.optim.SGD(child.parameters(), lr, momentum=0.9)
        updates = epochs * (len(labels) // batch_size)
        schedule = minidl.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        for _ in range(epochs):
            order = minidl.randperm(len(labels)).numpy()
            for rows in order[:len(labels) // batch_size * batch_size].reshape(-1, batch_size):
                F.cross_entropy(child(minidl.tensor(images[rows])), minidl.tensor(labels[rows])).backward()
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
    return child.eval()


def accuracy(child, images, labels):
    """The fraction of the images whose label gets the highest score."""
    with minidl.no_grad():
        scores = child(minidl.tensor(images)).numpy()
    return float((scores.argmax(1) == labels).mean())
