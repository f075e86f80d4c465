"""A data set that a second can train on, where the commands find MNIST."""
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def small_mnist(tmp_path_factory, monkeypatch):
    """Files of MNIST's format: 120 and 50 images 28x28, whose label is where they are bright."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 120), ("t10k", 50)):
        labels = rng.permutation(np.arange(n) % 10).astype(np.uint8)
        images = rng.integers(0, 100, (n, 28, 28), np.uint8)
        for image, label in zip(images, labels):
            image[5 + 2 * label:9 + 2 * label, 4:24] = 255
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / "mnist" / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    monkeypatch.setenv("MINIDL_DATA", str(folder))
