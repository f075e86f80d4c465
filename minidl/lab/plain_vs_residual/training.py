"""One training on the digits: its loss, its gradients before, early and at the end, and what each block is good for."""
from dataclasses import dataclass

import numpy as np

import minidl
from minidl import optim
from minidl.lab.nets import Design, build
from minidl.lab.plain_vs_residual.profile import profile
from minidl.lab.probes import lesion
from minidl.mode import no_grad
from minidl.train import NonFiniteLoss, hits, update
from minidl.utils.data import datasets
from minidl.utils.data.transforms import Compose, Normalize, ToFloat

PROFILED = 128                                   # images whose gradients are looked at


@dataclass(frozen=True)
class Training:
    """SGD on the 1,347 digits: what there is to say about it beforehand."""
    design: Design
    lr: float
    seed: int
    epochs: int
    batch_size: int = 64
    momentum: float = 0.9

    @property
    def cost(self):
        """In arbitrary units."""
        return self.epochs * self.design.depth * (4 if self.design.kind == "cnn" else 1)

    def __str__(self):
        shape = "residual" if self.design.residual else "plain"
        return (f"{self.design.kind} {shape}-{self.design.depth + 2}, norm {self.design.norm}, {self.design.init}, "
                f"rate {self.lr:g}, seed {self.seed}")

    def run(self):
        """A dict.

        "losses"   : the mean loss of each epoch's images, before the updates they are in; it ends where the loss is no
                     number any more, and then "diverged" says in which epoch, from 1, that was
        "error"    : the share of the 450 test images that are read wrongly after the last epoch; of a network that
                     diverged, that of guessing
        "profiles" : of gradients, "before", "after one epoch" and at the "end", on the first training images
        "lesions"  : the error when one block is left out, for each block
        """
        (images, labels), (test_images, test_labels) = digits(True), digits(False)
        if not 1 <= self.batch_size <= len(labels):
            raise ValueError(f"Training: a batch of {self.batch_size} images, but there are {len(labels)} to train on")
        minidl.manual_seed(self.seed)
        model = build(self.design)
        optimizer = optim.SGD(model.parameters(), lr=self.lr, momentum=self.momentum)
        rng, watched = np.random.default_rng(self.seed), images[:PROFILED]
        found = {"losses": [], "diverged": None, "profiles": {"before": profile(model, watched)}}
        for epoch in range(1, self.epochs + 1):
            try:
                loss = one_epoch(model, images, labels, optimizer, rng, self.batch_size)
            except NonFiniteLoss:
                return found | {"diverged": epoch, "error": 1 - 1 / self.design.classes, "lesions": []}
            found["losses"].append(loss)
            if epoch == 1:
                found["profiles"]["after one epoch"] = profile(model, watched)
        found["profiles"]["end"] = profile(model, watched)
        return found | {"error": error(model, test_images, test_labels), "lesions": lesions(model, test_images, test_labels)}


def digits(train):
    """Images (N, 1, 8, 8) of mean 0 and variance 1, and labels (N,): tensors."""
    known = datasets.info("digits")
    data = datasets.load("digits", train=train, transform=Compose([ToFloat(), Normalize(known.mean, known.std)]))
    images, labels = data.batch(np.arange(len(data)), None)
    return minidl.tensor(images), minidl.tensor(labels)


def one_epoch(model, images, labels, optimizer, rng, batch_size):
    """Every image once, in random order, but for the last few, which fill no batch; their mean loss."""
    order = rng.permutation(len(labels))
    order = order[:len(order) - len(order) % batch_size].reshape(-1, batch_size)
    with np.errstate(over="ignore", invalid="ignore"):                  # the loss will tell
        losses = [update(model, [(images[rows], labels[rows])], optimizer)[0] for rows in order]
    if not all(np.isfinite(x.array).all() for x in model.parameters()):
        raise NonFiniteLoss("the last update made weights that are no numbers")
    return float(np.mean(losses))


def error(model, images, labels):
    """The share of images that are read wrongly, in eval mode."""
    model.eval()
    with no_grad():
        wrong = 1 - hits(model(images), labels) / len(labels)
    model.train()
    return wrong


def lesions(model, images, labels):
    """The error without block 1, without block 2, ...: Veit et al. 2016, arXiv 1605.06431, section 4.1.

    A residual block that is left out leaves its shortcut. A layer of a plain network, too, gives as many features as it
    takes, and hands on what it was given.
    """
    model.eval()
    errors = lesion(model, images, lambda scores: 1 - hits(scores, labels) / len(labels)).changed
    model.train()
    return [error for name, error in errors.items() if name.startswith("block")]
