"""What a dataset is: samples by number, one at a time or many at once."""

import copy

import numpy as np

from minidl.utils.data.randomness import PerSample, seed_of


class DataError(ValueError):
    """A data file, or what it holds, is not what it should be; the message is one sentence for a person."""


class Dataset:
    """Samples by number: a subclass has `__getitem__(index)` and `__len__()`, as in PyTorch.

    A loader asks for `batch(indices, rng)`; whoever can answer that faster than sample by sample, or draws
    random numbers, overrides it.
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} needs a method __getitem__(self, index)")

    def batch(self, indices, rng):
        """The samples `indices` (n,), collated; `rng` holds one stream of random numbers for each of them."""
        return default_collate([self[int(index)] for index in indices])


class TensorDataset(Dataset):
    """Sample i is the tuple of the i-th rows of tensors (or arrays) of the same length."""

    def __init__(self, *tensors):
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: tensors of lengths {lengths}; they all need the same")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self):
        return len(self.tensors[0])

    def batch(self, indices, rng):
        return tuple(as_array(tensor)[indices] for tensor in self.tensors)


class ArrayDataset(Dataset):
    """Images in memory: `images` uint8 (N, C, H, W), `labels` int64 (N,), names of the `classes`.

    A sample is (image, label), the image as `transform(image, rng)` makes it. `dataset[i]` shows it as the
    first epoch of seed 0 does.
    """

    def __init__(self, images, labels, transform=None, classes=None, name="images"):
        self.images = np.asarray(images)
        self.labels = np.asarray(labels)
        self.transform, self.classes, self.name = transform, classes, name
        if self.images.ndim != 4:
            raise DataError(f"{name}: images of shape {self.images.shape}; "
                            f"(images, channels, height, width) is wanted")
        if self.labels.shape != self.images.shape[:1]:
            raise DataError(f"{name}: {len(self.images)} images, but labels of shape {self.labels.shape}; "
                            f"one for each image is wanted")
        if self.labels.dtype.kind not in "iu":
            raise DataError(f"{name}: labels are {self.labels.dtype}; whole numbers are wanted")
        self.labels = self.labels.astype(np.int64)
        if classes is not None and len(self.labels):
            low, high = self.labels.min(), self.labels.max()
            if low < 0 or high >= len(classes):
                raise DataError(f"{name}: labels run from {low} to {high}, but the {len(classes)} classes "
                                f"are 0 to {len(classes) - 1}")

    def __getitem__(self, index):
        index = range(len(self))[index]                  # -1 is the last, and past the end is an IndexError
        images, labels = self.batch(np.array([index]), PerSample(0, 0, [index]))
        return images[0], int(labels[0])

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        N, C, H, W = self.images.shape
        return f"{self.name}: {N} images {C}x{H}x{W}, transform={self.transform}"

    def batch(self, indices, rng):
        images = self.images[indices]
        if self.transform is not None:
            images = self.transform(images, rng)
        return images, self.labels[indices]

    def with_transform(self, transform):
        """The same images in the same memory, seen through another transform."""
        other = copy.copy(self)
        other.transform = transform
        return other


class Subset(Dataset):
    """The samples `indices` of another dataset, numbered anew."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, np.asarray(indices, dtype=np.int64)
        if len(self.indices) and not -len(dataset) <= self.indices.min() <= self.indices.max() < len(dataset):
            raise ValueError(f"Subset: indices from {self.indices.min()} to {self.indices.max()}, "
                             f"but the dataset has {len(dataset)} samples")

    def __getitem__(self, index):
        return self.dataset[int(self.indices[index])]

    def __len__(self):
        return len(self.indices)

    def batch(self, indices, rng):
        return batch_of(self.dataset, self.indices[indices], rng)

    @property
    def classes(self):
        return self.dataset.classes


def random_split(dataset, lengths, generator=None):
    """Disjoint random Subsets of these lengths, or fractions that add up to 1: `random_split(d, [0.8, 0.2])`.

    What fractions leave over is dealt out one by one from the first, as in PyTorch.
    """
    size = len(dataset)
    if sum(lengths) != size and abs(sum(lengths) - 1) < 1e-9:
        lengths = [int(size * fraction) for fraction in lengths]
        for i in range(size - sum(lengths)):
            lengths[i % len(lengths)] += 1
    if sum(lengths) != size or min(lengths) < 0:
        raise ValueError(f"random_split: lengths {list(lengths)}, but the dataset has {size} samples; "
                         f"they have to add up to that, or to 1")
    order = np.random.default_rng(seed_of(generator)).permutation(size)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(lengths)[:-1])]


def batch_of(dataset, indices, rng):
    """Samples of anything that has `dataset[i]`, such as a list, or a PyTorch user's own class."""
    return getattr(dataset, "batch", Dataset.batch.__get__(dataset))(indices, rng)


def default_collate(samples):
    """A list of samples -> one batch: arrays are stacked, and so are the parts of tuples and dicts."""
    first = samples[0]
    if isinstance(first, tuple | list):
        return tuple(default_collate(column) for column in zip(*samples, strict=True))
    if isinstance(first, dict):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, str):
        return samples
    arrays = [as_array(sample) for sample in samples]
    if len({array.shape for array in arrays}) > 1:
        odd = next(i for i, array in enumerate(arrays) if array.shape != arrays[0].shape)
        raise ValueError(f"DataLoader: sample 0 of a batch has shape {arrays[0].shape}, sample {odd} has "
                         f"{arrays[odd].shape}; a batch needs one shape (Resize and RandomCrop make it so)")
    return np.stack(arrays)


def as_array(values):
    """The NumPy array in a tensor, or of anything else."""
    return values.numpy() if hasattr(values, "numpy") else np.asarray(values)
