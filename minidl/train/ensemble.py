"""Ensembles: the mean of what several networks say, or of what one says of several crops of an image.

    evaluate(Ensemble([first, second, third]), loader)
    evaluate(OverCrops(net, 224, ten_crop), loader)                       # of larger images

Their scores are the logarithms of the mean probabilities: softmax makes the probabilities of them again, and the
cross-entropy is that of the mean.
"""
import math

import minidl
from minidl import nn
from minidl.nn import functional as F


class Ensemble(nn.Module):
    """The mean of the probabilities that several networks give to each class: Simonyan & Zisserman 2014, section 4.4.

    Images -> scores (N, classes), the logarithms of the means. All networks get the same images; where they are to be
    prepared for each in its own way, there is `averaged`.
    """

    def __init__(self, models):
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, images):
        return mean_of([model(images) for model in self.models])


class OverCrops(nn.Module):
    """The mean of the probabilities that `model` gives for crops: images (N, C, H, W) -> scores (N, classes).

    crops : ten_crop, as in Krizhevsky et al. 2012, section 4.1, or five_crop, for what means something else in a mirror
    """

    def __init__(self, model, size, crops):
        super().__init__()
        self.model, self.size, self.crops = model, size, crops

    def forward(self, images):
        return mean_of([self.model(crop) for crop in self.crops(images, self.size)])


def five_crop(images, size):
    """The crops of `size` (height, width), or a square, at the four corners and in the middle: five tensors.

    Top left, top right, bottom left, bottom right, middle, of images (N, C, H, W).
    """
    h, w = (size, size) if isinstance(size, int) else size
    H, W = images.shape[2:]
    if h > H or w > W:
        raise ValueError(f"five_crop: crops of {h} x {w}, but the images are only {H} x {W}")
    corners = [(top, left) for top in (0, H - h) for left in (0, W - w)]
    return [images[:, :, top:top + h, left:left + w] for top, left in [*corners, ((H - h) // 2, (W - w) // 2)]]


def ten_crop(images, size):
    """The crops of `five_crop`, and their mirror images: ten tensors."""
    crops = five_crop(images, size)
    return [*crops, *[crop.flip(3) for crop in crops]]


def mean_of(scores):
    """log of the mean of softmax(s) over the scores s (N, classes) in a list, without leaving logarithms."""
    return minidl.stack([F.log_softmax(s, 1) for s in scores]).logsumexp(0) - math.log(len(scores))


def averaged(members):
    """The predictions of an ensemble, pairs (scores, labels), from those of its members on the same images.

        measure(averaged([predictions(a, loader_of_a), predictions(b, loader_of_b)]))

    The loaders have the same images in the same order and batches, each prepared for its network. ValueError where the
    labels show that they have not.
    """
    for pairs in zip(*members, strict=True):
        scores, labels = zip(*pairs)
        if any([other.tolist() != labels[0].tolist() for other in labels]):
            raise ValueError("averaged: the predictions are of other images: their labels differ")
        yield mean_of(scores), labels[0]
