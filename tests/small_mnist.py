"""A data set that a second can train on, in files of MNIST's format."""
import numpy as np


def write_mnist(folder, train=120, test=50):
    """So many images 28x28, whose label is where they are bright, in folder/mnist."""
    (folder / "mnist").mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", train), ("t10k", test)):
        labels = rng.permutation(np.arange(n) % 10).astype(np.uint8)
        images = rng.integers(0, 100, (n, 28, 28), np.uint8)
        for image, label in zip(images, labels):
            image[5 + 2 * label:9 + 2 * label, 4:24] = 255
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / "mnist" / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
