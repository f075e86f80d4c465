"""Pictures in folders: one folder for each class, named after it."""

from pathlib import Path

import numpy as np

from minidl.utils.data.dataset import DataError, Dataset, default_collate
from minidl.utils.data.randomness import PerSample
from minidl.utils.data.transforms import ToFloat

ENDINGS = {".png", ".jpg", ".jpeg"}


class ImageFolder(Dataset):
    """The PNG and JPEG files in root/CLASS/; classes and files are numbered in the order of their names.

    A file is read when its sample is asked for, as red, green and blue (3, H, W), and goes through
    `transform`, which brings the images of a batch to one size. Needs Pillow.
    """

    def __init__(self, root, transform=None):
        self.root, self.transform = Path(root), transform or ToFloat()
        if not self.root.is_dir():
            raise DataError(f"{root}: no such folder; one with a folder of pictures for each class is wanted")
        self.classes = sorted(path.name for path in self.root.iterdir() if path.is_dir())
        self.samples = [(path, label) for label, name in enumerate(self.classes)
                        for path in sorted((self.root / name).iterdir()) if path.suffix.lower() in ENDINGS]
        self.labels = np.array([label for _, label in self.samples], np.int64)
        empty = [name for label, name in enumerate(self.classes) if label not in self.labels]
        if empty or not self.classes:
            raise DataError(f"{root}: no PNG or JPEG files in {', '.join(empty) or 'folders in it'}; "
                            f"a folder of pictures for each class is wanted")

    def __getitem__(self, index):
        index = range(len(self))[index]
        path, label = self.samples[index]
        return self.transform(read_picture(path), PerSample(0, 0, [index])), label

    def __len__(self):
        return len(self.samples)

    def __repr__(self):
        return f"ImageFolder({str(self.root)!r}): {len(self)} pictures of {len(self.classes)} classes, " \
               f"transform={self.transform}"

    def batch(self, indices, rng):
        return default_collate([self.transform(read_picture(self.samples[index][0]), rng.only(n))
                                for n, index in enumerate(indices)]), self.labels[indices]


def read_picture(path):
    """uint8 (3, H, W)."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f"{path}: reading pictures needs Pillow: pip install pillow") from None
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            return np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture ({error})") from None
